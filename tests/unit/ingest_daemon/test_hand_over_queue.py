"""Which bytes go first, and that none is forgotten or doubled."""

from evidence_model.digests import Digest
from ingest_daemon.hand_over_queue import LARGE_BYTES, HandOverQueue, Lane
from ingest_daemon.ledger import SpoolBlob
from tests.fakes.manual_clock import ManualClock


def blob(seq: int, *, size_bytes: int = 10, locked: bool = False) -> SpoolBlob:
    return SpoolBlob(
        digest=Digest(seq.to_bytes(32, "big")),
        size_bytes=size_bytes,
        place="footage",
        made_unix_ms=0,
        seq=seq,
        locked=locked,
    )


def taken(queue: HandOverQueue, lane: Lane = Lane.SMALL, *, limit: int = 99) -> list[int]:
    return [each.seq for each in queue.take(lane, limit=limit, timeout_seconds=0)]


def test_locked_footage_first_then_in_the_order_of_events() -> None:
    queue = HandOverQueue(ManualClock().mono)
    queue.offer([blob(3), blob(1), blob(9, locked=True), blob(2)])
    assert taken(queue) == [9, 1, 2, 3]


def test_a_small_blob_does_not_wait_behind_a_large_one() -> None:
    queue = HandOverQueue(ManualClock().mono)
    queue.offer([blob(1, size_bytes=LARGE_BYTES), blob(2)])
    assert taken(queue, Lane.SMALL) == [2]
    assert taken(queue, Lane.LARGE) == [1]


def test_a_blob_in_hand_is_not_offered_twice_and_after_done_may_come_again() -> None:
    queue = HandOverQueue(ManualClock().mono)
    for _ in range(2):
        queue.offer([blob(1)])
    assert taken(queue) == [1]
    queue.offer([blob(1)])
    assert taken(queue) == []
    queue.done([blob(1)])
    queue.offer([blob(1)])
    assert taken(queue) == [1]


def test_what_was_put_off_comes_in_its_time_or_when_hurried() -> None:
    clock = ManualClock()
    queue = HandOverQueue(clock.mono)
    queue.offer([blob(1), blob(2)])
    for each in queue.take(Lane.SMALL, limit=9, timeout_seconds=0):
        queue.put_off(each, 10)
    assert taken(queue) == []
    clock.advance(10)
    assert taken(queue, limit=1) == [1]
    queue.put_off(blob(1), 1000)
    queue.hurry()
    assert taken(queue) == [1, 2]


def test_a_closed_queue_lets_nobody_wait() -> None:
    queue = HandOverQueue(ManualClock().mono)
    queue.offer([blob(1)])
    queue.close()
    assert queue.take(Lane.SMALL, limit=1, timeout_seconds=60) == []
