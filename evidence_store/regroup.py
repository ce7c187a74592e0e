"""Items of a recorder into recordings, in the catalogue: made anew for one recorder whenever its items change."""

import json
import sqlite3
from datetime import timedelta

from evidence_model.errors import RefusedError
from evidence_model.ids import AssetId, RecorderId, RecordingId, recording_id_of
from evidence_model.instants import from_unix_ms, unix_ms
from evidence_model.known import Known, Unknown
from evidence_model.recording import NameFields, SegmentRule
from evidence_model.timeline import Recording, Segment, TimelineFinding, group
from evidence_store.body_reading import SQLITE_MOST
from host_io import sqlite

_JOINED_KINDS = frozenset({"footage", "audio", "unknown"})  # photos and logs stand alone, and only take a number
_NOT_KNOWN = Unknown("no witness of it yet")
_COLUMNS = (
    "select asset_id, recorder_id, raw_path, size_bytes, kind, locked, fields, segment_rule, start_unix_ms,"
    " duration_ms, pulled_index, pulled_wall_unix_ms from item"
)


def stale_recorders(db: sqlite3.Connection) -> list[str]:
    """Return the recorders whose items changed since they were grouped."""
    return [row["recorder_id"] for row in db.execute("select recorder_id from stale_recorder order by recorder_id")]


def regroup(db: sqlite3.Connection, recorder: str) -> int:
    """Group the items of a recorder again; return how many recordings there are. All of it is one transaction."""
    with sqlite.transaction(db):
        rows = db.execute(f"{_COLUMNS} where recorder_id = ? order by pulled_index, asset_id", (recorder,)).fetchall()
        item_of = {row["asset_id"]: row for row in rows}
        recordings = recordings_of(rows)
        db.execute(
            "delete from recording_finding where recording_id in (select recording_id from recording"
            " where recorder_id = ?)",
            (recorder,),
        )
        db.execute("delete from recording where recorder_id = ?", (recorder,))
        for recording in recordings:
            _insert(db, recording, item_of)
        db.execute("delete from stale_recorder where recorder_id = ?", (recorder,))
    return len(recordings)


def recordings_of(rows: list[sqlite3.Row]) -> list[Recording]:
    """Return the recordings that these item rows make; each item is in exactly one."""
    segments = {row["asset_id"]: segment_of(row) for row in rows}
    grouped = list(group(segments.values()))
    taken = {segment.asset_id for recording in grouped for segment in recording.segments}
    alone = [segment for asset, segment in segments.items() if asset not in taken]
    return grouped + [Recording(segments=(segment,), findings=()) for segment in alone]


def segment_of(row: sqlite3.Row) -> Segment:
    """Return an item row as the timeline needs it; what its event does not say is unknown."""
    start, duration = row["start_unix_ms"], row["duration_ms"]
    return Segment(
        asset_id=AssetId(row["asset_id"]),
        recorder_id=RecorderId(row["recorder_id"]),
        raw_path=row["raw_path"],
        start_at=_NOT_KNOWN if start is None else Known(from_unix_ms(start)),
        duration=_NOT_KNOWN if duration is None else Known(timedelta(milliseconds=duration)),
        fields=_fields(row["fields"]),
        rule=_rule(row["segment_rule"]),
        locked=bool(row["locked"]),
        is_footage=row["kind"] in _JOINED_KINDS and row["size_bytes"] > 0,
    )


def _insert(db: sqlite3.Connection, recording: Recording, item_of: dict[str, sqlite3.Row]) -> None:
    first = item_of[recording.segments[0].asset_id]
    recording_id = _recording_id(db, first)
    start, end = recording.start_at, recording.end_at
    start_ms = unix_ms(start.value) if isinstance(start, Known) else None
    db.execute(
        "insert into recording (recording_id, recorder_id, start_unix_ms, end_unix_ms, file_count, size_bytes,"
        " sort_unix_ms) values (?, ?, ?, ?, ?, ?, ?)",
        (
            recording_id,
            recording.recorder_id,
            start_ms,
            unix_ms(end.value) if isinstance(end, Known) else None,
            len(recording.segments),
            min(sum(item_of[segment.asset_id]["size_bytes"] for segment in recording.segments), SQLITE_MOST),
            first["pulled_wall_unix_ms"] if start_ms is None else start_ms,
        ),
    )
    db.executemany(
        "update item set recording_id = ?1, recording_place = ?2 where asset_id = ?3"
        " and (recording_id is not ?1 or recording_place is not ?2)",
        [(recording_id, place, segment.asset_id) for place, segment in enumerate(recording.segments)],
    )
    db.executemany(
        "insert into recording_finding (recording_id, place, kind, details) values (?, ?, ?, ?)",
        [
            (recording_id, place, finding.kind.value, _details(finding))
            for place, finding in enumerate(recording.findings)
        ],
    )


def _recording_id(db: sqlite3.Connection, first: sqlite3.Row) -> RecordingId:
    """Return the id that follows from the first item; where its digits are those of an earlier item, all of them.

    By the order of the log and not by what is grouped already, so that a rebuilt catalogue has the same ids.
    """
    short = recording_id_of(AssetId(first["asset_id"]))
    digits = short.removeprefix("R-")
    query = "select 1 from item where asset_id between ? and ? and pulled_index < ?"
    row = db.execute(query, (digits, f"{digits}g", first["pulled_index"])).fetchone()
    return RecordingId(f"R-{first['asset_id']}") if row else short


def _details(finding: TimelineFinding) -> str:
    return json.dumps(dict(finding.as_finding().details), sort_keys=True)


def _fields(text: str) -> NameFields:
    try:
        return NameFields.from_body(json.loads(text))
    except (RefusedError, ValueError):
        return NameFields()


def _rule(text: str) -> SegmentRule:
    try:
        body = json.loads(text)
        return SegmentRule.from_body(body) if body else SegmentRule()
    except (RefusedError, ValueError):
        return SegmentRule()
