"""Does the catalogue say what the log says? If not, nothing is lost: it is a view, and is made again."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import sqlite_utils

from chain_of_custody.leaf import Leaf
from evidence_model.findings import Finding, Severity
from evidence_store.errors import LogSetBackError
from evidence_store.fsck_chains import UNREADABLE_DATABASE, read_only

CATALOGUE_DIFFERS = "STO-072"
TABLES = frozenset({"applied", "event", "source", "blob", "item", "recording", "dock", "dock_entry", "tag", "note"})


def check_catalogue(
    path: Path, *, log_size: int, leaf_at: Callable[[int], Leaf | None], is_running: bool
) -> Iterator[Finding]:
    """Yield at most one note: what is the first thing in which the catalogue differs from the log.

    A view is never ahead of what it shows: one that knows more of this log is a witness that the log was set back.
    """
    if not os.path.lexists(path):
        if log_size:
            yield Finding(CATALOGUE_DIFFERS, Severity.NOTE, path.name, {"why": "it is not there"})
        return
    try:
        with read_only(path) as db:
            why = _difference(db, log_size, leaf_at)
            applied = 0 if why or is_running else db.execute("select size from applied").fetchone()[0]
            if applied > log_size:
                details = {"size": str(log_size), "seen_size": str(applied), "seen_by": path.name}
                yield Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", details)
    except UNREADABLE_DATABASE as error:
        why = str(error)[:200]
    if why:
        yield Finding(CATALOGUE_DIFFERS, Severity.NOTE, path.name, {"why": why})


def _difference(db: sqlite3.Connection, log_size: int, leaf_at: Callable[[int], Leaf | None]) -> str:
    sound = str(db.execute("pragma quick_check").fetchone()[0])
    if sound != "ok":
        return sound[:200]
    missing = TABLES - set(sqlite_utils.Database(db).table_names())
    if missing:
        return f"there is no table {', '.join(sorted(missing))}"
    for row in db.execute("select log_index, hash from event where log_index < ? order by log_index", (log_size,)):
        leaf = leaf_at(row["log_index"])
        if leaf is not None and leaf.checksum != sha256(row["hash"]).digest():
            return f"event {row['log_index']} is another one in the log"
    return ""
