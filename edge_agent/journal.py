"""A desk at station.db for one thread: its own connection, the signed journal, and the agent's two books on it.

SQLite's single writer is what keeps the chain gapless between desks, threads and processes (ADR 1).
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from chain_of_custody.signatures import Signer
from edge_agent.item_book import ItemBook
from edge_agent.session_book import SessionBook
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock, unix_ms
from host_io import sqlite
from host_io.config import HomePaths
from host_io.signed_journal import NewFact, SignedEvent, SignedJournal
from host_io.sm2 import Sm2Signer, Sm2UnavailableError
from host_io.station_db import note_finding, open_station_db, touch_wake

_NOT_NOW = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
)
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Desk:
    """Reads and writes station.db; used by one thread at a time."""

    def __init__(
        self,
        paths: HomePaths,
        db: sqlite3.Connection,
        signed: SignedJournal,
        clock: Clock,
        *,
        sm2: Sm2Signer | None = None,
    ) -> None:
        self._sm2 = sm2
        self._paths = paths
        self._db = db
        self._signed = signed
        self._clock = clock
        self.items = ItemBook(db)
        self.sessions = SessionBook(db, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for reading."""
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that the block writes true together; whoever sends envelopes is woken after the commit.

        Raises:
            DatabaseUnavailableError: the disk is full, or somebody holds the database for very long; nothing is true.
            DatabaseDamagedError: it is no sound database any more.
        """
        try:
            with sqlite.transaction(self._db):
                yield
        except sqlite3.DatabaseError as error:
            kind = (error.sqlite_errorcode or 0) & 0xFF
            if kind in _NOT_NOW:
                raise sqlite.DatabaseUnavailableError(f"{self._paths.station_db}: {error}; free some space") from error
            if kind in _DAMAGED:
                raise sqlite.DatabaseDamagedError(f"{self._paths.station_db}: {error}; stop and restore it") from error
            raise
        with contextlib.suppress(OSError):  # a hint; a full disk must not undo what is committed
            touch_wake(self._paths)

    def say(self, fact: NewFact) -> SignedEvent:
        """Sign a fact, in the caller's transaction; a second signature that fails is a finding and no obstacle."""
        event = self._signed.append(fact)
        if self._sm2 is not None:
            subject = self._signed.source
            if self._sm2.trouble:
                self.find(Finding(Sm2UnavailableError.code, Severity.FAULT, subject, {"why": self._sm2.trouble[:300]}))
            else:
                self.cure(Sm2UnavailableError.code, subject)
        return event

    def find(self, finding: Finding) -> None:
        """Keep a finding for people, in the caller's transaction or one of its own."""
        note_finding(self._db, finding, self._clock)

    def cure_all_but(self, code: str, subjects: set[str], *, below: str = "") -> None:
        """Note that all findings of a code are mended, except those about these; `below`: only about what begins so."""
        standing = self._db.execute(
            "select subject from station_finding where code = ? and cleared_unix_ms is null", (code,)
        ).fetchall()
        for (subject,) in standing:
            if subject.startswith(below) and subject not in subjects:
                self.cure(code, subject)

    def cure(self, code: str, subject: str) -> None:
        """Note that what a finding spoke of is mended."""
        self._db.execute(
            "update station_finding set cleared_unix_ms = ? where code = ? and subject = ? and cleared_unix_ms is null",
            (unix_ms(self._clock.now()), code, subject),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentJournal:
    """Opens desks for the threads of one agent."""

    paths: HomePaths
    signer: Signer
    station: SourceId
    clock: Clock
    sm2: Sm2Signer | None = None

    def desk(self) -> Desk:
        """Open a desk for the calling thread.

        Raises:
            DatabaseDamagedError: station.db is no sound database.
            DatabaseUnavailableError: it cannot be opened.
        """
        db = open_station_db(self.paths)
        signed = SignedJournal(db, signer=self.signer, source=self.station, clock=self.clock, sm2=self.sm2)
        return Desk(self.paths, db, signed, self.clock, sm2=self.sm2)
