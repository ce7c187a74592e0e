"""Which files are read again, in which order, and what follows: decided by nothing but what it is given."""

import hashlib
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence_model.digests import Digest
from evidence_store.fixity_plan import Kept, Reading, Remedy, Verdict, in_order, late, portion, remedy

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
PERIOD = timedelta(days=90)
MIB = 1 << 20


def file_of(number: int, days: float, *, size_bytes: int = MIB, is_checked: bool = True) -> Kept:
    digest = Digest(hashlib.sha256(b"%d" % number).digest())
    return Kept(digest, size_bytes, NOW - timedelta(days=days), is_checked)


def drawn(seed: int) -> Callable[[], float]:
    return random.Random(seed).random


def test_what_was_read_longest_ago_comes_first_whatever_chance_says() -> None:
    files = [file_of(number, 9 * number + 4) for number in range(10)]
    for seed in range(20):
        assert in_order(files, now=NOW, period=PERIOD, draw=drawn(seed)) == files[::-1]


def test_within_an_age_class_only_chance_decides() -> None:
    files = [file_of(number, 18 + number / 100) for number in range(4)]
    orders = {tuple(in_order(files, now=NOW, period=PERIOD, draw=drawn(seed))) for seed in range(500)}
    assert len(orders) == 24  # every order there is


def test_a_portion_is_what_gets_the_vault_round_in_four_fifths_of_the_period() -> None:
    files = [file_of(number, 30) for number in range(720)]
    assert len(portion(files, now=NOW, period=PERIOD, draw=drawn(1))) == 10


def test_what_was_read_today_counts_and_is_not_read_again() -> None:
    today = [file_of(number, 0.5) for number in range(4)]
    files = [*today, *(file_of(number, 30) for number in range(4, 720))]
    chosen = portion(files, now=NOW, period=PERIOD, draw=drawn(1))
    assert len(chosen) == 6
    assert not set(chosen) & set(today)
    came = [file_of(number, 0.5, is_checked=False) for number in range(4)]  # these came, and were not checked
    assert len(portion([*came, *files[4:]], now=NOW, period=PERIOD, draw=drawn(1))) == 10


def test_what_is_nearly_late_is_read_however_much_that_is() -> None:
    files = [file_of(number, 85) for number in range(300)]
    assert len(portion(files, now=NOW, period=PERIOD, draw=drawn(1))) == 300


def test_a_clock_that_was_set_back_leaves_nothing_out() -> None:
    ahead = file_of(0, -400)
    files = [ahead, *(file_of(number, 30) for number in range(1, 200))]
    assert portion(files, now=NOW, period=PERIOD, draw=drawn(1))[0] == ahead


def test_late_is_what_is_older_than_the_period() -> None:
    files = [file_of(1, 91), file_of(2, 89), file_of(3, -1)]
    assert late(files, now=NOW, period=PERIOD) == files[:1]


@given(
    sizes=st.lists(st.integers(0, 1 << 40), min_size=1, max_size=60),
    days=st.integers(5, 120),
    seed=st.integers(0, 99),
)
def test_whatever_lies_there_every_file_is_read_once_a_period(sizes: list[int], days: int, seed: int) -> None:
    period, draw = timedelta(days=days), drawn(seed)
    files = {number: Kept(file_of(number, 0).digest, size, NOW, is_checked=False) for number, size in enumerate(sizes)}
    number_of = {each.digest: number for number, each in files.items()}
    for hour in range(24 * days + 1):
        now = NOW + timedelta(hours=hour)
        if hour % 6:
            continue  # it plans every hour; this is quicker
        assert late(files.values(), now=now, period=period) == []
        for each in portion(files.values(), now=now, period=period, draw=draw):
            files[number_of[each.digest]] = Kept(each.digest, each.size_bytes, now, is_checked=True)
    assert all(each.is_checked for each in files.values())


READINGS = [Reading(verdict) for verdict in Verdict]


@pytest.mark.parametrize(("own", "replica"), list(itertools.product(READINGS, [None, *READINGS])))
def test_only_a_bad_file_with_a_good_copy_is_restored(own: Reading, replica: Reading | None) -> None:
    expected = Remedy.NONE
    if own.verdict is not Verdict.SOUND:
        expected = Remedy.NO_REPLICA if replica is None else Remedy.BOTH_BAD
        if replica is not None and replica.verdict is Verdict.SOUND:
            expected = Remedy.RESTORE
    assert remedy(own, replica) is expected
