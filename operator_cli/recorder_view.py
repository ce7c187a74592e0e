"""What this station knows of recorders: how each is known, its stays in the dock, what became of its files."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evidence_model.instants import from_unix_ms, wire_instant
from evidence_model.names import display_name
from operator_cli.errors import NotThereError

_SESSIONS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderRow:
    """One recorder in a list."""

    recorder_id: str
    profile: str
    trust: str
    first_docked_at: datetime
    last_docked_at: datetime
    file_count: int
    byte_count: int
    not_receipted_count: int
    awaited_count: int

    def as_json(self) -> dict[str, object]:
        """Return the recorder as a member of the list."""
        return {
            "id": self.recorder_id,
            "profile": self.profile,
            "known_by": self.trust,
            "first_docked_at": wire_instant(self.first_docked_at),
            "last_docked_at": wire_instant(self.last_docked_at),
            "files": self.file_count,
            "bytes": self.byte_count,
            "not_receipted": self.not_receipted_count,
            "awaited": self.awaited_count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay in the dock."""

    session_id: str
    place: str
    state: str
    verdict: str | None
    problem: str | None
    file_count: int
    byte_count: int
    started_at: datetime
    ended_at: datetime | None

    def as_json(self) -> dict[str, object]:
        """Return the stay as `recorder show` lists it."""
        return {
            "id": self.session_id,
            "place": self.place,
            "state": self.state,
            "verdict": self.verdict,
            "problem": self.problem,
            "files": self.file_count,
            "bytes": self.byte_count,
            "started_at": wire_instant(self.started_at),
            "ended_at": wire_instant(self.ended_at) if self.ended_at else None,
        }


_ROWS = """
select recorder.*,
  (select count(*) from item where item.recorder_id = recorder.recorder_id) as file_count,
  (select coalesce(sum(size_bytes), 0) from item where item.recorder_id = recorder.recorder_id) as byte_count,
  (select count(*) from item_state
     where item_state.recorder_id = recorder.recorder_id and state in ('sealed', 'uploaded')) as not_receipted,
  (select count(*) from awaited_file where awaited_file.recorder_id = recorder.recorder_id) as awaited
from recorder
"""


def recorders(db: sqlite3.Connection) -> list[RecorderRow]:
    """Return every recorder, the one docked last first."""
    return [_row(row) for row in db.execute(f"{_ROWS} order by last_docked_unix_ms desc")]


def recorder_row(db: sqlite3.Connection | None, name: str) -> RecorderRow:
    """Return a recorder by its id or the beginning of it.

    Raises:
        NotThereError: none or several begin so.
    """
    found = [] if db is None else [row for row in recorders(db) if row.recorder_id.startswith(name)]
    exact = [row for row in found if row.recorder_id == name]
    if len(exact or found) != 1:
        raise NotThereError(f"{name} ({', '.join(row.recorder_id for row in found[:5])})" if found else name)
    return (exact or found)[0]


def facts_of(db: sqlite3.Connection, recorder: str) -> tuple[Mapping[str, object], object]:
    """Return how a recorder is known, and what its own files claim (believed by nobody)."""
    row = db.execute("select facts, claims from recorder where recorder_id = ?", (recorder,)).fetchone()
    facts: Mapping[str, object] = json.loads(row["facts"])
    return facts, json.loads(row["claims"])


def stays_of(db: sqlite3.Connection, recorder: str) -> list[Stay]:
    """Return the last stays in the dock, the newest first."""
    rows = db.execute(
        "select * from session where recorder_id = ? order by started_unix_ms desc limit ?", (recorder, _SESSIONS_SHOWN)
    )
    return [
        Stay(
            session_id=row["session_id"],
            place=display_name(row["place"]),
            state=row["state"],
            verdict=row["verdict"],
            problem=row["problem"],
            file_count=row["file_count"],
            byte_count=row["byte_count"],
            started_at=from_unix_ms(row["started_unix_ms"]),
            ended_at=from_unix_ms(row["ended_unix_ms"]) if row["ended_unix_ms"] is not None else None,
        )
        for row in rows
    ]


def _row(row: sqlite3.Row) -> RecorderRow:
    return RecorderRow(
        recorder_id=row["recorder_id"],
        profile=row["profile"],
        trust=row["trust"],
        first_docked_at=from_unix_ms(row["first_docked_unix_ms"]),
        last_docked_at=from_unix_ms(row["last_docked_unix_ms"]),
        file_count=row["file_count"],
        byte_count=row["byte_count"],
        not_receipted_count=row["not_receipted"],
        awaited_count=row["awaited"],
    )
