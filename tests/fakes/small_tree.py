"""RFC 6962 §2.1 word for word, by recursion over all leaves: slow, and hard to get wrong."""

from collections.abc import Sequence
from hashlib import sha256


class SmallTree:
    """A tree over a few entries, for sizes up to their number."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._leaves = [sha256(b"\0" + entry).digest() for entry in entries]

    def root(self, size: int) -> bytes:
        """Return MTH(D[0:size])."""
        return self._mth(0, size)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return PROOF(old, D[0:new]) for 0 < old ≤ new."""
        return tuple(self._subproof(old, 0, new, whole=True))

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return PATH(index, D[0:size])."""
        return tuple(self._path(index, 0, size))

    def leaf(self, index: int) -> bytes:
        """Return a leaf's hash."""
        return self._leaves[index]

    def _mth(self, start: int, end: int) -> bytes:
        if end == start:
            return sha256(b"").digest()
        if end - start == 1:
            return self._leaves[start]
        middle = start + _split(end - start)
        return sha256(b"\1" + self._mth(start, middle) + self._mth(middle, end)).digest()

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle - start:
            return [*self._path(index, start, middle), self._mth(middle, end)]
        return [*self._path(index - (middle - start), middle, end), self._mth(start, middle)]

    def _subproof(self, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        if old == end - start:
            return [] if whole else [self._mth(start, end)]
        middle = start + _split(end - start)
        if old <= middle - start:
            return [*self._subproof(old, start, middle, whole=whole), self._mth(middle, end)]
        return [*self._subproof(old - (middle - start), middle, end, whole=False), self._mth(start, middle)]


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
