"""Writes an evidence package: recordings, every event about them, proofs and keys (docs/spec/evidence-package.md).

All or nothing. A package that lacks one file of a recording looks whole to whoever did not ask for it, so anything that
is not what was signed stops it: everything asked for is read all the same, and all that is wrong is told. What is sound
can be exported by itself.
"""

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from chain_of_custody.package import ChainEnd, ItemEntry, PackageStatement, contents_json, sign_package
from evidence_model.findings import Finding
from evidence_model.ids import AssetId, EventId, RecorderId, RecordingId, SourceId, event_id
from evidence_model.instants import Clock, unix_ms
from evidence_store.bag import Bag, BagFigures, bag_in_work
from evidence_store.errors import (
    KeysDifferError,
    PackagePlaceError,
    PackageRoomError,
    PackageThereError,
    TooManyWordsError,
)
from evidence_store.package_contents import PackageContents, gather
from evidence_store.package_records import put_records
from evidence_store.report import render_reports
from evidence_store.report_data import ReportFacts
from evidence_store.report_font import find_report_font
from evidence_store.vault import Vault
from host_io.clock import SystemClock
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.trust import centre_key_path, check_home_roots, read_trust

MAX_WORDS = 2000
_BLOCK_BYTES = 4096  # what even the smallest file takes
_FILES_AN_EVENT = 6
_REPORT_BYTES_AN_EVENT = 1 << 10  # in both reports together
_OTHER_BYTES = 1 << 20

SayProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageResult:
    """What came of an export: a package, or what stood in its way."""

    out: Path
    id: EventId
    recordings: tuple[RecordingId, ...] = ()
    item_count: int = 0
    event_count: int = 0
    file_count: int = 0
    payload_bytes: int = 0
    log_size: int = 0
    not_sealed: tuple[AssetId, ...] = ()
    manifest_sha256: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Say whether the package is there."""
        return not self.findings

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "id": self.id if self.ok else None,
            "ok": self.ok,
            "out": str(self.out) if self.ok else None,
            "recordings": list(self.recordings),
            "items": self.item_count,
            "events": self.event_count,
            "files": self.file_count,
            "bytes": self.payload_bytes,
            "log_size": self.log_size,
            "not_sealed": list(self.not_sealed),
            "manifest_sha256": self.manifest_sha256 or None,
            "findings": [finding.as_json() for finding in self.findings],
        }


def export_package(
    paths: HomePaths,
    *,
    recordings: Sequence[str],
    out: Path,
    recipient: str = "",
    basis: str = "",
    zone: tzinfo = UTC,
    recorders: Collection[RecorderId] = (),
    mirrored: bytes | None = None,
    approval: bytes | None = None,
    clock: Clock | None = None,
    progress: SayProgress | None = None,
) -> PackageResult:
    """Write the package of some recordings to `out`; after return it is there for good and whole, or not at all.

    The reports in it show instants in `zone`. `approval` is the hash of the `access.approved` on which it is made.

    It also shows, by the newest seal, all that the log knows of `recorders` (which may be nothing), and by `mirrored`,
    a mirror's checkpoint, that the seal is right.

    Raises:
        UsageError: no such recording, `out` exists or cannot be there, too many words.
        NotSealedError: `recorders` are named, and the log is not sealed yet.
        MirroredUnfitError: `mirrored` is no checkpoint of this log.
        BytesNotArrivedError: something that belongs into it is not in the vault yet.
        PackageRoomError: it does not fit.
        ReportFontError: the font of the reports is missing.
        PackageMediumError: what was written cannot be read back.
        DamageError: the log cannot be read at all; lesser damage is in the result.
    """
    if len(recipient) > MAX_WORDS or len(basis) > MAX_WORDS:
        raise TooManyWordsError(f"at most {MAX_WORDS} characters each")
    place = _place(out, paths)
    font = find_report_font()
    clock = clock or SystemClock()
    trust = read_trust(paths.trust)
    roots = check_home_roots(paths, trust)
    signer = read_signing_key(centre_key_path(paths))
    if signer.public_key != trust.centre.key:
        raise KeysDifferError(f"{paths.keys}: centre.key is not the one of {paths.trust}; restore both")
    vault = Vault(paths.vault, reserve_bytes=0, clock=clock)
    now = clock.now()
    package_id = event_id(unix_ms=unix_ms(now), random=secrets.token_bytes(10))
    contents, findings = gather(paths, trust, vault, recordings, recorders=recorders, mirrored=mirrored)
    copy_bytes = sum(held.size_bytes for _, digest in contents.copies if (held := vault.held(digest)) is not None)
    _check_room(
        place,
        contents,
        copy_bytes=copy_bytes,
        key_count=2 * len(trust.sources) + len(trust.people),
        root_bytes=sum(map(len, roots)),
    )
    on_bytes = _counter(2 * copy_bytes, progress)  # each byte is copied, then read back
    with bag_in_work(place) as bag:
        findings += _copy_all(bag, vault, contents, on_bytes)
        if findings:
            return PackageResult(out=place, id=package_id, findings=tuple(findings))
        events, erased = [each.index for each in contents.events], [(each.index, each.hash) for each in contents.erased]
        bag.put("package.json", contents_json(events=events, items=_entries(contents), erased=erased))
        put_records(bag, contents, trust, roots)
        facts = ReportFacts(
            id=package_id,
            created_at=now,
            recipient=recipient,
            basis=basis,
            contents=contents,
            trust=trust,
            zone=zone,
            intervals=contents.intervals(),
        )
        for name, report in render_reports(facts, font):
            bag.put(name, report)

        def sign(figures: BagFigures) -> dict[str, bytes]:
            statement = PackageStatement(
                id=package_id,
                site=trust.site,
                created_at=now,
                recipient=recipient,
                basis=basis,
                approval=approval,
                head=contents.state.head,
                file_count=figures.file_count,
                payload_bytes=figures.payload_bytes,
                manifest_sha256=figures.manifest,
                tagmanifest_sha256=figures.tagmanifest,
            )
            return {"package.dsse.json": sign_package(statement, signer)}

        info = {
            "Bag-Software-Agent": "evidock",
            "Bagging-Date": f"{now:%Y-%m-%d}",
            "External-Identifier": package_id,
            "Source-Organization": trust.site,
        }
        figures = bag.publish(info, sign, on_bytes=on_bytes)
    return PackageResult(
        out=place,
        id=package_id,
        recordings=tuple(dict.fromkeys(item.recording for item in contents.items)),
        item_count=len(contents.items),
        event_count=len(contents.events),
        file_count=figures.file_count,
        payload_bytes=figures.payload_bytes,
        log_size=contents.state.head.size,
        not_sealed=tuple(item.id for item in contents.items if not contents.is_sealed(item.id)),
        manifest_sha256=figures.manifest.hex,
    )


def _place(out: Path, paths: HomePaths) -> Path:
    """Return where the package is to lie, with every link on the way there followed."""
    if os.path.lexists(out):
        raise PackageThereError(f"{out}: exists already; name a folder that does not")
    place = out.parent.resolve() / out.name
    if not place.parent.is_dir():
        raise PackagePlaceError(f"{place.parent}: no such folder; make it first")
    if place.is_relative_to(paths.root.resolve()):
        raise PackagePlaceError(f"{place}: lies inside the home; name a place outside")
    return place


def _check_room(place: Path, contents: PackageContents, *, copy_bytes: int, key_count: int, root_bytes: int) -> None:
    an_event = _FILES_AN_EVENT * _BLOCK_BYTES + _REPORT_BYTES_AN_EVENT
    records = sum(3 * len(event.envelope.raw) + an_event for event in contents.events)
    rounding = _BLOCK_BYTES * (len(contents.copies) + 2 * key_count + 2 * len(contents.time))
    needed = copy_bytes + records + root_bytes + rounding + _OTHER_BYTES
    usage = os.statvfs(place.parent)
    free = usage.f_bavail * usage.f_frsize
    if free < needed:
        raise PackageRoomError(f"{place.parent}: {needed} bytes are needed, {free} are free")


def _counter(total: int, progress: SayProgress | None) -> Callable[[int], None]:
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, max(total, done))

    return on_bytes


def _copy_all(bag: Bag, vault: Vault, contents: PackageContents, on_bytes: Callable[[int], None]) -> list[Finding]:
    found = (
        bag.copy(name, vault.path_of(digest), digest, on_bytes=on_bytes)
        for name, digest in contents.copies
        if vault.held(digest) is not None  # what is gone was told before
    )
    return [finding for finding in found if finding is not None]


def _entries(contents: PackageContents) -> Iterator[ItemEntry]:
    ends: dict[AssetId, dict[SourceId, ChainEnd]] = {item.id: {} for item in contents.items}
    for event in contents.events:  # in the order of the log, so the last one stays
        link, source = event.view.asset, event.view.source.id
        if link is not None and link.id in ends:
            ends[link.id][source] = ChainEnd(source=source, seq=link.seq, last=event.envelope.hash)
    for item in contents.items:
        yield ItemEntry(
            id=item.id,
            recording=item.recording,
            sha256=item.digest,
            size_bytes=item.size_bytes,
            file=None if item.is_gone else item.file,
            chunks=f"{item.file}.chunks" if item.id in contents.chunks else None,
            chains=tuple(ends[item.id].values()),
        )
