"""Fills a home's spool and journal as the edge agent does, without recorders: real files, real signed journal."""

import hashlib
from pathlib import Path
from typing import Self

from chain_of_custody.event import Actor, Subject
from evidence_model.digests import Digest
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import RecorderId, asset_id_of
from evidence_model.instants import Clock, unix_ms
from evidence_model.messages import BlobRef, BlobRole
from host_io import durable, sqlite
from host_io.clock import SystemClock
from host_io.signed_journal import NewFact, SignedEvent, SignedJournal
from host_io.station_db import open_station_db, touch_wake
from tests.homes import STATION, Home

RECORDER = RecorderId("rec-1")


class Spooling:
    """One desk at station.db; each method commits and leaves the hint."""

    def __init__(self, home: Home, *, clock: Clock | None = None) -> None:
        self.home = home
        self.clock = clock or SystemClock()
        self.db = open_station_db(home.paths)
        self.journal = SignedJournal(self.db, signer=home.station, source=STATION, clock=self.clock)
        self.actor = Actor(ActorKind.STATION, STATION, ActorLevel.STATION)
        now = unix_ms(self.clock.now())
        with sqlite.transaction(self.db):
            self.db.execute(
                "insert or ignore into recorder values (?, 'generic_msc', 'folder', '{}', '{}', ?, ?)",
                (RECORDER, now, now),
            )
            self.db.execute(
                "insert or ignore into session (session_id, place, recorder_id, state, started_unix_ms)"
                " values ('session-1', x'2f', ?, 'pulled', ?)",
                (RECORDER, now),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def note(self, count: int = 1) -> list[SignedEvent]:
        """Sign events that need no bytes, in one transaction."""
        subject = Subject("recorder/rec-1", hashlib.sha256(b"rec-1").digest())
        with sqlite.transaction(self.db):
            events = [
                self.journal.append(NewFact(kind=EventKind.PREFLIGHT_DONE, subject=subject, body={}, actor=self.actor))
                for _ in range(count)
            ]
        touch_wake(self.home.paths)
        return events

    def pull(self, content: bytes, *, name: str = "DCIM/0001.MP4", locked: bool = False) -> SignedEvent:
        """Put a file into the spool and say `footage.pulled`."""
        digest = self.place("footage", content)
        asset = asset_id_of(recorder=RECORDER, raw_path=name.encode(), size_bytes=len(content), digest=digest)
        blob = BlobRef(BlobRole.FOOTAGE, digest, len(content))
        fact = NewFact(
            kind=EventKind.FOOTAGE_PULLED,
            subject=Subject(f"asset/{asset}", digest.raw),
            body={"recorder": RECORDER, "path_hex": name.encode().hex(), "size_bytes": str(len(content))},
            actor=self.actor,
            asset_id=asset,
            blobs=(blob,),
        )
        with sqlite.transaction(self.db):
            event = self.journal.append(fact)
            self._spool_blob("footage", digest, len(content))
            self.db.execute(
                "insert into item (asset_id, recorder_id, session_id, raw_path, size_bytes, mtime_ns, digest,"
                " head_digest, tail_digest, kind, locked, flawed, pulled_seq, pulled_unix_ms)"
                " values (?, ?, 'session-1', ?, ?, 0, ?, x'00', x'00', 'footage', ?, 0, ?, ?)",
                (
                    asset,
                    RECORDER,
                    name.encode(),
                    len(content),
                    digest.raw,
                    int(locked),
                    event.seq,
                    unix_ms(self.clock.now()),
                ),
            )
        touch_wake(self.home.paths)
        return event

    def reread(self, pulled: SignedEvent) -> SignedEvent:
        """Say `footage.reread` with a chunk list of its own."""
        row = self.db.execute("select asset_id, digest from item where pulled_seq = ?", (pulled.seq,)).fetchone()
        chunks = f"chunks of {row['digest'].hex()}\n".encode()
        digest = self.place("blobs", chunks)
        fact = NewFact(
            kind=EventKind.FOOTAGE_REREAD,
            subject=Subject(f"asset/{row['asset_id']}", row["digest"]),
            body={"recorder": RECORDER},
            actor=self.actor,
            asset_id=row["asset_id"],
            blobs=(BlobRef(BlobRole.CHUNKS, digest, len(chunks)),),
        )
        with sqlite.transaction(self.db):
            event = self.journal.append(fact)
            self._spool_blob("blobs", digest, len(chunks))
            self.db.execute("update item set reread_seq = ? where pulled_seq = ?", (event.seq, pulled.seq))
        touch_wake(self.home.paths)
        return event

    def place(self, folder: str, content: bytes) -> Digest:
        """Put bytes under their digest, as the agent does: fsync, rename, fsync the folder."""
        digest = Digest(hashlib.sha256(content).digest())
        durable.write_file(self.path(folder, digest), content)
        return digest

    def path(self, folder: str, digest: Digest) -> Path:
        """Where a spool copy lies."""
        return self.home.paths.spool / folder / digest.hex

    def receipted(self) -> list[int]:
        """Return the numbers that have a verified receipt."""
        return [
            row["seq"] for row in self.db.execute("select seq from envelope where receipt is not null order by seq")
        ]

    def waiting_count(self) -> int:
        """Return how many have none."""
        return self.journal.count_waiting()

    def findings(self) -> list[str]:
        """Return the codes of open findings."""
        rows = self.db.execute("select code from station_finding where cleared_unix_ms is null order by code")
        return [row["code"] for row in rows]

    def _spool_blob(self, place: str, digest: Digest, size_bytes: int) -> None:
        self.db.execute(
            "insert into spool_blob (digest, size_bytes, place, made_unix_ms) values (?, ?, ?, ?)"
            " on conflict (digest) do update set made_unix_ms = excluded.made_unix_ms",
            (digest.raw, size_bytes, place, unix_ms(self.clock.now())),
        )
