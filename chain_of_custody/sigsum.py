"""The same proofs as the tools of the Sigsum project read them: a proof (version 2), and submitters' keys.

Our leaf is a Sigsum leaf and our checkpoint's signature is a Sigsum tree head's, so this is another spelling only.
"""

from collections.abc import Iterable, Iterator, Sequence

from chain_of_custody.checkpoint import log_note_key, open_checkpoint
from chain_of_custody.cosignature import verify_cosignatures
from chain_of_custody.errors import KeyRejectedError, NoteSignerUnknownError
from chain_of_custody.leaf import Leaf
from chain_of_custody.notes import NoteKey, parse_note
from chain_of_custody.signatures import ED25519_KEY_BYTES, KeyId
from chain_of_custody.strict_text import encode_base64

_SSH_KIND = b"ssh-ed25519"
_SECONDS_BYTES = 8


def sigsum_proof(
    *,
    log_key: bytes,
    leaf: Leaf,
    index: int,
    note: bytes,
    inclusion_proof: Sequence[bytes],
    witnesses: Iterable[NoteKey] = (),
) -> bytes:
    """Return leaf, tree head and inclusion proof as a Sigsum proof, version 2; `note` is the signed checkpoint.

    The cosignatures of the known `witnesses` are taken along. The leaf's checksum is not in it: who verifies makes it
    from the envelope.

    Raises:
        NoteRejectedError: the log of this key did not sign `note`, or a cosignature does not verify.
    """
    head = open_checkpoint(note, log_key=log_key)
    lines = [
        "version=2",
        f"log={KeyId.of(log_key)}",
        f"leaf={leaf.key_hash.hex()} {leaf.signature.hex()}",
        "",
        f"size={head.size}",
        f"root_hash={head.root.hex()}",
        f"signature={_log_signature(note, log_key).hex()}",
        *_cosignatures(note, witnesses),
    ]
    if head.size > 1:  # in a tree of one leaf there is nothing to prove, and the format wants nothing
        lines += ["", f"leaf_index={index}", *(f"node_hash={each.hex()}" for each in inclusion_proof)]
    return ("\n".join(lines) + "\n").encode()


def ssh_public_key(public_key: bytes, *, name: str) -> bytes:
    """Return an Ed25519 key as OpenSSH's line (RFC 8709 §4), in which Sigsum's tools read a submitter's key.

    Raises:
        KeyRejectedError: not an Ed25519 key.
    """
    if len(public_key) != ED25519_KEY_BYTES:
        raise KeyRejectedError(f"an Ed25519 public key has 32 bytes, this has {len(public_key)}")
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (_SSH_KIND, public_key))
    return f"{_SSH_KIND.decode()} {encode_base64(blob)} {name}\n".encode()


def _cosignatures(note: bytes, witnesses: Iterable[NoteKey]) -> Iterator[str]:
    known = {(key.name, key.key_hash): key for key in witnesses}
    verified = {(each.name, each.key_id) for each in verify_cosignatures(note, known.values())}
    for line in parse_note(note).signatures:
        key = known.get((line.name, line.key_hash))
        if key is not None and (line.name, KeyId.of(key.public_key)) in verified:
            seconds, signature = int.from_bytes(line.signature[:_SECONDS_BYTES], "big"), line.signature[_SECONDS_BYTES:]
            yield f"cosignature={KeyId.of(key.public_key)} {seconds} {signature.hex()}"


def _log_signature(note: bytes, log_key: bytes) -> bytes:
    key = log_note_key(log_key)
    for line in parse_note(note).signatures:
        if (line.name, line.key_hash) == (key.name, key.key_hash):
            return line.signature
    raise NoteSignerUnknownError(f"{key.name} did not sign this note")
