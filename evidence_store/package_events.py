"""Which events go into an evidence package, each with its leaf and its proof: all that the log says about some items.

The catalogue says where to look; what it does not have yet is read from the log's end. Which of these are about the
items is decided on the signed words alone. One head is chosen first and holds for everything: newer events are left
out, so it does not matter whether the store runs. Each envelope, leaf and proof is checked before it is given on.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from chain_of_custody.audit_events import ENVELOPE_ALTERED, ENVELOPE_MISSING
from chain_of_custody.checkpoint import Checkpoint, origin_of
from chain_of_custody.decision_bodies import DECISIONS
from chain_of_custody.decisions import Decisions
from chain_of_custody.envelope import Envelope, parse_envelope, verify_envelope
from chain_of_custody.errors import LogDamagedError, SignerUnknownError
from chain_of_custody.event import EventView, parse_event
from chain_of_custody.leaf import Leaf, verify_leaf
from chain_of_custody.people import People
from chain_of_custody.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from chain_of_custody.signatures import KeyId
from chain_of_custody.tiles import node_reader
from chain_of_custody.tree import TreeHead
from chain_of_custody.witness_policy import cosigners_of
from evidence_model.digests import Digest
from evidence_model.errors import DamageError, RefusedError
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId
from evidence_store import body_reading as read
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.errors import HeadUnwitnessedError, LogFileMissingError, LogHalfWayError, MirroredUnfitError
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.package_decisions import ErasedEvent, answers_to, erased_by, hear_all
from host_io.trust import Trust

_SAID_OF_RECORDINGS = frozenset(
    (
        EventKind.TAGS_SET.value,
        EventKind.NOTE_INTERRUPTION.value,
        EventKind.RECORDING_MARKED.value,
        *DECISIONS,
    )
)
_KINDS = json.dumps(sorted({*_SAID_OF_RECORDINGS, EventKind.KEY_ENROLLED.value, EventKind.KEY_REVOKED.value}))
_LOOK_AT = """
select log_index, hash from event where asset_id in (select value from json_each(?1))
union select log_index, hash from event where kind in (select value from json_each(?2))
union select event.log_index, event.hash from event join dock using (log_index) where recorder_id in
  (select recorder_id from item where asset_id in (select value from json_each(?1)))
order by log_index
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedEvent:
    """An event of the log with all that proves it."""

    index: int
    envelope: Envelope
    view: EventView
    leaf: Leaf
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogState:
    """The log at one head: every proof of a package leads to it."""

    note: bytes
    head: Checkpoint


def log_state(folder: LogFolder, trust: Trust, *, known_size: int) -> LogState:
    """Return the newest public head, which holds the `known_size` events that the catalogue has.

    Where the site has witnesses it is the newest that they cosigned, and may be somewhat behind.

    Raises:
        LogHalfWayError: the log was cut off before it published what the catalogue knows.
        HeadUnwitnessedError: the site has witnesses, and too few of them have cosigned this head yet.
        LogFileMissingError: there is no checkpoint.
    """
    try:
        note = folder.checkpoint.read_bytes()
    except FileNotFoundError:
        raise LogFileMissingError(f"{folder.checkpoint}: not there; `evidock run` publishes it again") from None
    head = trust.open_checkpoint(note)
    if head.origin != origin_of(trust.log_key):
        raise HeadUnwitnessedError("the log's key was handed over, and nothing is shown under the new one yet")
    witnesses = trust.witnesses_at(head.size)
    cosigned = cosigners_of(note, witnesses)
    if not witnesses.is_met_by(cosigned):
        raise HeadUnwitnessedError(f"{len(cosigned)} cosignatures at size {head.size}; {witnesses.quorum} needs more")
    if head.size < known_size and not witnesses.needs_witnesses:
        raise LogHalfWayError(f"{folder.checkpoint}: size {head.size}, the catalogue knows {known_size} events")
    return LogState(note, head)


@dataclass(frozen=True, slots=True)
class Anchor:
    """An older checkpoint of the same log, and the proof that the head contains its tree."""

    note: bytes
    consistency: tuple[bytes, ...]


class EventSearch:
    """One search in one log; what cannot be read or does not verify is a finding, and does not hide what follows."""

    def __init__(self, folder: LogFolder, state: LogState, trust: Trust) -> None:
        self.findings: list[Finding] = []
        self.decisions = Decisions(People(), centres=())
        self.erased: list[ErasedEvent] = []  # those that belong to the items
        self._lost: dict[bytes, int] = {}  # envelopes that are not there, and their places
        self._state = state
        self._trust = trust
        self._reader = LogReader(folder)
        self._read_node = node_reader(state.head.size, folder.read_tile)
        self._verifiers = trust.all_verifiers()

    def run(
        self,
        db: sqlite3.Connection,
        *,
        known_size: int,
        items: Mapping[AssetId, Digest],
        seal: tuple[int, bytes] | None = None,
    ) -> list[PackagedEvent]:
        """Return the events that the log holds about these items, and the seal, in the log's order."""
        seen = list(self._candidates(db, known_size, items.keys()))
        chosen = {each.index: each for each in seen if _names_one_of(each.view, items.keys())}
        chosen |= answers_to(seen, chosen)
        self.decisions = hear_all(seen, self._reader, self._trust)
        self._settle_lost(chosen.values())
        sessions = {
            (each.view.source.id, read.text(each.view.body, "session"))
            for each in chosen.values()
            if is_pull_of(each.view, items)
        }
        chosen |= {each.index: each for each in seen if _is_docking(each.view, sessions)}
        if seal is not None and (sealed := self._read(*seal)) is not None:
            chosen[sealed.index] = sealed
        packaged = {index: self._packaged(event) for index, event in chosen.items()}
        enrolments = [each for each in seen if self._is_about_a_key(each.view)]
        keys = {each.leaf.key_hash for each in self.erased}
        while more := [
            each for each in enrolments if each.index not in packaged and _is_of_a_signer(each, packaged.values(), keys)
        ]:
            packaged |= {each.index: self._packaged(each) for each in more}  # who enrolled was enrolled as well
        return [event for _, event in sorted(packaged.items()) if event is not None]

    def anchor(self, note: bytes | None) -> Anchor | None:
        """Return an older checkpoint with its proof, None if it is not older; one that contradicts is a finding."""
        if note is None:
            return None
        head = self._state.head.head()
        try:
            old = self._trust.open_checkpoint(note).head()
            if not 0 < old.size < head.size:
                return None
            proof = consistency_proof(old.size, head.size, self._read_node)
            verify_consistency(old=old, new=head, proof=proof)
        except (RefusedError, DamageError) as error:
            self.findings.append(Finding(error.code, Severity.DAMAGE, "log", {"why": str(error)[:200]}))
            return None
        return Anchor(note, proof)

    def handed_over(self) -> dict[int, tuple[bytes, ...]]:
        """Return, by its size, the proof for each tree with which the log's key was handed over: the head contains it.

        One that the head does not contain is a finding.
        """
        head, proofs = self._state.head.head(), {}
        for final in (each.final for each in self._trust.logs if each.final is not None and each.final.size):
            try:
                proof = consistency_proof(final.size, head.size, self._read_node) if final.size < head.size else ()
                verify_consistency(old=TreeHead(final.size, final.root), new=head, proof=proof)
            except (RefusedError, DamageError) as error:
                self.findings.append(Finding(error.code, Severity.DAMAGE, "log", {"why": str(error)[:200]}))
                continue
            proofs[final.size] = proof
        return proofs

    def mirrored(self, note: bytes) -> Anchor:
        """Return the checkpoint of a mirror with its proof.

        Raises:
            MirroredUnfitError: it is none of this log, or the head does not contain it.
        """
        head = self._state.head.head()
        try:
            old = self._trust.open_checkpoint(note).head()
            proof = consistency_proof(old.size, head.size, self._read_node)
            verify_consistency(old=old, new=head, proof=proof)
        except RefusedError as error:
            raise MirroredUnfitError(str(error)[:200]) from error
        return Anchor(note, proof)

    def _candidates(
        self, db: sqlite3.Connection, known_size: int, assets: Collection[AssetId]
    ) -> Iterator[LoggedEvent]:
        rows = db.execute(_LOOK_AT, (json.dumps(sorted(assets)), _KINDS)).fetchall()
        for row in rows:
            if row["log_index"] >= self._state.head.size:
                break  # not cosigned yet
            event = self._read(row["log_index"], row["hash"])
            if event is not None:
                yield event
        yield from self._reader.events(known_size, self._state.head.size, lost=self._lost_leaf)

    def _read(self, index: int, envelope_hash: bytes) -> LoggedEvent | None:
        subject = f"log/envelopes/{envelope_hash.hex()}"
        try:
            raw = self._reader.raw_envelope(envelope_hash)
        except LogFileMissingError:
            self._lost[sha256(envelope_hash).digest()] = index
            return None
        if sha256(raw).digest() != envelope_hash:
            self.findings.append(Finding(ENVELOPE_ALTERED, Severity.DAMAGE, subject, {"index": str(index)}))
            return None
        return LoggedEvent(index, envelope_hash, parse_event(parse_envelope(raw)))

    def _lost_leaf(self, index: int, checksum: bytes) -> None:
        self._lost[checksum] = index

    def _settle_lost(self, chosen: Iterable[LoggedEvent]) -> None:
        """Prove the entries whose bodies a tombstone of these items names; what no tombstone at all names is lost."""
        ours = {sha256(each).digest(): each for each in erased_by(chosen, self.decisions)}
        erased = {sha256(each).digest(): at for each, at in self.decisions.erased.items()}
        for checksum, index in self._lost.items():
            if erased.get(checksum, -1) <= index:
                subject = f"entry {index}"
                self.findings.append(Finding(ENVELOPE_MISSING, Severity.DAMAGE, subject, {"checksum": checksum.hex()}))
        places = {checksum: index for checksum, index in self._lost.items() if checksum in ours}
        unplaced = ours.keys() - places.keys()
        for index in range(self._state.head.size if unplaced else 0):
            checksum = self._reader.leaf(index, self._state.head.size).checksum
            if checksum in unplaced and self._reader.envelope_hash(checksum) is None:
                places[checksum] = index
        for checksum, index in sorted(places.items(), key=lambda each: each[1]):
            leaf, size = self._reader.leaf(index, self._state.head.size), self._state.head.size
            proof = inclusion_proof(index, size, self._read_node)
            verify_inclusion(leaf_hash=leaf.hash(), index=index, size=size, proof=proof, root=self._state.head.root)
            self.erased.append(ErasedEvent(index=index, hash=ours[checksum], leaf=leaf, proof=proof))

    def _is_about_a_key(self, view: EventView) -> bool:
        is_of_a_key = view.kind in {EventKind.KEY_ENROLLED.value, EventKind.KEY_REVOKED.value}
        return is_of_a_key and view.source.id == self._trust.centre.id

    def _packaged(self, event: LoggedEvent) -> PackagedEvent | None:
        try:
            return self._proved(event)
        except (RefusedError, DamageError) as error:
            details = {"index": str(event.index), "why": str(error)[:200]}
            self.findings.append(Finding(error.code, Severity.DAMAGE, f"entry {event.index}", details))
            return None

    def _proved(self, event: LoggedEvent) -> PackagedEvent:
        """Return the event with its proof; what an outsider checks is checked here first."""
        head = self._state.head
        envelope = parse_envelope(self._reader.raw_envelope(event.hash))
        leaf = self._reader.leaf(event.index, head.size)
        if leaf.checksum != envelope.checksum:
            raise LogDamagedError(f"entry {event.index} of the log is not the event that the catalogue has there")
        signers = verify_envelope(envelope, self._verifiers.values())
        key_id = KeyId(leaf.key_hash.hex())
        if key_id not in signers or self._trust.source_of(key_id) != event.view.source.id:
            raise SignerUnknownError(f"entry {event.index}: not signed by the key of {event.view.source.id}")
        verify_leaf(leaf, public_key=self._verifiers[key_id].public_key)
        proof = inclusion_proof(event.index, head.size, self._read_node)
        verify_inclusion(leaf_hash=leaf.hash(), index=event.index, size=head.size, proof=proof, root=head.root)
        return PackagedEvent(index=event.index, envelope=envelope, view=event.view, leaf=leaf, proof=proof)


def is_pull_of(view: EventView, items: Mapping[AssetId, Digest]) -> bool:
    """Say whether a station says here that it pulled one of the items itself: this id, and these bytes."""
    if view.kind != EventKind.FOOTAGE_PULLED.value or view.asset is None:
        return False
    digest = items.get(view.asset.id)
    return digest is not None and view.subject.sha256 == digest.raw


def _names_one_of(view: EventView, assets: Collection[AssetId]) -> bool:
    """Say whether an event is about one of the items, or about a recording that it lists one of them for."""
    if view.asset is not None and view.asset.id in assets:
        return True
    if view.kind not in _SAID_OF_RECORDINGS:
        return False
    return any(each in assets for each in read.assets(view.body, "assets"))


def _is_docking(view: EventView, sessions: Collection[tuple[str, str | None]]) -> bool:
    session = read.text(view.body, "session")
    is_docked = view.kind == EventKind.RECORDER_DOCKED.value
    return is_docked and bool(session) and (view.source.id, session) in sessions


def _is_of_a_signer(event: LoggedEvent, packaged: Iterable[PackagedEvent | None], keys: Collection[bytes]) -> bool:
    """Say whether the event enrols, or revokes, a key that signed one of these, or is one of `keys`."""
    if event.view.subject.sha256 in keys:
        return True
    signatures = (each for one in packaged if one is not None for each in one.envelope.signatures)
    return any(each.key_id.digest == event.view.subject.sha256 for each in signatures)
