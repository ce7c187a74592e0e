"""station.db as the ingest daemon sees it: what goes out, which bytes the centre lacks, and since when."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from evidence_model.digests import Digest
from host_io import sqlite
from ingest_daemon.ledger import Ledger
from tests.fakes.manual_clock import ManualClock
from tests.homes import Home, make_home
from tests.spooling import Spooling


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def spooling(home: Home, clock: ManualClock) -> Iterator[Spooling]:
    with Spooling(home, clock=clock) as spooling:
        yield spooling


@pytest.fixture
def ledger(home: Home, clock: ManualClock) -> Iterator[Ledger]:
    with Ledger(home.paths, clock) as ledger:
        yield ledger


def lacking(ledger: Ledger) -> list[int]:
    return [blob.seq for blob in ledger.to_hand_over(after_seq=0, limit=100)]


def test_an_event_without_bytes_lacks_none_and_one_with_bytes_lacks_them_until_handed_over(
    spooling: Spooling, ledger: Ledger
) -> None:
    spooling.note()
    pulled = spooling.pull(b"footage")
    assert [out.bytes_are_there for out in ledger.outgoing(after_seq=0, limit=9)] == [True, False]
    blobs = ledger.to_hand_over(after_seq=0, limit=9)
    assert [(blob.seq, blob.place, blob.size_bytes) for blob in blobs] == [(pulled.seq, "footage", 7)]
    ledger.note_handed_over(blobs)
    assert lacking(ledger) == []
    assert ledger.completed_by(blobs) == [pulled.seq]
    assert ledger.outgoing_again([2, 1, 77])[0].bytes_are_there


def test_an_event_is_complete_only_with_all_its_bytes(spooling: Spooling, ledger: Ledger) -> None:
    first = spooling.pull(b"shared", name="A")
    second = spooling.pull(b"shared", name="B")
    spooling.reread(first)
    [footage, *_, chunks] = ledger.to_hand_over(after_seq=0, limit=9)
    ledger.note_handed_over([footage])
    assert ledger.completed_by([footage]) == [first.seq, second.seq]
    assert ledger.completed_by([chunks]) == []


def test_a_copy_that_was_replaced_after_the_hand_over_is_handed_over_again(
    spooling: Spooling, ledger: Ledger, clock: ManualClock
) -> None:
    spooling.pull(b"bytes")
    ledger.note_handed_over(ledger.to_hand_over(after_seq=0, limit=9))
    clock.advance(10)
    with sqlite.transaction(spooling.db):
        spooling._spool_blob("footage", Digest(spooling.db.execute("select digest from item").fetchone()[0]), 5)
    assert lacking(ledger) == [1]
    clock.advance(10)
    ledger.note_handed_over(ledger.to_hand_over(after_seq=0, limit=9))
    assert lacking(ledger) == []


def test_a_clock_set_back_an_hour_hands_nothing_over_twice(
    spooling: Spooling, ledger: Ledger, clock: ManualClock
) -> None:
    spooling.pull(b"bytes")
    clock.set_wall(clock.now() - timedelta(hours=1))
    ledger.note_handed_over(ledger.to_hand_over(after_seq=0, limit=9))
    assert lacking(ledger) == []


def test_locked_footage_is_told_from_the_rest(spooling: Spooling, ledger: Ledger) -> None:
    spooling.pull(b"ordinary", name="A")
    spooling.pull(b"important", name="B", locked=True)
    assert [blob.locked for blob in ledger.to_hand_over(after_seq=0, limit=9)] == [False, True]


def test_where_an_upload_goes_on_is_kept_and_can_be_forgotten(
    spooling: Spooling, home: Home, ledger: Ledger, clock: ManualClock
) -> None:
    pulled = spooling.pull(b"bytes")
    digest = pulled.blobs[0].digest
    assert ledger.upload_url(digest) is None
    ledger.note_upload(digest, "http://store/uploads/1")
    with Ledger(home.paths, clock) as after_restart:
        assert after_restart.upload_url(digest) == "http://store/uploads/1"
    ledger.note_upload(digest, None)
    assert ledger.upload_url(digest) is None
    assert ledger.is_needed(digest)


def test_after_a_refusal_the_bytes_count_as_lacking_again(
    spooling: Spooling, ledger: Ledger, clock: ManualClock
) -> None:
    pulled = spooling.pull(b"bytes")
    ledger.note_handed_over(ledger.to_hand_over(after_seq=0, limit=9))
    clock.advance(1)
    assert ledger.refuse(pulled.hash, "STO-030") == pulled.seq
    ledger.forget_hand_over(pulled.seq)
    assert [blob.seq for blob in ledger.lacking_for(pulled.seq)] == [pulled.seq]
    assert ledger.refuse(b"\0" * 32, "STO-030") is None


def test_the_backlog_is_counted_from_its_oldest(spooling: Spooling, ledger: Ledger, clock: ManualClock) -> None:
    assert ledger.backlog().oldest_signed_at is None
    first_at = clock.now()
    spooling.note()
    clock.advance(60)
    spooling.note(2)
    backlog = ledger.backlog()
    assert (backlog.count, backlog.oldest_signed_at) == (3, first_at)
    assert ledger.heard_to() == 0


def test_old_checkpoints_are_forgotten_but_never_the_largest(ledger: Ledger) -> None:
    for size in range(1, 11):
        ledger.db.execute("insert into checkpoint_seen values (?, ?, x'00', 0)", (size, bytes(32)))
    ledger.forget_old_heads(3)
    assert [row["size"] for row in ledger.db.execute("select size from checkpoint_seen order by size")] == [8, 9, 10]
