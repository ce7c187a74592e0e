"""The sorted index of everything that a log knows: what is in it, what is not, and that nothing else is, can be proved.

A leaf is SHA-256(recorder) ‖ SHA-256(item) ‖ SHA-256(the item's chains), 96 bytes; leaves are sorted and hashed as RFC
6962 says, and `log.sealed` signs their count and root. One proof serves all three claims: a run of neighbouring leaves
with the hashes beside it leads to the root. A run of one leaf shows that this item is there, with every event about it
(its proof is the inclusion proof of RFC 9162 §2.1.3.1); a run from the leaf before a recorder's first to the leaf after
its last shows all that is known of this recorder; where no leaf lies between the two, that there is nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from itertools import pairwise
from typing import TypeAlias

from chain_of_custody.errors import SealProofRejectedError, SealUnsortedError
from chain_of_custody.tree import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, CompactRange, leaf_hash, node_hash

LEAF_BYTES = 3 * HASH_BYTES
KEY_BYTES = 2 * HASH_BYTES
MAX_SEQ = (1 << 63) - 1


SealedEnd: TypeAlias = tuple[str, int, bytes]
"""Source, number and hash of its newest event about an item."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What `log.sealed` says: the index over all items that entries 0 to `size` - 1 of the log know."""

    size: int
    count: int
    root: bytes


@dataclass(frozen=True, slots=True)
class SealedRun:
    """Neighbouring leaves of an index, the first at `first`, and the hashes that lead from them to its root."""

    first: int
    leaves: tuple[bytes, ...]
    proof: tuple[bytes, ...]


def recorder_key(recorder: str) -> bytes:
    """Return what all leaves of a recorder begin with."""
    return sha256(recorder.encode()).digest()


def item_key(recorder: str, asset: str) -> bytes:
    """Return what the leaf of an item begins with."""
    return recorder_key(recorder) + sha256(asset.encode()).digest()


def sealed_leaf(recorder_key: bytes, asset: str, ends: Iterable[SealedEnd]) -> bytes:
    """Return the leaf of an item whose chains have these ends, each source once and sorted, before the sealed size.

    Hashed is `chains` of package.json (RFC 8785), written straight here, since a centre writes a million of them.
    Numbers beyond 2^63 - 1 (no honest source comes there) count as that: no database can tell them apart.
    """
    chains = ",".join(
        f'{{"last":"{last.hex()}","seq":"{min(MAX_SEQ, seq)}","source":"{source}"}}' for source, seq, last in ends
    )
    return recorder_key + sha256(asset.encode()).digest() + sha256(f"[{chains}]".encode()).digest()


def seal_of(size: int, leaves: Iterable[bytes]) -> Seal:
    """Return what is to be signed about an index; its leaves are taken one by one and not kept.

    Raises:
        SealUnsortedError: they are not sorted, or two are about one item.
    """
    tree = CompactRange.empty().extend(leaf_hash(leaf) for leaf in _sorted(leaves))
    return Seal(size, tree.size, tree.root())


class SealedIndex:
    """An index of which proofs are made; it keeps 64 bytes a leaf."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        row = bytearray()
        for leaf in _sorted(leaves):
            row += leaf_hash(leaf)
        self._rows = [row]
        while len(row) > HASH_BYTES:
            row = _parents(row)
            self._rows.append(row)

    @property
    def count(self) -> int:
        """Return how many leaves it has."""
        return len(self._rows[0]) // HASH_BYTES

    @property
    def root(self) -> bytes:
        """Return the root of its tree."""
        return bytes(self._rows[-1]) if self._rows[0] else EMPTY_ROOT

    def prove(self, first: int, leaves: Sequence[bytes]) -> SealedRun:
        """Return the run of these leaves, which are those of this index from `first` on."""
        proof = []
        start, end = first, first + len(leaves)
        for row in self._rows if leaves else ():
            width = len(row) // HASH_BYTES
            if start & 1:
                start -= 1
                proof.append(_hash_at(row, start))
            if end & 1 and end < width:
                proof.append(_hash_at(row, end))
                end += 1
            start, end = start >> 1, end + 1 >> 1
        return SealedRun(first, tuple(leaves), tuple(proof))


def verify_run(run: SealedRun, seal: Seal) -> None:
    """Return if these are the leaves of the sealed index from `run.first` on, neighbour after neighbour.

    Raises:
        SealProofRejectedError: they are not, or the proof does not show it.
    """
    start, end, width = run.first, run.first + len(run.leaves), seal.count
    if not 0 <= start < end <= width <= MAX_SIZE:
        raise SealProofRejectedError(f"no leaves from {start} to {end} in an index of {width}")
    if any(len(leaf) != LEAF_BYTES for leaf in run.leaves) or any(len(each) != HASH_BYTES for each in run.proof):
        raise SealProofRejectedError("a leaf or a hash of the proof has another length")
    if any(left[:KEY_BYTES] >= right[:KEY_BYTES] for left, right in pairwise(run.leaves)):
        raise SealProofRejectedError("the leaves are not sorted")
    row, beside = [leaf_hash(leaf) for leaf in run.leaves], iter(run.proof)
    try:
        while width > 1:
            if start & 1:
                row.insert(0, next(beside))
            if end & 1 and end < width:
                row.append(next(beside))
            start, end, width = start >> 1, end + 1 >> 1, width + 1 >> 1
            row = [node_hash(*row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    except StopIteration:
        raise SealProofRejectedError("the proof has too few hashes") from None
    if next(beside, None) is not None:
        raise SealProofRejectedError("the proof has too many hashes")
    if not compare_digest(row[0], seal.root):
        raise SealProofRejectedError(f"the proof gives root {row[0].hex()}, sealed is {seal.root.hex()}")


def verify_presence(run: SealedRun, seal: Seal, *, leaf: bytes) -> None:
    """Return if the index has this leaf: this item, with exactly these events about it.

    Raises:
        SealProofRejectedError: it has not, or the proof does not show it.
    """
    if run.leaves != (leaf,):
        raise SealProofRejectedError("the proof is about another leaf")
    verify_run(run, seal)


def verify_complete(run: SealedRun, seal: Seal, *, key: bytes) -> tuple[bytes, ...]:
    """Return every leaf of the index that begins with `key` (of a recorder, or of an item); none is a proof of absence.

    Raises:
        SealProofRejectedError: the run does not show that there are no others.
    """
    if seal.count == 0:
        if run != SealedRun(0, (), ()) or seal.root != EMPTY_ROOT:
            raise SealProofRejectedError("of an empty index there is nothing to prove")
        return ()
    verify_run(run, seal)
    found = tuple(leaf for leaf in run.leaves if leaf.startswith(key))
    if not (run.first == 0 or run.leaves[0][: len(key)] < key):
        raise SealProofRejectedError("the leaf before is not shown")
    if not (run.first + len(run.leaves) == seal.count or run.leaves[-1][: len(key)] > key):
        raise SealProofRejectedError("the leaf after is not shown")
    return found


def _sorted(leaves: Iterable[bytes]) -> Iterable[bytes]:
    """Pass leaves on as long as each is about a later key than the one before."""
    before = b""
    for leaf in leaves:
        if len(leaf) != LEAF_BYTES or leaf[:KEY_BYTES] <= before:
            raise SealUnsortedError(f"the leaf {leaf[:KEY_BYTES].hex()} does not follow {before.hex()}")
        before = leaf[:KEY_BYTES]
        yield leaf


def _hash_at(row: bytearray, place: int) -> bytes:
    return bytes(row[place * HASH_BYTES : (place + 1) * HASH_BYTES])


def _parents(row: bytearray) -> bytearray:
    """Return the row above; a last hash without a partner goes up as it is (RFC 6962 §2.1 gives the same root)."""
    result = bytearray()
    for at in range(0, len(row), KEY_BYTES):
        pair = row[at : at + KEY_BYTES]
        result += sha256(b"\x01" + pair).digest() if len(pair) == KEY_BYTES else pair
    return result
