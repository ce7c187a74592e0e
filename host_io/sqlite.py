"""SQLite connections: WAL, foreign keys, STRICT schema from a file, single-writer transactions."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from evidence_model.errors import DamageError, UnavailableError

_BUSY_SECONDS = 30.0
_SWITCH_PAUSE_SECONDS = 0.01


class Durability(Enum):
    """What a commit promises if power fails right after it."""

    COMMIT_IS_FOR_GOOD = "FULL"  # truth: the station's journal, the centre's own events
    VIEW_THAT_CAN_BE_REBUILT = "NORMAL"  # the catalogue: consistent, but the last commits may be missing


class DatabaseDamagedError(DamageError):
    """SQLite says that the file is not a sound database."""

    code = "HOST-002"


class DatabaseUnavailableError(UnavailableError):
    """The database cannot be opened or written (missing, full disk, locked for very long)."""

    code = "HOST-003"


def connect(path: Path, *, schema: str, durability: Durability, read_only: bool = False) -> sqlite3.Connection:
    """Open a database, making its tables where they are missing; autocommit, so that `transaction` is explicit.

    Connections may be handed from thread to thread but are used by one at a time.

    Raises:
        DatabaseDamagedError: the file is no database.
        DatabaseUnavailableError: it cannot be opened.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        db = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA foreign_keys = ON")
            if not read_only:
                _write_ahead(db)
                db.execute(f"PRAGMA synchronous = {durability.value}")
                with transaction(db):
                    for statement in _statements(schema):
                        db.execute(statement)
        except BaseException:
            db.close()  # a connection that nobody has would keep the file open for some while
            raise
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailableError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DatabaseDamagedError(f"{path}: {error}; restore it, or rebuild it if it is the catalogue") from error
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; two programs that make the file at the same moment both get there.

    SQLite refuses the switch at once while another connection makes it, instead of waiting for `timeout`.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_SWITCH_PAUSE_SECONDS)
        else:
            return


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run the block as one writing transaction: all of it is there after the block, or none of it.

    A transaction inside a transaction joins the outer one.
    """
    if db.in_transaction:
        yield db
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        commit(db)
    except BaseException:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk may have rolled it back already
            db.execute("ROLLBACK")
        raise


def commit(db: sqlite3.Connection) -> None:
    """Commit; a function of its own so that crash tests can stop right before and right after it."""
    db.execute("COMMIT")


def _statements(schema: str) -> Iterator[str]:
    statement = ""
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
