"""What of an evidence package was decided by people: which items are gone, and whose events' bodies were erased by law.

Whoever exports asks the same rules as whoever verifies: only a lawful tombstone lets bytes or a body be missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chain_of_custody.decision_bodies import DECISIONS
from chain_of_custody.decisions import Decisions, Heard
from chain_of_custody.envelope import parse_envelope
from chain_of_custody.leaf import Leaf
from chain_of_custody.people import People
from evidence_model.events import EventKind
from evidence_store import body_reading as read
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.log_reader import LogReader
from host_io.trust import Trust

_ANSWERS = frozenset((EventKind.ACCESS_REFUSED.value, EventKind.ACCESS_CLOSED.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedEvent:
    """An entry of the log whose event nobody can read any more, with its proof."""

    index: int
    hash: bytes
    leaf: Leaf
    proof: tuple[bytes, ...]


def hear_all(events: Iterable[LoggedEvent], reader: LogReader, trust: Trust) -> Decisions:
    """Return what was decided in these events; what is wrong with a decision is told by whoever verifies."""
    decisions = Decisions(People.of(trust.people), centres=trust.centres)
    for event in sorted(events, key=lambda each: each.index):
        signers = (
            decisions.people.signed(parse_envelope(reader.raw_envelope(event.hash)))
            if event.view.kind in DECISIONS
            else frozenset()
        )
        for _ in decisions.hear(Heard(event.index, event.hash, event.view, signers)):
            pass
    return decisions


def answers_to(events: Iterable[LoggedEvent], chosen: Mapping[int, LoggedEvent]) -> dict[int, LoggedEvent]:
    """Return the refusals and closings of the requests among `chosen`: they do not name the items again."""
    asked = [each for each in chosen.values() if each.view.kind == EventKind.ACCESS_REQUESTED.value]
    hashes, requests = {each.hash.hex() for each in asked}, {read.text(each.view.body, "request") for each in asked}
    return {
        each.index: each
        for each in events
        if each.view.kind in _ANSWERS
        and (read.text(each.view.body, "requested") in hashes or read.text(each.view.body, "request") in requests)
    }


def erased_by(events: Iterable[LoggedEvent], decisions: Decisions) -> frozenset[bytes]:
    """Return the hashes of all bodies that the lawful tombstones among these events name."""
    lawful = (
        each.view.body
        for each in events
        if each.view.asset is not None
        and each.view.kind == EventKind.DISPOSAL_DONE.value
        and decisions.tombstones.get(each.view.asset.id) == each.index
    )
    return frozenset(envelope for body in lawful for envelope in read.hashes(body, "erased"))
