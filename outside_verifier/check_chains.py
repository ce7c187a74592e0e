"""Events are numbered and name the one before: is anything left out, doubled, exchanged or put in another order?"""

from __future__ import annotations

from collections.abc import Collection

from .event import Link
from .examination import Examination, Logged


def check_item_chains(exam: Examination) -> None:
    """Check each item's chains against number and hash at their ends, as `package.json` says them (PKG-040)."""
    chains: dict[str, dict[str, list[tuple[Link, Logged]]]] = {item["id"]: {} for item in exam.items}
    for each in exam.events.values():
        if each.event.item is not None and each.event.item.id in chains:
            chains[each.event.item.id].setdefault(each.event.source.id, []).append((each.event.item, each))
    for item in exam.items:
        ends, found = item["chains"], chains[item["id"]]
        for source in sorted({*ends, *found}):
            chain = sorted(found.get(source, []), key=lambda pair: (pair[0].seq, pair[1].index))
            wrong = _why_broken(chain, exam.erased_said)
            seq, last = ends.get(source, (0, ""))
            end = (chain[-1][0].seq, chain[-1][1].hash.hex()) if chain else (0, "")
            is_end = (seq, last) == end if end[0] == seq else _is_erased(seq - end[0], last, exam.erased_said)
            if not wrong and not (is_end and seq):
                wrong = ("chain.end", seq)
            if wrong:
                exam.result.add("PKG-040", f"{item['id']} ({source})", wrong[0], seq=wrong[1])


def check_source_order(exam: Examination) -> None:
    """Check that each source's events stand in the log in the order of their numbers (PKG-041)."""
    last: dict[str, Logged] = {}
    for each in sorted(exam.events.values(), key=lambda logged: logged.index):
        link = each.event.source
        before = last.get(link.id)
        last[link.id] = each
        if before is None:
            continue
        if link.seq <= before.event.source.seq:
            exam.result.add("PKG-041", f"data/events/{each.index}", "chain.order", seq=link.seq)
        elif link.seq == before.event.source.seq + 1 and link.prev != before.hash:
            exam.result.add("PKG-041", f"data/events/{each.index}", "chain.prev", seq=link.seq)


def _is_erased(count: int, last: str, erased: Collection[str]) -> bool:
    """Say whether `count` events that are not here, `last` being the newest, may be such as have no body any more.

    Whether they may have none is told by `check_erased`; here it is asked only that no more are missing than those.
    """
    return last in erased and 0 < count <= len(erased)


def _why_broken(chain: list[tuple[Link, Logged]], erased: Collection[str]) -> tuple[str, int] | tuple[()]:
    number, head = 0, bytes(32)
    for link, each in chain:
        if link.seq == number:
            return ("chain.fork", link.seq)
        if link.seq != number + 1:
            if not _is_erased(link.seq - number - 1, link.prev.hex(), erased):
                return ("chain.gap", number + 1)
        elif link.prev != head:
            return ("chain.prev", link.seq)
        number, head = link.seq, each.hash
    return ()
