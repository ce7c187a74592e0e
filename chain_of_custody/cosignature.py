"""C2SP tlog-cosignature/v1 (Ed25519, note type 0x04): a witness says that it saw this checkpoint grow consistently."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.errors import CosignatureRejectedError, NoteSignatureError
from chain_of_custody.notes import (
    MAX_TIMESTAMP,
    Note,
    NoteAlgorithm,
    NoteKey,
    NoteSignature,
    cosigned_message,
    encode_note,
    parse_note,
    verify_line,
)
from chain_of_custody.signatures import KeyId, Signer
from evidence_model.instants import EPOCH, MalformedInstantError


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: who, with which key, and when by the witness's own clock."""

    name: str
    key_id: KeyId
    cosigned_at: datetime


def cosign(checkpoint: Checkpoint, *, signer: Signer, name: str, at: datetime) -> NoteSignature:
    """Return the witness's line for this checkpoint; whole seconds, later parts of `at` are cut off.

    The caller has checked consistency and made it durable before (tlog-witness: persist, then reply).
    """
    if at.tzinfo is None:
        raise MalformedInstantError("an instant without a zone")
    seconds = int((at - EPOCH).total_seconds())
    if seconds < 0:
        raise CosignatureRejectedError(f"no cosignature before 1970: {at.isoformat()}")
    key = NoteKey(name, NoteAlgorithm.COSIGNATURE_V1, signer.public_key)
    signature = signer.sign(cosigned_message(checkpoint.body(), seconds))
    return NoteSignature(name, key.key_hash, seconds.to_bytes(8, "big") + signature)


def add_signature(note: bytes, line: NoteSignature) -> bytes:
    """Return the note with one more signature line; an older line of the same signer is replaced."""
    parsed = parse_note(note)
    others = tuple(each for each in parsed.signatures if (each.name, each.key_hash) != (line.name, line.key_hash))
    return encode_note(Note(parsed.text, (*others, line)))


def verify_cosignatures(note: bytes, witnesses: Iterable[NoteKey]) -> tuple[Cosignature, ...]:
    """Return the cosignatures of known witnesses, at most one for each distinct key.

    The log's own signature is not looked at here (`open_checkpoint` does that).

    Raises:
        NoteSignatureError: a line of a known witness does not verify.
        CosignatureRejectedError: a witness key is not of type 0x04, or its instant is beyond what a date can be.
        NoteRejectedError: malformed.
    """
    parsed = parse_note(note)
    known = {(key.name, key.key_hash): key for key in witnesses}
    found: dict[bytes, Cosignature] = {}
    for line in parsed.signatures:
        key = known.get((line.name, line.key_hash))
        if key is None:
            continue
        if key.algorithm is not NoteAlgorithm.COSIGNATURE_V1:
            raise CosignatureRejectedError(f"{key.name[:80]!r} is not a witness key (type 0x04)")
        if not verify_line(parsed.text, line, key):
            raise NoteSignatureError(f"the cosignature of {line.name[:80]!r} does not fit the checkpoint")
        seconds = min(int.from_bytes(line.signature[:8], "big"), MAX_TIMESTAMP)
        try:
            at = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise CosignatureRejectedError(f"cosignature of {line.name[:80]!r} at {seconds}: no such date") from error
        # one key under two names is one witness
        found.setdefault(key.public_key, Cosignature(line.name, KeyId.of(key.public_key), at))
    return tuple(found.values())
