"""What station.db says about files of recorders: items, copies cut off, files still awaited. One thread at a time."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_agent.facts import Pulled
from edge_agent.listing import ListedFile
from edge_agent.profile import FileKind
from edge_agent.settle import Stamp, storable_ns
from evidence_model.digests import Digest
from evidence_model.ids import AssetId, RecorderId, SessionId

_KNOWN = (
    "select item.*, envelope.receipt is not null as receipted from item join envelope on envelope.seq = item.pulled_seq"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownItem:
    """One file of one recorder whose bytes came into the spool at some docking."""

    asset_id: AssetId
    recorder_id: RecorderId
    session_id: SessionId
    raw_path: bytes
    size_bytes: int
    mtime_ns: int
    digest: Digest
    head_digest: bytes
    tail_digest: bytes
    kind: FileKind
    locked: bool
    flawed: bool  # it has holes, or another length than the recorder told: the recorder may give up more one day
    pulled_seq: int
    reread_seq: int | None
    freed_seq: int | None
    receipted: bool  # this station verified the receipt of its footage.pulled


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialCopy:
    """A copy that was cut off; so many bytes of it are on the medium."""

    part_name: str
    synced_bytes: int
    synced_digest: bytes  # of these as they came from the recorder: our disk has to give the same back


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedFile:
    """A file that was seen on a recorder and has not come into the spool."""

    raw_path: bytes
    stamp: Stamp
    session_id: SessionId


class ItemBook:
    """Statements on items; those that write are called inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def known(self, recorder_id: RecorderId, raw_path: bytes, stamp: Stamp) -> list[KnownItem]:
        """Return items that may be this very file: same recorder, path, size and stamp."""
        rows = self._db.execute(
            f"{_KNOWN} where recorder_id = ? and raw_path = ? and size_bytes = ? and mtime_ns = ?",
            (recorder_id, raw_path, *stamp.row),
        )
        return [_item(row) for row in rows]

    def find(self, asset_id: AssetId) -> KnownItem | None:
        """Return the item of this id."""
        row = self._db.execute(f"{_KNOWN} where item.asset_id = ?", (asset_id,)).fetchone()
        return _item(row) if row else None

    def unreceipted(self) -> list[KnownItem]:
        """Return items of which the store has not said yet that it has the bytes."""
        return [_item(row) for row in self._db.execute(f"{_KNOWN} where receipt is null")]

    def of_recorder(self, recorder_id: RecorderId) -> list[KnownItem]:
        """Return all items of a recorder that it may still hold."""
        rows = self._db.execute(
            f"{_KNOWN} where recorder_id = ? and freed_seq is null order by raw_path", (recorder_id,)
        )
        return [_item(row) for row in rows]

    def add(self, pulled: Pulled, *, pulled_seq: int, at_unix_ms: int) -> None:
        """Note a new item whose bytes lie in the spool, and the bytes."""
        listed = pulled.listed
        self._db.execute(
            "insert into item (asset_id, recorder_id, session_id, raw_path, size_bytes, mtime_ns, digest, head_digest,"
            " tail_digest, kind, locked, flawed, pulled_seq, pulled_unix_ms)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                pulled.asset_id,
                pulled.recorder_id,
                pulled.session_id,
                listed.raw_path,
                pulled.size_bytes,
                storable_ns(listed.mtime_ns),
                pulled.digest.raw,
                pulled.head_digest,
                pulled.tail_digest,
                listed.kind.value,
                int(listed.locked),
                int(bool(pulled.findings)),
                pulled_seq,
                at_unix_ms,
            ),
        )

    def restamp(self, asset_id: AssetId, *, mtime_ns: int) -> None:
        """Note that the recorder shows the same bytes under another stamp now, so that they are known by it."""
        self._db.execute("update item set mtime_ns = ? where asset_id = ?", (storable_ns(mtime_ns), asset_id))

    def proved_whole(self, asset_id: AssetId) -> None:
        """Note that the same bytes came once more, read without a flaw."""
        self._db.execute("update item set flawed = 0 where asset_id = ?", (asset_id,))

    def note_blob(self, digest: Digest, size_bytes: int, *, place: str, at_unix_ms: int) -> None:
        """Note bytes that lie in the spool until the store has them."""
        self._db.execute(
            "insert into spool_blob (digest, size_bytes, place, made_unix_ms) values (?, ?, ?, ?)"
            " on conflict (digest) do update set made_unix_ms = excluded.made_unix_ms, place = excluded.place",
            (digest.raw, size_bytes, place, at_unix_ms),
        )

    def note_in_session(self, session_id: SessionId, asset_id: AssetId, *, is_new: bool) -> None:
        """Note that a docking brought this item, or met it again."""
        self._db.execute(
            "insert into session_file (session_id, asset_id, is_new) values (?, ?, ?) on conflict do nothing",
            (session_id, asset_id, int(is_new)),
        )

    def partial(self, recorder_id: RecorderId, raw_path: bytes, stamp: Stamp) -> PartialCopy | None:
        """Return the copy of this file that was cut off, if there is one."""
        row = self._db.execute(
            "select part_name, synced_bytes, synced_digest from partial_copy"
            " where recorder_id = ? and raw_path = ? and size_bytes = ? and mtime_ns = ?",
            (recorder_id, raw_path, *stamp.row),
        ).fetchone()
        return PartialCopy(**row) if row else None

    def keep_partial(self, recorder_id: RecorderId, raw_path: bytes, stamp: Stamp, copy: PartialCopy) -> None:
        """Note how much of a copy is on the medium; called after its fsync."""
        self._db.execute(
            "insert or replace into partial_copy (recorder_id, raw_path, size_bytes, mtime_ns, part_name, synced_bytes,"
            " synced_digest) values (?, ?, ?, ?, ?, ?, ?)",
            (
                recorder_id,
                raw_path,
                *stamp.row,
                copy.part_name,
                copy.synced_bytes,
                copy.synced_digest,
            ),
        )

    def forget_partial(self, part_name: str) -> None:
        """Forget a copy that is whole now, or void."""
        self._db.execute("delete from partial_copy where part_name = ?", (part_name,))

    def partial_names(self) -> dict[str, int]:
        """Return part name → synced bytes of every copy that was cut off."""
        return {row[0]: row[1] for row in self._db.execute("select part_name, synced_bytes from partial_copy")}

    def await_files(self, recorder_id: RecorderId, session_id: SessionId, files: Iterable[ListedFile]) -> None:
        """Note files that were seen and are still to come; the same path again is the same file in a newer state."""
        self._db.executemany(
            "insert into awaited_file (recorder_id, raw_path, size_bytes, mtime_ns, session_id) values (?, ?, ?, ?, ?)"
            " on conflict (recorder_id, raw_path) do update set missing_seq ="
            " iif(size_bytes = excluded.size_bytes and mtime_ns = excluded.mtime_ns, missing_seq, null),"
            " size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns",
            [(recorder_id, file.raw_path, file.size_bytes, storable_ns(file.mtime_ns), session_id) for file in files],
        )

    def came(self, recorder_id: RecorderId, raw_path: bytes) -> None:
        """Note that a file need not be waited for any more."""
        self._db.execute("delete from awaited_file where recorder_id = ? and raw_path = ?", (recorder_id, raw_path))

    def awaited(self, recorder_id: RecorderId) -> list[AwaitedFile]:
        """Return files of a recorder that were seen, never came, and were not said to be missing."""
        rows = self._db.execute(
            "select raw_path, size_bytes, mtime_ns, session_id from awaited_file"
            " where recorder_id = ? and missing_seq is null order by raw_path",
            (recorder_id,),
        )
        return [
            AwaitedFile(
                raw_path=row["raw_path"],
                stamp=Stamp(row["size_bytes"], row["mtime_ns"]),
                session_id=SessionId(row["session_id"]),
            )
            for row in rows
        ]

    def said_missing(self, recorder_id: RecorderId, raw_path: bytes, *, seq: int) -> None:
        """Note the event that says that a file is missing."""
        self._db.execute(
            "update awaited_file set missing_seq = ? where recorder_id = ? and raw_path = ?",
            (seq, recorder_id, raw_path),
        )

    def is_said_missing(self, recorder_id: RecorderId, raw_path: bytes) -> bool:
        """Return whether an event says already that this state of a file could not be had."""
        row = self._db.execute(
            "select missing_seq from awaited_file where recorder_id = ? and raw_path = ?", (recorder_id, raw_path)
        ).fetchone()
        return row is not None and row[0] is not None

    def is_told_gap(self, recorder_id: RecorderId, gap_digest: bytes) -> bool:
        """Return whether an event says already that these numbers are missing."""
        row = self._db.execute(
            "select 1 from told_gap where recorder_id = ? and gap_digest = ?", (recorder_id, gap_digest)
        ).fetchone()
        return row is not None

    def told_gap(self, recorder_id: RecorderId, gap_digest: bytes, *, seq: int) -> None:
        """Note the event that says that numbers are missing."""
        self._db.execute(
            "insert into told_gap (recorder_id, gap_digest, seq) values (?, ?, ?)", (recorder_id, gap_digest, seq)
        )

    def receipt_index(self, pulled_seq: int) -> int:
        """Return the place in the log that the verified receipt of an envelope proves."""
        row = self._db.execute("select log_index from envelope where seq = ?", (pulled_seq,)).fetchone()
        return int(row[0])

    def intend(self, asset_id: AssetId, session_id: SessionId, reasons: str, *, at_unix_ms: int) -> None:
        """Note that a recorder's copy is about to be erased."""
        self._db.execute(
            "insert or replace into freeing (asset_id, session_id, reasons, decided_unix_ms) values (?, ?, ?, ?)",
            (asset_id, session_id, reasons, at_unix_ms),
        )

    def intents(self, recorder_id: RecorderId) -> list[tuple[KnownItem, tuple[str, ...]]]:
        """Return the copies of a recorder that were about to be erased when something stopped."""
        rows = self._db.execute(
            "select freeing.asset_id, reasons from freeing join item using (asset_id) where recorder_id = ?",
            (recorder_id,),
        ).fetchall()
        found = [(self.find(AssetId(row[0])), tuple(json.loads(row[1]))) for row in rows]
        return [(item, reasons) for item, reasons in found if item is not None]

    def forget_intent(self, asset_id: AssetId) -> None:
        """Forget that a copy was about to be erased."""
        self._db.execute("delete from freeing where asset_id = ?", (asset_id,))

    def was_freed(self, asset_id: AssetId, *, seq: int) -> None:
        """Note the event that says that the recorder's copy is erased."""
        self._db.execute("update item set freed_seq = ? where asset_id = ?", (seq, asset_id))

    def to_reread(self) -> list[AssetId]:
        """Return items whose spool copy was not read again yet, oldest first."""
        rows = self._db.execute("select asset_id from item where reread_seq is null order by pulled_seq")
        return [AssetId(row[0]) for row in rows]

    def was_reread(self, asset_id: AssetId, *, seq: int) -> None:
        """Note the event that says that the spool copy was read again and is right."""
        self._db.execute("update item set reread_seq = ? where asset_id = ? and reread_seq is null", (seq, asset_id))

    def spool_digests(self, place: str) -> set[bytes]:
        """Return the digests of all bytes that should lie in a folder of the spool, or did until the store had them."""
        return {row[0] for row in self._db.execute("select digest from spool_blob where place = ?", (place,))}

    def unpulled(self, recorder_id: RecorderId, files: Sequence[ListedFile]) -> list[ListedFile]:
        """Return the files of which no item of that path, size and stamp is known; for counting beforehand."""
        rows = self._db.execute("select raw_path, size_bytes, mtime_ns from item where recorder_id = ?", (recorder_id,))
        known = {(row[0], row[1], row[2]) for row in rows}
        return [file for file in files if (file.raw_path, file.size_bytes, storable_ns(file.mtime_ns)) not in known]


def _item(row: sqlite3.Row) -> KnownItem:
    return KnownItem(
        asset_id=AssetId(row["asset_id"]),
        recorder_id=RecorderId(row["recorder_id"]),
        session_id=SessionId(row["session_id"]),
        raw_path=row["raw_path"],
        size_bytes=row["size_bytes"],
        mtime_ns=row["mtime_ns"],
        digest=Digest(row["digest"]),
        head_digest=row["head_digest"],
        tail_digest=row["tail_digest"],
        kind=FileKind(row["kind"]),
        locked=bool(row["locked"]),
        flawed=bool(row["flawed"]),
        pulled_seq=row["pulled_seq"],
        reread_seq=row["reread_seq"],
        freed_seq=row["freed_seq"],
        receipted=bool(row["receipted"]),
    )
