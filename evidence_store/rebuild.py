"""The catalogue is a view: it is made again from the log and the vault when it is asked for, lost or of another log."""

import contextlib
import fcntl
import itertools
import logging
import os
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from evidence_model.digests import Digest, MalformedDigestError
from evidence_model.errors import EvidockError
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_store.catalogue import Catalogue, open_catalogue_db
from evidence_store.catalogue_chores import do_one_chore
from evidence_store.erased_bodies import ErasedBodies
from evidence_store.errors import LogSetBackError, StoreRunningError
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.vault import Vault
from host_io import logs
from host_io.clock import SystemClock
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.sqlite import DatabaseDamagedError
from host_io.trust import log_key_path, read_trust

_LOG = logging.getLogger(__name__)
_PART_EVENTS = 1000


def rebuild(paths: HomePaths, clock: Clock | None = None) -> int:
    """Make catalogue.db again for a home whose store is stopped; return how many events it holds.

    Raises:
        StoreRunningError: it is not stopped.
        DamageError: the log is not whole.
    """
    trust = read_trust(paths.trust)
    with store_lock(paths):
        folder = LogFolder(paths.log)
        ledger = Ledger(folder, read_signing_key(log_key_path(paths)), trust.log_before)
        ledger.open(awaits_witnesses=trust.witnesses.needs_witnesses)
        vault = Vault(paths.vault, reserve_bytes=0, clock=clock or SystemClock())
        _refuse_older_log(paths.catalogue_db, LogReader(folder), ledger.size)
        _make_again(paths.catalogue_db, LogReader(folder), ledger.size, vault, trust.centre.id)
        return ledger.size


def open_catalogue_of_log(
    paths: HomePaths, *, reader: LogReader, size: int, vault: Vault, centre: SourceId
) -> sqlite3.Connection:
    """Open the catalogue; one that is damaged, or not of this log, is made again.

    Raises:
        LogSetBackError: it knows more of this log than `log/signed` says.
    """
    path = paths.catalogue_db
    _refuse_older_log(path, reader, size)
    try:
        db = open_catalogue_db(path)
        if _is_of_log(Catalogue(db, centre=centre), reader, size):
            return db
        db.close()
        why = "it is not of this log"
    except (DatabaseDamagedError, sqlite3.DatabaseError) as error:
        why = str(error)
    logs.event(_LOG, "catalogue.rebuilding", level=logging.WARNING, why=why, size=size)
    _make_again(path, reader, size, vault, centre)
    return open_catalogue_db(path)


def set_aside_if_damaged(paths: HomePaths) -> bool:
    """Move a catalogue that SQLite finds damaged out of the way, so that the next start makes it again."""
    try:
        with contextlib.closing(sqlite3.connect(paths.catalogue_db)) as db:
            if db.execute("pragma quick_check").fetchone()[0] == "ok":
                return False
    except sqlite3.DatabaseError:
        pass
    paths.catalogue_db.replace(paths.catalogue_db.with_name("catalogue.db.damaged"))
    _remove(paths.catalogue_db)
    return True


@contextlib.contextmanager
def store_lock(paths: HomePaths) -> Iterator[None]:
    """Hold what only one store of a home holds.

    Raises:
        StoreRunningError: another one holds it.
    """
    paths.run.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(paths.run / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreRunningError(str(paths.root)) from None
        yield
    finally:
        os.close(fd)


def _is_of_log(catalogue: Catalogue, reader: LogReader, size: int) -> bool:
    """Say whether the last event that was applied is the log's entry at that place."""
    applied = catalogue.applied_size
    if applied == 0:
        return True
    if applied > size or _is_of_before_seals(catalogue):
        return False
    row = catalogue.db.execute("select hash from event where log_index = ?", (applied - 1,)).fetchone()
    return row is not None and sha256(row["hash"]).digest() == reader.leaf(applied - 1, size).checksum


def _is_of_before_seals(catalogue: Catalogue) -> bool:
    """Say whether the version that made it knew no daily seals, and so did not enter what they count."""
    query = (
        "select exists (select 1 from event where kind = 'footage.pulled' and asset_id is not null)"
        " and not exists (select 1 from pulled_from)"
    )
    return bool(catalogue.db.execute(query).fetchone()[0])


def _refuse_older_log(path: Path, reader: LogReader, size: int) -> None:
    """A view is never ahead of what it shows: one that is saw entries that were signed, and that this log has lost."""
    if not path.exists():
        return
    try:
        with contextlib.closing(open_catalogue_db(path, read_only=True)) as db:
            applied = int(db.execute("select size from applied").fetchone()[0])
            row = db.execute("select hash from event where log_index = ?", (size - 1,)).fetchone()
    except (EvidockError, sqlite3.Error, TypeError):
        return  # damaged or empty: it is made again
    if applied <= size:
        return
    if size == 0 or (row is not None and sha256(row["hash"]).digest() == reader.leaf(size - 1, size).checksum):
        raise LogSetBackError(
            f"{path}: holds {applied} events of this log, log/signed says {size}; the log was set back: restore it"
        )


def _make_again(path: Path, reader: LogReader, size: int, vault: Vault, centre: SourceId) -> None:
    part = path.with_name(f"{path.name}.rebuilt")
    _remove(part)
    db = open_catalogue_db(part)
    with contextlib.closing(db):
        fill(Catalogue(db, centre=centre), reader, size, vault)
        db.execute("PRAGMA journal_mode = DELETE")  # one file, whole
    _remove(path)
    part.replace(path)
    # Power fails here, or anywhere above: a catalogue that is missing, torn or behind is made again.


def fill(catalogue: Catalogue, reader: LogReader, size: int, vault: Vault, *, applied: int | None = None) -> None:
    """Enter the first `applied` events of a log of this size, all if it is None, and what lies in the vault.

    Raises:
        DamageError, RefusedError: the log is not whole.
    """
    bodies = ErasedBodies(catalogue.centre)
    events = bodies.read(reader, 0, size)
    if applied is not None:
        events = itertools.takewhile(lambda event: event.index < applied, events)
    while part := list(itertools.islice(events, _PART_EVENTS)):
        catalogue.apply(part, without=bodies.lost.values())
    for file in vault.files():
        with contextlib.suppress(MalformedDigestError):
            held = vault.held(Digest.parse(file.name))
            if held is not None:
                catalogue.blob_verified(held)
    while do_one_chore(catalogue, vault):
        pass


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
