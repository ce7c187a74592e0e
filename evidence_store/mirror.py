"""An auditor's copy of a log: taken from its files, recomputed to the last event and seal, and only then believed.

In the mirror's folder lie the log's tiles and envelopes as they lie at the centre, and
    seen        the newest checkpoint that was proved to contain the one before; whatever comes later must contain it
    checkpoint  the newest one of which everything was recomputed and agrees, with the mirror's cosignature
    suspect/    checkpoints that the log's key signed and that contradict `seen`: evidence against the log

| step | if it stops after it |
|---|---|
| 1. the log's checkpoint: signed, cosigned, contains `seen` | nothing was said or written |
| 2. it is durable as `seen` | the next run asks for one that contains it |
| 3. tiles, bundles, envelopes, then syncfs | the same bytes are written again |
| 4. all of it recomputed from the copy | done again |
| 5. `checkpoint` | done |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from chain_of_custody.audit import audit_log
from chain_of_custody.audit_seals import SealAudit
from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.log_keys import signing_log
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.proofs import consistency_proof, verify_consistency
from chain_of_custody.signatures import Signer
from chain_of_custody.tiles import changed_bundles, changed_tiles, node_reader
from chain_of_custody.tree import EMPTY_ROOT, CompactRange, TreeHead
from chain_of_custody.trust_document import Trust
from chain_of_custody.witness_policy import cosigners_of
from evidence_model.errors import ConflictError, DamageError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from evidence_store.errors import LogFileMissingError
from evidence_store.fsck_log import QUORUM_NOT_MET
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.log_signer import HandOverDiffersError
from host_io import durable
from host_io.only_one import only_one

CONTRADICTED = "STO-123"
OLDER_STATE = "STO-124"
_EMPTY = TreeHead(0, EMPTY_ROOT)

SayProgress = Callable[[int, int], None]


class MirrorInWorkError(ConflictError):
    """Another run works on this mirror now."""

    code = "STO-125"
    exit_code = 4


@dataclass(frozen=True, slots=True)
class MirrorKey:
    """With which key, and under which name, a mirror gives its word."""

    name: str
    signer: Signer

    @property
    def vkey(self) -> str:
        """Return what trust files name it by."""
        return NoteKey(self.name, NoteAlgorithm.COSIGNATURE_V1, self.signer.public_key).vkey


@dataclass(slots=True)
class MirrorResult:
    """What came of one run."""

    was_size: int = 0  # of which everything agreed before
    size: int = 0  # and now
    shown_size: int = 0  # what the log shows
    seal_count: int = 0  # recomputed in this run
    is_cosigned: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 5 if anything is damaged or contradicted, 1 if anything is at fault, else 0."""
        severities = {finding.severity for finding in self.findings}
        return 5 if Severity.DAMAGE in severities else int(Severity.FAULT in severities)

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "ok": self.exit_code == 0,
            "was_size": self.was_size,
            "size": self.size,
            "shown_size": self.shown_size,
            "seals": self.seal_count,
            "cosigned": self.is_cosigned,
            "findings": [finding.as_json() for finding in self.findings],
        }


def mirror_log(
    source: Path,
    folder: Path,
    trust: Trust,
    *,
    clock: Clock,
    key: MirrorKey | None = None,
    progress: SayProgress | None = None,
) -> MirrorResult:
    """Bring a mirror up to what the log in `source` shows, as far as it agrees.

    Raises:
        MirrorInWorkError: another run is at it.
        LogFileMissingError: the log's folder lacks what its checkpoint promises (perhaps it is being copied).
        RefusedError: there is no checkpoint by the log's key.
    """
    durable.make_folders(folder, mode=0o755)
    with only_one(folder / "mirror.lock", lambda: MirrorInWorkError(str(folder))):
        return _Mirror(LogFolder(source), LogFolder(folder), trust, clock, key, progress or _say_nothing).run()


@dataclass(frozen=True, slots=True)
class _Mirror:
    _source: LogFolder
    _mine: LogFolder
    _trust: Trust
    _clock: Clock
    _key: MirrorKey | None
    _say: SayProgress
    _result: MirrorResult = field(default_factory=MirrorResult)

    def run(self) -> MirrorResult:
        result = self._result
        note = self._read(self._source.checkpoint)
        if note is None:
            raise LogFileMissingError(f"{self._source.checkpoint}: not there; name the log's folder")
        head = self._trust.open_checkpoint(note)
        audited = self._known(self._mine.checkpoint) or _EMPTY
        result.was_size = result.size = audited.size
        result.shown_size = head.size
        if not self._is_acceptable(head, note, self._known(self._seen) or _EMPTY):
            return result
        durable.write_file(self._seen, note, mode=0o644)
        # If power fails here, or below: the next run asks for a checkpoint that contains this one, and goes on.
        self._copy(audited.size, head.size)
        durable.sync_file_system(self._mine.root)
        seals = SealAudit(self._trust.centres, seen_size=audited.size)
        result.findings += self._audit(note, head.size, seals)
        result.seal_count = seals.checked_count
        if all(finding.severity is Severity.NOTE for finding in result.findings):
            self._give_word(note, head)
        return result

    @property
    def _seen(self) -> Path:
        return self._mine.root / "seen"

    def _read(self, path: Path) -> bytes | None:
        try:
            return durable.read_plain(path)
        except FileNotFoundError:
            return None

    def _known(self, path: Path) -> TreeHead | None:
        """Return what a record of this mirror says; one that is none any more is refused, and never started anew."""
        note = self._read(path)
        return None if note is None else self._trust.open_checkpoint(note).head()

    def _is_acceptable(self, head: Checkpoint, note: bytes, seen: TreeHead) -> bool:
        policy = self._trust.witnesses_at(head.size)
        if not policy.is_met_by(cosigners_of(note, policy)):
            return self._refuse(QUORUM_NOT_MET, Severity.DAMAGE, {"quorum": policy.quorum})
        sizes = {"size": str(head.size), "seen": str(seen.size)}
        if head.size < seen.size:
            is_older = self._is_of_mine(head, seen)
            return self._refuse(OLDER_STATE, Severity.FAULT, sizes) if is_older else self._contradicted(note, sizes)
        error = self._why_not_containing(seen, head)
        if error is None:
            return self._is_handed_over_rightly(head)
        if head.size == seen.size or self._gives(self._source, head):
            return self._contradicted(note, sizes)
        return self._refuse(error.code, Severity.DAMAGE, {**sizes, "why": str(error)[:200]})  # its tiles are damaged

    def _is_handed_over_rightly(self, head: Checkpoint) -> bool:
        """Say whether the log contains each tree with which its key was handed over."""
        for final in (each.final for each in self._trust.logs if each.final is not None):
            error = final.size <= head.size and self._why_not_containing(TreeHead(final.size, final.root), head)
            if error:
                return self._refuse(HandOverDiffersError.code, Severity.DAMAGE, {"size": str(final.size)})
        return True

    def _why_not_containing(self, seen: TreeHead, head: Checkpoint) -> RefusedError | DamageError | None:
        """Return why the log's tiles do not prove that its head contains what was mirrored; None if they do."""
        if seen.size:
            try:
                proof = consistency_proof(seen.size, head.size, node_reader(head.size, self._source.read_tile))
                verify_consistency(old=seen, new=head.head(), proof=proof)
            except (RefusedError, DamageError) as error:
                return error
        return None

    def _contradicted(self, note: bytes, sizes: dict[str, str]) -> bool:
        """Keep what the log's key signed although it signed something else before: whoever has both has the proof."""
        path = self._mine.root / "suspect" / f"{sha256(note).hexdigest()}.checkpoint"
        durable.make_folders(path.parent, mode=0o755)
        durable.write_file(path, note, mode=0o644)
        return self._refuse(CONTRADICTED, Severity.DAMAGE, {**sizes, "kept": str(path)})

    def _refuse(self, code: str, severity: Severity, details: dict[str, str]) -> bool:
        self._result.findings.append(Finding(code, severity, "checkpoint", details))
        return False

    def _is_of_mine(self, head: Checkpoint, seen: TreeHead) -> bool:
        """Say whether the copy that is there gives this root at this smaller size."""
        try:
            root = CompactRange.from_nodes(head.size, node_reader(seen.size, self._mine.read_tile)).root()
        except (RefusedError, DamageError):
            return self._gives(self._source, head) and self._result.was_size < head.size
        return root == head.root

    @staticmethod
    def _gives(folder: LogFolder, head: Checkpoint) -> bool:
        """Say whether the tiles of a folder give what its checkpoint says."""
        try:
            return CompactRange.from_nodes(head.size, node_reader(head.size, folder.read_tile)).root() == head.root
        except (RefusedError, DamageError):
            return False

    def _copy(self, old_size: int, size: int) -> None:
        """Copy what the tree of `size` has more than was confirmed."""
        for tile in changed_tiles(old_size, size):
            self._put(tile.path, self._source.read_tile(tile))
        for bundle in changed_bundles(old_size, size):
            self._put(bundle.path, self._source.read_bundle(bundle))
        reader = LogReader(self._source)
        for index in range(old_size, size):
            envelope_hash = reader.envelope_hash(reader.leaf(index, size).checksum)
            if envelope_hash is not None:  # one that is nowhere, the audit names
                path = self._mine.envelope_path(envelope_hash).relative_to(self._mine.root)
                self._put(str(path), reader.raw_envelope(envelope_hash))
            self._say(index - old_size + 1, 2 * (size - old_size))

    def _put(self, path: str, data: bytes) -> None:
        """Write a file; what an earlier run that was not confirmed left there, torn or altered, makes room for it."""
        if self._read(self._mine.root / path) not in (None, data):
            (self._mine.root / path).unlink()
        self._mine.put(path, data)

    def _audit(self, note: bytes, size: int, seals: SealAudit) -> Iterator[Finding]:
        return audit_log(
            log_key=signing_log(note, self._trust.logs).key,
            checkpoint=note,
            read_tile=lambda tile: self._read(self._mine.root / tile.path),
            read_bundle=lambda bundle: self._read(self._mine.root / bundle.path),
            envelopes=self._envelopes(size),
            keys=self._trust.all_verifiers(),
            sources=self._trust.by_key(),
            listing=self._mine.tile_paths(),
            seals=seals,
        )

    def _envelopes(self, size: int) -> Iterator[tuple[str, bytes]]:
        for number, path in enumerate(self._mine.envelope_names(), start=1):
            yield path.name, path.read_bytes()
            self._say(size + number, 2 * size)

    def _give_word(self, note: bytes, head: Checkpoint) -> None:
        """Show the checkpoint as one of which everything agrees, with the cosignature if there is a key."""
        if self._key is not None:
            line = cosign(head, signer=self._key.signer, name=self._key.name, at=self._clock.now())
            note = add_signature(note, line)
        durable.write_file(self._mine.checkpoint, note, mode=0o644)
        self._result.size, self._result.is_cosigned = head.size, self._key is not None


def _say_nothing(_done: int, _total: int) -> None:
    """Nobody wants to see how far it is."""
