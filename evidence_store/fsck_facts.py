"""What the log says that files must bear out: which bytes it names, which were received, which keys it knows."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chain_of_custody.decision_bodies import DECISIONS, assets_listed
from chain_of_custody.envelope import parse_envelope
from evidence_model.continuity import Shown
from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.events import ActorLevel, EventKind
from evidence_model.messages import blobs_of
from evidence_model.names import display_name
from evidence_store import body_reading as read
from evidence_store.fsck_recorders import Docked, shown_in

_SUFFIX = ".dsse.json"


@dataclass(frozen=True, slots=True)
class Use:
    """One item, or one event, for which bytes are kept."""

    role: str
    asset_id: str
    name: str


@dataclass(frozen=True, slots=True)
class _Enrolment:
    role: str
    id: str
    key: str
    signers: frozenset[str]


@dataclass(slots=True)
class DecisionFacts:
    """What a log holds of decisions, by the hashes of the envelopes."""

    decided: set[bytes] = field(default_factory=set)  # decisions, and whatever claims a person's key
    items: set[str] = field(default_factory=set)  # what was decided about
    said_of: dict[str, list[bytes]] = field(default_factory=dict)  # all other events, by the items they are about

    def remember(self, envelope_hash: bytes, predicate: Mapping[str, Any], kind: str, item: str) -> None:
        """Take from an event what decisions need of it; whether its form is right is the audit's business."""
        about = {*assets_listed(predicate["body"]), *((item,) if item else ())}
        if kind in DECISIONS:
            self.items |= about
        if kind in DECISIONS or predicate["actor"].get("level") == ActorLevel.PERSON_KEY.value:
            self.decided.add(envelope_hash)
            return
        for each in about:
            self.said_of.setdefault(each, []).append(envelope_hash)


@dataclass(slots=True)
class LogFacts:
    """Gathered while the envelopes are read for the audit, so that each is read once; `settle` when all are read."""

    event_count: int = 0
    uses: dict[Digest, list[Use]] = field(default_factory=dict)
    announced_at: dict[Digest, datetime] = field(default_factory=dict)  # when an event named it first, by its own clock
    received: dict[Digest, str] = field(default_factory=dict)  # → asset id
    enrolled: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # (role, id) → public keys
    sm3: dict[Digest, set[bytes]] = field(default_factory=dict)  # what events say by SM3 of bytes of this SHA-256
    last_seq_of: dict[str, int] = field(default_factory=dict)  # source → its largest number in the log
    misnamed: list[tuple[str, str]] = field(default_factory=list)  # (file name of the envelope, asset id)
    docked: list[tuple[Docked, Shown]] = field(default_factory=list)  # every docking, and what it showed
    trust_number: int = 1  # of the newest trust document that the centre said it goes by
    _trusts: list[tuple[frozenset[str], int]] = field(default_factory=list)
    decisions: DecisionFacts = field(default_factory=DecisionFacts)
    disposed: frozenset[str] = frozenset()  # asset ids that have a lawful tombstone
    _enrolments: list[_Enrolment] = field(default_factory=list)
    _received: list[tuple[frozenset[str], Digest, str]] = field(default_factory=list)

    def watch(self, envelopes: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Pass envelopes on, and remember what those that are what their name says tell."""
        for name, raw in envelopes:
            self.event_count += 1
            if hashlib.sha256(raw).hexdigest() + _SUFFIX == name:
                self._remember(name, raw)
            yield name, raw

    def settle(self, centre_keys: frozenset[str]) -> None:
        """Keep what the centre said, by the ids of its keys; a key that enrolled itself as the centre's is one too.

        The log admits nothing that its own key did not sign for, so such an entry is a witness when trust.json is not.
        """
        known = centre_keys | {
            hashlib.sha256(bytes.fromhex(each.key)).hexdigest()
            for each in self._enrolments
            if each.role == "centre" and hashlib.sha256(bytes.fromhex(each.key)).hexdigest() in each.signers
        }
        for each in self._enrolments:
            if each.signers & known:
                self.enrolled.setdefault((each.role, each.id), set()).add(each.key)
        self.trust_number = max((number for signers, number in self._trusts if signers & known), default=1)
        self.received = {digest: asset for signers, digest, asset in self._received if signers & known}

    def is_disposed(self, digest: Digest) -> bool:
        """Say whether bytes belong to nothing any more but to items that were lawfully disposed of."""
        uses = self.uses.get(digest, [])
        return bool(uses) and all(use.asset_id in self.disposed for use in uses)

    def _remember(self, envelope_name: str, raw: bytes) -> None:
        """Take from an event what others must bear out; whether its form is right is the audit's business."""
        try:
            envelope = parse_envelope(raw)
            statement = json.loads(envelope.payload)
            predicate, digest = statement["predicate"], statement["subject"][0]["digest"]
            kind, body, source = str(predicate["kind"]), predicate["body"], str(predicate["source"]["id"])
            asset = str(predicate["asset"]["id"]) if predicate["asset"] else ""
            seq = int(predicate["source"]["seq"])
            at = read.instant(predicate["time"], "wall")
            blobs = blobs_of(body)
            sm3 = (Digest.parse(digest["sha256"]), bytes.fromhex(digest["sm3"])) if "sm3" in digest else None
            subject = bytes.fromhex(digest["sha256"])
            self.decisions.remember(envelope.hash, predicate, kind, asset)
        except (RefusedError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return
        self.last_seq_of[source] = max(self.last_seq_of.get(source, 0), seq)
        if sm3 is not None:
            self.sm3.setdefault(sm3[0], set()).add(sm3[1])
        if kind == EventKind.FOOTAGE_PULLED.value and read.item_id(body, subject) != asset:
            self.misnamed.append((envelope_name, asset))
        if kind == EventKind.RECORDER_DOCKED.value:
            docked = Docked.of(body, station=source, seq=seq, envelope=envelope_name)
            self.docked.append((docked, shown_in(body)))
        path = read.raw_bytes(body, "path_hex")
        name = display_name(path) if path is not None else kind
        signers = frozenset(signature.key_id.text for signature in envelope.signatures)
        for blob in blobs:
            if kind == EventKind.STORE_RECEIVED.value:
                self._received.append((signers, blob.digest, asset))
            else:
                self.uses.setdefault(blob.digest, []).append(Use(blob.role.value, asset, name))
                if at is not None:
                    self.announced_at[blob.digest] = min(at, self.announced_at.get(blob.digest, at))
        if kind == EventKind.TRUST_CHANGED.value:
            self._trusts.append((signers, read.number(body, "number") or 1))
        key = read.raw_bytes(body, "key")
        if kind == EventKind.KEY_ENROLLED.value and key is not None:
            owner = read.text(body, "role") or "", read.text(body, "id") or ""
            self._enrolments.append(_Enrolment(*owner, key.hex(), signers))
