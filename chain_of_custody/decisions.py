"""Did people who may decide what was done with recordings, and in this order (docs/spec/decisions.md)?

Events are heard in the order of the log; what an event refers to must have been heard before it. A decision that
breaks a rule is told and then counts for nothing, so whatever rests on it is told as well; but a hold counts whoever
placed it, for to keep footage does no harm. Claimed times decide nothing but whether a grant's period had begun or was
over.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar

from chain_of_custody.breaches import Breach, Rule, Why
from chain_of_custody.decision_bodies import DECISIONS, Decision, DecisionRejectedError, assets_listed, read_decision
from chain_of_custody.event import EventView
from chain_of_custody.people import People
from chain_of_custody.signatures import KeyId
from chain_of_custody.trust_entries import PersonRole
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId

MAY_FOLLOW_A_TOMBSTONE = frozenset(
    (
        "tags.set",  # words about a recording, some of whose files may be left
        "note.interruption",
        "recording.marked",
        "case.unlinked",
        "hold.released",
        "access.requested",  # the answer is that it is gone
        "access.refused",
        "access.closed",
        "disc.verified",  # a disc that was given out before is still there
        "disc.inspected",
        "recorder.freed",  # the recorder's own copy goes, too
        "footage.missing",
    )
)
"""Kinds of events about an item that may stand after its tombstone: they make and use nothing."""
_FAMILIES = {"hold": Rule.RELEASE, "disposal": Rule.TOMBSTONE, "access": Rule.GRANT, "case": Rule.CASE}


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the log, and those of its signatures by people's keys that verify."""

    index: int
    hash: bytes
    view: EventView
    signers: AbstractSet[KeyId]


@dataclass(frozen=True, slots=True)
class _Said:
    """A decision and who took it: `keys` are the acting person's that signed; empty if only the machine says so."""

    index: int
    hash: bytes
    view: EventView
    decision: Decision
    keys: frozenset[KeyId]
    roles: frozenset[PersonRole]

    @property
    def is_by_a_person(self) -> bool:
        """Say whether a person acted, for all that can be known; one whose key is claimed and did not sign did not."""
        actor = self.view.actor
        return actor.kind is ActorKind.PERSON and (bool(self.keys) or actor.level is not ActorLevel.PERSON_KEY)

    def may(self, *roles: PersonRole) -> bool:
        return self.is_by_a_person and not self.roles.isdisjoint(roles)

    def is_by_the_one_of(self, other: "_Said") -> bool:
        return self.view.actor.id == other.view.actor.id or not self.keys.isdisjoint(other.keys)


@dataclass(slots=True)
class Decisions:
    """What was decided so far. `scope`: the items that the events are whole about; None: all that there are."""

    people: People
    centres: Collection[str]
    scope: Collection[str] | None = None
    tombstones: dict[AssetId, int] = field(default_factory=dict)  # the lawful ones, and their places in the log
    erased: dict[bytes, int] = field(default_factory=dict)  # envelopes whose bodies are lawfully gone, and by which
    _answered: dict[bytes, _Said] = field(default_factory=dict)  # what may be referred to, by its envelope's hash
    _is_lawful: set[bytes] = field(default_factory=set)
    _open: dict[bytes, set[AssetId]] = field(default_factory=dict)  # items that each hold still keeps
    _closed: set[str] = field(default_factory=set)
    _case_of: dict[AssetId, str] = field(default_factory=dict)
    _bytes_of: dict[AssetId, set[bytes]] = field(default_factory=dict)
    _pulled_by: dict[AssetId, set[str]] = field(default_factory=dict)

    def hear(self, heard: Heard) -> Iterator[Breach]:
        """Yield what the next event of the log breaks."""
        view, index = heard.view, heard.index
        keys: frozenset[KeyId] = frozenset()
        roles: frozenset[PersonRole] = frozenset()
        if view.actor.kind is ActorKind.PERSON:
            roles = self.people.roles_of(view.actor.id, index)
            if view.actor.level is ActorLevel.PERSON_KEY:
                keys = self.people.keys_of(view.actor.id, index) & heard.signers
                if not keys:
                    yield Breach(Rule.PERSON, index, Why.KEY, view.actor.id)
        is_centre = view.source.id in self.centres
        if view.kind == EventKind.FOOTAGE_PULLED.value and view.asset is not None and not is_centre:
            self._bytes_of.setdefault(view.asset.id, set()).add(view.subject.sha256)
            self._pulled_by.setdefault(view.asset.id, set()).add(view.source.id)
        yield from self._check_after_tombstone(heard, is_centre=is_centre)
        if not is_centre or view.kind not in DECISIONS or heard.hash in self._answered:
            return  # what others say decides nothing, nor does what is logged a second time
        family = view.kind.partition(".")[0]
        try:
            said = _Said(index, heard.hash, view, read_decision(view), keys, roles)
        except DecisionRejectedError:
            yield Breach(_FAMILIES[family], index, Why.FORM)
            return
        breaches = list(self._HANDLERS[DECISIONS[view.kind]](self, said))
        if not breaches:
            self._is_lawful.add(said.hash)
        self._answered[said.hash] = said
        yield from breaches

    # Holds -----------------------------------------------------------------------------------------------------------

    def _hold_placed(self, said: _Said) -> Iterator[Breach]:
        self._open[said.hash] = set(said.decision.assets)
        if not said.may(PersonRole.MEDIA_ADMINISTRATOR, PersonRole.APPROVING_LEADER, PersonRole.INSPECTOR):
            yield Breach(Rule.RELEASE, said.index, Why.ROLE, said.view.actor.id)

    def _hold_released(self, said: _Said) -> Iterator[Breach]:
        placed = self._answer(said, EventKind.HOLD_PLACED)
        if placed is None:
            yield Breach(Rule.RELEASE, said.index, Why.REFERENCE, said.decision.matter)
        elif not said.keys:
            yield Breach(Rule.RELEASE, said.index, Why.KEY, said.view.actor.id)
        elif not said.may(PersonRole.APPROVING_LEADER):
            yield Breach(Rule.RELEASE, said.index, Why.ROLE, said.view.actor.id)
        elif said.is_by_the_one_of(placed):
            yield Breach(Rule.RELEASE, said.index, Why.SAME_PERSON, said.view.actor.id)
        else:
            self._open[placed.hash] -= set(said.decision.assets)

    # Disposal --------------------------------------------------------------------------------------------------------

    def _disposal_proposed(self, said: _Said) -> Iterator[Breach]:
        if not said.may(PersonRole.MEDIA_ADMINISTRATOR):
            yield Breach(Rule.LEAVE, said.index, Why.ROLE, said.view.actor.id)

    def _disposal_approved(self, said: _Said) -> Iterator[Breach]:
        proposal = self._answer(said, EventKind.DISPOSAL_PROPOSED)
        if proposal is None:
            yield Breach(Rule.TOMBSTONE, said.index, Why.REFERENCE, said.decision.matter)
        else:
            yield from self._check_approval(said, proposal)

    def _disposal_done(self, said: _Said) -> Iterator[Breach]:
        decision, link = said.decision, said.view.asset
        asset = link.id if link is not None else AssetId("")
        held = sum(asset in assets for assets in self._open.values())
        if held:
            yield Breach(Rule.HELD, said.index, Why.HOLD, asset)
        why = self._why_no_tombstone(decision, asset)
        if why is not None:
            yield Breach(Rule.TOMBSTONE, said.index, why, asset)
        elif not held:
            self.tombstones.setdefault(asset, said.index)
            for each in decision.erased:
                self.erased.setdefault(each, said.index)

    def _why_no_tombstone(self, decision: Decision, asset: AssetId) -> Why | None:
        proposal = self._answered.get(decision.refers_to or b"")
        approval = self._answered.get(decision.approval or b"")
        if (
            proposal is None
            or approval is None
            or proposal.decision.kind is not EventKind.DISPOSAL_PROPOSED
            or approval.decision.kind is not EventKind.DISPOSAL_APPROVED
            or approval.decision.refers_to != proposal.hash
            or {proposal.decision.matter, approval.decision.matter} != {decision.matter}
        ):
            return Why.REFERENCE
        if asset not in approval.decision.assets or not decision.erased <= proposal.decision.erased:
            return Why.ITEMS
        if not proposal.keys or not approval.keys:
            return Why.KEY
        return None if {proposal.hash, approval.hash} <= self._is_lawful else Why.ROLE

    # Access ----------------------------------------------------------------------------------------------------------

    def _access_requested(self, said: _Said) -> Iterator[Breach]:
        if not said.is_by_a_person:
            yield Breach(Rule.LEAVE, said.index, Why.ROLE, said.view.actor.id)

    def _access_approved(self, said: _Said) -> Iterator[Breach]:
        request = self._answer(said, EventKind.ACCESS_REQUESTED)
        if request is None:
            yield Breach(Rule.GRANT, said.index, Why.REFERENCE, said.decision.matter)
        else:
            yield from self._check_approval(said, request)

    def _access_refused(self, said: _Said) -> Iterator[Breach]:
        if self._answer(said, EventKind.ACCESS_REQUESTED) is None:
            yield Breach(Rule.GRANT, said.index, Why.REFERENCE, said.decision.matter)
        elif not said.may(PersonRole.APPROVING_LEADER):
            yield Breach(Rule.LEAVE, said.index, Why.ROLE, said.view.actor.id)

    def _access_used(self, said: _Said) -> Iterator[Breach]:
        decision = said.decision
        if not said.is_by_a_person:
            yield Breach(Rule.LEAVE, said.index, Why.ROLE, said.view.actor.id)
        grant = self._answered.get(decision.refers_to or b"")
        if (
            grant is None
            or grant.decision.kind is not EventKind.ACCESS_APPROVED
            or grant.hash not in self._is_lawful
            or grant.decision.matter in self._closed
        ):
            yield Breach(Rule.UNGRANTED, said.index, Why.REFERENCE, decision.matter)
            return
        request = self._answered[grant.decision.refers_to or b""]  # a lawful grant has one
        is_view = decision.kind is EventKind.ACCESS_VIEWED
        if decision.matter != grant.decision.matter:
            yield Breach(Rule.GRANT, said.index, Why.REFERENCE, decision.matter)
        if not set(decision.assets) <= set(grant.decision.assets):
            yield Breach(Rule.GRANT, said.index, Why.ITEMS, decision.matter)
        if request.decision.purpose != ("view" if is_view else "copy"):
            yield Breach(Rule.GRANT, said.index, Why.PURPOSE, decision.matter)
        if is_view and said.view.actor.id not in (request.view.actor.id, request.decision.recipient):
            yield Breach(Rule.GRANT, said.index, Why.RECIPIENT, said.view.actor.id)
        begin, end = grant.decision.from_at, grant.decision.until_at
        if begin is None or end is None or not begin <= said.view.time.reading.wall_at < end:
            yield Breach(Rule.UNGRANTED, said.index, Why.PERIOD, decision.matter)

    def _access_closed(self, said: _Said) -> Iterator[Breach]:
        self._closed.add(said.decision.matter)
        yield from ()

    # Cases -----------------------------------------------------------------------------------------------------------

    def _case_linked(self, said: _Said) -> Iterator[Breach]:
        for asset, digest in said.decision.bytes_of.items():
            if self.scope is not None and asset not in self.scope:
                continue
            if asset in self._bytes_of and digest not in self._bytes_of[asset]:
                yield Breach(Rule.CASE, said.index, Why.BYTES, asset)
            if self._case_of.setdefault(asset, said.decision.matter) != said.decision.matter:
                yield Breach(Rule.CASE, said.index, Why.CASE, asset)

    def _case_unlinked(self, said: _Said) -> Iterator[Breach]:
        for asset in said.decision.assets:
            if self.scope is not None and asset not in self.scope:
                continue
            if self._case_of.get(asset) == said.decision.matter:
                del self._case_of[asset]
            else:
                yield Breach(Rule.CASE, said.index, Why.CASE, asset)

    # What they share -------------------------------------------------------------------------------------------------

    def _answer(self, said: _Said, kind: EventKind) -> _Said | None:
        """Return what a decision refers to, if it is of this kind and matter and about all of its items."""
        other = self._answered.get(said.decision.refers_to or b"")
        if other is None or other.decision.kind is not kind or other.decision.matter != said.decision.matter:
            return None
        return other if set(said.decision.assets) <= set(other.decision.assets) else None

    def _check_approval(self, said: _Said, asked: _Said) -> Iterator[Breach]:
        if not said.may(PersonRole.APPROVING_LEADER):
            yield Breach(Rule.LEAVE, said.index, Why.ROLE, said.view.actor.id)
        elif said.is_by_the_one_of(asked):
            yield Breach(Rule.LEAVE, said.index, Why.SAME_PERSON, said.view.actor.id)
        elif asked.hash not in self._is_lawful:
            yield Breach(Rule.LEAVE, said.index, Why.REFERENCE, said.decision.matter)

    def _check_after_tombstone(self, heard: Heard, *, is_centre: bool) -> Iterator[Breach]:
        view = heard.view
        if not self.tombstones or view.kind in MAY_FOLLOW_A_TOMBSTONE:
            return
        about = assets_listed(view.body) | ({view.asset.id} if view.asset is not None else set())
        gone = sorted(self.tombstones.keys() & about)
        if is_centre or any(view.source.id in self._pulled_by.get(asset, ()) for asset in gone):
            for asset in gone[:1]:
                yield Breach(Rule.AFTERWARDS, heard.index, Why.TOMBSTONE, asset)

    _HANDLERS: ClassVar[Mapping[EventKind, Callable[["Decisions", _Said], Iterator[Breach]]]] = {
        EventKind.HOLD_PLACED: _hold_placed,
        EventKind.HOLD_RELEASED: _hold_released,
        EventKind.DISPOSAL_PROPOSED: _disposal_proposed,
        EventKind.DISPOSAL_APPROVED: _disposal_approved,
        EventKind.DISPOSAL_DONE: _disposal_done,
        EventKind.ACCESS_REQUESTED: _access_requested,
        EventKind.ACCESS_APPROVED: _access_approved,
        EventKind.ACCESS_REFUSED: _access_refused,
        EventKind.ACCESS_VIEWED: _access_used,
        EventKind.ACCESS_COPIED: _access_used,
        EventKind.ACCESS_CLOSED: _access_closed,
        EventKind.CASE_LINKED: _case_linked,
        EventKind.CASE_UNLINKED: _case_unlinked,
    }
