"""What goes into an evidence package: items, events, blobs and keys, gathered at one state of the log."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from chain_of_custody.receipt import parse_receipt
from chain_of_custody.seal_event import pulled_from
from chain_of_custody.time_bounds import TimeBounds
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, RecordingId, SourceId
from evidence_model.messages import BlobRef, BlobRole, blobs_of
from evidence_model.names import safe_local_name
from evidence_store.centre_book import open_centre_db
from evidence_store.custody_queries import open_catalogue
from evidence_store.errors import BytesNotArrivedError, HeadUnwitnessedError
from evidence_store.fsck_vault import RECEIVED_IS_MISSING
from evidence_store.log_folder import LogFolder
from evidence_store.package_decisions import ErasedEvent
from evidence_store.package_events import Anchor, EventSearch, LogState, PackagedEvent, is_pull_of, log_state
from evidence_store.package_seals import PackagedSeal, newest_seal, seal_proofs
from evidence_store.package_time import gather_time
from evidence_store.queries import show_recording
from evidence_store.vault import Vault
from host_io.config import HomePaths
from host_io.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedItem:
    """One original that goes into the package."""

    id: AssetId
    recording: RecordingId
    station: SourceId
    raw_path: bytes
    digest: Digest
    size_bytes: int
    is_gone: bool = False  # lawfully disposed of

    @property
    def file(self) -> str:
        """Return its place; readers of BagIt disagree about `%` in a name, so there is none."""
        name = safe_local_name(self.raw_path.rpartition(b"/")[2]).replace("%", "_")
        return f"footage/{self.id}/{name}"


@dataclass(slots=True)
class PackageContents:
    """Everything of a package; `events` in the order of the log."""

    state: LogState
    items: list[PackagedItem]
    events: list[PackagedEvent]
    erased: list[ErasedEvent] = field(default_factory=list)
    anchor: Anchor | None = None
    mirrored: Anchor | None = None
    seal: PackagedSeal | None = None
    chunks: dict[AssetId, Digest] = field(default_factory=dict)
    blobs: list[Digest] = field(default_factory=list)
    gaps: dict[RecordingId, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
    """What is irregular between a recording's items, by the store's own reckoning."""
    handed_over: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    """That the head contains each tree with which the log's key was handed over, by its size."""
    time: dict[str, bytes] = field(default_factory=dict)
    """Time stamps and what belongs to them, by name."""
    bounds: dict[int, TimeBounds] = field(default_factory=dict)
    """Between which stamps each event was made, by its place in the log."""

    def intervals(self) -> dict[AssetId, tuple[datetime, datetime]]:
        """Return between which instants each item was pulled, where both are proved."""
        digests = {item.id: item.digest for item in self.items}
        found: dict[AssetId, tuple[datetime, datetime]] = {}
        for event in self.events:
            if event.view.asset is not None and is_pull_of(event.view, digests):
                not_before, not_after = self.bounds.get(event.index, TimeBounds()).interval
                if not_before is not None and not_after is not None:
                    found.setdefault(event.view.asset.id, (not_before, not_after))
        return found

    def is_sealed(self, asset: AssetId) -> bool:
        """Say whether the newest seal covers the item."""
        return self.seal is not None and f"presence-{asset}" in self.seal.proofs

    @property
    def copies(self) -> list[tuple[str, Digest]]:
        """Return what is copied out of the vault, by its place in the package."""
        return [
            *((item.file, item.digest) for item in self.items if not item.is_gone),
            *((f"{item.file}.chunks", self.chunks[item.id]) for item in self.items if item.id in self.chunks),
            *((f"blobs/{digest.hex}", digest) for digest in self.blobs),
        ]


def gather(
    paths: HomePaths,
    trust: Trust,
    vault: Vault,
    recordings: Sequence[str],
    *,
    recorders: Collection[RecorderId] = (),
    mirrored: bytes | None = None,
) -> tuple[PackageContents, list[Finding]]:
    """Return what belongs into the package of these recordings, and what of it is not what was signed, or gone.

    Of `recorders`, too, it is to show all that the newest seal knows; `mirrored` is a mirror's checkpoint.

    Raises:
        RecordingUnknownError: the store knows no such recording.
        NotSealedError: `recorders` are named, and there is no seal yet.
        MirroredUnfitError: `mirrored` is not of this log.
        BytesNotArrivedError: nothing is gone, but something is not in the vault yet.
    """
    folder = LogFolder(paths.log)
    with contextlib.closing(open_catalogue(paths)) as db:
        db.execute("begin")  # one state of the catalogue for all that is asked of it
        known_size = _known_size(db)
        gaps = {
            RecordingId(found.summary.id): found.findings for found in (show_recording(db, each) for each in recordings)
        }
        items = [item for recording in gaps for item in _items(db, recording)]
        state = log_state(folder, trust, known_size=known_size)  # read second, so it holds all of the first
        search = EventSearch(folder, state, trust)
        digests = {item.id: item.digest for item in items}
        seal = newest_seal(db, trust.centre.id, state.head.size)
        events = search.run(db, known_size=known_size, items=digests, seal=seal)
        if not search.findings:
            _check_pulled(items, events)
        items = [replace(item, is_gone=item.id in search.decisions.tombstones) for item in items]
        anchor = search.anchor(_oldest_checkpoint(paths))
        contents = PackageContents(state, items, events, search.erased, anchor, gaps=gaps)
        contents.handed_over = search.handed_over()
        contents.mirrored = search.mirrored(mirrored) if mirrored is not None else None
        if not search.findings:
            sealed = next((each for each in events if seal is not None and each.index == seal[0]), None)
            pulled = _pulled(events, digests)
            contents.seal, search.findings = seal_proofs(db, sealed, pulled=pulled, recorders=recorders)
            if contents.seal is None:
                contents.events = [each for each in events if each is not sealed]
        _name_blobs(contents)
        contents.time, contents.bounds, faults = gather_time(folder, state, trust, events)
        search.findings += faults
        search.findings += _check_arrived(db, vault, contents)
        return contents, search.findings


def _oldest_checkpoint(paths: HomePaths) -> bytes | None:
    """Return the oldest checkpoint that the store still has: the one in the receipt of what the centre said first."""
    if not paths.centre_db.exists():
        return None
    with contextlib.closing(open_centre_db(paths, read_only=True)) as db:
        row = db.execute("select receipt from envelope where receipt is not null order by seq limit 1").fetchone()
    return parse_receipt(row["receipt"]).checkpoint if row else None


def _pulled(events: Iterable[PackagedEvent], items: Mapping[AssetId, Digest]) -> list[tuple[AssetId, str, int]]:
    """Return each item with the recorder that it was pulled from, and where in the log that is said first."""
    found: dict[AssetId, tuple[AssetId, str, int]] = {}
    for event in events:
        if event.view.asset is not None and is_pull_of(event.view, items):
            asset = event.view.asset.id
            found.setdefault(asset, (asset, pulled_from(event.view) or "", event.index))
    return list(found.values())


def _check_pulled(items: Iterable[PackagedItem], events: Iterable[PackagedEvent]) -> None:
    """Return if the head holds each item's first event; where the site has witnesses, it may not do so yet.

    Raises:
        HeadUnwitnessedError: it does not.
    """
    spoken_of = {event.view.asset.id for event in events if event.view.asset is not None}
    for item in items:
        if item.id not in spoken_of:
            raise HeadUnwitnessedError(f"{item.id} is in no head of the log that the witnesses have cosigned")


def _known_size(db: sqlite3.Connection) -> int:
    """Return how many events of the log the catalogue has; 0, so that all are read from the log, if it lost any."""
    query = "select size, (select count(*) from event) as held from applied"
    row = db.execute(query).fetchone()
    return int(row["size"]) if row is not None and row["size"] == row["held"] else 0


def _items(db: sqlite3.Connection, recording: str) -> Iterator[PackagedItem]:
    query = "select * from item where recording_id = ? order by recording_place, asset_id"
    for row in db.execute(query, (recording,)):
        yield PackagedItem(
            id=AssetId(row["asset_id"]),
            recording=RecordingId(row["recording_id"]),
            station=SourceId(row["station"]),
            raw_path=row["raw_path"],
            digest=Digest(row["digest"]),
            size_bytes=row["size_bytes"],
        )


def _name_blobs(contents: PackageContents) -> None:
    """Find each item's chunk list, and what else belongs to it: what its stations name, and their dockings.

    What anybody else names (STO-023) is neither waited for nor handed over: it may be nothing, or others' footage.
    """
    digests = {item.id: item.digest for item in contents.items if not item.is_gone}
    stations = {item.id: item.station for item in contents.items}
    views = [event.view for event in contents.events]
    pulled_by = {(view.asset.id, view.source.id) for view in views if view.asset and is_pull_of(view, digests)}
    named: set[BlobRef] = set()
    for view in views:
        blobs = [blob for blob in blobs_of(view.body) if blob.role is not BlobRole.FOOTAGE]
        if view.kind == EventKind.RECORDER_DOCKED.value:
            named.update(blobs)
        elif view.asset is not None and (view.asset.id, view.source.id) in pulled_by:
            named.update(blobs)
            if stations[view.asset.id] == view.source.id:
                for blob in blobs:
                    if blob.role is BlobRole.CHUNKS:
                        contents.chunks[view.asset.id] = blob.digest  # the newest one counts
    beside = {(BlobRole.CHUNKS, digest) for digest in contents.chunks.values()}
    contents.blobs = sorted({blob.digest for blob in named if (blob.role, blob.digest) not in beside})


def _check_arrived(db: sqlite3.Connection, vault: Vault, contents: PackageContents) -> list[Finding]:
    """Return what is gone from the vault.

    Raises:
        BytesNotArrivedError: nothing is gone, but something was never there.
    """
    findings, awaited = [], []
    for name, digest in contents.copies:
        if vault.held(digest) is not None:
            continue
        row = db.execute("select verified_unix_ms from blob where digest = ?", (digest.raw,)).fetchone()
        if row is not None and row["verified_unix_ms"] is not None:
            subject = str(vault.path_of(digest).relative_to(vault.root.parent))
            findings.append(Finding(RECEIVED_IS_MISSING, Severity.DAMAGE, subject, {"name": name}))
        else:
            awaited.append(name)
    if awaited and not findings:
        raise BytesNotArrivedError(f"{len(awaited)} of {len(contents.copies)}: {', '.join(awaited[:3])}")
    return findings
