"""fixity.db: when each file of the vault was read again, and what the log does not say of it yet.

A check is noted before it is told, and told until the sequencer has signed it: what a stop cuts off is said twice
rather than never.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.instants import EPOCH, from_unix_ms, unix_ms
from evidence_store.fixity_plan import Kept, Verdict
from host_io import logs, sqlite
from host_io.config import HomePaths

UNFINISHED = "the program ended while it was restored"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one check; everything from `found` on is empty for a sound file."""

    digest: Digest
    size_bytes: int
    at: datetime
    verdict: Verdict
    found: str = ""
    replica: str = ""  # "good", "none", or what the replica's copy reads as
    quarantined: str = ""
    problem: str = ""  # why it could not be restored, though the replica's copy is good

    @property
    def is_repaired(self) -> bool:
        """Say whether a good copy is in its place now."""
        return self.replica == "good" and not self.problem


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants files to be read now: those not read since, so many, or all."""

    since: datetime
    left_count: int | None


def fixity_db_path(paths: HomePaths) -> Path:
    """Return where the state lies."""
    return paths.root / "fixity.db"


def open_fixity_db(paths: HomePaths, *, read_only: bool = False) -> sqlite3.Connection:
    """Open fixity.db; one that is damaged is begun anew, as nothing is lost with it."""
    path = fixity_db_path(paths)
    try:
        db = _open(path, read_only=read_only)
        if read_only or db.execute("pragma quick_check").fetchone()[0] == "ok":
            return db
        db.close()
        why = "quick_check"
    except (sqlite.DatabaseDamagedError, sqlite3.DatabaseError) as error:
        if read_only:
            raise
        why = str(error)
    logs.event(_LOG, "fixity.begun_anew", level=logging.WARNING, why=why)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _open(path)


def _open(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    schema = resources.files("evidence_store").joinpath("fixity.sql").read_text(encoding="utf-8")
    return sqlite.connect(
        path, schema=schema, durability=sqlite.Durability.VIEW_THAT_CAN_BE_REBUILT, read_only=read_only
    )


def kept_files(catalogue: sqlite3.Connection, checks: sqlite3.Connection | None) -> list[Kept]:
    """Return every file that the vault took in, with when it was read last; `checks` is fixity.db, if there is one."""
    found = {
        row["digest"]: Kept(Digest(row["digest"]), row["size_bytes"], from_unix_ms(row["verified_unix_ms"]))
        for row in catalogue.execute("select * from blob where verified_unix_ms is not null")
    }
    for row in checks.execute("select * from checked") if checks else ():
        check, known = _check_of(row), found.get(row["digest"])
        if check.problem == UNFINISHED:
            found[row["digest"]] = Kept(check.digest, check.size_bytes, known.read_at if known else EPOCH)
        elif known is None or check.at >= known.read_at:
            size_bytes = known.size_bytes if known is not None else check.size_bytes
            is_bad = check.verdict is not Verdict.SOUND and not check.is_repaired
            found[row["digest"]] = Kept(check.digest, size_bytes, check.at, is_checked=True, is_bad=is_bad)
    return list(found.values())


def _check_of(row: sqlite3.Row) -> Checked:
    return Checked(
        digest=Digest(row["digest"]),
        size_bytes=row["size_bytes"],
        at=from_unix_ms(row["checked_unix_ms"]),
        verdict=Verdict(row["verdict"]),
        **json.loads(row["failure"] or "{}"),
    )


class FixityBook:
    """Statements on fixity.db; used by one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def kept(self, catalogue: sqlite3.Connection) -> list[Kept]:
        """Return every file that the vault took in: what the catalogue knows, and what was ever checked."""
        return kept_files(catalogue, self._db)

    def note(self, checked: Checked) -> None:
        """Note a check; it is to be said."""
        failure = None
        if checked.verdict is not Verdict.SOUND:
            names = ("found", "replica", "quarantined", "problem")
            failure = json.dumps({name: getattr(checked, name) for name in names})
        with sqlite.transaction(self._db):
            self._db.execute(
                "insert or replace into checked (digest, size_bytes, checked_unix_ms, verdict, failure)"
                " values (?, ?, ?, ?, ?)",
                (checked.digest.raw, checked.size_bytes, unix_ms(checked.at), checked.verdict.value, failure),
            )
            if checked.problem != UNFINISHED:
                self._db.execute("update asked set left_count = left_count - 1 where left_count > 0")

    def unsaid(self, limit: int) -> list[Checked]:
        """Return checks that no event tells of yet, by digest."""
        rows = self._db.execute("select * from checked where is_said = 0 order by digest limit ?", (limit,))
        return [_check_of(row) for row in rows]

    def said(self, checks: Iterable[Checked]) -> None:
        """Note that signed events tell of these checks; one that was made again meanwhile is still to be said."""
        with sqlite.transaction(self._db):
            self._db.executemany(
                "update checked set is_said = 1 where digest = ? and checked_unix_ms = ?",
                [(each.digest.raw, unix_ms(each.at)) for each in checks],
            )

    def ask(self, since: datetime, limit: int | None) -> None:
        """Note that somebody wants files read now; what an earlier one asked for and did not get goes on instead."""
        asked = self.asked()
        if asked is None:
            row = (unix_ms(since), limit)
            self._db.execute("insert or replace into asked (one, since_unix_ms, left_count) values (1, ?, ?)", row)

    def asked(self) -> Asked | None:
        """Return what is still to be read because somebody asked."""
        row = self._db.execute("select * from asked").fetchone()
        if row is None or row["left_count"] == 0:
            return None
        return Asked(from_unix_ms(row["since_unix_ms"]), row["left_count"])

    def answered(self) -> None:
        """Note that what was asked for is done."""
        self._db.execute("delete from asked")
