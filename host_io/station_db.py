"""Opens station.db, the one database that the station's programs share; its schema files are the data dictionary."""

import json
import sqlite3
from importlib import resources

from evidence_model.findings import Finding
from evidence_model.instants import Clock, unix_ms
from host_io import sqlite
from host_io.config import HomePaths
from host_io.signed_journal import journal_schema


def open_station_db(paths: HomePaths, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the station's database; each thread and process needs a connection of its own.

    Raises:
        DatabaseDamagedError: it is no sound database.
        DatabaseUnavailableError: it cannot be opened.
    """
    schema = journal_schema() + resources.files("host_io").joinpath("station.sql").read_text(encoding="utf-8")
    return sqlite.connect(
        paths.station_db, schema=schema, durability=sqlite.Durability.COMMIT_IS_FOR_GOOD, read_only=read_only
    )


def note_finding(db: sqlite3.Connection, finding: Finding, clock: Clock) -> None:
    """Keep a finding until it is cleared; the same one twice is one (and stands again if it was cleared)."""
    db.execute(
        "insert into station_finding (found_unix_ms, code, severity, subject, details) values (?, ?, ?, ?, ?)"
        " on conflict (code, subject, details) do update set cleared_unix_ms = null",
        (
            unix_ms(clock.now()),
            finding.code,
            finding.severity.value,
            finding.subject,
            json.dumps(dict(finding.details), sort_keys=True, ensure_ascii=False),
        ),
    )


def touch_wake(paths: HomePaths) -> None:
    """Tell whoever watches the spool that the journal has something new; a hint only, losing it costs a few seconds."""
    (paths.spool / "wake").touch()
