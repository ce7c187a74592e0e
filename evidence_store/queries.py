"""What people and programs may ask the catalogue: recordings, their files and times, who said what about them.

Reading only. Text from recorders is made safe to show here; raw bytes go along as hexadecimal digits.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from evidence_model.ids import AssetId, RecordingId
from evidence_model.instants import from_unix_ms, unix_ms
from evidence_model.names import display_name
from evidence_model.timeline import Irregularity, Recording, TimelineFinding
from evidence_store.custody_queries import (
    CustodyEntry,
    custody_log,
    envelope_path,
    find_event,
    open_catalogue,
    read_envelope,
)
from evidence_store.errors import RecordingUnknownError
from evidence_store.figures import StoreFigures, open_findings, status_figures
from evidence_store.recording_views import (
    NoteDetail,
    RecordingDetail,
    RecordingFilter,
    RecordingSummary,
    SegmentDetail,
    TagDetail,
)
from evidence_store.regroup import segment_of

__all__ = [
    "CustodyEntry",
    "RecordingDetail",
    "RecordingFilter",
    "RecordingSummary",
    "StoreFigures",
    "asset_state",
    "custody_log",
    "envelope_path",
    "find_event",
    "list_recordings",
    "open_catalogue",
    "open_findings",
    "read_envelope",
    "recording_of_asset",
    "search_text",
    "show_recording",
    "status_figures",
    "timeline",
]

_SUMMARY = """
select recording.*,
  (select station from item where item.recording_id = recording.recording_id order by pulled_index limit 1) as station,
  (select count(received_index) from item where item.recording_id = recording.recording_id) as received_count,
  (select max(locked) from item where item.recording_id = recording.recording_id) as is_locked,
  (select count(*) from recording_finding as found where found.recording_id = recording.recording_id) as finding_count
from recording
"""
_BY_TAG = "recording_id in (select recording_id from tag join item using (asset_id) where name = ? and value = ?)"
_ANY_TAG = "recording_id in (select recording_id from tag join item using (asset_id) where value <> '')"
_BY_MARK = "recording_id in (select recording_id from mark join item using (asset_id) where mark = ? and is_on)"
_BY_STATION = "exists (select 1 from item where item.recording_id = recording.recording_id and station = ?)"
_BY_WORD = """(recording_id like ?1 escape '\\' or recorder_id like ?1 escape '\\'
  or recording_id in (select recording_id from item where cast(raw_path as text) like ?1 escape '\\')
  or recording_id in (select recording_id from tag join item using (asset_id) where value like ?1 escape '\\')
  or recording_id in (select recording_id from note join note_asset using (log_index) join item using (asset_id)
    where text like ?1 escape '\\' or reason like ?1 escape '\\'))"""


def list_recordings(db: sqlite3.Connection, wanted: RecordingFilter) -> list[RecordingSummary]:
    """Return the recordings that are wanted, newest first."""
    conditions: list[tuple[str, Sequence[object]]] = [(_BY_TAG, each) for each in wanted.tags.items()]
    if wanted.recorder is not None:
        conditions.append(("recorder_id = ?", (wanted.recorder,)))
    if wanted.station is not None:
        conditions.append((_BY_STATION, (wanted.station,)))
    if wanted.since_at is not None:
        conditions.append(("coalesce(end_unix_ms, sort_unix_ms) >= ?", (unix_ms(wanted.since_at),)))
    if wanted.until_at is not None:
        conditions.append(("sort_unix_ms < ?", (unix_ms(wanted.until_at),)))
    if wanted.untagged:
        conditions.append((f"not {_ANY_TAG}", ()))
    if wanted.mark is not None:
        conditions.append((_BY_MARK, (wanted.mark,)))
    conditions += [_word(word) for word in (wanted.text or "").split()]
    return _summaries(db, conditions, limit=wanted.limit, offset=wanted.offset)


def search_text(db: sqlite3.Connection, words: str, *, limit: int = 100) -> list[RecordingSummary]:
    """Return recordings in whose names, tags or notes every word occurs, newest first."""
    return list_recordings(db, RecordingFilter(text=words, limit=limit))


def show_recording(db: sqlite3.Connection, recording: str) -> RecordingDetail:
    """Return all of one recording, by its id or the beginning of it.

    Raises:
        RecordingUnknownError: no recording, or more than one, begins so.
    """
    found = _summaries(db, [("recording_id = ?", (recording,))], limit=1) or _summaries(
        db, [("recording_id like ? escape '\\'", (f"{_escaped(recording)}%",))], limit=2
    )
    if len(found) != 1:
        several = f" ({' '.join(one.id for one in found)} …)" if found else ""
        raise RecordingUnknownError(f"{recording[:40]!r}{several}")
    summary = found[0]
    return RecordingDetail(
        summary=summary,
        segments=tuple(_segment(row) for row in _items(db, summary.id)),
        findings=tuple(finding.as_finding().as_json() for finding in _findings(db, summary.id)),
        notes=tuple(_notes(db, summary.id)),
        tags=tuple(_tags(db, [summary.id]).get(summary.id, {}).values()),
        marks=summary.marks,
    )


def recording_of_asset(db: sqlite3.Connection, asset: str) -> str | None:
    """Return the recording that a file belongs to, None if there is none (yet)."""
    row = db.execute("select recording_id from item where asset_id = ?", (asset,)).fetchone()
    return row["recording_id"] if row else None


def asset_state(db: sqlite3.Connection, asset: str) -> str | None:
    """Return `announced` or `received`, None if the store never heard of the item."""
    row = db.execute("select received_index from item where asset_id = ?", (asset,)).fetchone()
    if row is None:
        return None
    return "announced" if row["received_index"] is None else "received"


def timeline(
    db: sqlite3.Connection, *, recorder: str | None = None, recording: str | None = None
) -> tuple[Recording, ...]:
    """Return recordings as the pure timeline has them, earliest first: one, those of a recorder, or all."""
    if recording is not None:
        segments = tuple(segment_of(row) for row in _items(db, recording))
        if not segments:
            return ()
        known_as = RecordingId(recording)
        return (Recording(segments=segments, findings=tuple(_findings(db, recording)), known_as=known_as),)
    query = "select recording_id from recording order by sort_unix_ms, recording_id"
    parameters: tuple[str, ...] = ()
    if recorder is not None:
        query = "select recording_id from recording where recorder_id = ? order by sort_unix_ms, recording_id"
        parameters = (recorder,)
    ids = [row["recording_id"] for row in db.execute(query, parameters).fetchall()]
    return tuple(one for each in ids for one in timeline(db, recording=each))


def _summaries(
    db: sqlite3.Connection, conditions: Sequence[tuple[str, Sequence[object]]], *, limit: int, offset: int = 0
) -> list[RecordingSummary]:
    where = " and ".join(f"({_numbered(text, before)})" for text, before in _with_place(conditions))
    parameters = [value for _, values in conditions for value in values]
    sql = f"{_SUMMARY}{' where ' + where if where else ''} order by sort_unix_ms desc, recording_id limit {int(limit)}"
    rows = db.execute(f"{sql} offset {int(offset)}", parameters).fetchall()
    tags = _tags(db, [row["recording_id"] for row in rows])
    return [
        RecordingSummary(
            id=row["recording_id"],
            recorder=row["recorder_id"],
            station=row["station"] or "",
            start_at=_at(row["start_unix_ms"]),
            end_at=_at(row["end_unix_ms"]),
            file_count=row["file_count"],
            size_bytes=row["size_bytes"],
            received_count=row["received_count"],
            tags={name: tag.value for name, tag in tags.get(row["recording_id"], {}).items()},
            marks=_marks(db, row["recording_id"]),
            finding_count=row["finding_count"],
            locked=bool(row["is_locked"]),
        )
        for row in rows
    ]


def _with_place(conditions: Sequence[tuple[str, Sequence[object]]]) -> Iterable[tuple[str, int]]:
    before = 0
    for text, values in conditions:
        yield text, before
        before += len(values)


def _numbered(text: str, before: int) -> str:
    """Give a condition's parameters their numbers among all parameters of the statement."""
    if "?1" in text:
        return text.replace("?1", f"?{before + 1}")
    parts = text.split("?")
    return "".join(f"{part}?{before + place}" for place, part in enumerate(parts[:-1], start=1)) + parts[-1]


def _word(word: str) -> tuple[str, Sequence[object]]:
    return _BY_WORD, (f"%{_escaped(word)}%",)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _items(db: sqlite3.Connection, recording: str) -> list[sqlite3.Row]:
    query = "select * from item where recording_id = ? order by recording_place, asset_id"
    return db.execute(query, (recording,)).fetchall()


def _findings(db: sqlite3.Connection, recording: str) -> Iterable[TimelineFinding]:
    for row in db.execute("select * from recording_finding where recording_id = ? order by place", (recording,)):
        details = json.loads(row["details"])
        yield TimelineFinding(
            kind=Irregularity(row["kind"]),
            after=details.get("after", ""),
            before=details.get("before", ""),
            length=timedelta(milliseconds=int(details.get("length_ms", "0"))),
            first_missing=int(details.get("first", "0")),
            last_missing=int(details.get("last", "0")),
        )


def _segment(row: sqlite3.Row) -> SegmentDetail:
    return SegmentDetail(
        asset_id=AssetId(row["asset_id"]),
        name=display_name(row["raw_path"]),
        path_hex=row["raw_path"].hex(),
        size_bytes=row["size_bytes"],
        sha256=row["digest"].hex(),
        kind=row["kind"],
        locked=bool(row["locked"]),
        flags=tuple(json.loads(row["flags"])),
        start_at=_at(row["start_unix_ms"]),
        duration_ms=row["duration_ms"],
        received_at=_at(row["received_unix_ms"]),
        media=json.loads(row["media"]),
        witnesses=json.loads(row["witnesses"]),
    )


def _tags(db: sqlite3.Connection, recordings: Sequence[str]) -> dict[str, dict[str, TagDetail]]:
    """Return recording → name → the newest value that any of its files bears."""
    found: dict[str, dict[str, TagDetail]] = {}
    for recording in recordings:
        rows = db.execute(
            "select name, value, actor_id, wall_unix_ms, log_index from tag join item using (asset_id)"
            " join event using (log_index) where recording_id = ? order by name, log_index",
            (recording,),
        )
        newest = {row["name"]: row for row in rows}
        found[recording] = {
            name: TagDetail(
                name=name,
                value=row["value"],
                actor=row["actor_id"],
                said_at=from_unix_ms(row["wall_unix_ms"]),
                index=row["log_index"],
            )
            for name, row in newest.items()
            if row["value"]
        }
    return found


def _marks(db: sqlite3.Connection, recording: str) -> tuple[str, ...]:
    rows = db.execute(
        "select distinct mark from mark join item using (asset_id) where recording_id = ? and is_on order by mark",
        (recording,),
    )
    return tuple(row["mark"] for row in rows)


def _notes(db: sqlite3.Connection, recording: str) -> Iterable[NoteDetail]:
    rows = db.execute(
        "select distinct note.*, actor_id, wall_unix_ms from note join note_asset using (log_index)"
        " join item using (asset_id) join event using (log_index) where recording_id = ? order by note.log_index",
        (recording,),
    )
    for row in rows:
        yield NoteDetail(
            index=row["log_index"],
            text=row["text"],
            reason=row["reason"],
            from_at=_at(row["from_unix_ms"]),
            until_at=_at(row["until_unix_ms"]),
            actor=row["actor_id"],
            said_at=from_unix_ms(row["wall_unix_ms"]),
        )


def _at(value: int | None) -> datetime | None:
    return None if value is None else from_unix_ms(value)
