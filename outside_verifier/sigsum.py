"""The log's leaf (Sigsum v1: 128 bytes that name nobody) and the Sigsum proof, version 2, that it stands in the log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from .keys import Key
from .merkle import check_inclusion, leaf_hash
from .strict import RefusedError, number

MAX_BYTES = 64 * 1024
LEAF_BYTES = 128
_HASH, _SIGNATURE, _NUMBER = "[0-9a-f]{64}", "[0-9a-f]{128}", "(?:0|[1-9][0-9]{0,18})"
_PROOF = re.compile(
    f"version=2\nlog=({_HASH})\nleaf=({_HASH}) ({_SIGNATURE})\n"
    f"\nsize=({_NUMBER})\nroot_hash=({_HASH})\nsignature=({_SIGNATURE})\n"
    f"(?:cosignature={_HASH} {_NUMBER} {_SIGNATURE}\n)*"
    f"(?:\nleaf_index=({_NUMBER})\n((?:node_hash={_HASH}\n)*))?"
)


@dataclass(frozen=True)
class Leaf:
    """One entry of the log."""

    checksum: bytes
    signature: bytes
    key_hash: bytes

    @property
    def entry(self) -> bytes:
        """Return the entry's 128 bytes."""
        return self.checksum + self.signature + self.key_hash

    def is_signed_by(self, key: Key) -> bool:
        """Say whether the leaf is this key's."""
        message = b"sigsum.org/v1/tree-leaf\x00" + self.checksum
        return self.key_hash.hex() == key.id and key.is_ed25519 and key.verify(message, self.signature) is True


@dataclass(frozen=True)
class Proof:
    """A proof as it was read; nothing is verified yet."""

    log_id: str
    key_hash: bytes
    leaf_signature: bytes
    size: int
    root: bytes
    signature: bytes  # the log's, over the checkpoint of this size and root
    index: int
    path: tuple[bytes, ...]

    def leaf_of(self, envelope: bytes) -> Leaf:
        """Return the leaf that the log must have for the envelope of this hash."""
        return Leaf(sha256(envelope).digest(), self.leaf_signature, self.key_hash)

    def check_inclusion(self, leaf: Leaf) -> None:
        """Return if the proof leads from the leaf to its root."""
        check_inclusion(leaf_hash(leaf.entry), self.index, self.size, self.path, self.root)


def parse_proof(data: bytes) -> Proof:
    """Read a Sigsum proof, version 2; of a tree with one leaf the last part is left out."""
    match = _PROOF.fullmatch(data.decode("ascii", "replace")) if len(data) <= MAX_BYTES else None
    if match is None or (match[7] is None) != (match[4] == "1"):
        raise RefusedError("proof.form")
    path = tuple(bytes.fromhex(line[len("node_hash=") :]) for line in (match[8] or "").splitlines())
    log_id, key_hash, leaf_signature, size, root, signature = match.groups()[:6]
    return Proof(
        log_id,
        bytes.fromhex(key_hash),
        bytes.fromhex(leaf_signature),
        number(size),
        bytes.fromhex(root),
        bytes.fromhex(signature),
        number(match[7] or "0"),
        path,
    )
