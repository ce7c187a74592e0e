"""Which bytes are handed over next: each blob once, locked footage first, then in the order of the events.

Two lanes, so that no listing or chunk list waits behind a file of many gigabytes.
"""

import heapq
import threading
from collections.abc import Callable, Iterable
from enum import Enum

from evidence_model.digests import Digest
from ingest_daemon.ledger import SpoolBlob

LARGE_BYTES = 16 << 20


class Lane(Enum):
    """Small blobs and large ones travel side by side."""

    SMALL = "small"
    LARGE = "large"

    @classmethod
    def of(cls, blob: SpoolBlob) -> "Lane":
        """Return in which lane a blob travels."""
        return cls.LARGE if blob.size_bytes >= LARGE_BYTES else cls.SMALL


class HandOverQueue:
    """Used by all threads of the daemon; forgets everything at a restart, the journal tells it again."""

    def __init__(self, mono: Callable[[], float]) -> None:
        self._mono = mono
        self._changed = threading.Condition()
        self._blobs: dict[Digest, SpoolBlob] = {}
        self._ready: dict[Lane, list[tuple[bool, int, Digest]]] = {lane: [] for lane in Lane}
        self._later: dict[Lane, list[tuple[float, Digest]]] = {lane: [] for lane in Lane}
        self._closed = False

    def __len__(self) -> int:
        return len(self._blobs)

    def offer(self, blobs: Iterable[SpoolBlob]) -> None:
        """Add blobs; one that is here already, waiting or in hand, is not added again."""
        with self._changed:
            for blob in blobs:
                if blob.digest not in self._blobs:
                    self._blobs[blob.digest] = blob
                    self._push(blob)
            self._changed.notify_all()

    def take(self, lane: Lane, *, limit: int, timeout_seconds: float) -> list[SpoolBlob]:
        """Return up to `limit` blobs to work on; nothing if there is none in time or the queue was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_ready(lane), timeout_seconds)
            if self._closed:
                return []
            ready = self._ready[lane]
            return [self._blobs[heapq.heappop(ready)[2]] for _ in range(min(limit, len(ready)))]

    def done(self, blobs: Iterable[SpoolBlob]) -> None:
        """Forget blobs that were handed over."""
        with self._changed:
            for blob in blobs:
                self._blobs.pop(blob.digest, None)

    def put_off(self, blob: SpoolBlob, seconds: float) -> None:
        """Give a blob back, to be tried again after a while."""
        with self._changed:
            heapq.heappush(self._later[Lane.of(blob)], (self._mono() + seconds, blob.digest))

    def hurry(self) -> None:
        """Try everything again now: what was in the way may be gone."""
        with self._changed:
            for later in self._later.values():
                while later:
                    self._push(self._blobs[heapq.heappop(later)[1]])
            self._changed.notify_all()

    def close(self) -> None:
        """Let every `take` return at once, now and from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_ready(self, lane: Lane) -> bool:
        later = self._later[lane]
        while later and later[0][0] <= self._mono():
            self._push(self._blobs[heapq.heappop(later)[1]])
        return bool(self._ready[lane])

    def _push(self, blob: SpoolBlob) -> None:
        heapq.heappush(self._ready[Lane.of(blob)], (not blob.locked, blob.seq, blob.digest))
