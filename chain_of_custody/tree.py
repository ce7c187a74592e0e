"""RFC 6962 §2.1: hashing of leaves and nodes, and the compact range that grows a tree from its right edge alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from chain_of_custody.errors import ProofLengthError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
MAX_SIZE = (1 << 63) - 1

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""(level, index) → hash of the perfect subtree over leaves [index << level, (index + 1) << level)."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one log entry (RFC 6962 §2.1: 0x00 before the entry)."""
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 §2.1: 0x01 before the children)."""
    return sha256(NODE_PREFIX + left + right).digest()


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says about a tree: how many leaves, and its root."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The roots of the perfect subtrees that make up the first `size` leaves, biggest (leftmost) first.

    This is all that is needed to append: at most 63 hashes for any tree.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.hashes) != self.size.bit_count():
            raise ProofLengthError(f"{len(self.hashes)} hashes are no compact range of size {self.size}")
        if any(len(value) != HASH_BYTES for value in self.hashes):
            raise ProofLengthError("a hash of a compact range has not 32 bytes")

    @classmethod
    def empty(cls) -> "CompactRange":
        """Return the range of the tree without leaves."""
        return cls(0, ())

    @classmethod
    def from_nodes(cls, size: int, read_node: NodeReader) -> "CompactRange":
        """Return the range of the first `size` leaves, read from stored nodes."""
        hashes = []
        start = 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(read_node(level, start >> level))
                start += 1 << level
        return cls(size, tuple(hashes))

    def append(self, leaf: bytes) -> "CompactRange":
        """Return the range with one more leaf, given by its leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> "CompactRange":
        """Return the range with more leaves, given by their leaf hashes in order."""
        stack = list(self.hashes)
        size = self.size
        for leaf in leaves:
            value = leaf
            pairs = size
            while pairs & 1:
                value = sha256(b"\x01" + stack.pop() + value).digest()
                pairs >>= 1
            stack.append(value)
            size += 1
        return CompactRange(size, tuple(stack))

    def root(self) -> bytes:
        """Return the Merkle tree hash of these leaves (RFC 6962 §2.1; of none: SHA-256 of nothing)."""
        if not self.hashes:
            return EMPTY_ROOT
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = node_hash(left, value)
        return value

    def head(self) -> TreeHead:
        """Return size and root."""
        return TreeHead(self.size, self.root())


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of the tree with these leaf hashes."""
    return CompactRange.empty().extend(leaves).root()
