"""What station.db says, for commands that show it: read only, and nothing there is an empty answer."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId
from evidence_model.instants import from_unix_ms
from evidence_model.names import display_name
from evidence_model.states import ItemState
from host_io.config import HomePaths
from host_io.station_db import open_station_db

_AT_ONCE = 500  # SQLite's limit on the number of values in one statement is higher everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class StationItem:
    """One file of one recorder, as this station knows it."""

    asset_id: AssetId
    recorder_id: str
    session_id: str
    raw_path: bytes
    size_bytes: int
    digest: bytes
    kind: str
    locked: bool
    pulled_seq: int
    reread_seq: int | None
    pulled_at: datetime
    state: ItemState
    is_receipted: bool
    reread_is_receipted: bool

    def as_json(self) -> dict[str, object]:
        """Return the item as `dock` and `recorder show` list it."""
        return {
            "id": self.asset_id,
            "name": display_name(self.raw_path),
            "path_hex": self.raw_path.hex(),
            "size_bytes": self.size_bytes,
            "sha256": self.digest.hex(),
            "kind": self.kind,
            "locked": self.locked,
            "state": self.state.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What this station has signed or copied and the store has not confirmed yet."""

    envelope_count: int
    item_count: int
    byte_count: int
    oldest_pulled_at: datetime | None
    refused_count: int


@contextmanager
def station_reading(paths: HomePaths) -> Iterator[sqlite3.Connection | None]:
    """Open station.db for reading; None where there is none yet."""
    if not paths.station_db.exists():
        yield None
        return
    with contextlib.closing(open_station_db(paths, read_only=True)) as db:
        yield db


_ITEMS = """
select item_state.*, reread.receipt is not null as reread_is_receipted, pulled.receipt is not null as is_receipted
from item_state
join envelope as pulled on pulled.seq = item_state.pulled_seq
left join envelope as reread on reread.seq = item_state.reread_seq
"""


def items_of(db: sqlite3.Connection, assets: Sequence[str]) -> list[StationItem]:
    """Return these items in the given order; unknown ids are left out."""
    found: dict[str, StationItem] = {}
    for start in range(0, len(assets), _AT_ONCE):
        some = assets[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = db.execute(f"{_ITEMS} where item_state.asset_id in ({marks})", some)
        found.update({row["asset_id"]: _item(row) for row in rows})
    return [found[asset] for asset in assets if asset in found]


def items_of_recorder(db: sqlite3.Connection, recorder: str) -> list[StationItem]:
    """Return everything pulled from one recorder."""
    return [
        _item(row) for row in db.execute(f"{_ITEMS} where item_state.recorder_id = ? order by raw_path", (recorder,))
    ]


def all_items(db: sqlite3.Connection) -> Iterator[StationItem]:
    """Yield every item of this station in the order of pulling."""
    for row in db.execute(f"{_ITEMS} order by item_state.pulled_seq"):
        yield _item(row)


def waiting(db: sqlite3.Connection) -> Waiting:
    """Return what is on its way."""
    envelopes = db.execute("select count(*), count(refused) from envelope where receipt is null").fetchone()
    items = db.execute(
        "select count(*), coalesce(sum(size_bytes), 0), min(pulled_unix_ms) from item_state"
        " where state in ('sealed', 'uploaded')"
    ).fetchone()
    return Waiting(
        envelope_count=envelopes[0],
        item_count=items[0],
        byte_count=items[1],
        oldest_pulled_at=from_unix_ms(items[2]) if items[2] is not None else None,
        refused_count=envelopes[1],
    )


def last_receipt_at(db: sqlite3.Connection) -> datetime | None:
    """Return when the newest receipt was verified here."""
    value = db.execute("select max(receipted_unix_ms) from envelope").fetchone()[0]
    return from_unix_ms(value) if value is not None else None


def open_findings(db: sqlite3.Connection) -> list[Finding]:
    """Return what people of this station should look at, newest first."""
    rows = db.execute(
        "select code, severity, subject, details from station_finding where cleared_unix_ms is null"
        " order by finding_id desc"
    )
    return [Finding(row["code"], Severity(row["severity"]), row["subject"], json.loads(row["details"])) for row in rows]


def envelope_of(db: sqlite3.Connection, seq: int) -> bytes:
    """Return a signed envelope of this station."""
    raw: bytes = db.execute("select raw from envelope where seq = ?", (seq,)).fetchone()["raw"]
    return raw


def _item(row: sqlite3.Row) -> StationItem:
    return StationItem(
        asset_id=AssetId(row["asset_id"]),
        recorder_id=row["recorder_id"],
        session_id=row["session_id"],
        raw_path=row["raw_path"],
        size_bytes=row["size_bytes"],
        digest=row["digest"],
        kind=row["kind"],
        locked=bool(row["locked"]),
        pulled_seq=row["pulled_seq"],
        reread_seq=row["reread_seq"],
        pulled_at=from_unix_ms(row["pulled_unix_ms"]),
        state=ItemState(row["state"]),
        is_receipted=bool(row["is_receipted"]),
        reread_is_receipted=bool(row["reread_is_receipted"]),
    )
