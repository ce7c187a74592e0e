"""Between which instants was an event made, whatever its source's clock said, and where do clocks contradict that?

An event names in its beacon the hash of a time stamp, and the hash of the event before it, of its source and of its
item: nobody names a hash before there is one, so it is younger than all stamps so named. A stamped checkpoint of a log
that is larger than the event's place contains the event, so it is older than that stamp. No clock of the agency counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from .event import Time
from .examination import Logged
from .stamps import Interval, Stamp

READ_OUT = timedelta(seconds=1)  # two clocks are read one after the other
MOST_ERROR_MS = 10**12  # thirty years: who states more says nothing either way
DRIFT = 500e-6  # the most by which a kernel lets a clock be slewed


def intervals(events: Iterable[Logged], stamps: Sequence[Stamp]) -> dict[int, Interval]:
    """Return the interval of each event by its place in the log."""
    by_token = {stamp.token: stamp for stamp in stamps}
    found: dict[int, Interval] = {}
    by_hash: dict[bytes, int] = {}
    for each in sorted(events, key=lambda logged: logged.index):
        event, index = each.event, each.index
        after = by_token.get(event.time.token)
        named_by = index if after is not None else None
        for link in (event.source, event.item):
            prior = found[by_hash[link.prev]] if link is not None and link.prev in by_hash else Interval()
            if prior.after is not None and (after is None or prior.after.earliest > after.earliest):
                after, named_by = prior.after, prior.named_by
        over = [stamp for stamp in stamps if stamp.size > index]
        found[index] = Interval(after, named_by, min(over, key=lambda stamp: stamp.latest, default=None))
        by_hash[each.hash] = index
    return found


def disagreements(
    events: Iterable[Logged], proved: dict[int, Interval]
) -> Iterator[tuple[str, int, dict[str, object]]]:
    """Yield a key of `words.REASONS`, the event's place, and particulars; a clock is taken with the error it states."""
    last: dict[tuple[str, str], Logged] = {}
    for each in sorted(events, key=lambda logged: (logged.event.source.id, logged.event.source.seq)):
        interval, time = proved.get(each.index, Interval()), each.event.time
        if interval.after is not None and interval.after.earliest - time.wall > _error(time):
            back = interval.after.earliest - time.wall
            yield "time.back", each.index, {"seconds": _seconds(back), "stamp": _name(interval.after)}
        if interval.before is not None and time.wall - interval.before.latest > _error(time):
            ahead = time.wall - interval.before.latest
            yield "time.ahead", each.index, {"seconds": _seconds(ahead), "stamp": _name(interval.before)}
        named = interval.after.size if interval.after is not None and interval.named_by == each.index else 0
        if max(time.seen_size, named) > each.index:
            yield "time.beacon", each.index, {"size": max(time.seen_size, named)}
        boot = (each.event.source.id, time.boot)
        prior = last.get(boot)
        last[boot] = each
        if prior is not None:
            yield from _of_one_boot(prior.event.time, time, each.index)


def _of_one_boot(one: Time, other: Time, index: int) -> Iterator[tuple[str, int, dict[str, object]]]:
    went = timedelta(microseconds=(other.mono_ns - one.mono_ns) // 1000)
    if went < timedelta():
        yield "time.mono", index, {"seconds": _seconds(-went)}
        return
    if one.error_ms is None and other.clock == "ntp":
        return  # a clock that claimed nothing came under a time server: that is what setting it right looks like
    jump = abs(other.wall - one.wall - went)
    if jump > _error(one) + _error(other) + READ_OUT + went * DRIFT:
        yield "time.jump", index, {"seconds": _seconds(jump)}


def _error(time: Time) -> timedelta:
    return timedelta(milliseconds=min(time.error_ms or 0, MOST_ERROR_MS))


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.3f}"


def _name(stamp: Stamp) -> str:
    return f"{stamp.size}.{stamp.authority}.tsr"


def text_of(at: datetime) -> str:
    """Return an instant as events have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
