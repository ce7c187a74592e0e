"""One tree under one key after another: whose signature a checkpoint needs, and how far an earlier key may speak.

When the log's key is handed over, the tree goes on as it is; only origin and signer change (ADR 8). The trust document
says with which size and root each earlier key ended, and nothing that such a key signs beyond that counts.
"""

from collections.abc import Sequence

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of
from chain_of_custody.errors import CheckpointRejectedError
from chain_of_custody.notes import parse_note
from chain_of_custody.trust_entries import FinalTree, TrustedLog


def signing_log(note: bytes, logs: Sequence[TrustedLog]) -> TrustedLog:
    """Return under which of a log's keys a checkpoint stands; the last if under none, and its check then refuses.

    Raises:
        NoteRejectedError: it is no signed note.
    """
    origin = parse_note(note).text.partition("\n")[0]
    return next((each for each in logs if origin_of(each.key) == origin), logs[-1])


def open_logged(note: bytes, logs: Sequence[TrustedLog]) -> Checkpoint:
    """Return what a log of these keys, in their order, signed.

    Raises:
        NoteRejectedError, CheckpointRejectedError, OriginMismatchError: as `open_checkpoint`; also if an earlier key
            signed what is not in the tree with which it ended, or this one what is older than its beginning.
    """
    log = signing_log(note, logs)
    checkpoint = open_checkpoint(note, log_key=log.key)
    final = log.final or FinalTree(checkpoint.size, checkpoint.root)
    is_in_range = log.start <= checkpoint.size <= final.size
    if not is_in_range or (checkpoint.size == final.size and checkpoint.root != final.root):
        raise CheckpointRejectedError(
            f"size {checkpoint.size} is signed by a key of the log that counts from {log.start} to {final.size}"
        )
    return checkpoint
