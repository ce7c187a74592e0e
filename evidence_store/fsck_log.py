"""Is the log on this disk whole, signed and what the store left behind, also while the store is writing it?

What is logged appears on disk in one order: stage, `log/signed`, tiles, `log/checkpoint`, envelopes; then the stage
goes. It is read here so that every entry up to one signed size is found: first `signed`, then the stages, then the
files. What is newer than that size is left for the next check.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from chain_of_custody.audit import audit_log
from chain_of_custody.audit_seals import SealAudit
from chain_of_custody.checkpoint import Checkpoint, origin_of
from chain_of_custody.leaf import Leaf
from chain_of_custody.log_keys import open_logged, signing_log
from chain_of_custody.sequence import sequence
from chain_of_custody.signatures import KeyId, Verifier
from chain_of_custody.tiles import TILE_WIDTH, Bundle, Tile, decode_bundle, node_reader, parse_path
from chain_of_custody.time_bounds import TimedEvent
from chain_of_custody.tree import HASH_BYTES, CompactRange
from chain_of_custody.trust_document import Trust
from chain_of_custody.trust_entries import TrustedLog
from chain_of_custody.witness_policy import NO_WITNESSES, cosigners_of
from evidence_model.errors import EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.errors import LogFileMissingError, LogRecordMissingError, LogSetBackError, StageDamagedError
from evidence_store.fsck_facts import LogFacts
from evidence_store.log_folder import ENTRY_BYTES, LogFolder, is_torn
from evidence_store.log_signer import HandOverDiffersError, SignedRecordDamagedError
from evidence_store.quorum_desk import WITNESSES_MISSING
from evidence_store.stage import LogEntry, Stage, decode_stage
from host_io import durable

UNREADABLE = "STO-076"
CHECKPOINT_DIFFERS = "STO-063"
FILE_SURPLUS = "STO-074"
HALF_WAY = "STO-078"
QUORUM_NOT_MET = "STO-097"
_KNOWN = frozenset({"signed", "checkpoint", "tile", "envelopes", "stage", "timestamps"})
_SUFFIX = ".dsse.json"
_MOST_SEALED_LEAVES = 2_000_000  # the newest seal, and older ones for some seconds more


@dataclass(slots=True)
class LogCheck:
    """One check of one log; `leaves` is filled for those who compare other things with the log."""

    root: Path
    log_key: bytes
    keys: Mapping[KeyId, Verifier]
    is_running: bool
    facts: LogFacts = field(default_factory=LogFacts)
    size: int = 0
    is_empty: bool = False  # nothing was ever logged here, or all of it is gone
    head: Checkpoint | None = None
    shown: Checkpoint | None = None
    trust: Trust | None = None
    before: tuple[TrustedLog, ...] = ()  # the keys that signed before `log_key`
    timed: list[TimedEvent] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)  # why a file that is there does not give its bytes
    _overlay: dict[str, bytes] = field(default_factory=dict)
    _staged: dict[bytes, LogEntry] = field(default_factory=dict)
    _last: tuple[int, tuple[bytes, ...]] = (-1, ())

    @property
    def folder(self) -> LogFolder:
        """Return the log's files."""
        return LogFolder(self.root)

    def run(self) -> Iterator[Finding]:
        """Yield everything that is wrong with the log."""
        yield from self._run()
        for path, why in self.unreadable.items():
            subject = str(path.relative_to(self.root.parent))
            yield Finding(UNREADABLE, Severity.DAMAGE, subject, {"error": why})

    def _run(self) -> Iterator[Finding]:
        folder = self.folder
        public = self._bytes(folder.checkpoint)
        signed = self._bytes(folder.signed)
        if signed is None and public is None and not self.unreadable and folder.is_empty():
            self.is_empty = True
            return
        findings: list[Finding] = []
        note = self._heads(signed, public, findings)
        stages = self._read_stages(findings)
        listing = list(folder.tile_paths())
        names = list(folder.envelope_names())
        findings += self._surplus(names)
        yield from findings
        if note is None:
            return
        if not self.is_running and (beyond := folder.shows_more_than(self.size)) is not None:
            details = {"size": str(self.size), "seen_by": str(beyond.relative_to(self.root.parent))}
            yield Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", details)
        self._replay(stages)
        if (self._overlay or self._staged) and not self.is_running:
            yield Finding(HALF_WAY, Severity.NOTE, "log", {"size": str(self.size)})
        if public is not None and self.shown is not None and self.shown.size and self._needs_witnesses:
            yield from self._check_shown(self.shown, public)
        newer = self._newer_checksums()
        yield from self._check_handed_over()
        yield from audit_log(
            log_key=signing_log(note, self._logs).key,
            checkpoint=note,
            read_tile=self._read_tile,
            read_bundle=self._read_bundle,
            envelopes=self.facts.watch(self._envelopes(names, newer)),
            keys=self.keys,
            sources=self.trust.by_key() if self.trust is not None else None,
            listing=[path for path in listing if self._is_of_size(path)],
            on_event=lambda *event: self.timed.append(TimedEvent.of(*event)),
            seals=SealAudit(self.trust.centres if self.trust is not None else (), most_leaves=_MOST_SEALED_LEAVES),
        )

    def is_signed_by_its_key(self) -> bool:
        """Say whether either record of the log's state bears the key's signature."""
        notes = (self._bytes(self.folder.signed), self._bytes(self.folder.checkpoint))
        return any(self._open(note)[0] is not None for note in notes)

    def newest_size(self) -> int:
        """Return the size that is signed now; the store may have gone on since `run`."""
        head, _ = self._open(self._bytes(self.folder.signed))
        return max(self.size, head.size if head else 0)

    def leaf(self, index: int) -> Leaf | None:
        """Return the leaf at `index`, None if it is not there or cannot be read."""
        if not 0 <= index < self.size:
            return None
        number = index // TILE_WIDTH
        if self._last[0] != number:
            bundle = Bundle(number, min(TILE_WIDTH, self.size - number * TILE_WIDTH))
            data = self._read_bundle(bundle)
            try:
                entries = () if data is None else decode_bundle(data, bundle.width)
            except EvidockError:
                entries = ()
            self._last = number, entries
        entries = self._last[1]
        try:
            return Leaf.parse(entries[index % TILE_WIDTH]) if entries else None
        except EvidockError:
            return None

    def envelope(self, envelope_hash: bytes) -> bytes | None:
        """Return the envelope of this hash, from its file or its stage; None if neither has it."""
        data = self._bytes(self.folder.envelope_path(envelope_hash))
        if data is not None and sha256(data).digest() == envelope_hash:
            return data
        staged = self._staged.get(envelope_hash)
        return staged.raw if staged is not None else None

    def root_at(self, size: int) -> bytes | None:
        """Return the root that the log's tiles give for an earlier size."""
        try:
            return CompactRange.from_nodes(size, node_reader(self.size, self._tile_or_fail)).root()
        except EvidockError:
            return None

    # Which state of the log is checked -------------------------------------------------------------------------------

    def _heads(self, signed: bytes | None, public: bytes | None, findings: list[Finding]) -> bytes | None:
        """Return the record to check against, and note what is wrong with the two that there are."""
        signed_head, why_signed = self._open(signed)
        public_head, why_public = self._open(public)
        if signed is None:
            findings.append(Finding(LogRecordMissingError.code, Severity.DAMAGE, "log/signed"))
        elif signed_head is None:
            findings.append(Finding(SignedRecordDamagedError.code, Severity.DAMAGE, "log/signed", {"why": why_signed}))
        is_new = signed_head is not None and signed_head.size == 0
        # Power may fail while it is written; until its stage is settled, the next start writes it again.
        is_torn_public = bool(public and signed and self.folder.stages() and is_torn(public, signed))
        is_awaited = is_torn_public or (not public and (is_new or self._may_be_half_way()))
        if public_head is None and not is_awaited:
            why = "it is not there" if public is None else why_public
            findings.append(Finding(CHECKPOINT_DIFFERS, Severity.DAMAGE, "log/checkpoint", {"why": why}))
        if signed_head and public_head and signed != public:
            may_be_behind = self._needs_witnesses or self._may_be_half_way()
            # With cosignatures, or of a key that was handed over just now.
            is_other = self._needs_witnesses or public_head.origin != signed_head.origin
            is_same = is_other and public_head.head() == signed_head.head()
            if not is_same and not (public_head.size < signed_head.size and may_be_behind):
                details = {"signed": str(signed_head.size), "public": str(public_head.size)}
                findings.append(Finding(CHECKPOINT_DIFFERS, Severity.DAMAGE, "log/checkpoint", details))
        self.shown = public_head
        self.head = signed_head or public_head
        self.size = self.head.size if self.head else 0
        if signed_head is not None:
            return signed
        return public if public_head is not None else None

    @property
    def _needs_witnesses(self) -> bool:
        return self.trust is not None and any(each.policy.needs_witnesses for each in self.trust.policies)

    def _check_shown(self, shown: Checkpoint, note: bytes) -> Iterator[Finding]:
        """Yield what is wrong with a checkpoint that witnesses have cosigned: it may be behind, never beside."""
        witnesses = self.trust.witnesses_at(shown.size) if self.trust is not None else NO_WITNESSES
        try:
            is_met = witnesses.is_met_by(cosigners_of(note, witnesses))
        except RefusedError:
            is_met = False
        if not is_met:
            details = {"quorum": witnesses.quorum}
            yield Finding(QUORUM_NOT_MET, Severity.DAMAGE, "log/checkpoint", details)
        if shown.size < self.size and self.root_at(shown.size) != shown.root:
            details = {"signed": str(self.size), "public": str(shown.size)}
            yield Finding(CHECKPOINT_DIFFERS, Severity.DAMAGE, "log/checkpoint", details)
        if shown.size < self.size and not self.is_running:
            details = {"entries": str(self.size - shown.size)}
            yield Finding(WITNESSES_MISSING, Severity.NOTE, "log", details)

    def _check_handed_over(self) -> Iterator[Finding]:
        """Yield each tree with which the log's key was handed over and that is not the beginning of this one."""
        for final in (each.final for each in self.before if each.final is not None):
            if self.size < final.size or self.root_at(final.size) != final.root:
                details = {"size": str(self.size), "handed_over": str(final.size)}
                yield Finding(HandOverDiffersError.code, Severity.DAMAGE, "log/signed", details)

    @property
    def _logs(self) -> tuple[TrustedLog, ...]:
        return (*self.before, TrustedLog(key=self.log_key))

    def _open(self, note: bytes | None) -> tuple[Checkpoint | None, str]:
        if note is None:
            return None, ""
        try:
            return open_logged(note, self._logs), ""
        except RefusedError as error:
            return None, str(error)[:200]

    def _signing_key(self) -> bytes:
        origin = self.head.origin if self.head is not None else ""
        return next((each.key for each in self.before if origin_of(each.key) == origin), self.log_key)

    def _may_be_half_way(self) -> bool:
        return self.is_running or bool(self.folder.stages())

    # What lies in stages ---------------------------------------------------------------------------------------------

    def _read_stages(self, findings: list[Finding]) -> list[Stage]:
        stages: list[Stage] = []
        for file in self.folder.stages():
            data = self._bytes(file.path)
            if data is None or file.new_size > self.size:
                continue  # settled meanwhile, or not signed (yet)
            try:
                stage = decode_stage(data, where=str(file.path))
            except StageDamagedError as error:
                findings.append(Finding(error.code, Severity.DAMAGE, f"log/stage/{file.path.name}"))
                continue
            if (stage.old_size, stage.new_size) != (file.old_size, file.new_size):
                findings.append(Finding(StageDamagedError.code, Severity.DAMAGE, f"log/stage/{file.path.name}"))
                continue
            stages.append(stage)
            self._staged.update((entry.hash, entry) for entry in stage.entries)
        return stages

    def _replay(self, stages: list[Stage]) -> None:
        """Do in memory what the next start does on disk, so that a run that was cut off is not taken for damage."""
        for stage in stages:
            try:
                old = CompactRange.from_nodes(stage.old_size, node_reader(stage.old_size, self._tile_or_fail)).head()
                plan = sequence(
                    log_key=self._signing_key(),
                    signed=Checkpoint(self.head.origin if self.head else "", old.size, old.root),
                    leaves=[entry.leaf for entry in stage.entries],
                    read_tile=self._tile_or_fail,
                    read_bundle=self._bundle_or_fail,
                )
            except EvidockError:
                return  # the audit names what is wrong with the files
            for write in plan.writes:
                found = self._bytes(self.root / write.path)
                if found is None or (found != write.data and is_torn(found, write.data)):
                    self._overlay[write.path] = write.data

    # Files -----------------------------------------------------------------------------------------------------------

    def _bytes(self, path: Path) -> bytes | None:
        """Return a file's bytes; None if it is not there or cannot be read, which is reported at the end."""
        try:
            return durable.read_plain(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.unreadable[path] = error.strerror or str(error)
            return None

    def _read_tile(self, tile: Tile) -> bytes | None:
        return self._overlay.get(tile.path) or self._bytes(self.root / tile.path)

    def _read_bundle(self, bundle: Bundle) -> bytes | None:
        return self._overlay.get(bundle.path) or self._bytes(self.root / bundle.path)

    def _tile_or_fail(self, tile: Tile) -> bytes:
        data = self._read_tile(tile)
        if data is None and (full := self._read_tile(Tile(tile.level, tile.index))) is not None:
            data = full[: tile.width * HASH_BYTES]
        if data is None:
            raise LogFileMissingError(f"{tile.path}: not there")
        return data

    def _bundle_or_fail(self, bundle: Bundle) -> bytes:
        data = self._read_bundle(bundle)
        if data is None and (full := self._read_bundle(Bundle(bundle.index))) is not None:
            data = full[: bundle.width * ENTRY_BYTES]
        if data is None:
            raise LogFileMissingError(f"{bundle.path}: not there")
        return data

    def _envelopes(self, names: list[Path], newer: frozenset[bytes]) -> Iterator[tuple[str, bytes]]:
        """Yield every envelope up to the size that is checked: from its file, else from its stage."""
        staged = dict(self._staged)
        for path in names:
            if path.name.startswith("."):
                continue
            name_hash = _hash_of(path.name)
            if name_hash is not None and sha256(name_hash).digest() in newer:
                continue
            data = self._bytes(path)
            entry = staged.pop(name_hash, None) if name_hash is not None else None
            if entry is not None and (data is None or is_torn(data, entry.raw)):
                data = entry.raw
            if data is not None:
                yield path.name, data
        for envelope_hash, entry in staged.items():
            yield envelope_hash.hex() + _SUFFIX, entry.raw

    def _newer_checksums(self) -> frozenset[bytes]:
        """Return the checksums of what was logged while we read, which is none of this check's business."""
        if not self.is_running:
            return frozenset()
        head, _ = self._open(self._bytes(self.folder.signed))
        found: set[bytes] = set()
        for stage in self.folder.stages():
            data = self._bytes(stage.path)
            if data is not None and stage.old_size >= self.size:
                with contextlib.suppress(StageDamagedError):  # the store names it when it is signed
                    entries = decode_stage(data, where=str(stage.path)).entries
                    found.update(sha256(entry.hash).digest() for entry in entries)
        size = head.size if head else self.size
        for number in range(self.size // TILE_WIDTH, -(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            data = self._bytes(self.root / Bundle(number, width).path)
            with contextlib.suppress(EvidockError):  # the audit names what is wrong with the files
                if data is None:
                    continue
                leaves = [Leaf.parse(entry) for entry in decode_bundle(data, width)]
                found.update(leaf.checksum for leaf in leaves[max(0, self.size - number * TILE_WIDTH) :])
        return frozenset(found)

    def _is_of_size(self, path: str) -> bool:
        """Say whether a file under `tile/` is one that the checked size may have; newer ones of a running log go."""
        if Path(path).name.startswith("."):
            return False
        if not self.is_running:
            return True
        try:
            address = parse_path(path)
        except RefusedError:
            return True
        level = address.level if isinstance(address, Tile) else 0
        return address.index * TILE_WIDTH + address.width <= self.size >> 8 * level

    def _surplus(self, names: list[Path]) -> Iterator[Finding]:
        for entry in sorted(self.root.iterdir()):
            if entry.name not in _KNOWN and not entry.name.endswith(".part"):
                yield Finding(FILE_SURPLUS, Severity.FAULT, f"log/{entry.name}")
        for path in names:
            envelope_hash = _hash_of(path.name)
            if envelope_hash is not None and self.folder.envelope_path(envelope_hash) != path:
                yield Finding(FILE_SURPLUS, Severity.FAULT, str(path.relative_to(self.root.parent)))


def _hash_of(name: str) -> bytes | None:
    digits = name.removesuffix(_SUFFIX)
    try:
        return bytes.fromhex(digits) if digits != name and len(digits) == 64 else None  # noqa: PLR2004 - SHA-256
    except ValueError:
        return None
