"""What people decided about recordings, signed with real keys and logged: stories for both verifiers.

`DecisionStory` is an `EvidenceStory` that goes on: after the docking people place holds, ask, approve, view, propose
and dispose. Each method is the honest step; what an attacker does otherwise is an argument.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody.decisions import Decisions, Heard
from chain_of_custody.envelope import make_envelope, parse_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.people import People
from chain_of_custody.trust_entries import PersonRole, TrustedPerson
from evidence_model.canonical import canonical_bytes, parse_strict
from evidence_model.instants import wire_instant
from outside_verifier import decisions as outside
from outside_verifier import people as outside_people
from outside_verifier.envelope import parse_envelope as outside_envelope
from outside_verifier.event import parse_event as outside_event
from outside_verifier.keys import Key
from outside_verifier.trust import Person as OutsidePerson
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import EvidenceStory, Original, Speaker, sha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain_of_custody.breaches import Breach
    from chain_of_custody.signatures import Signer
    from evidence_model.canonical import Json, JsonObject
    from evidence_model.ids import AssetId

OFFICER, ADMIN, LEADER, LEADER_2, INSPECTOR = "P001", "P002", "P003", "P004", "P005"
ROLES = {
    OFFICER: PersonRole.OFFICER,
    ADMIN: PersonRole.MEDIA_ADMINISTRATOR,
    LEADER: PersonRole.APPROVING_LEADER,
    LEADER_2: PersonRole.APPROVING_LEADER,
    INSPECTOR: PersonRole.INSPECTOR,
}
PEOPLE = tuple(TrustedPerson(id=name, key=key_of(name).public_key, roles=(role,)) for name, role in ROLES.items())
BEGIN, END = START_AT, START_AT + timedelta(days=7)


def person_event(
    source: Speaker,
    kind: str,
    body: JsonObject,
    *,
    by: str,
    level: str = "person-key",
    signers: Sequence[Signer] | None = None,
    asset: Any = None,
    subject: tuple[str, str] = ("matter", sha(b"matter")),
    wall: str | None = None,
) -> bytes:
    """Sign the next event of a source in which a person acts, by default with his own key; return its envelope."""
    statement = parse_strict(source.statement(kind, asset=asset, body=body))
    predicate: Any = statement["predicate"]
    actor: JsonObject = {"id": by, "kind": "person", "level": level, "proof": None}
    time = {**predicate["time"], "wall": wall or predicate["time"]["wall"]}
    changed: JsonObject = {
        **statement,
        "predicate": {**predicate, "actor": actor, "time": time},
        "subject": [{"digest": {"sha256": subject[1]}, "name": subject[0]}],
    }
    also = ([key_of(by)] if level == "person-key" else []) if signers is None else signers
    raw = make_envelope(canonical_bytes(changed), (source.signer, *also))
    source.take(raw, asset)
    return raw


class Deciding(ABC):
    """The honest steps: what people decide about these items; each returns by what later steps refer to it."""

    assets: list[AssetId]
    digests: dict[AssetId, str]  # of their bytes

    @abstractmethod
    def hash(self, index: int) -> str:
        """Return the hash of the envelope of a step."""

    @abstractmethod
    def decide(self, kind: str, body: JsonObject, *, by: str, source: Speaker | None = None, **how: Any) -> int:
        """Let a person decide something."""

    def place_hold(self, *, by: str = INSPECTOR, hold: str = "h-1", assets: Sequence[str] = (), **how: Any) -> int:
        body: JsonObject = {"assets": [*(assets or self.assets)], "hold": hold, "reason": "appeal"}
        return self.decide("hold.placed", body, by=by, **how)

    def release_hold(
        self, placed: int, *, by: str = LEADER, hold: str = "h-1", assets: Sequence[str] = (), **how: Any
    ) -> int:
        listed = [*(assets or self.assets)]
        body: JsonObject = {"assets": listed, "hold": hold, "placed": self.hash(placed), "reason": "decided"}
        return self.decide("hold.released", body, by=by, **how)

    def propose(self, *, by: str = ADMIN, erased: Sequence[str] = (), assets: Sequence[str] = (), **how: Any) -> int:
        listed = [*(assets or self.assets)]
        body: JsonObject = {"assets": listed, "disposal": "d-1", "erased": [*erased], "reason": "period is over"}
        return self.decide("disposal.proposed", body, by=by, **how)

    def approve(self, proposal: int, *, by: str = LEADER, assets: Sequence[str] = (), **how: Any) -> int:
        body: JsonObject = {"assets": [*(assets or self.assets)], "disposal": "d-1", "proposal": self.hash(proposal)}
        return self.decide("disposal.approved", body, by=by, **how)

    def dispose(
        self,
        proposal: int,
        approval: int,
        *,
        by: str = ADMIN,
        asset: str = "",
        erased: Sequence[str] = (),
        level: str = "session",
        **how: Any,
    ) -> int:
        item = asset or self.assets[0]
        body: JsonObject = {
            "approval": self.hash(approval),
            "disposal": "d-1",
            "erased": [*erased],
            "proposal": self.hash(proposal),
        }
        subject = (f"asset/{item}", self.digests.get(item, "ab" * 32))  # type: ignore[call-overload]
        return self.decide("disposal.done", body, by=by, asset=item, subject=subject, level=level, **how)

    def dispose_lawfully(self, *, erased: Sequence[str] = ()) -> int:
        """Let all items go as the rules have it; returns the place of the last tombstone."""
        proposal = self.propose(erased=erased)
        approval = self.approve(proposal)
        return [self.dispose(proposal, approval, asset=each, erased=erased) for each in self.assets][-1]

    def ask(
        self, *, by: str = OFFICER, purpose: str = "view", request: str = "r-1", recipient: str = "P001", **how: Any
    ) -> int:
        assets: Json = [*(how.pop("assets", None) or self.assets)]
        body: JsonObject = {
            "assets": assets,
            "basis": "case A-7",
            "purpose": purpose,
            "recipient": recipient,
            "request": request,
        }
        return self.decide("access.requested", body, by=by, **how)

    def grant(self, requested: int, *, by: str = LEADER, request: str = "r-1", **how: Any) -> int:
        assets: Json = [*(how.pop("assets", None) or self.assets)]
        body: JsonObject = {
            "assets": assets,
            "from": wire_instant(BEGIN),
            "request": request,
            "requested": self.hash(requested),
            "until": wire_instant(END),
        }
        return self.decide("access.approved", body, by=by, **how)

    def view(self, grant: int | str, *, by: str = OFFICER, request: str = "r-1", **how: Any) -> int:
        assets: Json = [*(how.pop("assets", None) or self.assets)]
        named = grant if isinstance(grant, str) else self.hash(grant)
        return self.decide("access.viewed", {"assets": assets, "grant": named, "request": request}, by=by, **how)

    def copy_out(self, grant: int, *, by: str = ADMIN, request: str = "r-1", **how: Any) -> int:
        assets: Json = [*(how.pop("assets", None) or self.assets)]
        body: JsonObject = {"assets": assets, "grant": self.hash(grant), "package": None, "request": request}
        return self.decide("access.copied", body, by=by, **how)

    def link(self, case: str, *, digest: str = "", kind: str = "case.linked", by: str = OFFICER, **how: Any) -> int:
        items: Json = [{"asset": each, "sha256": digest or self.digests[each]} for each in self.assets]
        return self.decide(kind, {"assets": [*self.assets], "case": case, "items": items}, by=by, **how)


class DecisionStory(EvidenceStory, Deciding):
    """A docking, and what people decided about its recordings; a step is known by its place in the log."""

    def __init__(self, originals: Sequence[Original] = (Original("DCIM/0001.mp4", b"film"),)) -> None:
        super().__init__(originals)
        self.people = PEOPLE
        self.assets = [each.id for each in self.originals]
        self.digests = {each.id: sha(each.data) for each in self.originals}

    def hash(self, index: int) -> str:
        return sha(self.log_items[index][1])

    def decide(self, kind: str, body: JsonObject, *, by: str, source: Speaker | None = None, **how: Any) -> int:
        speaker = source or self.centre
        self.log_items.append((speaker, person_event(speaker, kind, body, by=by, **how)))
        self.wanted.append(len(self.log_items) - 1)
        return self.wanted[-1]

    # What both verifiers say -----------------------------------------------------------------------------------------

    def heard(self) -> tuple[list[Breach], Decisions]:
        """Return the breaches, and what was decided in the end."""
        decisions = Decisions(People.of(self.people), centres={self.centre.name})
        found: list[Breach] = []
        for index, (_, raw) in enumerate(self.log_items):
            envelope = parse_envelope(raw)
            signed = decisions.people.signed(envelope)
            found += decisions.hear(Heard(index, envelope.hash, parse_event(envelope), signed))
        return found, decisions

    def history(self) -> outside.History:
        """Return what the verifier for outsiders makes of the same events."""
        people = as_outside(self.people)
        spoken = []
        for index, (_, raw) in enumerate(self.log_items):
            envelope = outside_envelope(raw)
            signed = frozenset(outside_people.signed_by(envelope, {each.key.id: each.key for each in people}))
            spoken.append(outside.Spoken(index, envelope.hash.hex(), outside_event(envelope), signed))
        return outside.read_history(spoken, people, {self.centre.name})


def as_outside(people: Sequence[TrustedPerson]) -> tuple[OutsidePerson, ...]:
    """Return these people as the verifier for outsiders knows them."""
    return tuple(
        OutsidePerson(each.id, tuple(role.value for role in each.roles), Key(each.key), each.start, each.until)
        for each in people
    )


def both_say(story: DecisionStory) -> list[Breach]:
    """Return what is wrong with a story, once both verifiers have said the same of it."""
    (breaches, decisions), history = story.heard(), story.history()
    assert [(f"PKG-07{each.rule.value}", each.why.value, each.index, each.of) for each in breaches] == [
        (each.code, each.why, each.index, each.of) for each in history.told
    ]
    assert decisions.tombstones == history.tombstones
    assert {each.hex(): at for each, at in decisions.erased.items()} == history.erased
    return breaches
