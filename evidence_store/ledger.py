"""The log on disk, in the order that lets power fail on any line: stage → sign → apply → publish → discard stage.

1. *Stage*: everything a batch adds is one file, fsynced. Until step 2 it means nothing.
2. *Sign*: the new checkpoint replaces `log/signed`, fsynced. This is the commit: from here the entries are in the log.
3. *Apply*: tiles and bundles are written, without fsync, from the stage alone.
4. *Publish*: `log/checkpoint` shows the new size; then receipts may go out. Where the site has witnesses, this waits
   for their quorum (`publish`), and the log goes on meanwhile.
5. *Settle*, a moment later and for many batches at once, in a thread beside: the envelopes are written to files of
   their own, syncfs, and only then the stages are removed. Until then the stage is where an envelope is read.

Recovery is the same apply: at every start (and after any error) stages above the signed size are dropped, the others
are written again, and the root is computed from the disk and compared with what was signed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint
from chain_of_custody.proofs import consistency_proof, inclusion_proof
from chain_of_custody.sequence import SequencePlan, sequence
from chain_of_custody.signatures import Signer
from chain_of_custody.tiles import node_reader
from chain_of_custody.tree import CompactRange, NodeReader, TreeHead
from chain_of_custody.trust_entries import TrustedLog
from evidence_model.errors import RefusedError
from evidence_store.errors import LogFullError, LogRecordMissingError, LogSetBackError, StageDamagedError
from evidence_store.log_folder import Existing, LogFolder, StageFile
from evidence_store.log_signer import LogSigner
from evidence_store.stage import LogEntry, Stage, decode_stage, encode_stage, stage_name
from host_io import durable

MAX_UNSETTLED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicLog:
    """The log at one signed checkpoint: gives proofs of any entry in it."""

    head: TreeHead
    note: bytes
    _read_node: NodeReader = field(repr=False, compare=False)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Return the proof that the entry at `index` is in this tree, read from the disk."""
        return inclusion_proof(index, self.head.size, self._read_node)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Return the proof that this tree contains the first `old_size` entries; empty from 0 and to itself."""
        if old_size in {0, self.head.size}:
            return ()
        return consistency_proof(old_size, self.head.size, self._read_node)

    def leaf_hash(self, index: int) -> bytes:
        """Return the leaf hash at `index`, read from the disk."""
        return self._read_node(0, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """A batch that is in the log for good."""

    first_index: int
    leaf_hashes: tuple[bytes, ...]
    head: TreeHead
    note: bytes


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A stage that is signed and applied but for its envelopes, and what may go when it is settled."""

    file: StageFile
    stage: Stage
    superseded: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(entry.raw) for entry in self.stage.entries)


class Ledger:
    """The only writer of a log; one thread appends, another may settle."""

    def __init__(self, folder: LogFolder, signer: Signer, before: TrustedLog | None = None) -> None:
        self._folder = folder
        self._signer = LogSigner(folder, signer, before)
        self._recovered = False
        self._awaits_witnesses = False
        self._public: tuple[Checkpoint, bytes] | None = None  # what is shown, if that waits for witnesses
        self._stages = threading.Lock()  # who lists, applies or removes stage files
        self._settling = threading.Lock()
        self._unsettled: list[_Unsettled] = []

    def open(self, *, given_out: TreeHead | None = None, awaits_witnesses: bool = False) -> None:
        """Finish what an earlier run began, and check that the disk gives the root that was signed.

        `given_out` is the largest head that the centre ever gave out, kept apart from the log. With `awaits_witnesses`
        a checkpoint is shown only by `publish`.

        Raises:
            LogRecordMissingError: `log/signed` is gone although the log is not empty.
            LogSetBackError: the log is older than what was given out.
            HandOverDiffersError: it was handed over with another tree.
            LogDamagedError: what is on the disk does not give the signed root.
            StageDamagedError: entries that are signed cannot be read.
            LogFullError: the disk is full.
        """
        self._awaits_witnesses = awaits_witnesses
        try:
            durable.make_folders(self._folder.stage, mode=0o755)
            if self._folder.is_empty() and (given_out is None or given_out.size == 0):
                self._signer.sign_empty()
            self._recover()
        except OSError as error:
            raise LogFullError(f"{self._folder.root}: {error}; free space, then start again") from error
        if given_out is not None:
            self._check_given_out(given_out)

    @property
    def size(self) -> int:
        """Return how many entries are in the log for good."""
        return self._last().size

    @property
    def note(self) -> bytes:
        """Return the newest signed checkpoint."""
        self._last()
        assert self._signer.note is not None  # noqa: S101 - `_last` made sure of it
        return self._signer.note

    def newest(self) -> PublicLog:
        """Return the log as it was signed last."""
        return self._at(self._last(), self.note)

    def public(self) -> PublicLog | None:
        """Return the log as it is shown now, None if it was never shown (its witnesses have not cosigned yet)."""
        if not self._awaits_witnesses:
            return self.newest()
        return None if self._public is None else self._at(*self._public)

    def publish(self, note: bytes) -> None:
        """Show a checkpoint that its witnesses have cosigned, for good.

        Raises:
            LogFullError: the disk is full; the one before is shown.
        """
        checkpoint = open_checkpoint(note, log_key=self._signer.log_key)
        try:
            durable.write_file(self._folder.checkpoint, note, mode=0o644)
        except OSError as error:
            raise LogFullError(f"{self._folder.checkpoint}: {error}; free space") from error
        self._public = checkpoint, note

    def await_witnesses(self, is_needed: bool) -> None:
        """Show checkpoints only by `publish` from now on, or as soon as they are signed."""
        self._awaits_witnesses = is_needed
        self._show()

    def append(self, entries: Sequence[LogEntry]) -> Appended:
        """Put `entries` into the log; after return they are there for good, and shown if that waits for nobody.

        Raises:
            LogFullError: the disk is full; the entries are in the log only if a later call says so.
            LogDamagedError: what is on the disk does not give the signed root; nothing was signed.
        """
        self.mend()
        try:
            if sum(each.size_bytes for each in self._unsettled) > MAX_UNSETTLED_BYTES:
                self.settle()  # the disk does not keep up: who appends waits for it
            return self._append(entries)
        except OSError as error:
            raise LogFullError(
                f"{self._folder.root}: {error}; free space, the stations still hold the events"
            ) from error

    def mend(self) -> None:
        """Finish what an append left half-way when the disk was full; usually nothing. Call it before reading the log.

        Raises:
            LogFullError: the disk is still full.
            LogDamagedError: what is on the disk does not give the signed root.
        """
        if self._recovered:
            return
        try:
            self._recover()
        except OSError as error:
            raise LogFullError(f"{self._folder.root}: {error}; free space") from error

    def settle(self, *, up_to: int | None = None) -> int:
        """Bring everything logged so far onto the medium, then remove its stages; return how many.

        Stages above size `up_to` stay: who reads the log by its stages (the catalogue) is not that far yet.
        """
        with self._settling:
            with self._stages:
                ready = [each for each in self._unsettled if up_to is None or each.file.new_size <= up_to]
            if not ready:
                return 0
            for each in ready:
                for entry in each.stage.entries:
                    self._folder.put_envelope(entry.hash, entry.raw, existing=Existing.EQUAL_OR_TORN)
            durable.sync_file_system(self._folder.root)
            # Tiles, bundles and envelopes of these stages are on the medium now; nobody needs the stages any more.
            with self._stages:
                for each in ready:
                    each.file.path.unlink(missing_ok=True)
                    # Power fails here: the stage is applied once more at the next start, which changes nothing.
                    for folder in each.superseded:
                        self._folder.clear_superseded(folder)
                self._unsettled = [each for each in self._unsettled if all(each is not done for done in ready)]
            return len(ready)

    def _append(self, entries: Sequence[LogEntry]) -> Appended:
        plan = self._plan([entry.leaf for entry in entries])
        stage = StageFile(plan.old.size, plan.new.size, self._folder.stage / stage_name(plan.old.size, plan.new.size))
        self._recovered = False  # until the last line: whatever fails below is sorted out by recovery
        durable.write_file(stage.path, encode_stage(plan.old.size, entries))
        # Power fails here: nothing is signed, the next start drops the stage, the stations still hold the events.
        note = self._signer.sign(plan)
        # Power fails here: the entries are in the log; the next start writes them from the stage.
        for write in plan.writes:
            self._folder.put(write.path, write.data)
        with self._stages:
            self._unsettled.append(_Unsettled(stage, Stage(plan.old.size, tuple(entries)), plan.superseded))
        self._show()
        # Power fails here: the next start writes and shows the same bytes again.
        self._recovered = True
        return Appended(first_index=plan.first_index, leaf_hashes=plan.leaf_hashes, head=plan.new, note=note)

    def _recover(self) -> None:
        self._signer.reload()
        if self._signer.last is None:
            raise LogRecordMissingError(
                f"{self._folder.signed}: not there, but the log is not empty; restore it, nothing is signed until then"
            )
        if (beyond := self._folder.shows_more_than(self._signer.last.size)) is not None:
            raise LogSetBackError(
                f"{self._folder.signed}: size {self._signer.last.size}, but {beyond} is of a larger log; this record "
                "was set back: restore the newest copy"
            )
        public = self._signer.public()
        with self._settling, self._stages:
            self._unsettled = []
            for stage in self._folder.stages():
                if stage.new_size > self._signer.last.size:
                    durable.unlink(stage.path)  # staged, never signed: the stations still hold these events
                    continue
                self._unsettled.append(self._apply_again(stage))
        self._check_disk()
        if public is not None:
            self._check_given_out(public.head())
        self._show()
        self._recovered = True

    def _show(self) -> None:
        if not self._awaits_witnesses:
            self._folder.publish(self.note)
        elif self._public is None:
            self._public = self._shown_before()
            if self._public is None and self.size == 0:
                self._folder.publish(self.note)  # of nothing: there is nothing to witness yet

    def _shown_before(self) -> tuple[Checkpoint, bytes] | None:
        """Return what an earlier run showed, None if that is nothing (a torn file is written again soon)."""
        try:
            note = self._folder.checkpoint.read_bytes()
            checkpoint = open_checkpoint(note, log_key=self._signer.log_key)
        except (FileNotFoundError, RefusedError):
            return None
        return checkpoint, note

    def _at(self, checkpoint: Checkpoint, note: bytes) -> PublicLog:
        read_node = node_reader(checkpoint.size, self._folder.read_tile)
        return PublicLog(head=checkpoint.head(), note=note, _read_node=read_node)

    def _apply_again(self, stage: StageFile) -> _Unsettled:
        entries = decode_stage(stage.path.read_bytes(), where=str(stage.path))
        if (entries.old_size, entries.new_size) != (stage.old_size, stage.new_size):
            raise StageDamagedError(f"{stage.path}: holds entries {entries.old_size} to {entries.new_size}; restore it")
        read_node = node_reader(stage.old_size, self._folder.read_tile)
        old = CompactRange.from_nodes(stage.old_size, read_node).head()
        plan = sequence(
            log_key=self._signer.log_key,
            signed=Checkpoint(
                self._last().origin, old.size, old.root
            ),  # compared with what was signed in `_check_disk`
            leaves=[entry.leaf for entry in entries.entries],
            read_tile=self._folder.read_tile,
            read_bundle=self._folder.read_bundle,
        )
        for write in plan.writes:
            self._folder.put(write.path, write.data, existing=Existing.EQUAL_OR_TORN)
        return _Unsettled(stage, entries, plan.superseded)

    def _check_disk(self) -> None:
        """Compute the root from the tiles and compare it with what was signed; raises LogDamagedError."""
        self._plan(())

    def _plan(self, leaves: Sequence[bytes]) -> SequencePlan:
        return sequence(
            log_key=self._signer.log_key,
            signed=self._last(),
            leaves=leaves,
            read_tile=self._folder.read_tile,
            read_bundle=self._folder.read_bundle,
        )

    def _check_given_out(self, given_out: TreeHead) -> None:
        last = self._last()
        root = last.root if given_out.size == last.size else None
        if given_out.size < last.size:
            root = CompactRange.from_nodes(given_out.size, node_reader(last.size, self._folder.read_tile)).root()
        if root != given_out.root:
            raise LogSetBackError(
                f"{self._folder.signed}: size {last.size}, but size {given_out.size} with another history was given "
                "out; this log was set back or replaced: restore the newest copy"
            )

    def _last(self) -> Checkpoint:
        if self._signer.last is None:
            raise LogRecordMissingError(f"{self._folder.signed}: the log is not open")
        return self._signer.last
