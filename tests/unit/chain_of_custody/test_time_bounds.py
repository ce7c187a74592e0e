"""The interval of an event, and clocks that contradict it: attacks 29, 30 and 31, each beside its honest twin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chain_of_custody.event import Beacon, EventTime
from chain_of_custody.time_bounds import (
    BEACON_AHEAD,
    CLOCK_BACK,
    CLOCK_JUMP,
    DATED_AHEAD,
    DATED_BACK,
    Contradiction,
    StampedLog,
    TimeBounds,
    TimedEvent,
    contradictions,
    time_bounds,
)
from chain_of_custody.time_stamp import Stamp
from evidence_model.ids import SourceId
from evidence_model.instants import ClockReading, ClockSource
from evidence_model.known import Known, Unknown

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STATED = Known(4)


def sha(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def stamped(size: int, at: datetime, authority: str = "tsa-1", *, accuracy: timedelta = timedelta()) -> StampedLog:
    stamp = Stamp(
        authority=SourceId(authority),
        token=sha((authority, size, at)),
        at=at,
        accuracy=accuracy,
        certificate_ends_at=NOON + 999 * DAY,
    )
    return StampedLog(stamp, size)


@dataclass
class Station:
    """Says one thing after the other; only its true time passes by itself."""

    name: str = "st-1"
    wrong_by: timedelta = timedelta()
    error_ms: Known[int] | Unknown = STATED
    clock: ClockSource = ClockSource.NTP
    boot: str = "boot-1"
    seq: int = 0
    prev: bytes = b""

    def says(self, index: int, at: datetime, *, heard: StampedLog | None = None, size: int = 0) -> TimedEvent:
        self.seq += 1
        beacon = Beacon("log", size, sha("root"), heard.stamp.token if heard else None)
        reading = ClockReading(
            wall_at=at + self.wrong_by,
            boot=self.boot,
            mono_ns=int((at - NOON + 10 * DAY).total_seconds() * 1e9),
            source=self.clock,
            error_ms=self.error_ms,
        )
        event = TimedEvent(
            index=index,
            hash=sha((self.name, self.seq)),
            source=SourceId(self.name),
            seq=self.seq,
            prevs=(self.prev,) if self.prev else (),
            time=EventTime(reading, beacon),
        )
        self.prev = event.hash
        return event


def found(events: list[TimedEvent], stamps: list[StampedLog]) -> list[Contradiction]:
    return list(contradictions(events, time_bounds(events, stamps)))


def kinds(events: list[TimedEvent], stamps: list[StampedLog]) -> list[str]:
    return [each.code for each in found(events, stamps)]


def test_an_event_lies_between_the_stamp_it_names_and_the_first_that_covers_it() -> None:
    first, second, third = stamped(5, NOON), stamped(8, NOON + HOUR), stamped(20, NOON + 2 * HOUR)
    event = Station().says(8, NOON + HOUR / 2, heard=first)
    assert time_bounds([event], [third, second, first]) == {8: TimeBounds(first, 8, third)}
    assert found([event], [first, second, third]) == []


def test_the_bound_of_a_log_is_the_earliest_stamp_over_any_larger_one() -> None:
    late, early = stamped(10, NOON + 3 * HOUR), stamped(12, NOON + HOUR, "tsa-2")
    events = [Station().says(9, NOON), Station("st-2").says(11, NOON), Station("st-3").says(12, NOON)]
    bounds = time_bounds(events, [late, early])
    assert [bounds[index].not_after for index in (9, 11, 12)] == [early, early, None]


def test_a_successor_is_younger_than_what_its_predecessor_names_and_another_sources_event_is_not() -> None:
    stamp = stamped(5, NOON)
    station, other = Station(), Station("st-2")
    events = [station.says(5, NOON, heard=stamp), station.says(6, NOON + HOUR), other.says(7, NOON + HOUR)]
    bounds = time_bounds(events, [stamp])
    assert bounds[6] == TimeBounds(stamp, 5, None)
    assert bounds[7] == TimeBounds()


def test_the_newest_of_own_and_earlier_stamps_counts() -> None:
    old, new = stamped(1, NOON - DAY), stamped(5, NOON)
    station = Station()
    events = [station.says(5, NOON, heard=new), station.says(6, NOON + HOUR, heard=old)]
    assert time_bounds(events, [old, new])[6].not_before == new


def test_a_gap_in_a_chain_ends_what_its_beginning_proves() -> None:
    stamp = stamped(5, NOON)
    station = Station()
    one, _, three = station.says(5, NOON, heard=stamp), station.says(6, NOON), station.says(7, NOON)
    assert time_bounds([one, three], [stamp])[7] == TimeBounds()


def test_a_made_up_hash_proves_nothing() -> None:
    event = Station().says(3, NOON, heard=stamped(1, NOON + 9 * DAY))
    assert time_bounds([event], [stamped(1, NOON)]) == {3: TimeBounds()}
    assert found([event], [stamped(1, NOON)]) == []


def test_attack_29_dated_back_three_days() -> None:
    stamp = stamped(5, NOON)
    liar = Station(wrong_by=-3 * DAY).says(5, NOON + HOUR, heard=stamp)
    [finding] = found([liar], [stamp])
    assert (finding.code, finding.against) == (DATED_BACK, "tsa-1/5")
    assert abs(finding.by - (3 * DAY - HOUR)) < timedelta(seconds=1)
    assert found([Station().says(5, NOON + HOUR, heard=stamp)], [stamp]) == []


def test_a_clock_is_taken_with_the_error_that_it_states_and_a_stamp_with_its_accuracy() -> None:
    stamp = stamped(5, NOON, accuracy=timedelta(seconds=2))
    for late, error_ms, expected in ((-3, 900, [DATED_BACK]), (-3, 1000, []), (-2, 0, [])):
        station = Station(wrong_by=timedelta(seconds=late), error_ms=Known(error_ms))
        assert kinds([station.says(5, NOON, heard=stamp)], [stamp]) == expected, (late, error_ms)
    cover = stamped(6, NOON, accuracy=timedelta(seconds=2))
    for ahead, error_ms, expected in ((5, 1000, [DATED_AHEAD]), (4, 1000, []), (3, 0, [])):
        station = Station(wrong_by=timedelta(seconds=ahead), error_ms=Known(error_ms))
        assert kinds([station.says(5, NOON)], [cover]) == expected, (ahead, error_ms)


def test_attack_30_dated_ahead() -> None:
    cover = stamped(6, NOON + HOUR)
    liar = Station(wrong_by=3 * DAY).says(5, NOON)
    [finding] = found([liar], [cover])
    assert (finding.code, finding.by > DAY) == (DATED_AHEAD, True)
    assert found([Station().says(5, NOON)], [cover]) == []


def test_attack_30_a_clock_that_jumps() -> None:
    station = Station()
    first = station.says(0, NOON)
    station.wrong_by = 2 * HOUR
    second = station.says(1, NOON + HOUR)
    [finding] = found([first, second], [])
    assert (finding.code, finding.against, finding.by) == (CLOCK_JUMP, "0", 2 * HOUR)
    station.wrong_by, station.boot = timedelta(), "boot-2"
    assert found([first, station.says(1, NOON + HOUR)], []) == [], "another boot has another monotonic clock"
    assert found([first, Station(seq=1, prev=first.hash).says(1, NOON + 3 * DAY)], []) == []


def test_attack_30_a_monotonic_clock_that_goes_back() -> None:
    station = Station()
    first = station.says(0, NOON)
    assert kinds([first, station.says(1, NOON - HOUR)], []) == [CLOCK_BACK]
    assert kinds([first, Station("st-2").says(1, NOON - HOUR)], []) == [], "of two stations nobody compares them"


def test_a_clock_that_claimed_nothing_may_be_set_by_a_time_server_and_by_nobody_else() -> None:
    station = Station(wrong_by=-9 * HOUR, error_ms=Unknown("rtc"), clock=ClockSource.RTC)
    first = station.says(0, NOON)
    put_right = replace(station, wrong_by=timedelta(), error_ms=Known(4), clock=ClockSource.NTP)
    assert kinds([first, put_right.says(1, NOON + HOUR)], []) == []
    by_hand = replace(station, wrong_by=timedelta())
    assert kinds([first, by_hand.says(1, NOON + HOUR)], []) == [CLOCK_JUMP]


def test_attack_31_three_days_away_is_an_interval_of_three_days() -> None:
    before, after = stamped(5, NOON), stamped(90, NOON + 3 * DAY)
    station = Station()
    events = [station.says(80 + number, NOON + number * DAY, heard=before, size=5) for number in (0, 1, 2)]
    bounds = time_bounds(events, [before, after])
    assert found(events, [before, after]) == []
    for event in events:
        not_before, not_after = bounds[event.index].interval
        assert (not_before, not_after) == (NOON, NOON + 3 * DAY + timedelta(seconds=1))


def test_a_beacon_of_a_log_that_the_event_is_part_of() -> None:
    assert kinds([Station().says(4, NOON, size=5)], []) == [BEACON_AHEAD]
    assert kinds([Station().says(5, NOON, size=5)], []) == []
    stamp = stamped(6, NOON)
    assert kinds([Station().says(5, NOON, heard=stamp, size=5)], [stamp]) == [BEACON_AHEAD]
    assert kinds([Station().says(6, NOON, heard=stamp, size=5)], [stamp]) == []
