"""How the centre is: counts, and when each thing happened last."""

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import sqlite_utils

from evidence_model.findings import Finding
from evidence_model.instants import from_unix_ms, wire_instant
from evidence_store import centre_book
from evidence_store.catalogue import open_catalogue_db
from evidence_store.centre_book import Moment, moments, open_centre_db
from host_io.config import HomePaths


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFigures:
    """What the centre last heard from one station."""

    id: str
    event_count: int
    last_event_at: datetime

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {"id": self.id, "event_count": self.event_count, "last_event_at": wire_instant(self.last_event_at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """The status page's figures of a centre; an instant is None if it never happened."""

    log_size: int
    item_count: int
    recording_count: int
    blob_count: int
    blob_bytes: int
    awaited_blob_count: int
    dock_count: int
    last_event_at: datetime | None
    last_receipt_at: datetime | None
    last_verification_at: datetime | None
    last_reconciliation_at: datetime | None
    last_fixity_at: datetime | None
    last_stamp_at: datetime | None
    finding_count: int
    stations: tuple[StationFigures, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "log_size": self.log_size,
            "item_count": self.item_count,
            "recording_count": self.recording_count,
            "blob_count": self.blob_count,
            "blob_bytes": self.blob_bytes,
            "awaited_blob_count": self.awaited_blob_count,
            "dock_count": self.dock_count,
            "last_event_at": _wire(self.last_event_at),
            "last_receipt_at": _wire(self.last_receipt_at),
            "last_verification_at": _wire(self.last_verification_at),
            "last_reconciliation_at": _wire(self.last_reconciliation_at),
            "last_fixity_at": _wire(self.last_fixity_at),
            "last_stamp_at": _wire(self.last_stamp_at),
            "finding_count": self.finding_count,
            "stations": [each.as_json() for each in self.stations],
        }


def status_figures(paths: HomePaths) -> StoreFigures:
    """Return the figures of a home's store; all zero where it never ran."""
    with contextlib.ExitStack() as stack:
        when: dict[Moment, datetime] = {}
        finding_count = 0
        if paths.centre_db.exists():
            centre = stack.enter_context(contextlib.closing(open_centre_db(paths, read_only=True)))
            when = moments(centre)
            finding_count = len(centre_book.open_findings(centre))
        stations: tuple[StationFigures, ...] = ()
        counts = dict.fromkeys(("event", "item", "recording", "blob", "dock"), 0)
        blob_bytes = awaited = 0
        last_event: int | None = None
        if paths.catalogue_db.exists():
            db = stack.enter_context(contextlib.closing(open_catalogue_db(paths.catalogue_db, read_only=True)))
            tables = sqlite_utils.Database(db)
            counts = {name: tables[name].count for name in counts}
            awaited = tables["blob"].count_where("verified_unix_ms is null")
            row = db.execute("select sum(size_bytes) from blob where verified_unix_ms is not null").fetchone()
            blob_bytes = row[0] or 0
            last_event = db.execute("select max(last_wall_unix_ms) from source").fetchone()[0]
            stations = tuple(_stations(db))
    return StoreFigures(
        log_size=counts["event"],
        item_count=counts["item"],
        recording_count=counts["recording"],
        blob_count=counts["blob"] - awaited,
        blob_bytes=blob_bytes,
        awaited_blob_count=awaited,
        dock_count=counts["dock"],
        last_event_at=None if last_event is None else from_unix_ms(last_event),
        last_receipt_at=when.get(Moment.RECEIPT),
        last_verification_at=when.get(Moment.VERIFICATION),
        last_reconciliation_at=when.get(Moment.RECONCILIATION),
        last_fixity_at=when.get(Moment.FIXITY),
        last_stamp_at=when.get(Moment.STAMP),
        finding_count=finding_count,
        stations=stations,
    )


def open_findings(paths: HomePaths) -> list[Finding]:
    """Return what people should see about a home's store, newest first."""
    if not paths.centre_db.exists():
        return []
    with contextlib.closing(open_centre_db(paths, read_only=True)) as db:
        return centre_book.open_findings(db)


def _stations(db: sqlite3.Connection) -> list[StationFigures]:
    return [
        StationFigures(id=row["source"], event_count=row["seq"], last_event_at=from_unix_ms(row["last_wall_unix_ms"]))
        for row in db.execute("select * from source order by source")
    ]


def _wire(at: datetime | None) -> str | None:
    return None if at is None else wire_instant(at)
