"""When a witness may say yes (C2SP tlog-witness): the decision alone, without state, clock or key.

The caller asks `examine` with what it cosigned last, makes the new head durable, and only then signs; asking and noting
are one transaction. Whoever breaks that order can be led to cosign a smaller tree after a larger one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chain_of_custody.checkpoint import Checkpoint, log_note_key, parse_checkpoint
from chain_of_custody.errors import (
    CheckpointRejectedError,
    NoteRejectedError,
    ProofRejectedError,
    WitnessRequestRejectedError,
)
from chain_of_custody.notes import parse_note, verify_note
from chain_of_custody.proofs import verify_consistency
from chain_of_custody.tree import TreeHead
from chain_of_custody.witness_wire import AddCheckpoint, Answer, parse_add_checkpoint


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. `is_suspect`: the log's key signed what does not fit to what was cosigned; kept, it may prove a fork."""

    why: Answer
    text: str
    last_size: int = 0
    is_suspect: bool = False

    @property
    def body(self) -> str:
        """Return the answer's body."""
        return f"{self.last_size}\n" if self.why is Answer.OTHER_OLD_SIZE else f"{self.text}\n"


@dataclass(frozen=True, slots=True)
class Consistent:
    """A checkpoint that may be cosigned as soon as it stands as the last one on the medium."""

    checkpoint: Checkpoint
    note: bytes


def examine(
    data: bytes, *, log_keys: Mapping[str, bytes], last_of: Callable[[str], TreeHead | None]
) -> Consistent | Refusal:
    """Say whether a request may be cosigned, by tlog-witness v1.0.0.

    `log_keys` are the logs that this witness knows, by origin; `last_of` returns the head that it cosigned last for an
    origin, None if there is none. Never raises for anything that stands in `data`.
    """
    try:
        request = parse_add_checkpoint(data)
        origin = parse_note(request.note).text.partition("\n")[0]
    except (WitnessRequestRejectedError, NoteRejectedError) as error:
        return Refusal(Answer.MALFORMED, str(error))
    log_key = log_keys.get(origin)
    if log_key is None:
        return Refusal(Answer.UNKNOWN_LOG, f"no log of the origin {origin[:120]!r} is known here")
    try:
        text = verify_note(request.note, (log_note_key(log_key),)).text
    except NoteRejectedError as error:
        return Refusal(Answer.NOT_SIGNED_BY_THE_LOG, str(error))
    try:
        checkpoint = parse_checkpoint(text)
    except CheckpointRejectedError as error:
        return Refusal(Answer.INCONSISTENT, f"the log signed what is no checkpoint: {error}", is_suspect=True)
    return _compare(request, checkpoint, last_of(origin) or TreeHead(0, b""))


def _compare(request: AddCheckpoint, checkpoint: Checkpoint, last: TreeHead) -> Consistent | Refusal:
    new = checkpoint.head()
    is_fork = new.size == last.size and last.size > 0 and new.root != last.root

    def no(why: Answer, text: str, *, is_suspect: bool) -> Refusal:
        return Refusal(why, text, last.size, is_suspect)

    if request.old_size > new.size:
        return no(Answer.MALFORMED, f"old size {request.old_size} is above {new.size}", is_suspect=is_fork)
    if request.old_size != last.size:
        text = f"size {last.size} was cosigned last, not {request.old_size}"
        return no(Answer.OTHER_OLD_SIZE, text, is_suspect=is_fork)
    if is_fork:
        return no(Answer.INCONSISTENT, f"another root of size {last.size} was cosigned", is_suspect=True)
    try:
        _check_growth(last, new, request.proof)
    except ProofRejectedError as error:
        return no(Answer.INCONSISTENT, str(error), is_suspect=True)
    return Consistent(checkpoint, request.note)


def _check_growth(last: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    if last.size == 0:  # the empty tree is in every tree; verifiers of proofs refuse this case, so it stands here
        if proof:
            raise ProofRejectedError("from the empty tree no proof is needed, and one was sent")
        return
    verify_consistency(old=last, new=new, proof=proof)
