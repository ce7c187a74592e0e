"""The catalogue as people of this home should see it: what the store knows, and what this station has signed since.

An officer sees footage at once, also while the centre is away. Where nothing is on its way this is the store's own
catalogue.db, read only. Else it is a copy in memory to which the missing envelopes are applied by the store's own code,
in the order in which they were signed; it is thrown away after the command. What is only here has no `received_at`.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources

from chain_of_custody.envelope import envelope_hash, parse_envelope
from chain_of_custody.event import parse_event
from evidence_model.ids import SourceId
from evidence_model.instants import from_unix_ms
from evidence_model.known import Known, Unknown
from evidence_store.catalogue import Catalogue, open_catalogue_db
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.centre_book import open_centre_db
from evidence_store.regroup import regroup, stale_recorders
from host_io.config import HomeConfig, HomePaths
from host_io.station_db import open_station_db
from operator_cli.deadlines import WaitingFootage

_NO_END = Unknown("no witness tells when it ended")
_COPY_AT_MOST_BYTES = 256 << 20  # a larger catalogue is shown without what is on its way


@contextmanager
def home_catalogue(paths: HomePaths, config: HomeConfig) -> Iterator[sqlite3.Connection]:
    """Open the catalogue for `evidence_store.queries`; empty where nothing was ever docked."""
    with contextlib.ExitStack() as stack:
        base = None
        if config.role.stores and paths.catalogue_db.exists():
            base = stack.enter_context(contextlib.closing(open_catalogue_db(paths.catalogue_db, read_only=True)))
        newer = _newer_envelopes(paths, config, base)
        if base is not None and (not newer or paths.catalogue_db.stat().st_size > _COPY_AT_MOST_BYTES):
            yield base
        else:
            yield stack.enter_context(contextlib.closing(_with_newer(base, newer, config.centre.id)))


def _newer_envelopes(paths: HomePaths, config: HomeConfig, base: sqlite3.Connection | None) -> list[bytes]:
    """Return what this home's own signers said and the catalogue does not have, in each signer's order."""
    newer: list[bytes] = []
    if config.role.stores and paths.centre_db.exists():
        with contextlib.closing(open_centre_db(paths, read_only=True)) as db:
            newer += _after(db, _known_seq(base, config.centre.id))
    if config.role.pulls and paths.station_db.exists():
        with contextlib.closing(open_station_db(paths, read_only=True)) as db:
            newer += _after(db, _known_seq(base, config.station.id))
    return newer


def _known_seq(base: sqlite3.Connection | None, source: SourceId) -> int:
    if base is None:
        return 0
    row = base.execute("select seq from source where source = ?", (source,)).fetchone()
    return int(row["seq"]) if row else 0


def _after(db: sqlite3.Connection, seq: int) -> list[bytes]:
    return [row["raw"] for row in db.execute("select raw from envelope where seq > ? order by seq", (seq,))]


def _with_newer(base: sqlite3.Connection | None, newer: Sequence[bytes], centre: SourceId) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    if base is not None:
        base.backup(db)
    else:
        db.executescript(resources.files("evidence_store").joinpath("catalogue.sql").read_text(encoding="utf-8"))
    catalogue = Catalogue(db, centre=centre)
    start = catalogue.applied_size
    catalogue.apply(
        [
            LoggedEvent(start + place, envelope_hash(raw), parse_event(parse_envelope(raw)))
            for place, raw in enumerate(newer)
        ]
    )
    for recorder in stale_recorders(db):
        regroup(db, recorder)
    return db


def not_received(db: sqlite3.Connection, paths: HomePaths, config: HomeConfig) -> list[WaitingFootage]:
    """Return the recordings of which footage or sound is not known to be in the store, as this home can know it.

    A station goes by the receipts that it verified, a centre by what its vault holds.
    """
    if config.role.pulls:
        if not paths.station_db.exists():
            return []
        with contextlib.closing(open_station_db(paths, read_only=True)) as station:
            query = "select asset_id from item_state where state in ('sealed', 'uploaded')"
            assets = [row["asset_id"] for row in station.execute(query)]
    else:
        assets = [row["asset_id"] for row in db.execute("select asset_id from item where received_index is null")]
    counts: dict[str, int] = {}
    for asset in assets:
        query = "select recording_id from item where asset_id = ? and kind in ('footage', 'audio')"
        row = db.execute(query, (asset,)).fetchone()
        if row is not None and row["recording_id"] is not None:
            counts[row["recording_id"]] = counts.get(row["recording_id"], 0) + 1
    return [_waiting(db, recording, count) for recording, count in counts.items()]


def _waiting(db: sqlite3.Connection, recording: str, count: int) -> WaitingFootage:
    row = db.execute("select * from recording where recording_id = ?", (recording,)).fetchone()
    end = row["end_unix_ms"]
    return WaitingFootage(
        recording_id=recording,
        recorder_id=row["recorder_id"],
        end_at=_NO_END if end is None else Known(from_unix_ms(end)),
        file_count=row["file_count"],
        received_count=max(0, row["file_count"] - count),
    )
