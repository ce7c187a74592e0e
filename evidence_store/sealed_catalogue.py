"""The sealed index made again from the catalogue, for proofs: what the newest seal shows of items and recorders."""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from chain_of_custody.sealed_index import (
    Seal,
    SealedIndex,
    SealedRun,
    item_key,
    recorder_key,
    verify_complete,
    verify_presence,
)
from evidence_model.ids import AssetId
from evidence_store.sealing import leaves_of, recorders_in_order


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Where the leaves of one recorder begin, and which are its first and last."""

    start: int
    first: bytes
    last: bytes


class SealedCatalogue:
    """One index; of all recorders it keeps the bounds, of the wanted ones the leaves."""

    def __init__(self, db: sqlite3.Connection, size: int, wanted: Collection[str]) -> None:
        self._keys: list[bytes] = []
        self._bounds: list[_Bounds] = []
        self._leaves: dict[bytes, list[bytes]] = {}
        self._index = SealedIndex(self._read(db, size, wanted))

    def is_of(self, seal: Seal) -> bool:
        """Say whether it is what was sealed."""
        return (self._index.count, self._index.root) == (seal.count, seal.root)

    def presence(self, seal: Seal, recorder: str, asset: AssetId) -> SealedRun:
        """Return the proof that the item is there; its recorder is a wanted one.

        Raises:
            SealProofRejectedError: it is not.
        """
        key, leaves = item_key(recorder, asset), self._leaves.get(recorder_key(recorder), [])
        at = bisect_left(leaves, key)
        run = self._index.prove(self._start(recorder_key(recorder)) + at, leaves[at : at + 1])
        verify_presence(run, seal, leaf=run.leaves[0] if run.leaves and run.leaves[0].startswith(key) else b"")
        return run

    def everything_of(self, seal: Seal, recorder: str) -> SealedRun:
        """Return the proof of all items that are known of a recorder, which may be none."""
        key = recorder_key(recorder)
        at = bisect_left(self._keys, key)
        leaves = self._leaves.get(key, [])
        before = [self._bounds[at - 1].last] if at else []
        after = [each.first for each in self._bounds[at + bool(leaves) : at + bool(leaves) + 1]]
        run = self._index.prove(self._start(key) - len(before), [*before, *leaves, *after])
        verify_complete(run, seal, key=key)
        return run

    def _start(self, key: bytes) -> int:
        at = bisect_left(self._keys, key)
        return self._bounds[at].start if at < len(self._keys) else self._index.count

    def _read(self, db: sqlite3.Connection, size: int, wanted: Collection[str]) -> Iterator[bytes]:
        start = 0
        for recorder in recorders_in_order(db, size):
            leaves = leaves_of(db, recorder, size)
            self._keys.append(recorder_key(recorder))
            self._bounds.append(_Bounds(start, leaves[0], leaves[-1]))
            if recorder in wanted:
                self._leaves[self._keys[-1]] = leaves
            start += len(leaves)
            yield from leaves
