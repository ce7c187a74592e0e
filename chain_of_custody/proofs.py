"""Inclusion and consistency proofs: made from stored nodes, checked by the algorithms of RFC 9162 §2.1.3 and §2.1.4.

Hashes bind neither index nor size, so both are checked here and must come from a signed checkpoint.
"""

from collections.abc import Sequence
from hmac import compare_digest

from chain_of_custody.errors import ProofIndexError, ProofLengthError, ProofRejectedError
from chain_of_custody.tree import HASH_BYTES, MAX_SIZE, NodeReader, TreeHead, node_hash


def inclusion_proof(index: int, size: int, read_node: NodeReader) -> tuple[bytes, ...]:
    """Return the path from leaf `index` to the root of the first `size` leaves (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofIndexError(f"no leaf {index} in a tree of {size}")
    beside = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((first, middle))
            first = middle
    return tuple(_range_hash(*pair, read_node) for pair in reversed(beside))


def consistency_proof(old_size: int, new_size: int, read_node: NodeReader) -> tuple[bytes, ...]:
    """Return the proof that the first `old_size` leaves are a prefix of `new_size` (RFC 9162 §2.1.4.1)."""
    if not 0 < old_size <= new_size <= MAX_SIZE:
        raise ProofIndexError(f"no consistency proof from {old_size} to {new_size}")
    nodes = []
    first, end = 0, new_size
    on_left_edge = True
    while old_size != end:
        middle = first + _split(end - first)
        if old_size <= middle:
            nodes.append((middle, end))
            end = middle
        else:
            nodes.append((first, middle))
            first = middle
            on_left_edge = False
    if not on_left_edge:
        nodes.append((first, end))
    return tuple(_range_hash(*pair, read_node) for pair in reversed(nodes))


def verify_inclusion(*, leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if leaf `index` of the tree (`size`, `root`) has `leaf_hash` (RFC 9162 §2.1.3.2).

    Raises:
        ProofRejectedError: it has not, or the proof does not show it.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofIndexError(f"no leaf {index} in a tree of {size}")
    _check_hashes((leaf_hash, root, *proof))
    at, last = index, size - 1
    value = leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofLengthError(f"the proof of leaf {index} in {size} has {len(proof)} hashes, fewer are needed")
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise ProofLengthError(f"the proof of leaf {index} in {size} has {len(proof)} hashes, more are needed")
    if not compare_digest(value, root):
        raise ProofRejectedError(f"the proof of leaf {index} gives root {value.hex()}, signed is {root.hex()}")


def verify_consistency(*, old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Return if tree `new` begins with all leaves of tree `old` (RFC 9162 §2.1.4.2).

    From size 0 nothing can be proved, so that is refused; a witness treats its first checkpoint itself.

    Raises:
        ProofRejectedError: it does not, or the proof does not show it.
    """
    if not 0 < old.size <= new.size <= MAX_SIZE:
        raise ProofIndexError(f"no consistency proof from {old.size} to {new.size}")
    _check_hashes((old.root, new.root, *proof))
    if old.size == new.size:
        if proof:
            raise ProofLengthError("the proof between two trees of one size is empty")
        _same(old.root, new.root, f"two different roots of size {old.size}")
        return
    path = list(proof)
    if old.size & (old.size - 1) == 0:
        path.insert(0, old.root)  # the old tree is itself a subtree of the new one
    if not path:
        raise ProofLengthError(f"the proof from {old.size} to {new.size} is empty")
    at, last = old.size - 1, new.size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old_value = new_value = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofLengthError(f"the proof from {old.size} to {new.size} has too many hashes")
        if at & 1 or at == last:
            old_value = node_hash(sibling, old_value)
            new_value = node_hash(sibling, new_value)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new_value = node_hash(new_value, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise ProofLengthError(f"the proof from {old.size} to {new.size} has too few hashes")
    _same(old_value, old.root, f"the proof gives another root for the old size {old.size}")
    _same(new_value, new.root, f"the proof gives another root for the new size {new.size}")


def _same(found: bytes, expected: bytes, otherwise: str) -> None:
    if not compare_digest(found, expected):
        raise ProofRejectedError(f"{otherwise}: {found.hex()}, expected {expected.hex()}")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise ProofLengthError("a hash in the proof has not 32 bytes")


def _split(count: int) -> int:
    """Return the largest power of two below `count` (RFC 9162 §2.1.1: k)."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(first: int, end: int, read_node: NodeReader) -> bytes:
    """Return the hash of leaves [first, end); `first` is a multiple of a power of two not below end - first."""
    parts = []
    while first < end:
        level = (end - first).bit_length() - 1
        parts.append(read_node(level, first >> level))
        first += 1 << level
    value = parts.pop()
    while parts:
        value = node_hash(parts.pop(), value)
    return value
