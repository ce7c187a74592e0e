"""What the agent says, as facts for the signed journal; pure. The store's catalogue and experts read the bodies."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chain_of_custody.event import Actor, Subject
from edge_agent.codes import HOLES, SIZE_DIFFERS
from edge_agent.holes import HoleMap
from edge_agent.identify import Identity
from edge_agent.listing import ListedFile, Listing
from edge_agent.preflight import Preflight
from edge_agent.profile import Profile
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.continuity import Counter
from evidence_model.digests import Digest
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, SessionId, SourceId, asset_id_of
from evidence_model.instants import wire_instant
from evidence_model.known import Known, Unknown, text_of
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.names import display_name
from host_io.signed_journal import NewFact

MAX_FINDINGS_TOLD = 60  # in an event; all of them stand in station.db
_MAX_FINDINGS_BYTES = 12 << 10  # an envelope has 60 KiB, and must never be too long for what lies on a recorder
_MAX_SUBJECT_CHARS = 200
_TAKEN_IN_TIME = ("MS-D9", "XM-D9")  # pulled within a day, into the unit's own storage
_FIT_FOR_USE = ("MS-D4", "XM-D4")  # battery, storage, date and time


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A file whose bytes are in the spool, whole, with everything that will be said of them."""

    recorder_id: RecorderId
    session_id: SessionId
    listed: ListedFile
    profile: Profile
    size_bytes: int  # read until the end; `listed.size_bytes` is what the file system promised
    digest: Digest
    head_digest: bytes
    tail_digest: bytes
    sm3: bytes | None = None
    holes: HoleMap = field(default_factory=HoleMap)
    resumed_at: tuple[int, ...] = ()

    @property
    def asset_id(self) -> AssetId:
        """Return the item's id."""
        return asset_id_of(
            recorder=self.recorder_id, raw_path=self.listed.raw_path, size_bytes=self.size_bytes, digest=self.digest
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """Return what people should notice about this copy."""
        flags = []
        if self.holes.holes:
            flags.append("holes")
        if self.size_bytes != self.listed.size_bytes:
            flags.append("size-differs")
        if not self.size_bytes:
            flags.append("empty")
        if self.resumed_at:
            flags.append("resumed")
        return tuple(flags)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what is wrong with this copy and will stay so."""
        subject = file_subject(self.recorder_id, self.listed.raw_path)
        findings = []
        if self.holes.holes:
            count, size = len(self.holes.holes), self.holes.size_bytes
            details = {"holes": str(count), "hole_bytes": str(size), "asset": self.asset_id}
            findings.append(Finding(HOLES, Severity.FAULT, subject, details))
        if self.size_bytes != self.listed.size_bytes:
            details = {"listed_bytes": str(self.listed.size_bytes), "read_bytes": str(self.size_bytes)}
            findings.append(Finding(SIZE_DIFFERS, Severity.FAULT, subject, details))
        return tuple(findings)


def station_actor(station: SourceId) -> Actor:
    """Return the station itself: nobody's decision, the machine's word."""
    return Actor(ActorKind.STATION, station, ActorLevel.STATION)


def recorder_docked(
    identity: Identity,
    listing: Listing,
    listing_blob: BlobRef,
    *,
    station: SourceId,
    session_id: SessionId,
    docked_at: datetime,
    port_path: "Known[str] | Unknown",
    clock_offset_ms: "Known[int] | Unknown",
    findings: Sequence[Finding],
    previous: SessionId | None = None,
    counter: Counter | None = None,
) -> NewFact:
    """Say which recorder came, with all that lay on it and its clock as found, before anything is changed.

    `previous` is its last docking here, `counter` the number of its newest file: whoever compares two dockings sees
    whether one recorder took another's place.
    """
    to_pull = [file for file in listing.files if file.pulled]
    body: dict[str, Json] = {
        "byte_count": str(sum(file.size_bytes for file in to_pull)),
        "clock_offset_ms": text_of(clock_offset_ms),
        "complete": listing.complete,
        "docked_at": wire_instant(docked_at),
        "file_count": str(len(to_pull)),
        "finding_count": str(len(findings)),
        "findings": findings_body(findings),
        "identity": identity.as_body(),
        "listed_count": str(len(listing.files)),
        "port": text_of(port_path),
        "profile": identity.profile.id,
        "recorder": identity.recorder_id,
        "session": session_id,
    }
    if previous is not None:
        body["previous_session"] = previous
    if counter is not None:
        body["counter"] = counter.as_body()
    return NewFact(
        kind=EventKind.RECORDER_DOCKED,
        subject=recorder_subject(identity.recorder_id),
        body=body,
        actor=station_actor(station),
        blobs=(listing_blob,),
    )


def preflight_done(
    preflight: Preflight, *, station: SourceId, session_id: SessionId, recorder_id: RecorderId
) -> NewFact:
    """Say how the pre-flight check came out (MS-D4, XM-D4)."""
    return NewFact(
        kind=EventKind.PREFLIGHT_DONE,
        subject=recorder_subject(recorder_id),
        body={**preflight.as_body(), "recorder": recorder_id, "session": session_id},
        actor=station_actor(station),
        rules=preflight.rules or _FIT_FOR_USE,
    )


def footage_pulled(pulled: Pulled, *, station: SourceId) -> NewFact:
    """Say that one file's bytes are in the spool for good, and how they came there (MS-D9, XM-D9)."""
    listed = pulled.listed
    body: dict[str, Json] = {
        "fields": listed.fields.as_body(),
        "flags": list(pulled.flags),
        "kind": listed.kind.value,
        "listed_size_bytes": str(listed.size_bytes),
        "locked": listed.locked,
        "mtime_ns": str(listed.mtime_ns),
        "path": display_name(listed.raw_path)[:_MAX_SUBJECT_CHARS],
        "path_hex": listed.raw_path.hex(),
        "profile": pulled.profile.id,
        "recorder": pulled.recorder_id,
        "segment_rule": pulled.profile.segment.as_body(),
        "session": pulled.session_id,
        "sha256": pulled.digest.hex,
        "size_bytes": str(pulled.size_bytes),
    }
    if pulled.holes.holes:
        body["holes"] = pulled.holes.as_body()
    if pulled.resumed_at:
        body["resumed"] = {
            "at_bytes": [str(offset) for offset in pulled.resumed_at],
            # how it was proved that it is still the same file
            "proof": ["size", "mtime", "first-mib", "last-mib-before"],
        }
    return NewFact(
        kind=EventKind.FOOTAGE_PULLED,
        subject=asset_subject(pulled.asset_id, pulled.digest, sm3=pulled.sm3),
        body=body,
        actor=station_actor(station),
        rules=_TAKEN_IN_TIME,
        asset_id=pulled.asset_id,
        blobs=(BlobRef(BlobRole.FOOTAGE, pulled.digest, pulled.size_bytes),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSaid:
    """What the bytes say of themselves, and every witness of their time side by side."""

    media: Mapping[str, Json]
    flags: tuple[str, ...]
    witnesses: Mapping[str, Json]
    start_at: "Known[datetime] | Unknown"
    duration_ms: "Known[int] | Unknown"
    probe: bytes  # the probe blob
    findings: tuple[Finding, ...] = ()


TOO_LONG = {"cut": "too long for an event; the probe blob has all of it"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """A spool copy that was read again from the medium and is what was written."""

    asset_id: AssetId
    recorder_id: RecorderId
    raw_path: bytes
    size_bytes: int
    digest: Digest
    said: MediaSaid
    profile: Profile
    fields: Mapping[str, Json]
    chunks: BlobRef
    probe: BlobRef


def footage_reread(reread: Reread, *, station: SourceId) -> NewFact:
    """Say that the medium gives back what was written, its chunk digests, and what the media say of themselves."""
    body: dict[str, Json] = {
        "fields": reread.fields,
        "flags": sorted(reread.said.flags),
        "media": reread.said.media,
        "path_hex": reread.raw_path.hex(),
        "recorder": reread.recorder_id,
        "segment_rule": reread.profile.segment.as_body(),
        "sha256": reread.digest.hex,
        "size_bytes": str(reread.size_bytes),
        "time_witnesses": reread.said.witnesses,
    }
    if isinstance(reread.said.start_at, Known):
        body["start_at"] = wire_instant(reread.said.start_at.value)
    if isinstance(reread.said.duration_ms, Known):
        body["duration_ms"] = str(reread.said.duration_ms.value)
    return NewFact(
        kind=EventKind.FOOTAGE_REREAD,
        subject=asset_subject(reread.asset_id, reread.digest),
        body=body,
        actor=station_actor(station),
        asset_id=reread.asset_id,
        blobs=(reread.chunks, reread.probe),
    )


def footage_missing(
    *,
    station: SourceId,
    session_id: SessionId,
    recorder_id: RecorderId,
    raw_path: bytes,
    size_bytes: int,
    mtime_ns: int,
    reason: str,
) -> NewFact:
    """Say that a file which was seen on the recorder went away, or cannot be read, before a copy was whole."""
    body: dict[str, Json] = {
        "mtime_ns": str(mtime_ns),
        "path": display_name(raw_path)[:_MAX_SUBJECT_CHARS],
        "path_hex": raw_path.hex(),
        "reason": reason,
        "recorder": recorder_id,
        "session": session_id,
        "size_bytes": str(size_bytes),
    }
    identity: dict[str, Json] = {"path": raw_path.hex(), "recorder": recorder_id, "size_bytes": str(size_bytes)}
    return NewFact(
        kind=EventKind.FOOTAGE_MISSING,
        subject=_subject(f"missing/{recorder_id}", identity),
        body=body,
        actor=station_actor(station),
        rules=_TAKEN_IN_TIME,
    )


def footage_gap(
    body: Mapping[str, Json], *, station: SourceId, session_id: SessionId, recorder_id: RecorderId
) -> NewFact:
    """Say that files of a recorder do not follow each other as they should; nothing is joined over a gap in silence."""
    return NewFact(
        kind=EventKind.FOOTAGE_GAP,
        subject=recorder_subject(recorder_id),
        body={**body, "recorder": recorder_id, "session": session_id},
        actor=station_actor(station),
    )


def recorder_freed(
    *,
    station: SourceId,
    session_id: SessionId,
    recorder_id: RecorderId,
    asset_id: AssetId,
    raw_path: bytes,
    size_bytes: int,
    digest: Digest,
    receipt_index: int,
    reasons: Sequence[str],
) -> NewFact:
    """Say that the recorder's copy of one item is erased, why it could be, and which receipt proves the store's."""
    body: dict[str, Json] = {
        "path_hex": raw_path.hex(),
        "reasons": list(reasons),
        "receipt_index": str(receipt_index),
        "recorder": recorder_id,
        "session": session_id,
        "sha256": digest.hex,
        "size_bytes": str(size_bytes),
    }
    return NewFact(
        kind=EventKind.RECORDER_FREED,
        subject=asset_subject(asset_id, digest),
        body=body,
        actor=station_actor(station),
        asset_id=asset_id,
    )


def recorder_subject(recorder_id: RecorderId) -> Subject:
    """Return a recorder as what an event is about."""
    return _subject(f"recorder/{recorder_id}", {"recorder": recorder_id})


def asset_subject(asset_id: AssetId, digest: Digest, *, sm3: bytes | None = None) -> Subject:
    """Return an item as what an event is about: its bytes."""
    return Subject(f"asset/{asset_id}", digest.raw, sm3)


def file_subject(recorder_id: RecorderId, raw_path: bytes) -> str:
    """Return how findings name a file of a recorder."""
    return f"{recorder_id}/{display_name(raw_path)[:_MAX_SUBJECT_CHARS]}"


def findings_body(findings: Sequence[Finding]) -> list[Json]:
    """Return the first findings as they stand in an event, as many as fit."""
    told: list[Json] = []
    left_bytes = _MAX_FINDINGS_BYTES
    for finding in findings[:MAX_FINDINGS_TOLD]:
        entry: Json = {
            "code": finding.code,
            "details": {key: str(value)[:_MAX_SUBJECT_CHARS] for key, value in sorted(finding.details.items())},
            "severity": finding.severity.value,
            "subject": finding.subject[:_MAX_SUBJECT_CHARS],
        }
        left_bytes -= len(canonical_bytes(entry))
        if left_bytes < 0:
            break
        told.append(entry)
    return told


def _subject(name: str, identity: Mapping[str, Json]) -> Subject:
    return Subject(name, hashlib.sha256(canonical_bytes(identity)).digest())
