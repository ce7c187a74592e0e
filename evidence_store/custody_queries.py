"""What stands in the log, event by event, and where the envelopes lie."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evidence_model.instants import from_unix_ms, wire_instant
from evidence_store.catalogue import open_catalogue_db
from evidence_store.errors import CatalogueMissingError, EventUnknownError
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from host_io.config import HomePaths

_HASH_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyEntry:
    """One event as the log has it; `at` is what its source's clock said."""

    index: int
    hash: bytes
    kind: str
    station: str
    actor: str
    level: str
    at: datetime
    event_id: str
    asset_id: str | None
    summary: str

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "index": self.index,
            "hash": self.hash.hex(),
            "kind": self.kind,
            "source": self.station,
            "actor": self.actor,
            "level": self.level,
            "at": wire_instant(self.at),
            "event_id": self.event_id,
            "asset_id": self.asset_id,
            "summary": self.summary,
        }


def open_catalogue(paths: HomePaths) -> sqlite3.Connection:
    """Open the catalogue for reading.

    Raises:
        CatalogueMissingError: there is none yet.
    """
    if not paths.catalogue_db.exists():
        raise CatalogueMissingError(str(paths.catalogue_db))
    return open_catalogue_db(paths.catalogue_db, read_only=True)


def custody_log(
    db: sqlite3.Connection, *, asset_id: str | None = None, recording_id: str | None = None, limit: int = 1000
) -> list[CustodyEntry]:
    """Return what was said about a file, about all files of a recording, or at all (then the newest `limit`)."""
    rows: Iterable[sqlite3.Row]
    if asset_id is not None:
        rows = db.execute(
            "select * from event where asset_id = ?1 or log_index in (select log_index from note_asset"
            " where asset_id = ?1) or log_index in (select log_index from tag where asset_id = ?1)"
            " or log_index in (select log_index from mark where asset_id = ?1) order by log_index limit ?2",
            (asset_id, limit),
        )
    elif recording_id is not None:
        rows = db.execute(
            "with mine as (select asset_id from item where recording_id = ?1) select * from event"
            " where asset_id in mine or log_index in (select log_index from note_asset where asset_id in mine)"
            " or log_index in (select log_index from tag where asset_id in mine)"
            " or log_index in (select log_index from mark where asset_id in mine) order by log_index limit ?2",
            (recording_id, limit),
        )
    else:
        rows = db.execute("select * from event order by log_index desc limit ?", (limit,)).fetchall()[::-1]
    return [_entry(row) for row in rows]


def find_event(db: sqlite3.Connection, wanted: str) -> CustodyEntry:
    """Return an event by its envelope's hash, its id, or its place in the log.

    Raises:
        EventUnknownError: there is none.
    """
    row = None
    if len(wanted) == _HASH_DIGITS and all(sign in "0123456789abcdef" for sign in wanted):
        row = db.execute("select * from event where hash = ?", (bytes.fromhex(wanted),)).fetchone()
    elif wanted.isascii() and wanted.isdigit() and len(wanted) < 19:  # noqa: PLR2004 - what SQLite can count to
        row = db.execute("select * from event where log_index = ?", (int(wanted),)).fetchone()
    else:
        row = db.execute("select * from event where event_id = ? order by log_index", (wanted,)).fetchone()
    if row is None:
        raise EventUnknownError(f"{wanted[:80]!r}")
    return _entry(row)


def envelope_path(paths: HomePaths, envelope_hash: bytes) -> Path:
    """Return where an envelope lies, or will lie a moment after it was logged."""
    return LogFolder(paths.log).envelope_path(envelope_hash)


def read_envelope(paths: HomePaths, envelope_hash: bytes) -> bytes:
    """Return an envelope's bytes, also in the moment before it has a file of its own.

    Raises:
        LogFileMissingError: it is nowhere.
    """
    return LogReader(LogFolder(paths.log)).raw_envelope(envelope_hash)


def _entry(row: sqlite3.Row) -> CustodyEntry:
    return CustodyEntry(
        index=row["log_index"],
        hash=row["hash"],
        kind=row["kind"],
        station=row["source"],
        actor=row["actor_id"],
        level=row["actor_level"],
        at=from_unix_ms(row["wall_unix_ms"]),
        event_id=row["event_id"],
        asset_id=row["asset_id"],
        summary=row["subject"],
    )
