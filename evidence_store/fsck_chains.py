"""Are a signer's own records whole: the database, every envelope in it, their chain, and the receipts it holds?"""

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from chain_of_custody.chain import GENESIS, ChainHead, LinkPlace, place
from chain_of_custody.envelope import envelope_checksum, parse_envelope, verify_envelope
from chain_of_custody.event import EventView, parse_event
from chain_of_custody.leaf import Leaf, leaf_from_parts, verify_leaf_signature
from chain_of_custody.log_keys import open_logged, signing_log
from chain_of_custody.receipt import parse_receipt, verify_receipt
from chain_of_custody.signatures import KeyId, Verifier
from chain_of_custody.trust_entries import TrustedLog
from evidence_model.digests import Digest
from evidence_model.errors import DamageError, EvidockError, RefusedError
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.messages import blobs_of
from evidence_store.errors import LogSetBackError
from evidence_store.fsck_holdings import is_plain
from host_io import sqlite

DATABASE_DAMAGED = "STO-066"
ENVELOPE_ALTERED = "STO-067"
RECEIPT_CONTRADICTED = "STO-068"
ROW_ALTERED = "STO-075"

UNREADABLE_DATABASE = (
    sqlite3.Error,
    EvidockError,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What reading a database may raise that somebody else wrote: no database, no such column, a value of another kind."""

_PLACES = frozenset({"footage", "blobs"})

LeafAt = Callable[[int], Leaf | None]
RootAt = Callable[[int], bytes | None]


@dataclass(slots=True)
class ChainCheck:
    """One check of station.db or centre.db; `log_size` is None where this home has no log to compare with."""

    path: Path
    keys: Mapping[KeyId, Verifier]
    centre_key: bytes | None  # None: not known here, so receipts are not looked at
    log_key: bytes | None
    before: tuple[TrustedLog, ...] = field(default=(), kw_only=True)
    log_size: int | None
    leaf_at: LeafAt
    root_at: RootAt
    is_running: bool
    source: SourceId | None = None  # whose journal it must be; None: not known
    event_count: int = 0
    is_whole: bool = False  # it was read to its end
    has_seen_log: bool = False  # something in it was in the log
    is_unmade: bool = False  # there is no file, or a program died while it made it
    promised: dict[Digest, str] = field(default_factory=dict)  # blobs of which a receipt says that they were verified
    pulled: dict[int, EventView] = field(default_factory=dict)  # footage.pulled by seq, for those who compare items

    def run(self) -> Iterator[Finding]:
        """Yield everything that is wrong; nothing if the database is not there."""
        if not os.path.lexists(self.path):
            self.is_unmade = True
            return
        try:
            with read_only(self.path) as db:
                for row in db.execute("pragma integrity_check"):
                    if row[0] != "ok":
                        yield Finding(DATABASE_DAMAGED, Severity.DAMAGE, self.path.name, {"why": str(row[0])[:200]})
                if db.execute("select 1 from sqlite_master where name = 'envelope'").fetchone() is None:
                    self.is_unmade = True
                    return
                if (other := self._other_owner(db)) is not None:
                    why = f"it is the database of {other}; the one of {self.source} belongs here"
                    yield Finding(DATABASE_DAMAGED, Severity.DAMAGE, self.path.name, {"why": why})
                    return
                yield from self._check_chain(db)
                yield from self._check_heads(db)
                self.is_whole = True
        except UNREADABLE_DATABASE as error:
            yield Finding(DATABASE_DAMAGED, Severity.DAMAGE, self.path.name, {"why": str(error)[:200]})

    def _other_owner(self, db: sqlite3.Connection) -> SourceId | None:
        """Return who signed the first event, if that is not who should have."""
        row = db.execute("select raw from envelope order by seq limit 1").fetchone()
        if row is None or self.source is None:
            return None
        try:
            first = parse_event(parse_envelope(row["raw"])).source.id
        except RefusedError:
            return None  # named as an altered event
        return first if first != self.source else None

    def _check_chain(self, db: sqlite3.Connection) -> Iterator[Finding]:
        head = GENESIS
        for row in db.execute("select * from envelope order by seq"):
            self.event_count += 1
            self.has_seen_log = self.has_seen_log or row["receipt"] is not None
            subject = f"{self.path.name}/event/{row['seq']}"
            view, why = self._envelope(row, head)
            head = ChainHead(row["seq"], row["hash"])
            if view is None:
                yield Finding(ENVELOPE_ALTERED, Severity.DAMAGE, subject, {"why": why})
            else:
                yield from self._check_blobs(db, row, view, subject)
            if row["receipt"] is not None:
                yield from self._check_receipt(row, subject)

    def _envelope(self, row: sqlite3.Row, head: ChainHead) -> tuple[EventView | None, str]:
        """Return what an envelope's row says, or None and why it is not what was signed."""
        if sha256(row["raw"]).digest() != row["hash"]:
            return None, "its bytes are not those of its hash"
        try:
            envelope = parse_envelope(row["raw"])
            view = parse_event(envelope)
            signers = verify_envelope(envelope, self.keys.values())
        except RefusedError as error:
            return None, f"{error.code}: {error}"[:300]
        signer = self.keys[next(iter(signers))]
        if not verify_leaf_signature(envelope.checksum, row["leaf_signature"], signer):
            return None, "its leaf signature does not fit"
        if place(head, seq=view.source.seq, prev=view.source.prev) is not LinkPlace.NEXT:
            return None, f"number {view.source.seq} does not follow number {head.seq}"
        asset = (view.asset.id, view.asset.seq) if view.asset else (None, None)
        told = (view.source.id, view.source.seq, view.event_id, view.kind, *asset)
        owner = self.source or view.source.id
        if told != (owner, row["seq"], row["event_id"], row["kind"], row["asset_id"], row["asset_seq"]):
            return None, "its row, or its database, says another thing than its bytes"
        if view.kind == EventKind.FOOTAGE_PULLED.value:
            self.pulled[row["seq"]] = view
        return view, ""

    def _check_blobs(
        self, db: sqlite3.Connection, row: sqlite3.Row, view: EventView, subject: str
    ) -> Iterator[Finding]:
        rows = db.execute("select role, digest, size_bytes from envelope_blob where seq = ?", (row["seq"],))
        noted = {(each["role"], each["digest"], each["size_bytes"]) for each in rows}
        said = {(blob.role.value, blob.digest.raw, blob.size_bytes) for blob in blobs_of(view.body)}
        if view.kind == EventKind.STORE_RECEIVED.value:
            return  # it tells of blobs, it does not need them
        if noted != said:
            yield Finding(ROW_ALTERED, Severity.DAMAGE, subject, {"table": "envelope_blob"})
        if row["receipt"] is not None:
            self.promised.update((blob.digest, subject) for blob in blobs_of(view.body))

    def _check_receipt(self, row: sqlite3.Row, subject: str) -> Iterator[Finding]:
        """A receipt is proof against the centre: it must still verify, and the log must still bear it out."""
        if self.centre_key is None or self.log_key is None:
            return
        checksum = envelope_checksum(row["raw"])
        leaf = next(
            (
                leaf
                for verifier in self.keys.values()
                if verify_leaf_signature(checksum, row["leaf_signature"], verifier)
                for leaf in [leaf_from_parts(checksum, row["leaf_signature"], verifier.public_key)]
            ),
            None,
        )
        if leaf is None:
            return  # reported with the envelope
        try:
            note = parse_receipt(row["receipt"]).checkpoint
            open_logged(note, self._logs)
            receipt = verify_receipt(
                row["receipt"],
                centre_key=self.centre_key,
                log_key=signing_log(note, self._logs).key,
                event=row["hash"],
                leaf=leaf.hash(),
            )
        except (RefusedError, DamageError) as error:
            yield Finding(RECEIPT_CONTRADICTED, Severity.DAMAGE, subject, {"why": f"{error.code}: {error}"[:300]})
            return
        if receipt.index != row["log_index"]:
            yield Finding(ROW_ALTERED, Severity.DAMAGE, subject, {"table": "envelope", "column": "log_index"})
        if self.log_size is None or (self.is_running and receipt.index >= self.log_size):
            return
        found = self.leaf_at(receipt.index)
        if found is None and receipt.index < self.log_size:
            return  # its bundle cannot be read: the audit of the log names the file that is missing or damaged
        if found != leaf:
            details = {"index": str(receipt.index), "why": "the log has another entry there, or none"}
            yield Finding(RECEIPT_CONTRADICTED, Severity.DAMAGE, subject, details)

    @property
    def _logs(self) -> tuple[TrustedLog, ...]:
        return (*self.before, *((TrustedLog(key=self.log_key),) if self.log_key is not None else ()))

    def _check_heads(self, db: sqlite3.Connection) -> Iterator[Finding]:
        """What this signer saw of the log before must still be its beginning."""
        for row in db.execute("select size, root, note from checkpoint_seen order by size desc limit 100"):
            self.has_seen_log = True
            if self.log_key is None:
                return
            subject = f"{self.path.name}/checkpoint/{row['size']}"
            try:
                seen = open_logged(row["note"], self._logs)
            except RefusedError as error:
                yield Finding(ROW_ALTERED, Severity.DAMAGE, subject, {"why": str(error)[:200]})
                continue
            if (seen.size, seen.root) != (row["size"], row["root"]):
                yield Finding(ROW_ALTERED, Severity.DAMAGE, subject, {"table": "checkpoint_seen"})
            if self.log_size is None or (self.is_running and seen.size > self.log_size):
                continue
            if seen.size > self.log_size or self.root_at(seen.size) != seen.root:
                details = {"size": str(self.log_size), "seen_size": str(seen.size)}
                yield Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", {**details, "seen_by": subject})


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """Bytes that the station still holds for the centre."""

    path: Path
    digest: Digest
    size_bytes: int


_SPOOL_FILES = """
select s.digest, s.size_bytes, s.place,
  not exists (select 1 from envelope_blob as b where b.digest = s.digest)
  or exists (select 1 from envelope_blob as b join envelope as e on e.seq = b.seq
    where b.digest = s.digest and e.receipt is null)
  or exists (select 1 from item as i left join envelope as reread on reread.seq = i.reread_seq
    where i.digest = s.digest and reread.receipt is null) as is_needed
from spool_blob as s
"""
_UNNOTED = """
select e.seq, b.role from envelope as e join envelope_blob as b on b.seq = e.seq
where e.receipt is null and not exists (select 1 from spool_blob as s where s.digest = b.digest)
"""


def spool_files(db_path: Path, spool: Path) -> tuple[list[SpoolFile], list[SpoolFile]]:
    """Return the spool's files that are there, and those that are not although a receipt that needs them is awaited.

    Raises:
        UNREADABLE_DATABASE: station.db cannot be read.
    """
    there, missing = _look_into_spool(db_path, spool)
    if missing:  # a receipt may have come, and the file gone, between the two looks
        _, missing = _look_into_spool(db_path, spool)
    return there, missing


def _look_into_spool(db_path: Path, spool: Path) -> tuple[list[SpoolFile], list[SpoolFile]]:
    there: list[SpoolFile] = []
    missing: list[SpoolFile] = []
    with read_only(db_path) as db:
        if db.execute("select 1 from sqlite_master where name = 'spool_blob'").fetchone() is None:
            return there, missing  # not a station's, or not made yet: the check of its chain says so
        rows = db.execute(_SPOOL_FILES).fetchall()
    for row in rows:
        digest = Digest(row["digest"])
        if row["place"] not in _PLACES:
            raise ValueError(f"spool_blob {digest.hex[:12]} lies in {row['place']!r:.80}")
        file = SpoolFile(spool / row["place"] / digest.hex, digest, row["size_bytes"])
        if os.path.lexists(file.path):
            there.append(file)
        elif row["is_needed"]:
            missing.append(file)
    return there, missing


def check_items(db_path: Path, said: Mapping[int, EventView], *, last_seq: int) -> Iterator[Finding]:
    """Yield items of station.db that say another thing than their signed `footage.pulled`, or that have no row.

    `said` are those up to number `last_seq`; what was signed after it is left for the next time.

    Raises:
        UNREADABLE_DATABASE: station.db cannot be read.
    """
    with read_only(db_path) as db:
        for row in db.execute(_UNNOTED):
            yield Finding(
                ROW_ALTERED, Severity.DAMAGE, f"station.db/event/{row['seq']}", {"table": "spool_blob", "role": row[1]}
            )
        without_row = {view.asset.id for view in said.values() if view.asset is not None}
        for row in db.execute("select asset_id, recorder_id, raw_path, size_bytes, digest, pulled_seq from item"):
            without_row.discard(row["asset_id"])
            view = said.get(row["pulled_seq"])
            if view is None:
                if row["pulled_seq"] <= last_seq:
                    yield Finding(ROW_ALTERED, Severity.DAMAGE, f"station.db/item/{row['asset_id']}", {"table": "item"})
                continue
            asset = view.asset.id if view.asset else None
            told = (asset, view.body.get("path_hex"), view.body.get("size_bytes"), view.subject.sha256)
            noted = (row["asset_id"], row["raw_path"].hex(), str(row["size_bytes"]), row["digest"])
            if told != noted:
                yield Finding(ROW_ALTERED, Severity.DAMAGE, f"station.db/item/{row['asset_id']}", {"table": "item"})
        for asset_id in sorted(without_row):
            yield Finding(ROW_ALTERED, Severity.DAMAGE, f"station.db/item/{asset_id}", {"table": "item"})


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without changing a byte of it.

    One whose program was cut off in a commit wants to be put right first; that is done to a copy.

    Raises:
        OSError: it, or a file that SQLite keeps beside it, is no plain file.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if os.path.lexists(part) and not is_plain(part):  # SQLite would wait for a FIFO for ever
            raise OSError(errno.EINVAL, "not a plain file", str(part))
    if not _wants_to_be_put_right(path):
        with contextlib.closing(_open(path)) as db:
            yield db
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(path.name + suffix))
        with contextlib.closing(sqlite3.connect(copy)) as db:
            db.row_factory = sqlite3.Row
            yield db


def _wants_to_be_put_right(path: Path) -> bool:
    try:
        with contextlib.closing(_open(path)) as db:
            db.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if "readonly" in str(error):
            return True
        raise
    return False


def _open(path: Path) -> sqlite3.Connection:
    return sqlite.connect(path, schema="", durability=sqlite.Durability.COMMIT_IS_FOR_GOOD, read_only=True)
