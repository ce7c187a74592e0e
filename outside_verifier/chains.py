"""Events are numbered and name the one before: is anything left out, doubled, exchanged or put in another order?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .event import Event, Link
from .findings import Result


@dataclass(frozen=True)
class Logged:
    """An event of the package, its place in the log, and the hash of its envelope."""

    index: int
    hash: bytes
    event: Event
    is_proved: bool  # signature, leaf and proof are right


def check_items(events: Iterable[Logged], said: Mapping[str, Mapping[str, tuple[int, str]]], result: Result) -> None:
    """Check each item's chains (PKG-040); `said`: by item and source the number and hash at its end."""
    chains: dict[str, dict[str, list[tuple[Link, Logged]]]] = {item: {} for item in said}
    for each in events:
        if each.event.item is not None and each.event.item.id in said:
            chains[each.event.item.id].setdefault(each.event.source.id, []).append((each.event.item, each))
    for item, ends in said.items():
        for source in sorted({*ends, *chains[item]}):
            chain = sorted(chains[item].get(source, []), key=lambda pair: (pair[0].seq, pair[1].index))
            wrong = _why_broken(chain)
            seq, last = ends.get(source, (0, ""))
            if not wrong and (not chain or (chain[-1][0].seq, chain[-1][1].hash.hex()) != (seq, last)):
                wrong = ("chain.end", seq)
            if wrong:
                result.add("PKG-040", f"{item} ({source})", wrong[0], seq=wrong[1])


def check_sources(events: Iterable[Logged], result: Result) -> None:
    """Check that each source's events stand in the log in the order of their numbers (PKG-041)."""
    last: dict[str, Logged] = {}
    for each in sorted(events, key=lambda logged: logged.index):
        link = each.event.source
        before = last.get(link.id)
        last[link.id] = each
        if before is None:
            continue
        if link.seq <= before.event.source.seq:
            result.add("PKG-041", f"data/events/{each.index}", "chain.order", seq=link.seq)
        elif link.seq == before.event.source.seq + 1 and link.prev != before.hash:
            result.add("PKG-041", f"data/events/{each.index}", "chain.prev", seq=link.seq)


def _why_broken(chain: list[tuple[Link, Logged]]) -> tuple[str, int] | tuple[()]:
    number, head = 0, bytes(32)
    for link, each in chain:
        if link.seq == number:
            return ("chain.fork", link.seq)
        if link.seq != number + 1:
            return ("chain.gap", number + 1)
        if link.prev != head:
            return ("chain.prev", link.seq)
        number, head = link.seq, each.hash
    return ()
