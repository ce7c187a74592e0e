"""What goes next: new ones in order, the head again while nothing is heard, known ones when their bytes are there."""

import pytest

from ingest_daemon.schedule import Pace, Schedule

PACE = Pace(window=10, window_with_bytes=30, probes=3, first_wait_seconds=5, longest_wait_seconds=40)


def schedule(*, heard_to: int = 0, published: int = 0, bytes_are_there: bool = True) -> Schedule:
    made = Schedule(PACE, heard_to=heard_to)
    for seq in range(heard_to + 1, heard_to + 1 + published):
        made.published(seq, 0.0, bytes_are_there=bytes_are_there)
    return made


def test_new_envelopes_go_out_as_far_as_the_window_reaches() -> None:
    assert schedule().room() == 10
    assert schedule(published=7).room() == 3
    assert schedule(published=10).room() == 0


def test_a_receipt_gives_room_for_all_numbers_up_to_it_since_the_log_keeps_their_order() -> None:
    made = schedule(published=10)
    made.receipted(6, 1.0)
    assert made.heard_to == 6
    assert made.room() == 6
    assert made.on_their_way == 4


def test_envelopes_that_wait_for_slow_uploads_do_not_hold_up_those_behind_them() -> None:
    made = schedule(published=20, bytes_are_there=False)
    assert made.room() == 10
    made = schedule(published=30, bytes_are_there=False)
    assert made.room() == 0


def test_nothing_is_repeated_before_its_time() -> None:
    made = schedule(published=2)
    assert made.due(4.9, limit=100) == []
    assert made.due(5.0, limit=100) == [1, 2]


def test_while_nothing_is_heard_only_the_head_is_repeated_and_ever_more_seldom() -> None:
    made = schedule(published=10)
    now, waits = 0.0, []
    for _ in range(6):
        due_at = made.next_due()
        assert due_at is not None
        assert made.due(due_at, limit=100) == [1, 2, 3]
        waits.append(due_at - now)
        now = due_at
        for seq in (1, 2, 3):
            made.published(seq, now, bytes_are_there=True)
    assert waits == [5, 10, 20, 40, 40, 40]


def test_a_week_without_the_centre_costs_the_broker_a_few_thousand_messages_not_millions() -> None:
    made = Schedule(Pace())
    for seq in range(1, 2001):
        made.published(seq, 0.0, bytes_are_there=True)
    repeated, now = 0, 0.0
    while now < 7 * 86_400:
        due = made.due(now, limit=10_000)
        repeated += len(due)
        for seq in due:
            made.published(seq, now, bytes_are_there=True)
        now = made.next_due() or now + 1
    assert repeated < 20_000


def test_what_all_others_wait_for_goes_first() -> None:
    made = schedule(published=10)
    made.receipted(4, 0.0)  # 1 to 3 are known to the centre
    assert made.due(100.0, limit=4) == [5, 6, 7, 1]


def test_known_envelopes_are_repeated_only_when_their_bytes_are_there() -> None:
    made = schedule(published=5, bytes_are_there=False)
    made.receipted(5, 0.0)
    assert made.due(1000.0, limit=100) == []
    made.bytes_are_there(2, 1000.0)
    assert made.due(1004.9, limit=100) == []
    assert made.due(1005.0, limit=100) == [2]
    made.receipted(2, 1005.0)
    assert made.due(9999.0, limit=100) == []


def test_after_a_restart_only_what_may_be_missing_or_unanswered_is_sent() -> None:
    made = schedule(heard_to=7)
    assert not made.needs_sending(5, bytes_are_there=False)  # the centre has it and waits for bytes
    assert made.needs_sending(5, bytes_are_there=True)  # its receipt is missing
    assert made.needs_sending(8, bytes_are_there=False)


def test_an_envelope_on_its_way_is_not_new() -> None:
    made = schedule(published=1)
    assert not made.needs_sending(1, bytes_are_there=True)


def test_what_the_broker_did_not_get_is_new_again_and_keeps_its_place_in_order() -> None:
    made = schedule(published=6)
    for seq in (2, 3):
        made.not_published(seq)
    assert made.room() == 6
    assert made.needs_sending(2, bytes_are_there=True)
    made.published(3, 1.0, bytes_are_there=True)
    made.published(2, 1.0, bytes_are_there=True)
    assert made.due(100.0, limit=100) == [1, 2, 3]


def test_when_the_centre_may_be_back_the_waits_are_short_again() -> None:
    made = schedule(published=2)
    for now in (5.0, 15.0, 35.0):
        for seq in made.due(now, limit=10):
            made.published(seq, now, bytes_are_there=True)
    assert made.next_due() == 75.0
    made.centre_may_be_back(40.0)
    assert made.next_due() == 45.0


def test_a_refused_one_is_put_off_and_an_outdated_receipt_asked_for_again_soon() -> None:
    made = schedule(published=2)
    made.ask_again(1, 0.0, seconds=600)
    made.ask_again(2, 0.0, seconds=1)
    assert made.due(1.0, limit=10) == [2]
    assert made.due(600.0, limit=10) == [1, 2]


def test_a_receipt_for_what_was_never_sent_is_taken_as_it_comes() -> None:
    made = schedule()
    made.receipted(9, 0.0)
    assert made.heard_to == 9
    assert made.next_due() is None
    made.receipted(9, 0.0)
    made.ask_again(9, 0.0, seconds=1)
    made.not_published(9)
    assert made.room() == 10


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_waits_are_spread_so_that_stations_do_not_speak_in_one_moment(factor: float) -> None:
    made = Schedule(PACE, jitter=lambda: factor)
    made.published(1, 0.0, bytes_are_there=True)
    assert made.next_due() == pytest.approx(5 * factor)


def test_marking_bytes_twice_counts_once() -> None:
    made = schedule(published=3, bytes_are_there=False)
    for _ in range(2):
        made.bytes_are_there(2, 0.0)
    assert made.room() == 9
    made.receipted(3, 0.0)
    assert made.room() == 10
    assert made.due(5.0, limit=10) == [2]
