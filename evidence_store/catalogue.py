"""The catalogue: applies logged events and verified blobs to catalogue.db, and answers what the sequencer must know.

The log and the vault are the truth. `applied` says how far this view has come; what the log has more is applied at the
next start, and a catalogue that is lost or doubted is made again from nothing (`rebuild`).
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

from chain_of_custody.chain import ChainHead
from chain_of_custody.event import AssetLink, EventView
from chain_of_custody.seal_event import pulled_from
from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, SourceId
from evidence_model.instants import from_unix_ms, unix_ms
from evidence_model.messages import BlobRef, BlobRole, blobs_of
from evidence_store import body_reading as read
from evidence_store.catalogue_events import CENTRE_ALONE, HANDLERS, LoggedEvent
from evidence_store.errors import NotItsItemError
from evidence_store.vault import Adopted
from host_io import sqlite

KIND_NOT_A_STATIONS = "STO-020"
ASSET_CHAIN_BROKEN = "STO-021"
BODY_MAKES_NO_SENSE = "STO-022"
BLOB_SIZE_DIFFERS = "STO-033"
ITEM_ID_FOREIGN = "STO-160"
MAX_LISTING_BYTES = 64 << 20  # of 250,000 files, the most that a station lists, it has some 40 MB

# What reading a logged body can raise that the log let in although it makes no sense; a full disk is not among them.
MAKES_NO_SENSE = (RefusedError, ArithmeticError, LookupError, TypeError, ValueError, sqlite3.IntegrityError)

_UNSAID_ITEMS = (
    "select item.asset_id, recorder_id, digest, blob.size_bytes, verified_unix_ms, event.hash, event.source"
    " from item join blob using (digest) join event on event.log_index = pulled_index"
    " where received_index is null and verified_unix_ms is not null"
)
_UNSAID = _UNSAID_ITEMS + " order by pulled_index"
_UNSAID_OF_BLOB = _UNSAID_ITEMS + " and digest = ? order by pulled_index"


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """Where an event stands that is in the log already."""

    index: int
    hash: bytes
    source: SourceId
    kind: str
    asset_id: AssetId | None


@dataclass(frozen=True, slots=True)
class BlobNeed:
    """What an event needs in the vault, and since when it is there; None: awaited."""

    ref: BlobRef
    verified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsaidItem:
    """An item whose bytes the vault holds, and of which the log does not say so yet."""

    asset_id: AssetId
    recorder_id: str
    blob: Adopted
    announced_by: bytes
    station: SourceId


def open_catalogue_db(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open catalogue.db; each thread needs a connection of its own."""
    schema = resources.files("evidence_store").joinpath("catalogue.sql").read_text(encoding="utf-8")
    durability = sqlite.Durability.VIEW_THAT_CAN_BE_REBUILT
    return sqlite.connect(path, schema=schema, durability=durability, read_only=read_only)


class Catalogue:
    """The one writer of catalogue.db; used by one thread."""

    def __init__(self, db: sqlite3.Connection, *, centre: SourceId) -> None:
        self.db = db
        self._centre = centre
        db.execute("insert into applied (one, size) values (1, 0) on conflict do nothing")

    @property
    def centre(self) -> SourceId:
        """Return whose word counts for what the centre alone may say."""
        return self._centre

    @property
    def applied_size(self) -> int:
        """Return how many log entries are applied."""
        return int(self.db.execute("select size from applied").fetchone()[0])

    def apply(self, events: Sequence[LoggedEvent], *, without: Collection[int] = ()) -> list[Finding]:
        """Apply the next events of the log, all or none; return what is odd about them.

        `without` are the places of events whose bodies were erased by law: nothing follows from them any more.
        """
        if not events:
            return []
        findings: list[Finding] = []
        try:
            with sqlite.transaction(self.db):
                between = range(self.applied_size, events[0].index)
                if events[0].index < self.applied_size or not set(between) <= {*without}:
                    raise ValueError(f"event {events[0].index} does not follow size {self.applied_size}")
                for event in events:
                    findings += self._apply(event)
                self.db.execute("update applied set size = ?", (events[-1].index + 1,))
        except sqlite3.OperationalError as error:
            raise sqlite.DatabaseUnavailableError(f"catalogue.db: {error}; free space") from error
        return findings

    def blob_verified(self, adopted: Adopted) -> None:
        """Note that the vault holds a blob."""
        self.db.execute(
            "insert into blob (digest, size_bytes, verified_unix_ms) values (?, ?, ?) on conflict (digest)"
            " do update set size_bytes = excluded.size_bytes, verified_unix_ms = excluded.verified_unix_ms"
            " where verified_unix_ms is null or verified_unix_ms < excluded.verified_unix_ms",
            (adopted.digest.raw, adopted.size_bytes, unix_ms(adopted.verified_at)),
        )

    def load_listing(self, dock_index: int, lines: Iterable[bytes]) -> None:
        """Enter what a recorder's listing says, side files left out; lines that are no entries are passed over."""
        with sqlite.transaction(self.db):
            self.db.execute("delete from dock_entry where dock_index = ?", (dock_index,))
            self.db.executemany(
                "insert into dock_entry (dock_index, raw_path, size_bytes, kind) values (?, ?, ?, ?)"
                " on conflict do update set size_bytes = excluded.size_bytes, kind = excluded.kind",
                _listed(dock_index, lines),
            )
            self.db.execute("update dock set is_read = 1 where log_index = ?", (dock_index,))

    def unread_listings(self) -> list[tuple[int, Digest]]:
        """Return docks whose listing lies in the vault and is not entered yet; one that is too large never is."""
        rows = self.db.execute(
            "select log_index, listing from dock join blob on blob.digest = dock.listing"
            " where is_read = 0 and verified_unix_ms is not null and blob.size_bytes <= ? order by log_index",
            (MAX_LISTING_BYTES,),
        )
        return [(row["log_index"], Digest(row["listing"])) for row in rows]

    def not_grouped(self, recorder: str) -> None:
        """Leave the items of a recorder as they are until one of them changes."""
        self.db.execute("delete from stale_recorder where recorder_id = ?", (recorder,))

    # What the sequencer asks ---------------------------------------------------------------------------------------

    def head_of(self, source: SourceId) -> ChainHead | None:
        """Return the last event of a source that is in the log."""
        row = self.db.execute("select seq, hash from source where source = ?", (source,)).fetchone()
        return ChainHead(row["seq"], row["hash"]) if row else None

    def asset_head_of(self, source: SourceId, asset: AssetId) -> ChainHead | None:
        """Return the last event of a source about an item."""
        row = self.db.execute(
            "select asset_seq, hash from event where asset_id = ? and source = ? order by asset_seq desc limit 1",
            (asset, source),
        ).fetchone()
        return ChainHead(row["asset_seq"], row["hash"]) if row else None

    def find(self, envelope_hash: bytes) -> KnownEvent | None:
        """Return where the event of this envelope stands in the log, or None."""
        row = self.db.execute(
            "select log_index, hash, source, kind, asset_id from event where hash = ?", (envelope_hash,)
        ).fetchone()
        return _known(row) if row else None

    def blobs_of(self, index: int) -> tuple[BlobNeed, ...]:
        """Return what an event needs in the vault."""
        rows = self.db.execute(
            "select role, digest, event_blob.size_bytes, verified_unix_ms from event_blob join blob using (digest)"
            " where log_index = ?",
            (index,),
        )
        return tuple(
            BlobNeed(BlobRef(BlobRole(row["role"]), Digest(row["digest"]), row["size_bytes"]), _at(row[3]))
            for row in rows
        )

    def waiting_for(self, digest: Digest) -> list[KnownEvent]:
        """Return the events that name a blob, in the order of the log."""
        rows = self.db.execute(
            "select distinct event.log_index, hash, source, kind, asset_id from event_blob"
            " join event using (log_index) where digest = ? order by event.log_index",
            (digest.raw,),
        )
        return [_known(row) for row in rows]

    def awaited_blobs(self) -> Iterator[Digest]:
        """Yield every blob that was announced and is not known to be in the vault."""
        for row in self.db.execute("select digest from blob where verified_unix_ms is null").fetchall():
            yield Digest(row["digest"])

    def unsaid_items(self, digest: Digest | None = None) -> list[UnsaidItem]:
        """Return items (of one blob, or all) whose bytes are in the vault although no `store.received` says so."""
        rows = self.db.execute(_UNSAID_OF_BLOB, (digest.raw,)) if digest else self.db.execute(_UNSAID)
        return [
            UnsaidItem(
                asset_id=AssetId(row["asset_id"]),
                recorder_id=row["recorder_id"],
                blob=Adopted(Digest(row["digest"]), row["size_bytes"], from_unix_ms(row["verified_unix_ms"])),
                announced_by=row["hash"],
                station=SourceId(row["source"]),
            )
            for row in rows
        ]

    def enrolled_keys(self) -> set[tuple[str, str, str]]:
        """Return (role, id, key id) of every key that the log knows."""
        return {(row["role"], row["id"], row["key_id"]) for row in self.db.execute("select * from enrolled_key")}

    def _apply(self, event: LoggedEvent) -> Iterator[Finding]:
        view = event.view
        if view.asset is not None and not asset_link_fits(
            self.asset_head_of(view.source.id, view.asset.id), view.asset
        ):
            yield Finding(ASSET_CHAIN_BROKEN, Severity.FAULT, f"entry {event.index}", {"asset": view.asset.id})
        self._insert(event)
        if view.source.id == self._centre:
            yield from self._handle(event)
        elif view.kind in CENTRE_ALONE:
            yield Finding(KIND_NOT_A_STATIONS, Severity.FAULT, f"entry {event.index}", {"kind": view.kind})
        else:
            if is_misnamed(view):
                details = {"asset": view.asset.id if view.asset else "none"}
                yield Finding(ITEM_ID_FOREIGN, Severity.FAULT, f"entry {event.index}", details)
            self._note_origin(event)
            yield from self._announce(event)
            yield from self._handle(event)

    def _insert(self, event: LoggedEvent) -> None:
        view = event.view
        asset = view.asset
        self.db.execute(
            "insert into event (log_index, hash, event_id, kind, source, seq, asset_id, asset_seq, actor_kind,"
            " actor_id, actor_level, wall_unix_ms, clock, subject) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.index,
                event.hash,
                view.event_id,
                view.kind,
                view.source.id,
                view.source.seq,
                asset.id if asset else None,
                min(asset.seq, read.SQLITE_MOST) if asset else None,
                view.actor.kind.value,
                view.actor.id,
                view.actor.level.value,
                event.wall_unix_ms,
                view.time.reading.source.value,
                view.subject.name,
            ),
        )
        self.db.execute(
            "insert into source (source, seq, hash, last_wall_unix_ms) values (?, ?, ?, ?) on conflict (source)"
            " do update set seq = excluded.seq, hash = excluded.hash, last_wall_unix_ms = excluded.last_wall_unix_ms",
            (view.source.id, view.source.seq, event.hash, event.wall_unix_ms),
        )

    def _note_origin(self, event: LoggedEvent) -> None:
        """Enter what the daily seal counts, whatever else the event says and whether it makes sense."""
        recorder = pulled_from(event.view)
        if recorder is not None and event.view.asset is not None:
            self.db.execute(
                "insert into pulled_from (recorder_id, asset_id, log_index) values (?, ?, ?) on conflict do nothing",
                (recorder, event.view.asset.id, event.index),
            )

    def _announce(self, event: LoggedEvent) -> Iterator[Finding]:
        """Enter the blobs that a station's event needs."""
        for blob in blobs_of(event.view.body):
            size = min(blob.size_bytes, read.SQLITE_MOST)
            row = self.db.execute("select size_bytes from blob where digest = ?", (blob.digest.raw,)).fetchone()
            if row is None:
                self.db.execute("insert into blob (digest, size_bytes) values (?, ?)", (blob.digest.raw, size))
            elif row["size_bytes"] != size:
                details = {"sha256": blob.digest.hex, "said": str(blob.size_bytes), "known": str(row["size_bytes"])}
                yield Finding(BLOB_SIZE_DIFFERS, Severity.FAULT, f"entry {event.index}", details)
            self.db.execute(
                "insert into event_blob (log_index, role, digest, size_bytes) values (?, ?, ?, ?)"
                " on conflict do nothing",
                (event.index, blob.role.value, blob.digest.raw, size),
            )

    def _handle(self, event: LoggedEvent) -> Iterator[Finding]:
        """Let the event change what its kind changes; a body that makes no sense changes nothing, and is said."""
        handler = HANDLERS.get(event.view.kind)
        if handler is None:
            return
        self.db.execute("savepoint one_event")
        try:
            handler(self.db, event)
        except MAKES_NO_SENSE as error:
            self.db.execute("rollback to one_event")
            code = error.code if isinstance(error, NotItsItemError) else BODY_MAKES_NO_SENSE
            yield Finding(code, Severity.FAULT, f"entry {event.index}", {"error": str(error)[:200]})
        self.db.execute("release one_event")


def _listed(dock_index: int, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes, int, str]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(entry, dict) or entry.get("kind") == "side":
            continue
        path = read.raw_bytes(entry, "path_hex")
        if path is not None:
            kind = read.text(entry, "kind") or ""  # this is no strict JSON: a text may be none that can be kept
            kind = kind if kind.isprintable() and kind else "unknown"
            yield dock_index, path, read.number(entry, "size_bytes") or 0, kind


def asset_link_fits(head: ChainHead | None, link: AssetLink) -> bool:
    """Say whether an event is the next one of its source about its item."""
    expected = (1, bytes(32)) if head is None else (head.seq + 1, head.envelope_hash)
    return (link.seq, link.prev) == expected


def is_misnamed(view: EventView) -> bool:
    """Say whether a file's id is another than its recorder, path, size and digest give: two files could share it."""
    if view.kind != EventKind.FOOTAGE_PULLED.value:
        return False
    return view.asset is None or read.item_id(view.body, view.subject.sha256) != view.asset.id


def _known(row: sqlite3.Row) -> KnownEvent:
    asset = row["asset_id"]
    return KnownEvent(
        row["log_index"], row["hash"], SourceId(row["source"]), row["kind"], AssetId(asset) if asset else None
    )


def _at(value: int | None) -> datetime | None:
    return None if value is None else from_unix_ms(value)
