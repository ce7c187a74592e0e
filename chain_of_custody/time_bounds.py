"""Between which two instants an event was made, whatever any clock of ours said, and where clocks contradict that.

Not before: an event names the hash of a time stamp in its beacon, and the hash of the event before it in its source's
chain (and in its item's). Nobody can name a hash before there is one. So it is younger than every stamp that it or a
predecessor names. Not after: a stamped checkpoint that is larger than the event's place in the log contains the event.
Both rest on the authority's time and on no key of ours; a made-up hash in a beacon is the hash of no stamp and proves
nothing. A station that is away for three days hears of no stamp and is not stamped, and its interval is three days
(custody-anchors §2.6).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.event import EventTime, EventView
from chain_of_custody.time_stamp import Stamp
from evidence_model.ids import SourceId
from evidence_model.instants import ClockReading, ClockSource
from evidence_model.known import Known

DATED_BACK: Final = "COC-183"
DATED_AHEAD: Final = "COC-184"
CLOCK_BACK: Final = "COC-185"
CLOCK_JUMP: Final = "COC-186"
BEACON_AHEAD: Final = "COC-187"
READ_OUT: Final = timedelta(seconds=1)  # two clocks are read one after the other, by a program that may be held up
_MOST_ERROR_MS: Final = 10**12  # thirty years: who states more says nothing either way
_DRIFT: Final = 500e-6  # the most by which the kernel lets a clock be slewed


@dataclass(frozen=True, slots=True)
class StampedLog:
    """A verified stamp, and how large the log was whose checkpoint it is over."""

    stamp: Stamp
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedEvent:
    """What counts here of an event that is in the log at `index`; a log has many, so no more is kept."""

    index: int
    hash: bytes
    source: SourceId
    seq: int
    prevs: tuple[bytes, ...]
    time: EventTime

    @classmethod
    def of(cls, index: int, envelope_hash: bytes, view: EventView) -> Self:
        """Take from an event what counts."""
        prevs = [view.source.prev, *([view.asset.prev] if view.asset is not None else [])]
        return cls(
            index=index,
            hash=envelope_hash,
            source=view.source.id,
            seq=view.source.seq,
            prevs=tuple(each for each in prevs if each != GENESIS_PREV),
            time=view.time,
        )


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """The interval of one event, and what it rests on; None where nothing proves a bound."""

    not_before: StampedLog | None = None
    named_by: int | None = None  # the event that names the stamp: this one, or one before it
    not_after: StampedLog | None = None

    @property
    def interval(self) -> tuple[datetime | None, datetime | None]:
        """Return the interval, the authorities' own inaccuracy counted in."""
        return (
            self.not_before.stamp.earliest_at if self.not_before is not None else None,
            self.not_after.stamp.latest_at if self.not_after is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One disagreement: at which event, what its source's clock said, and what contradicts it."""

    code: str
    event: TimedEvent
    against: str
    by: timedelta = timedelta()


def time_bounds(events: Iterable[TimedEvent], stamped: Sequence[StampedLog]) -> dict[int, TimeBounds]:
    """Return by index the interval of each event; `events` may be any of a log's, in any order."""
    by_token = {each.stamp.token: each for each in stamped}
    after = _earliest_by_size(stamped)
    sizes = [each.size for each in after]
    bounds: dict[int, TimeBounds] = {}
    by_hash: dict[bytes, int] = {}
    for event in sorted(
        events, key=lambda each: each.index
    ):  # a predecessor stands before its successor in a sound log
        beacon = event.time.beacon
        named = by_token.get(beacon.token) if beacon is not None and beacon.token is not None else None
        best, by = named, event.index if named is not None else None
        for prev in event.prevs:
            before = bounds[by_hash[prev]] if prev in by_hash else TimeBounds()
            if before.not_before is not None and (
                best is None or before.not_before.stamp.earliest_at > best.stamp.earliest_at
            ):
                best, by = before.not_before, before.named_by
        larger = bisect_right(sizes, event.index)
        bounds[event.index] = TimeBounds(best, by, after[larger] if larger < len(after) else None)
        by_hash[event.hash] = event.index
    return bounds


def contradictions(events: Iterable[TimedEvent], bounds: Mapping[int, TimeBounds]) -> Iterator[Contradiction]:
    """Yield where a source's clocks contradict what is proved, or each other; of each event all that there is.

    What a clock says is taken with the error that it states; one that states none is taken at its word.
    """
    last: dict[tuple[str, str], TimedEvent] = {}
    for event in sorted(events, key=lambda each: (each.source, each.seq)):
        yield from _against_proof(event, bounds.get(event.index, TimeBounds()))
        boot = (event.source, event.time.reading.boot)
        before = last.get(boot)
        last[boot] = event
        if before is not None:
            yield from _against_itself(before, event)


def _earliest_by_size(stamped: Sequence[StampedLog]) -> list[StampedLog]:
    """Return stamps with the smallest log first, without those that a larger log has an earlier one than."""
    found: list[StampedLog] = []
    for each in sorted(stamped, key=lambda each: (-each.size, each.stamp.latest_at)):
        if not found or each.stamp.latest_at < found[-1].stamp.latest_at:
            found.append(each)
    return found[::-1]


def _against_proof(event: TimedEvent, bounds: TimeBounds) -> Iterator[Contradiction]:
    reading, beacon = event.time.reading, event.time.beacon
    error = _stated_error(reading)
    if bounds.not_before is not None:
        early = bounds.not_before.stamp.earliest_at - reading.wall_at
        if early > error:
            against = f"{bounds.not_before.stamp.authority}/{bounds.not_before.size}"
            yield Contradiction(DATED_BACK, event, against, early)
    if bounds.not_after is not None:
        late = reading.wall_at - bounds.not_after.stamp.latest_at
        if late > error:
            against = f"{bounds.not_after.stamp.authority}/{bounds.not_after.size}"
            yield Contradiction(DATED_AHEAD, event, against, late)
    named = bounds.not_before.size if bounds.not_before is not None and bounds.named_by == event.index else 0
    seen = max(beacon.size, named) if beacon is not None else 0
    if seen > event.index:  # it says that it saw a log that it is part of itself
        yield Contradiction(BEACON_AHEAD, event, str(seen))


def _against_itself(before: TimedEvent, event: TimedEvent) -> Iterator[Contradiction]:
    """Compare two events of one boot: the monotonic clock only goes forward, and the wall clock keeps pace with it."""
    one, other = before.time.reading, event.time.reading
    went = timedelta(microseconds=(other.mono_ns - one.mono_ns) // 1000)
    if went < timedelta():
        yield Contradiction(CLOCK_BACK, event, str(before.index), -went)
        return
    if not isinstance(one.error_ms, Known) and other.source is ClockSource.NTP:
        return  # a clock that claimed nothing came under a time server: that is what setting it right looks like
    jump = abs(other.wall_at - one.wall_at - went)
    if jump > _stated_error(one) + _stated_error(other) + READ_OUT + went * _DRIFT:
        yield Contradiction(CLOCK_JUMP, event, str(before.index), jump)


def _stated_error(reading: ClockReading) -> timedelta:
    stated = reading.error_ms.value if isinstance(reading.error_ms, Known) else 0
    return timedelta(milliseconds=min(stated, _MOST_ERROR_MS))
