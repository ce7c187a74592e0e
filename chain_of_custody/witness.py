"""C2SP tlog-witness: what a witness is asked, and when it may say yes. It holds no state and signs nothing.

The caller asks `examine` with what it cosigned last, makes the new head durable, and only then signs; asking and noting
are one transaction. Whoever breaks that order can be led to cosign a smaller tree after a larger one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from chain_of_custody.checkpoint import Checkpoint, log_note_key, parse_checkpoint
from chain_of_custody.errors import (
    CheckpointRejectedError,
    NoteRejectedError,
    ProofRejectedError,
    WitnessRequestRejectedError,
)
from chain_of_custody.notes import parse_note, verify_note
from chain_of_custody.proofs import verify_consistency
from chain_of_custody.strict_text import NotCanonicalTextError, decode_base64, encode_base64
from chain_of_custody.tree import HASH_BYTES, TreeHead

MAX_REQUEST_BYTES = 160 * 1024
MAX_PROOF_LINES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: `note` is a signed checkpoint, `proof` shows that it contains the tree of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Return the request body."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


class No(Enum):
    """Why a witness does not cosign, by the HTTP status of tlog-witness."""

    MALFORMED = 400
    NOT_SIGNED_BY_THE_LOG = 403
    UNKNOWN_LOG = 404
    OTHER_OLD_SIZE = 409
    INCONSISTENT = 422


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. `is_suspect`: the log's key signed what does not fit to what was cosigned; kept, it may prove a fork."""

    why: No
    text: str
    last_size: int = 0
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class Consistent:
    """A checkpoint that may be cosigned as soon as it stands as the last one on the medium."""

    checkpoint: Checkpoint
    note: bytes


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read a request body; nothing in it is verified yet.

    Raises:
        WitnessRequestRejectedError: malformed.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise WitnessRequestRejectedError(f"a request of {len(data)} bytes; at most {MAX_REQUEST_BYTES} are read")
    head, separator, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
        old = _OLD.fullmatch(first)
        if not separator or old is None or len(lines) > MAX_PROOF_LINES:
            raise WitnessRequestRejectedError("an old size, at most 63 hashes, an empty line, a checkpoint: not these")
        proof = tuple(decode_base64(line, size_bytes=HASH_BYTES) for line in lines)
    except (UnicodeDecodeError, NotCanonicalTextError) as error:
        raise WitnessRequestRejectedError(f"not a consistency proof: {error}") from error
    return AddCheckpoint(int(old[1]), proof, note)


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
        return Refusal(No.MALFORMED, str(error))
    log_key = log_keys.get(origin)
    if log_key is None:
        return Refusal(No.UNKNOWN_LOG, f"no log of the origin {origin[:120]!r} is known here")
    try:
        text = verify_note(request.note, (log_note_key(log_key),)).text
    except NoteRejectedError as error:
        return Refusal(No.NOT_SIGNED_BY_THE_LOG, str(error))
    try:
        checkpoint = parse_checkpoint(text)
    except CheckpointRejectedError as error:
        return Refusal(No.INCONSISTENT, f"the log signed what is no checkpoint: {error}", is_suspect=True)
    last = last_of(origin)
    return _compare(request, checkpoint, last or TreeHead(0, b""))


def _compare(request: AddCheckpoint, checkpoint: Checkpoint, last: TreeHead) -> Consistent | Refusal:
    new = checkpoint.head()
    is_fork = new.size == last.size and last.size > 0 and new.root != last.root
    if request.old_size > new.size:
        return Refusal(No.MALFORMED, f"old size {request.old_size} is above {new.size}", last.size, is_suspect=is_fork)
    if request.old_size != last.size:
        text = f"size {last.size} was cosigned last, not {request.old_size}"
        return Refusal(No.OTHER_OLD_SIZE, text, last.size, is_suspect=is_fork)
    if is_fork:
        return Refusal(No.INCONSISTENT, f"another root of size {last.size} was cosigned", last.size, is_suspect=True)
    try:
        _check_growth(last, new, request.proof)
    except ProofRejectedError as error:
        return Refusal(No.INCONSISTENT, str(error), last.size, is_suspect=True)
    return Consistent(checkpoint, request.note)


def _check_growth(last: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    if last.size == 0:  # the empty tree is in every tree; verifiers of proofs refuse this case, so it stands here
        if proof:
            raise ProofRejectedError("from the empty tree no proof is needed, and one was sent")
        return
    verify_consistency(old=last, new=new, proof=proof)
