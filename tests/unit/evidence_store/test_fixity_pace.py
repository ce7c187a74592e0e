"""Reading the vault again is slow on purpose, and stands back for everything else."""

import pytest

from evidence_store.fixity_worker import Pace
from evidence_store.vault import StoppedError
from tests.fakes.manual_clock import ManualClock

MIB = 1 << 20


def test_so_many_bytes_a_second_pass_and_no_more() -> None:
    clock = ManualClock()
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    pace = Pace(8 * MIB, clock, wait=wait)
    for _ in range(80):
        pace(MIB)
    assert sum(waited) == pytest.approx(10.0)


def test_nothing_is_read_while_anything_waits_and_no_time_is_made_up_for() -> None:
    clock, busy = ManualClock(), [True] * 40
    begun = clock.mono()

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        if busy:
            busy.pop()
        return False

    pace = Pace(8 * MIB, clock, wait=wait, is_waiting=lambda: bool(busy))
    pace(MIB)
    stood_back = clock.mono() - begun
    assert stood_back >= 40 * 0.25
    for _ in range(80):
        pace(MIB)
    assert clock.mono() - begun - stood_back == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_stop_ends_it_whether_it_waits_or_reads(is_busy: bool) -> None:
    pace = Pace(1, ManualClock(), wait=lambda _: True, is_waiting=lambda: is_busy)
    with pytest.raises(StoppedError):
        pace(MIB)


def test_without_a_limit_it_never_waits_long() -> None:
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return False

    pace = Pace(0, ManualClock(), wait=wait)
    pace(MIB * 1000)
    assert waited == [0.0]
