"""Did people who may decide what was done with the recordings, and in this order (docs/spec/decisions.md)?

The events are read in the order of the log. A decision that breaks a rule is told and counts for nothing, so what rests
on it is told, too; but a hold counts whoever placed it, for to keep footage does no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from .decision_forms import FORMS, Decision, read_decision
from .event import Event
from .people import keys_at, roles_at
from .strict import RefusedError
from .trust import Person

LEADER, ADMINISTRATOR = "approving-leader", "media-administrator"
HOLDERS = {LEADER, ADMINISTRATOR, "inspector"}
MAY_FOLLOW_A_TOMBSTONE = {
    *("tags.set", "note.interruption", "recording.marked"),  # words about a recording, of which other files may be left
    *("case.unlinked", "hold.released", "access.requested", "access.refused", "access.closed"),
    *("disc.verified", "disc.inspected"),  # a disc that was given out before is still there
    *("recorder.freed", "footage.missing"),
}
PERSON, GRANT, UNGRANTED, LEAVE, HELD = "PKG-070", "PKG-071", "PKG-072", "PKG-073", "PKG-074"
HOLD, TOMBSTONE, AFTERWARDS, CASE = "PKG-075", "PKG-076", "PKG-077", "PKG-078"
_OF_FORM = {"hold": HOLD, "disposal": TOMBSTONE, "access": GRANT, "case": CASE}


@dataclass(frozen=True)
class Told:
    """An event that breaks a rule: its place, the code, which part of the rule, and whom or what it is about."""

    index: int
    code: str
    why: str
    of: str = ""


@dataclass(frozen=True)
class Spoken:
    """An event that is in the log, and the ids of people's keys that signed it."""

    index: int
    hash: str
    event: Event
    signed_by: frozenset[str]


@dataclass(frozen=True)
class Act:
    """A decision and who took it."""

    spoken: Spoken
    decision: Decision
    keys: frozenset[str]  # of the person who acted, those that signed; none if only the machine says that he did
    roles: frozenset[str]

    @property
    def person(self) -> str:
        """Return the acting person's id; empty if no person acted, or if his key is claimed and did not sign."""
        actor = self.spoken.event.actor
        return actor.id if actor.kind == "person" and (self.keys or actor.level != "person-key") else ""

    def may(self, roles: Collection[str]) -> bool:
        """Say whether a person with one of these roles acted."""
        return bool(self.person) and any(role in roles for role in self.roles)

    def is_by_the_same_as(self, other: Act) -> bool:
        """Say whether one person, or one key, did both."""
        return self.spoken.event.actor.id == other.spoken.event.actor.id or any(key in other.keys for key in self.keys)


@dataclass
class History:
    """What was decided so far."""

    people: tuple[Person, ...]
    centres: frozenset[str]
    items: Collection[str] | None = None  # of which all events are here; None: of every item
    told: list[Told] = field(default_factory=list)
    acts: dict[str, Act] = field(default_factory=dict)  # by the hash of the envelope
    unlawful: set[str] = field(default_factory=set)
    holds: dict[str, set[str]] = field(default_factory=dict)  # placed by which event, keeps which items
    closed: set[str] = field(default_factory=set)  # requests
    tombstones: dict[str, int] = field(default_factory=dict)  # item: place of its lawful tombstone
    erased: dict[str, int] = field(default_factory=dict)  # event whose body is lawfully gone: place of the tombstone
    cases: dict[str, str] = field(default_factory=dict)  # item: case
    pulled: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # item: SHA-256 of its bytes: who says so

    def tell(self, act: Act, code: str, why: str, of: str = "") -> None:
        """Note that a decision breaks a rule: it is not lawful."""
        self.unlawful.add(act.spoken.hash)
        self.told.append(Told(act.spoken.index, code, why, of))

    def lawful(self, envelope: str, kind: str) -> Act | None:
        """Return the lawful decision of this kind in the envelope of this hash."""
        act = self.acts.get(envelope)
        return act if act is not None and act.decision.kind == kind and envelope not in self.unlawful else None


def read_history(
    events: Iterable[Spoken], people: tuple[Person, ...], centres: Iterable[str], items: Collection[str] | None = None
) -> History:
    """Return what was decided, and everything that was wrong with it; the events come in the order of the log."""
    history = History(people, frozenset(centres), items)
    for spoken in events:
        _read(history, spoken)
    return history


def _read(history: History, spoken: Spoken) -> None:
    event, index = spoken.event, spoken.index
    keys: frozenset[str] = frozenset()
    if event.actor.level == "person-key":
        keys = keys_at(history.people, event.actor.id, index) & spoken.signed_by
        if not keys:
            history.told.append(Told(index, PERSON, "key", event.actor.id))
    from_centre = event.source.id in history.centres
    if event.kind == "footage.pulled" and event.item is not None and not from_centre:
        said = history.pulled.setdefault(event.item.id, {})
        said.setdefault(event.subject_sha256, set()).add(event.source.id)
    _check_after_tombstone(history, spoken, from_centre=from_centre)
    if not from_centre or event.kind not in FORMS or spoken.hash in history.acts:
        return  # what others say decides nothing, nor does what is logged a second time
    family = event.kind.partition(".")[0]
    try:
        decision = read_decision(event)
    except RefusedError:
        history.told.append(Told(index, _OF_FORM[family], "form"))
        return
    roles = roles_at(history.people, event.actor.id, index) if event.actor.kind == "person" else frozenset()
    act = Act(spoken, decision, keys, roles)
    {"hold": _hold, "disposal": _disposal, "access": _access, "case": _case}[family](history, act)
    history.acts[spoken.hash] = act


def _check_after_tombstone(history: History, spoken: Spoken, *, from_centre: bool) -> None:
    event = spoken.event
    if event.kind in MAY_FOLLOW_A_TOMBSTONE:
        return
    listed = event.body.get("assets")
    about = {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()
    if event.item is not None:
        about.add(event.item.id)
    gone = sorted(item for item in about if item in history.tombstones)
    pullers = {name for item in gone for names in history.pulled.get(item, {}).values() for name in names}
    if gone and (from_centre or event.source.id in pullers):
        history.told.append(Told(spoken.index, AFTERWARDS, "tombstone", gone[0]))


def _asked(history: History, act: Act, kind: str) -> Act | None:
    """Return the decision that this one answers: of this kind and matter, and about all of its items."""
    asked = history.acts.get(act.decision.answers)
    if asked is None or asked.decision.kind != kind or asked.decision.matter != act.decision.matter:
        return None
    return asked if act.decision.assets <= asked.decision.assets else None


def _hold(history: History, act: Act) -> None:
    who = act.spoken.event.actor.id
    if act.decision.kind == "hold.placed":
        history.holds[act.spoken.hash] = set(act.decision.assets)
        if not act.may(HOLDERS):
            history.tell(act, HOLD, "role", who)
        return
    placed = _asked(history, act, "hold.placed")
    if placed is None:
        history.tell(act, HOLD, "reference", act.decision.matter)
    elif not act.keys:
        history.tell(act, HOLD, "key", who)
    elif not act.may({LEADER}):
        history.tell(act, HOLD, "role", who)
    elif act.is_by_the_same_as(placed):
        history.tell(act, HOLD, "same-person", who)
    else:
        history.holds[placed.spoken.hash] -= act.decision.assets


def _disposal(history: History, act: Act) -> None:
    if act.decision.kind == "disposal.proposed":
        if not act.may({ADMINISTRATOR}):
            history.tell(act, LEAVE, "role", act.spoken.event.actor.id)
    elif act.decision.kind == "disposal.approved":
        _approved(history, act, "disposal.proposed", TOMBSTONE)
    else:
        _tombstone(history, act)


def _approved(history: History, act: Act, kind: str, code: str) -> None:
    asked, who = _asked(history, act, kind), act.spoken.event.actor.id
    if asked is None:
        history.tell(act, code, "reference", act.decision.matter)
    elif not act.may({LEADER}):
        history.tell(act, LEAVE, "role", who)
    elif act.is_by_the_same_as(asked):
        history.tell(act, LEAVE, "same-person", who)
    elif asked.spoken.hash in history.unlawful:
        history.tell(act, LEAVE, "reference", act.decision.matter)


def _tombstone(history: History, act: Act) -> None:
    link = act.spoken.event.item
    item = link.id if link is not None else ""
    if any(item in kept for kept in history.holds.values()):
        history.tell(act, HELD, "hold", item)
    why = _why_no_tombstone(history, act.decision, item)
    if why:
        history.tell(act, TOMBSTONE, why, item)
    if act.spoken.hash not in history.unlawful:
        history.tombstones.setdefault(item, act.spoken.index)
        for envelope in act.decision.body["erased"]:
            history.erased.setdefault(envelope, act.spoken.index)


def _why_no_tombstone(history: History, decision: Decision, item: str) -> str:
    """Return what is missing: two persons whose keys signed for this item, one the proposal and one the approval."""
    proposal = history.acts.get(decision.body["proposal"])
    approval = history.acts.get(decision.body["approval"])
    if (
        proposal is None
        or proposal.decision.kind != "disposal.proposed"
        or approval is None
        or approval.decision.kind != "disposal.approved"
        or approval.decision.answers != decision.body["proposal"]
        or not proposal.decision.matter == approval.decision.matter == decision.matter
    ):
        return "reference"
    if item not in approval.decision.assets or set(decision.body["erased"]) - set(proposal.decision.body["erased"]):
        return "items"
    if not (proposal.keys and approval.keys):
        return "key"
    is_lawful = history.unlawful.isdisjoint((proposal.spoken.hash, approval.spoken.hash))
    return "" if is_lawful else "role"


def _access(history: History, act: Act) -> None:
    kind, matter, who = act.decision.kind, act.decision.matter, act.spoken.event.actor.id
    if kind == "access.requested":
        if not act.person:
            history.tell(act, LEAVE, "role", who)
    elif kind == "access.approved":
        _approved(history, act, "access.requested", GRANT)
    elif kind == "access.refused":
        if _asked(history, act, "access.requested") is None:
            history.tell(act, GRANT, "reference", matter)
        elif not act.may({LEADER}):
            history.tell(act, LEAVE, "role", who)
    elif kind == "access.closed":
        history.closed.add(matter)
    else:
        for code, why, of in _misuses(history, act):
            history.tell(act, code, why, of)


def _misuses(history: History, act: Act) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a viewing or copying."""
    matter, who = act.decision.matter, act.spoken.event.actor.id
    if not act.person:
        yield LEAVE, "role", who
    grant = history.lawful(act.decision.answers, "access.approved")
    if grant is None or grant.decision.matter in history.closed:
        yield UNGRANTED, "reference", matter
        return
    request = history.acts[grant.decision.answers]
    if grant.decision.matter != matter:
        yield GRANT, "reference", matter
    if not act.decision.assets <= grant.decision.assets:
        yield GRANT, "items", matter
    purpose = "view" if act.decision.kind == "access.viewed" else "copy"
    if request.decision.body["purpose"] != purpose:
        yield GRANT, "purpose", matter
    may_view = {request.spoken.event.actor.id, request.decision.body["recipient"]}
    if purpose == "view" and act.spoken.event.actor.id not in may_view:
        yield GRANT, "recipient", who
    if not grant.decision.body["from"] <= act.spoken.event.time.text < grant.decision.body["until"]:
        yield UNGRANTED, "period", matter


def _case(history: History, act: Act) -> None:
    case, is_link = act.decision.matter, act.decision.kind == "case.linked"
    for each in act.decision.body["items"]:
        item = each["asset"]
        if history.items is not None and item not in history.items:
            continue  # another package's: not all of its events are here
        said = history.pulled.get(item, {})
        if is_link and said and each["sha256"] not in said:
            history.tell(act, CASE, "bytes", item)
        if is_link and history.cases.setdefault(item, case) != case:
            history.tell(act, CASE, "case", item)
        if not is_link and history.cases.get(item) != case:
            history.tell(act, CASE, "case", item)
        elif not is_link:
            del history.cases[item]
