"""C2SP tlog-checkpoint: what the log's key signs, origin, size and root on three lines, no extension lines.

The same 64 signature bytes are a Sigsum tree head signature and a Go sumdb note signature.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from chain_of_custody.errors import CheckpointRejectedError, OriginMismatchError
from chain_of_custody.notes import Note, NoteAlgorithm, NoteKey, NoteSignature, encode_note, verify_note
from chain_of_custody.signatures import Signer
from chain_of_custody.strict_text import NotCanonicalTextError, decode_base64, encode_base64
from chain_of_custody.tree import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, TreeHead

ORIGIN_PREFIX = "sigsum.org/v1/tree/"
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]+)\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of one log; what it says is true only if its signature was checked (`open_checkpoint`)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise CheckpointRejectedError(f"no origin line: {self.origin[:80]!r}")
        if not 0 <= self.size <= MAX_SIZE:
            raise CheckpointRejectedError(f"no tree size: {self.size}")
        if len(self.root) != HASH_BYTES:
            raise CheckpointRejectedError(f"a root has 32 bytes, this has {len(self.root)}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointRejectedError("the root of an empty tree is the SHA-256 of nothing")

    def body(self) -> str:
        """Return the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    def head(self) -> TreeHead:
        """Return size and root."""
        return TreeHead(self.size, self.root)


def origin_of(log_public_key: bytes) -> str:
    """Return the origin of the log of this key; another key is another log (Sigsum v1)."""
    return ORIGIN_PREFIX + sha256(log_public_key).hexdigest()


def log_note_key(log_public_key: bytes) -> NoteKey:
    """Return the log's key as a signer of notes, named by its origin."""
    return NoteKey(origin_of(log_public_key), NoteAlgorithm.ED25519, log_public_key)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text; `body` gives the same text back.

    Raises:
        CheckpointRejectedError: extension lines, leading zeros, stray bits of base64, or anything else.
    """
    match = _BODY.fullmatch(text)
    if match is None:
        raise CheckpointRejectedError(f"not origin, size and root on three lines: {text[:200]!r}")
    origin, size, root = match.groups()
    try:
        return Checkpoint(origin, int(size), decode_base64(root, size_bytes=HASH_BYTES))
    except NotCanonicalTextError as error:
        raise CheckpointRejectedError(f"root hash: {error}") from error


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Return the signed note.

    Raises:
        OriginMismatchError: the checkpoint is of another key's log.
    """
    key = log_note_key(signer.public_key)
    if checkpoint.origin != key.name:
        raise OriginMismatchError(f"the key of {key.name} does not sign for {checkpoint.origin[:120]}")
    body = checkpoint.body()
    return encode_note(Note(body, (NoteSignature(key.name, key.key_hash, signer.sign(body.encode())),)))


def open_checkpoint(note: bytes, *, log_key: bytes) -> Checkpoint:
    """Return what the log of this key signed.

    Raises:
        NoteRejectedError: malformed, or not signed by this key.
        CheckpointRejectedError: signed, but not a checkpoint.
        OriginMismatchError: signed by this key for another origin.
    """
    key = log_note_key(log_key)
    checkpoint = parse_checkpoint(verify_note(note, (key,)).text)
    if checkpoint.origin != key.name:
        raise OriginMismatchError(f"origin {checkpoint.origin[:120]}, {key.name} was expected")
    return checkpoint
