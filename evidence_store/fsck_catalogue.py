"""Does the catalogue say what log and vault say? It is a view: where it differs nothing is lost, and it is made again.

One that is not there or damaged is made again by the next start, which is no fault. One in which rows were altered is
not noticed by anybody but this check, although it is all that people see: it is compared with one made anew.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import sqlite_utils

from chain_of_custody.leaf import Leaf
from evidence_model.digests import Digest
from evidence_model.errors import EvidockError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_store.catalogue import Catalogue, open_catalogue_db
from evidence_store.errors import LogSetBackError
from evidence_store.fsck_chains import UNREADABLE_DATABASE, read_only
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.rebuild import fill
from evidence_store.vault import Vault
from host_io.clock import SystemClock
from host_io.config import HomePaths

CATALOGUE_DIFFERS = "STO-072"
# Recorders that wait are grouped later, listings that wait are read later: no fault.
_ROWS = {
    "recording": "recorder_id not in (select recorder_id from main.stale_recorder)",
    "recording_finding": "recording_id in (select recording_id from {base}.recording"
    " where recorder_id not in (select recorder_id from main.stale_recorder))",
    "dock_entry": "dock_index in (select mine.log_index from main.dock as mine join made.dock as right"
    " using (log_index) where mine.is_read and right.is_read)",
}
_LATER = {"item": {"recording_id", "recording_place"}, "dock": {"is_read"}}
_WHOLE = ("event", "source", "enrolled_key", "event_blob", "item", "tag", "mark", "note", "note_asset", "dock")
COMPARED = (*_WHOLE, "pulled_from", "missing", "freed", *_ROWS)
TABLES = frozenset(COMPARED) | {"applied", "blob", "stale_recorder"}
_GROUPING = """
select asset_id from main.item as mine join made.item as right using (asset_id)
where (mine.recording_id, mine.recording_place) is not (right.recording_id, right.recording_place)
  and mine.recorder_id not in (select recorder_id from main.stale_recorder)
"""
_BLOBS = """
select digest from (select digest from made.event_blob except select digest from main.blob)
union select digest from main.blob where verified_unix_ms is null and digest not in (select digest from made.event_blob)
union select mine.digest from main.blob as mine join made.blob as right using (digest)
where mine.size_bytes <> right.size_bytes and (mine.verified_unix_ms is null) = (right.verified_unix_ms is null)
"""
_HELD = """
select digest from main.blob as mine left join made.blob as right using (digest)
where mine.verified_unix_ms is not null and right.verified_unix_ms is null
"""


@dataclass(slots=True, kw_only=True)
class CatalogueCheck:
    """One check of one catalogue; `held` are the blobs of which it says that the vault has them, and it has not."""

    paths: HomePaths
    log_size: int
    newest_size: Callable[[], int]
    leaf_at: Callable[[int], Leaf | None]
    is_running: bool
    log_is_sound: bool
    centre: SourceId | None
    held: list[Digest] = field(default_factory=list)

    def run(self) -> Iterator[Finding]:
        """Yield the first thing in which the catalogue differs from the log, or the tables that were altered.

        A view is never ahead of what it shows: one that knows more of this log is a witness that the log was set back.
        """
        path = self.paths.catalogue_db
        if not os.path.lexists(path):
            if self.log_size:
                yield Finding(CATALOGUE_DIFFERS, Severity.NOTE, path.name, {"why": "it is not there"})
            return
        try:
            with read_only(path) as db:
                why = self._difference(db)
                if not why:
                    yield from self._compare(db)
        except UNREADABLE_DATABASE as error:
            why = str(error)[:200]
        if why:
            yield Finding(CATALOGUE_DIFFERS, Severity.NOTE, path.name, {"why": why})

    def _difference(self, db: sqlite3.Connection) -> str:
        sound = str(db.execute("pragma quick_check").fetchone()[0])
        if sound != "ok":
            return sound[:200]
        missing = TABLES - set(sqlite_utils.Database(db).table_names())
        if missing:
            return f"there is no table {', '.join(sorted(missing))}"
        query = "select log_index, hash from event where log_index < ? order by log_index"
        for row in db.execute(query, (self.log_size,)):
            leaf = self.leaf_at(row["log_index"])
            if leaf is not None and leaf.checksum != sha256(row["hash"]).digest():
                return f"event {row['log_index']} is another one in the log"
        return ""

    def _compare(self, db: sqlite3.Connection) -> Iterator[Finding]:
        """Make it again beside, as far as it has come, and yield the tables that differ."""
        with tempfile.TemporaryDirectory() as folder:
            with closing(open_catalogue_db(Path(folder) / "catalogue.db")) as made:
                made.execute("pragma journal_mode = memory")  # it is thrown away: nothing of it is for good
                made.execute("pragma synchronous = off")
                db.execute("attach ? as made", (f"{folder}/catalogue.db",))
                db.execute("begin")  # the store may go on: what is compared stays as it is now
                applied = int(db.execute("select size from applied").fetchone()[0])
                if applied > self.log_size and not self.is_running:
                    details = {"size": str(self.log_size), "seen_size": str(applied), "seen_by": "catalogue.db"}
                    yield Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", details)
                    return
                size = self.newest_size()
                if not self.log_is_sound or self.centre is None or applied > size:
                    return  # there is nothing to make it from
                vault = Vault(self.paths.vault, reserve_bytes=0, clock=SystemClock())
                reader = LogReader(LogFolder(self.paths.log))
                try:
                    fill(Catalogue(made, centre=self.centre), reader, size, vault, applied=applied)
                except (EvidockError, OSError):
                    return  # the log stands half-way, or moved on while it was read; its own check says more
            yield from self._altered(db)
            self.held = [Digest(row["digest"]) for row in db.execute(_HELD)]

    def _altered(self, db: sqlite3.Connection) -> Iterator[Finding]:
        for table in COMPARED:
            names = [row["name"] for row in db.execute(f"pragma made.table_info({table})")]
            columns = ", ".join(name for name in names if name not in _LATER.get(table, ()))
            rows = _ROWS.get(table, "true")
            mine, right = (
                f"select {columns} from {base}.{table} where {rows.format(base=base)}"  # noqa: S608 - all of it is ours
                for base in ("main", "made")
            )
            for query in (f"{mine} except {right}", f"{right} except {mine}"):
                if (row := db.execute(f"{query} limit 1").fetchone()) is not None:
                    yield _altered(table, row[0])
                    break
        for table, query in (("item", _GROUPING), ("blob", _BLOBS)):
            if (row := db.execute(query).fetchone()) is not None:
                yield _altered(table, row[0])


def _altered(table: str, first: object) -> Finding:
    key = first.hex() if isinstance(first, bytes) else str(first)[:100]
    details = {"table": table, "first": key, "why": "it is not what log and vault give"}
    return Finding(CATALOGUE_DIFFERS, Severity.FAULT, "catalogue.db", details)
