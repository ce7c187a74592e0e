"""station.db as the ingest daemon reads and writes it: what goes out, what was handed over, what was refused.

One `Ledger` a thread. What it writes becomes true with the transaction around it or, without one, at once; each
note may be repeated. Bytes count as handed over only if that was after their spool copy was made: a copy that was
replaced (damaged and pulled again) has to be handed over again.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from chain_of_custody.envelope import to_wire
from evidence_model.digests import Digest
from evidence_model.findings import Finding
from evidence_model.instants import Clock, from_unix_ms, unix_ms
from host_io import sqlite
from host_io.config import HomePaths
from host_io.signed_journal import JournalView
from host_io.station_db import note_finding, open_station_db

# Blobs of an envelope that the centre does not have yet, as far as we know.
_LACKING_BLOB = """
create temp view if not exists lacking_blob as
select b.seq, b.digest, b.size_bytes, s.place, coalesce(s.made_unix_ms, 0) as made_unix_ms,
  exists (select 1 from item where item.digest = b.digest and item.locked = 1) as locked
from envelope_blob as b
left join spool_blob as s on s.digest = b.digest
left join hand_over as h on h.digest = b.digest
where h.handed_over_unix_ms is null or s.made_unix_ms >= h.handed_over_unix_ms
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An envelope without a receipt."""

    seq: int
    raw: bytes
    leaf_signature: bytes
    bytes_are_there: bool

    @property
    def message(self) -> bytes:
        """Return what is published."""
        return to_wire(self.raw, self.leaf_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolBlob:
    """Bytes in the spool that an envelope without a receipt needs at the centre."""

    digest: Digest
    size_bytes: int
    place: str | None
    """Folder of the spool; None: an envelope names bytes that were never noted in the spool."""
    made_unix_ms: int
    seq: int
    locked: bool

    def path(self, paths: HomePaths) -> Path:
        """Return the spool copy."""
        return paths.spool / (self.place or "footage") / self.digest.hex


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits for receipts."""

    count: int
    oldest_signed_at: datetime | None


class Ledger:
    """One thread's access to station.db."""

    def __init__(self, paths: HomePaths, clock: Clock) -> None:
        self._db = open_station_db(paths)
        self._db.execute(_LACKING_BLOB)
        self._clock = clock
        self.journal = JournalView(self._db, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @property
    def db(self) -> sqlite3.Connection:
        """Return the connection, for queries that stand elsewhere."""
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what the block notes true all at once."""
        with sqlite.transaction(self._db):
            yield

    # Envelopes

    def outgoing(self, *, after_seq: int, limit: int) -> list[Outgoing]:
        """Return envelopes without a receipt in order of `seq`, refused ones too: they are asked for again."""
        rows = self._db.execute(
            "select e.seq, e.raw, e.leaf_signature,"
            " not exists (select 1 from lacking_blob where lacking_blob.seq = e.seq) as bytes_are_there"
            " from envelope as e where e.receipt is null and e.seq > ? order by e.seq limit ?",
            (after_seq, limit),
        )
        return [Outgoing(row["seq"], row["raw"], row["leaf_signature"], bool(row["bytes_are_there"])) for row in rows]

    def outgoing_again(self, seqs: Iterable[int]) -> list[Outgoing]:
        """Return those of the envelopes that still have no receipt."""
        return [found for seq in seqs for found in self.outgoing(after_seq=seq - 1, limit=1) if found.seq == seq]

    def heard_to(self) -> int:
        """Return the highest number that has a receipt, 0 if none has."""
        row = self._db.execute(
            "select seq from envelope where receipt is not null order by seq desc limit 1"
        ).fetchone()
        return row["seq"] if row else 0

    def known_and_complete(self, *, heard_to: int, limit: int) -> list[int]:
        """Return envelopes that the centre has in its log, lacking no bytes, and still without a receipt."""
        rows = self._db.execute(
            "select e.seq from envelope as e where e.receipt is null and e.seq <= ?"
            " and not exists (select 1 from lacking_blob where lacking_blob.seq = e.seq) order by e.seq limit ?",
            (heard_to, limit),
        )
        return [row["seq"] for row in rows]

    def backlog(self) -> Backlog:
        """Return how many envelopes wait for a receipt, and since when the oldest does."""
        row = self._db.execute(
            "select count(*) as waiting, min(signed_unix_ms) as oldest from envelope where receipt is null"
        ).fetchone()
        return Backlog(row["waiting"], from_unix_ms(row["oldest"]) if row["waiting"] else None)

    def refuse(self, event: bytes, code: str) -> int | None:
        """Note that the centre refused the envelope of this hash; None if it is not one that waits."""
        row = self._db.execute(
            "update envelope set refused = ? where hash = ? and receipt is null returning seq", (code, event)
        ).fetchone()
        return row["seq"] if row else None

    # Bytes

    def to_hand_over(self, *, after_seq: int, limit: int) -> list[SpoolBlob]:
        """Return blobs the centre lacks for envelopes above `after_seq`, in order of `seq`."""
        rows = self._db.execute(
            "select lacking_blob.* from envelope as e join lacking_blob on lacking_blob.seq = e.seq"
            " where e.receipt is null and e.seq > ? order by e.seq limit ?",
            (after_seq, limit),
        )
        return [_spool_blob(row) for row in rows]

    def lacking_for(self, seq: int) -> list[SpoolBlob]:
        """Return the blobs that the centre lacks for one envelope."""
        rows = self._db.execute("select * from lacking_blob where seq = ?", (seq,))
        return [_spool_blob(row) for row in rows]

    def is_needed(self, digest: Digest) -> bool:
        """Say whether an envelope without a receipt names these bytes."""
        row = self._db.execute(
            "select 1 from envelope_blob as b join envelope as e on e.seq = b.seq"
            " where b.digest = ? and e.receipt is null",
            (digest.raw,),
        ).fetchone()
        return row is not None

    def upload_url(self, digest: Digest) -> str | None:
        """Return where the upload of a blob goes on, if it was begun."""
        row = self._db.execute("select upload_url from hand_over where digest = ?", (digest.raw,)).fetchone()
        return row["upload_url"] if row else None

    def note_upload(self, digest: Digest, url: str | None) -> None:
        """Note where the upload of a blob goes on after a restart; None: it begins anew."""
        with self.transaction():
            self._db.execute(
                "insert into hand_over (digest, upload_url) values (?, ?)"
                " on conflict (digest) do update set upload_url = excluded.upload_url",
                (digest.raw, url),
            )

    def note_handed_over(self, blobs: Iterable[SpoolBlob]) -> None:
        """Note that the centre has all bytes (it has yet to read and verify them)."""
        now = unix_ms(self._clock.now())
        self._db.executemany(
            "insert into hand_over (digest, handed_over_unix_ms) values (?, ?)"
            " on conflict (digest) do update set handed_over_unix_ms = excluded.handed_over_unix_ms",
            # later than the copy was made, even if the clock was set back in between
            [(blob.digest.raw, max(now, blob.made_unix_ms + 1)) for blob in blobs],
        )

    def forget_hand_over(self, seq: int) -> None:
        """Note that the centre does not have the blobs of an envelope after all (it refused them)."""
        self._db.execute(
            "update hand_over set handed_over_unix_ms = null"
            " where digest in (select digest from envelope_blob where seq = ?)"
            " and exists (select 1 from spool_blob where spool_blob.digest = hand_over.digest)"
            " and removed_unix_ms is null",
            (seq,),
        )

    def completed_by(self, blobs: Iterable[SpoolBlob]) -> list[int]:
        """Return the envelopes without a receipt that name one of these blobs and lack no bytes any more."""
        seqs: set[int] = set()
        for blob in blobs:
            rows = self._db.execute(
                "select e.seq from envelope as e join envelope_blob as b on b.seq = e.seq"
                " where b.digest = ? and e.receipt is null"
                " and not exists (select 1 from lacking_blob where lacking_blob.seq = e.seq)",
                (blob.digest.raw,),
            )
            seqs.update(row["seq"] for row in rows)
        return sorted(seqs)

    # Checkpoints

    def forget_old_heads(self, kept: int) -> None:
        """Keep the newest checkpoints only; the largest is what the log must never fall behind."""
        self._db.execute(
            "delete from checkpoint_seen"
            " where size not in (select size from checkpoint_seen order by size desc limit ?)",
            (kept,),
        )

    # Findings

    def find(self, finding: Finding) -> None:
        """Show people a finding until it is cured."""
        note_finding(self._db, finding, self._clock)

    def cure(self, code: str, subject: str) -> None:
        """Note that what a finding spoke of is mended."""
        self._db.execute(
            "update station_finding set cleared_unix_ms = ? where code = ? and subject = ? and cleared_unix_ms is null",
            (unix_ms(self._clock.now()), code, subject),
        )

    def open_findings(self, codes: Iterable[str]) -> set[tuple[str, str]]:
        """Return code and subject of the open findings with these codes."""
        found: set[tuple[str, str]] = set()
        for code in codes:
            rows = self._db.execute(
                "select subject from station_finding where code = ? and cleared_unix_ms is null", (code,)
            )
            found.update((code, str(row["subject"])) for row in rows)
        return found

    def stands(self, code: str) -> bool:
        """Say whether a finding with this code is open."""
        row = self._db.execute(
            "select 1 from station_finding where code = ? and cleared_unix_ms is null", (code,)
        ).fetchone()
        return row is not None


def _spool_blob(row: sqlite3.Row) -> SpoolBlob:
    return SpoolBlob(
        digest=Digest(row["digest"]),
        size_bytes=row["size_bytes"],
        place=row["place"],
        made_unix_ms=row["made_unix_ms"],
        seq=row["seq"],
        locked=bool(row["locked"]),
    )
