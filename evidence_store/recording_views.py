"""Recordings as people and programs see them: plain values with their JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evidence_model.ids import AssetId
from evidence_model.instants import wire_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """Which recordings are wanted; everything that is given must hold."""

    recorder: str | None = None
    station: str | None = None
    since_at: datetime | None = None
    until_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    untagged: bool = False
    mark: str | None = None
    text: str | None = None
    limit: int = 200
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSummary:
    """One line of a list of recordings."""

    id: str
    recorder: str
    station: str
    start_at: datetime | None
    end_at: datetime | None
    file_count: int
    size_bytes: int
    received_count: int
    tags: Mapping[str, str]
    marks: tuple[str, ...]
    finding_count: int
    locked: bool

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "id": self.id,
            "recorder": self.recorder,
            "station": self.station,
            "start_at": _wire(self.start_at),
            "end_at": _wire(self.end_at),
            "file_count": self.file_count,
            "size_bytes": self.size_bytes,
            "received_count": self.received_count,
            "tags": dict(self.tags),
            "marks": list(self.marks),
            "finding_count": self.finding_count,
            "locked": self.locked,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDetail:
    """One file of a recording."""

    asset_id: AssetId
    name: str
    path_hex: str
    size_bytes: int
    sha256: str
    kind: str
    locked: bool
    flags: tuple[str, ...]
    start_at: datetime | None
    duration_ms: int | None
    received_at: datetime | None
    media: Mapping[str, object]
    witnesses: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "id": self.asset_id,
            "name": self.name,
            "path_hex": self.path_hex,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "kind": self.kind,
            "locked": self.locked,
            "flags": list(self.flags),
            "start_at": _wire(self.start_at),
            "duration_ms": self.duration_ms,
            "received_at": _wire(self.received_at),
            "media": dict(self.media),
            "time_witnesses": dict(self.witnesses),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDetail:
    """A note about an interruption; the oldest first, and none is ever changed."""

    index: int
    text: str
    reason: str
    from_at: datetime | None
    until_at: datetime | None
    actor: str
    said_at: datetime

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "index": self.index,
            "text": self.text,
            "reason": self.reason,
            "from_at": _wire(self.from_at),
            "until_at": _wire(self.until_at),
            "actor": self.actor,
            "said_at": _wire(self.said_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDetail:
    """The newest value of a tag, and who set it when."""

    name: str
    value: str
    actor: str
    said_at: datetime
    index: int

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "name": self.name,
            "value": self.value,
            "actor": self.actor,
            "said_at": _wire(self.said_at),
            "index": self.index,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDetail:
    """All of one recording."""

    summary: RecordingSummary
    segments: tuple[SegmentDetail, ...]
    findings: tuple[Mapping[str, object], ...]
    notes: tuple[NoteDetail, ...]
    tags: tuple[TagDetail, ...]
    marks: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            **self.summary.as_json(),
            "segments": [each.as_json() for each in self.segments],
            "findings": [dict(each) for each in self.findings],
            "notes": [each.as_json() for each in self.notes],
            "tag_history": [each.as_json() for each in self.tags],
        }


def _wire(at: datetime | None) -> str | None:
    return None if at is None else wire_instant(at)
