"""Proofs in a hash tree (RFC 6962; the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2).

Hashes bind neither index nor size: both must come from a checkpoint whose signature was verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from .strict import RefusedError


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry of the log."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if the leaf with this hash stands at `index` in the tree of `size` leaves with this root."""
    if not 0 <= index < size:
        raise RefusedError("proof.index", index=index, size=size)
    _check_hashes(leaf, root, *proof)
    value, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise RefusedError("proof.length")
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise RefusedError("proof.length")
    if value != root:
        raise RefusedError("proof.root", found=value.hex(), signed=root.hex())


def check_consistency(  # noqa: C901, PLR0912 - the algorithm of the RFC in one piece, step by step
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the tree of `size` leaves begins with all leaves of the tree of `old_size`."""
    if not 0 < old_size <= size:
        raise RefusedError("proof.sizes", old=old_size, new=size)
    _check_hashes(old_root, root, *proof)
    if old_size == size:
        if proof:
            raise RefusedError("proof.length")
        if old_root != root:
            raise RefusedError("proof.fork", size=size)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # the old tree is itself a part of the new one
    if not path:
        raise RefusedError("proof.length")
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise RefusedError("proof.length")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise RefusedError("proof.length")
    if (old, new) != (old_root, root):
        raise RefusedError("proof.root", found=new.hex(), signed=root.hex())


def _check_hashes(*hashes: bytes) -> None:
    """Refuse what cannot be a hash: an empty leaf under an empty root would agree with itself."""
    if any(len(value) != sha256().digest_size for value in hashes):
        raise RefusedError("proof.form")
