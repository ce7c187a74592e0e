"""The hand that signs for the log: it remembers on disk what it signed last and signs nothing that does not extend it.

`log/signed` is the commit point of the log. Two roots are computed independently before a signature is made: one by
growing the right edge, one from the tiles as they will be written (a single flipped bit ended a log for ever: CT Yeti).
"""

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.errors import ProofRejectedError
from chain_of_custody.log_keys import open_logged
from chain_of_custody.proofs import verify_consistency
from chain_of_custody.sequence import SequencePlan
from chain_of_custody.signatures import Signer
from chain_of_custody.tree import EMPTY_ROOT
from chain_of_custody.trust_entries import TrustedLog
from evidence_model.errors import DamageError, RefusedError
from evidence_store.errors import LogSetBackError, SignerRefusedError
from evidence_store.log_folder import LogFolder
from host_io import durable


class SignedRecordDamagedError(DamageError):
    """`log/signed` is not a checkpoint that this log's key signed."""

    code = "STO-007"


class HandOverDiffersError(DamageError):
    """The log's key was handed over, and the key before ended with another tree than the trust document says."""

    code = "STO-142"


class LogSigner:
    """Signs checkpoints of one log, each larger than the one before, and keeps the last one on disk."""

    def __init__(self, folder: LogFolder, signer: Signer, before: TrustedLog | None = None) -> None:
        """Take the pen; `before` is the key that signed until the log was handed over to this one."""
        self._folder = folder
        self._signer = signer
        self._before = before
        self.note: bytes | None = None
        self.last: Checkpoint | None = None
        self._newest: Checkpoint | None = None  # the largest that this run signed or read

    @property
    def log_key(self) -> bytes:
        """Return the log's public key."""
        return self._signer.public_key

    def reload(self) -> None:
        """Read what was signed last, and see to it that it is on the medium before anything is built on it.

        What the key before signed last, this key signs once more: the same tree, under its own origin.

        Raises:
            SignedRecordDamagedError: the file is not what this key signed.
            LogSetBackError: it is older than what this run signed, or than what is public.
            HandOverDiffersError: the key before ended with another tree than the trust document says.
        """
        try:
            note = self._folder.signed.read_bytes()
        except FileNotFoundError:
            self.note = self.last = None
            return
        # A rename whose folder could not be fsynced may show here and be gone after the next power failure.
        durable.sync_folder(self._folder.root)
        try:
            last = open_checkpoint(note, log_key=self.log_key)
        except RefusedError as error:
            taken_over = self._ended(note)
            if taken_over is None:
                raise SignedRecordDamagedError(
                    f"{self._folder.signed}: not a checkpoint signed by this log's key: {error}; restore it"
                ) from error
            last = taken_over
        for newer in (self._newest, self.public()):
            if newer is not None and (newer.size > last.size or (newer.size == last.size and newer.root != last.root)):
                raise LogSetBackError(
                    f"{self._folder.signed}: size {last.size}, but size {newer.size} was signed and shown after it; "
                    "nothing is signed on top of it: restore the newest copy"
                )
        self.note, self.last, self._newest = note, last, last
        if last.origin != origin_of(self.log_key):
            self._write(Checkpoint(origin_of(self.log_key), last.size, last.root))

    def _ended(self, note: bytes) -> Checkpoint | None:
        """Return what the key before signed last, None if the note is not by that key."""
        before = self._before
        if before is None or before.final is None:
            return None
        try:
            ended = open_checkpoint(note, log_key=before.key)
        except RefusedError:
            return None
        if (ended.size, ended.root) != (before.final.size, before.final.root):
            raise HandOverDiffersError(
                f"{self._folder.signed}: the key before signed size {ended.size}, and the trust document says that it "
                f"ended with size {before.final.size}; nothing is signed: restore the log of that time"
            )
        return ended

    def public(self) -> Checkpoint | None:
        """Return what `log/checkpoint` shows; None if it is not there, or torn by a power failure."""
        now = TrustedLog(key=self.log_key)
        try:
            note = durable.read_plain(self._folder.checkpoint)
            return open_logged(note, [self._before, now] if self._before is not None else [now])
        except (OSError, RefusedError):
            return None

    def sign_empty(self) -> bytes:
        """Sign the log without entries, once in its life."""
        if self.last is not None:
            raise SignerRefusedError(f"the log has {self.last.size} entries already; an empty one is not signed")
        return self._write(Checkpoint(origin_of(self.log_key), 0, EMPTY_ROOT))

    def sign(self, plan: SequencePlan) -> bytes:
        """Return the signed note of a plan; after return it is the last one for good, and the plan is committed.

        Raises:
            SignerRefusedError: the plan does not extend what was signed last; nothing was signed.
        """
        if self.last is None or plan.old != self.last.head():
            known = "nothing" if self.last is None else f"size {self.last.size}"
            raise SignerRefusedError(f"the plan starts at size {plan.old.size}, last signed is {known}")
        if plan.new.size <= plan.old.size or plan.checkpoint.head() != plan.new:
            raise SignerRefusedError(f"the plan does not grow the log of size {plan.old.size}")
        if plan.old.size:
            try:
                verify_consistency(old=plan.old, new=plan.new, proof=plan.consistency_proof(plan.old.size))
            except ProofRejectedError as error:
                raise SignerRefusedError(f"the plan's tiles do not extend what was signed last: {error}") from error
        return self._write(plan.checkpoint)

    def _write(self, checkpoint: Checkpoint) -> bytes:
        note = sign_checkpoint(checkpoint, self._signer)
        open_checkpoint(note, log_key=self.log_key)
        durable.write_file(self._folder.signed, note, mode=0o644)
        # Power fails here: the entries are in the log, the next start finishes what follows.
        self.note, self.last, self._newest = note, checkpoint, checkpoint
        return note
