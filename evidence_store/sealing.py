"""The daily seal: the sorted index of all items (`chain_of_custody.sealed_index`), made from the catalogue.

One pass, recorder by recorder in the order of their keys, so that only one recorder's leaves are held at a time.
The catalogue is a view; that a seal is what the log gives is checked from the envelopes alone, by `verify` and mirrors.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from chain_of_custody.event import Subject
from chain_of_custody.seal_event import seal_body
from chain_of_custody.sealed_index import Seal, recorder_key, seal_of, sealed_leaf
from evidence_model.events import EventKind
from evidence_model.ids import SourceId
from evidence_model.instants import from_unix_ms
from evidence_store.own_facts import centre_actor
from host_io.signed_journal import NewFact

_RECORDERS = "select distinct recorder_id from pulled_from where log_index < ?"
_ENDS = """
select pulled_from.asset_id, source, asset_seq, hash, max(event.log_index) -- SQLite: the others are of that row
from pulled_from join event on event.asset_id = pulled_from.asset_id
where recorder_id = ?1 and pulled_from.log_index < ?2 and event.log_index < ?2
group by pulled_from.asset_id, source order by pulled_from.asset_id, source
"""


@dataclass(frozen=True, slots=True)
class Sealing:
    """A seal that the centre is to sign."""

    seal: Seal
    at: datetime


def is_seal_due(db: sqlite3.Connection, *, source: SourceId, now: datetime, every: timedelta) -> bool:
    """Say whether the log has no seal yet, or none as young as this (a clock that was set back seals again)."""
    query = "select wall_unix_ms from event where kind = ? and source = ? order by log_index desc limit 1"
    row = db.execute(query, (EventKind.LOG_SEALED.value, source)).fetchone()
    return row is None or not timedelta() <= now - from_unix_ms(row["wall_unix_ms"]) < every


def make_seal(db: sqlite3.Connection, *, now: datetime) -> Sealing:
    """Make the seal of everything that is in the catalogue now; reads only."""
    db.execute("begin")  # one state of the catalogue, however long it takes
    try:
        size = int(db.execute("select size from applied").fetchone()[0])
        leaves = (leaf for recorder in recorders_in_order(db, size) for leaf in leaves_of(db, recorder, size))
        return Sealing(seal_of(size, leaves), now)
    finally:
        db.execute("rollback")


def recorders_in_order(db: sqlite3.Connection, size: int) -> list[str]:
    """Return every recorder of the first `size` entries, in the order of the index."""
    return sorted((row["recorder_id"] for row in db.execute(_RECORDERS, (size,))), key=recorder_key)


def leaves_of(db: sqlite3.Connection, recorder: str, size: int) -> list[bytes]:
    """Return the leaves of one recorder, sorted."""
    key, cursor = recorder_key(recorder), db.cursor()
    cursor.row_factory = None  # a million rows
    rows = cursor.execute(_ENDS, (recorder, size))
    return sorted(
        sealed_leaf(key, asset, [row[1:4] for row in ends]) for asset, ends in groupby(rows, key=itemgetter(0))
    )


def log_sealed(sealing: Sealing, centre: SourceId) -> NewFact:
    """Say in the log what it held, so that no item and no event about it can be left out later."""
    day = f"{sealing.at:%Y-%m-%d}"
    return NewFact(
        kind=EventKind.LOG_SEALED,
        subject=Subject(f"seal/{day}", sealing.seal.root),
        body=seal_body(sealing.seal, day=day),
        actor=centre_actor(centre),
    )
