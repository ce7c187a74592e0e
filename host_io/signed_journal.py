"""One signer's gapless chain of signed envelopes, in its database.

Theory of operation: `append` reads the chain's head, builds and signs the next envelope and inserts it inside the
caller's transaction, so a state change and the event that speaks of it become true together or not at all. SQLite
allows one writer at a time, hence two processes with the same key never make the same `seq` twice. If power fails
before the commit, nothing was said; after it, the envelope is there for good and is sent until its receipt verifies.
"""

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.envelope import (
    PAYLOAD_TYPE,
    envelope_checksum,
    envelope_hash,
    make_envelope,
    pae,
    parse_envelope,
)
from chain_of_custody.errors import EnvelopeTooLargeError
from chain_of_custody.event import (
    Actor,
    AssetLink,
    Beacon,
    EventTime,
    SourceLink,
    Subject,
    build_statement,
    parse_event,
)
from chain_of_custody.leaf import sign_leaf
from chain_of_custody.receipt import VerifiedReceipt
from chain_of_custody.signatures import Signer
from chain_of_custody.tree import TreeHead
from evidence_model.canonical import JsonObject
from evidence_model.digests import Digest
from evidence_model.errors import DamageError, RefusedError
from evidence_model.events import EventKind
from evidence_model.ids import AssetId, EventId, SourceId, event_id
from evidence_model.instants import Clock, ClockReading, unix_ms
from evidence_model.messages import BlobRef, BlobRole
from host_io import sqlite
from host_io.sm2 import Sm2Signer, Sm2UnavailableError


class JournalNotOursError(DamageError):
    """The database in this place is another signer's journal; going on in it would break both chains."""

    code = "HOST-004"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFact:
    """What is to be said; the journal adds who, when, in which order, and the signature."""

    kind: EventKind
    subject: Subject
    body: JsonObject
    actor: Actor
    rules: Sequence[str] = ()
    asset_id: AssetId | None = None
    blobs: Sequence[BlobRef] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEvent:
    """An envelope of this signer, committed or about to be with its transaction."""

    seq: int
    event_id: EventId
    kind: str
    hash: bytes
    raw: bytes
    leaf_signature: bytes
    blobs: tuple[BlobRef, ...] = ()


def journal_schema() -> str:
    """Return the tables of a signed journal."""
    return resources.files("host_io").joinpath("signed_journal.sql").read_text(encoding="utf-8")


class JournalView:
    """Reads one signer's chain and notes its receipts, without the private key; `db` has the tables of the schema."""

    def __init__(self, db: sqlite3.Connection, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def waiting(self, *, after_seq: int = 0, limit: int = 500) -> Iterator[SignedEvent]:
        """Yield envelopes without a receipt in order of `seq`, those refused by the centre left out."""
        rows = self._db.execute(
            "select seq, event_id, kind, hash, raw, leaf_signature from envelope"
            " where receipt is null and refused is null and seq > ? order by seq limit ?",
            (after_seq, limit),
        ).fetchall()
        for row in rows:
            yield _event(row, self.blobs(row["seq"]))

    def find(self, envelope_sha256: bytes) -> SignedEvent | None:
        """Return the envelope of this hash, or None."""
        row = self._db.execute(
            "select seq, event_id, kind, hash, raw, leaf_signature from envelope where hash = ?", (envelope_sha256,)
        ).fetchone()
        return _event(row, self.blobs(row["seq"])) if row else None

    def blobs(self, seq: int) -> tuple[BlobRef, ...]:
        """Return the blobs that the centre must hold before it gives the receipt for `seq`."""
        rows = self._db.execute("select role, digest, size_bytes from envelope_blob where seq = ?", (seq,))
        return tuple(BlobRef(BlobRole(row["role"]), Digest(row["digest"]), row["size_bytes"]) for row in rows)

    def count_waiting(self) -> int:
        """Return how many envelopes have no receipt yet."""
        return int(self._db.execute("select count(*) from envelope where receipt is null").fetchone()[0])

    def is_receipted(self, seq: int) -> bool:
        """Say whether the receipt for `seq` was verified."""
        row = self._db.execute("select receipt from envelope where seq = ?", (seq,)).fetchone()
        return row is not None and row["receipt"] is not None

    def receipt_verified(self, seq: int, raw_receipt: bytes, receipt: VerifiedReceipt) -> bool:
        """Note a verified receipt and the log head it proves, for good; False if it was noted before.

        A receipt lifts a refusal: what the centre missed is mended.
        """
        at = unix_ms(self._clock.now())
        with sqlite.transaction(self._db):
            changed = self._db.execute(
                "update envelope set receipt = ?, log_index = ?, receipted_unix_ms = ?, refused = null"
                " where seq = ? and receipt is null",
                (raw_receipt, receipt.index, at, seq),
            ).rowcount
            self.remember(receipt.head, raw_note(raw_receipt))
        return changed == 1

    def remember(self, head: TreeHead, note: bytes) -> None:
        """Remember a checkpoint that was verified; the largest one is what later ones must extend."""
        self._db.execute(
            "insert or ignore into checkpoint_seen (size, root, note, seen_unix_ms) values (?, ?, ?, ?)",
            (head.size, head.root, note, unix_ms(self._clock.now())),
        )

    def remember_stamp(self, token: bytes) -> None:
        """Remember the hash of a time stamp that was heard of.

        A hint without any signature is enough: who names a real stamp's hash shows that the stamp was there before, and
        who names a made-up one shows nothing.
        """
        self._db.execute(
            "insert into stamp_heard (id, token) values (1, ?) on conflict (id) do update set token = excluded.token"
            " where token != excluded.token",
            (token,),
        )

    def remembered_stamp(self) -> bytes | None:
        """Return the hash of the newest time stamp heard of, or None."""
        row = self._db.execute("select token from stamp_heard").fetchone()
        return row["token"] if row else None

    def remembered(self) -> TreeHead | None:
        """Return the largest log head seen, or None."""
        row = self._db.execute("select size, root from checkpoint_seen order by size desc limit 1").fetchone()
        return TreeHead(row["size"], row["root"]) if row else None


class SignedJournal(JournalView):
    """Appends to one signer's chain, and reads it; `db` has the tables of `journal_schema`.

    Raises:
        JournalNotOursError: what lies in `db` was signed by another source.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        signer: Signer,
        source: SourceId,
        clock: Clock,
        sm2: Sm2Signer | None = None,
    ) -> None:
        super().__init__(db, clock=clock)
        self._signer = signer
        self._sm2 = sm2
        self._source = source
        owner = self._owner()
        if owner not in (None, source):
            raise JournalNotOursError(
                f"this database is the journal of {owner}, not of {source}; nothing is signed into it: put it right"
            )

    @property
    def source(self) -> SourceId:
        """Who speaks."""
        return self._source

    def append(self, fact: NewFact, *, also: Sequence[Signer] = ()) -> SignedEvent:
        """Sign `fact` as the next link of the chain, in the caller's transaction (or one of its own).

        `also` sign it beside the source: the person who acts, where its level is `person-key`.

        Blobs named in `fact.blobs` are written into the body as `blobs`.

        Raises:
            EventRejectedError: the fact does not fit the schema or is larger than 60 KiB; nothing is written.
        """
        with sqlite.transaction(self._db):
            seq, prev = self._head()
            asset = self._asset_link(fact.asset_id)
            reading = self._clock.read()
            new_id = event_id(unix_ms=unix_ms(reading.wall_at), random=secrets.token_bytes(10))
            body = {**fact.body, "blobs": [blob.as_json() for blob in fact.blobs]} if fact.blobs else fact.body
            statement = build_statement(
                kind=fact.kind.value,
                event_id=new_id,
                salt=secrets.token_bytes(16),
                source=SourceLink(self._source, seq, prev),
                asset=asset,
                actor=fact.actor,
                time=self._time(reading),
                rules=fact.rules,
                body=body,
                subject=fact.subject,
            )
            raw = self._envelope(statement, also)
            event = SignedEvent(
                seq=seq,
                event_id=new_id,
                kind=fact.kind.value,
                hash=envelope_hash(raw),
                raw=raw,
                leaf_signature=sign_leaf(envelope_checksum(raw), self._signer),
                blobs=tuple(fact.blobs),
            )
            self._insert(event, asset, reading)
        return event

    def _envelope(self, statement: bytes, also: Sequence[Signer]) -> bytes:
        """Sign, and once more with SM2 where there is such a key; without it if that fails or has no room."""
        signers = [self._signer, *also]
        if self._sm2 is not None:
            with contextlib.suppress(Sm2UnavailableError, EnvelopeTooLargeError):
                return make_envelope(statement, signers, made=[self._sm2.sign(pae(PAYLOAD_TYPE, statement))])
        return make_envelope(statement, signers)

    def _owner(self) -> SourceId | None:
        """Return who signed last; None if nobody did, or if it cannot be read, which `verify` names."""
        row = self._db.execute("select raw from envelope order by seq desc limit 1").fetchone()
        with contextlib.suppress(RefusedError):
            return parse_event(parse_envelope(row["raw"])).source.id if row else None
        return None

    def _head(self) -> tuple[int, bytes]:
        row = self._db.execute("select seq, hash from envelope order by seq desc limit 1").fetchone()
        return (row["seq"] + 1, row["hash"]) if row else (1, GENESIS_PREV)

    def _asset_link(self, asset: AssetId | None) -> AssetLink | None:
        if asset is None:
            return None
        row = self._db.execute(
            "select asset_seq, hash from envelope where asset_id = ? order by asset_seq desc limit 1", (asset,)
        ).fetchone()
        if row is None:
            return AssetLink(asset, 1, GENESIS_PREV)
        return AssetLink(asset, row["asset_seq"] + 1, row["hash"])

    def _time(self, reading: ClockReading) -> EventTime:
        row = self._db.execute("select size, root, note from checkpoint_seen order by size desc limit 1").fetchone()
        beacon = None
        if row is not None:
            origin = row["note"].split(b"\n", 1)[0].decode()
            beacon = Beacon(origin, row["size"], row["root"], self.remembered_stamp())
        return EventTime(reading=reading, beacon=beacon)

    def _insert(self, event: SignedEvent, asset: AssetLink | None, reading: ClockReading) -> None:
        self._db.execute(
            "insert into envelope (seq, event_id, kind, hash, raw, leaf_signature, asset_id, asset_seq, signed_unix_ms)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.seq,
                event.event_id,
                event.kind,
                event.hash,
                event.raw,
                event.leaf_signature,
                asset.id if asset else None,
                asset.seq if asset else None,
                unix_ms(reading.wall_at),
            ),
        )
        self._db.executemany(
            "insert into envelope_blob (seq, role, digest, size_bytes) values (?, ?, ?, ?)",
            [(event.seq, blob.role.value, blob.digest.raw, blob.size_bytes) for blob in event.blobs],
        )


def raw_note(raw_receipt: bytes) -> bytes:
    """Return the signed note of the checkpoint inside a receipt that was verified."""
    note: str = json.loads(raw_receipt)["checkpoint"]  # the strict reader has read it before
    return note.encode()


def _event(row: sqlite3.Row, blobs: tuple[BlobRef, ...]) -> SignedEvent:
    return SignedEvent(
        seq=row["seq"],
        event_id=EventId(row["event_id"]),
        kind=row["kind"],
        hash=row["hash"],
        raw=row["raw"],
        leaf_signature=row["leaf_signature"],
        blobs=blobs,
    )
