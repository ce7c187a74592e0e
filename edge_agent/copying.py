"""Copies a stream to a file and digests it in the same pass; the digest hides behind the copy on a second core.

The caller's thread reads and writes, the lane's own thread digests; both work on a small ring of buffers, so memory
stays flat whatever the size of a file. `readv`, `write` and SHA-256 let go of the interpreter's lock. A thread that had
to wait goes on when half of the ring is free again, not at the first buffer: on a busy machine each waking costs more
than digesting a block. Written stretches are handed to the disk early, so that the final fsync finds little left to do.
"""

import ctypes
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from evidence_model.digests import Digest
from host_io import durable

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK_BYTES: Final = 512 << 10
BLOCK_COUNT: Final = 12  # 6 MiB a recorder; measured against fewer, more, smaller and larger ones
WRITE_BACK_BYTES: Final = 8 << 20

_SYNC_FILE_RANGE_WRITE: Final = 2
_LIBC = ctypes.CDLL(None, use_errno=True)

ReadAt = Callable[[memoryview, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyEnd:
    """What came out of the source until its end."""

    size_bytes: int
    digest: Digest


class CopyLane:
    """Buffers and a digesting thread for copying one file after the other; used by one thread at a time."""

    def __init__(self, *, block_bytes: int = BLOCK_BYTES, block_count: int = BLOCK_COUNT) -> None:
        self._views = [memoryview(bytearray(block_bytes)) for _ in range(block_count)]
        self._next = 0
        self._ring = threading.Condition()
        self._free_count = block_count  # buffers that may be filled again
        self._wake_at = 0  # the copying thread waits for so many; 0: it does not wait
        self._work: queue.SimpleQueue[tuple[_Hash, memoryview] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._digest_on, name="digest", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the digesting thread; safe to call twice."""
        self._work.put(None)
        self._thread.join()

    def run(
        self,
        read_at: ReadAt,
        fd: int,
        *,
        start_bytes: int = 0,
        hasher: "_Hash | None" = None,
        on_block: Callable[[int], None] = lambda _position: None,
    ) -> CopyEnd:
        """Copy from `start_bytes` to the end of the source into `fd` at the same offsets; nothing is durable yet.

        `hasher` has digested what lies before `start_bytes`. `on_block` is told how far the copy is after each block
        and may raise to end it; whatever ends it, no buffer is in use after return.
        """
        running = hasher or hashlib.sha256()
        position, written_back = start_bytes, start_bytes
        os.lseek(fd, start_bytes, os.SEEK_SET)
        try:
            while True:
                self._take_buffer()
                view = self._views[self._next]
                handed_over = False
                try:
                    count = read_at(view, position)
                    if not count:
                        break
                    block = view[:count]
                    durable.write_all(fd, block)  # first: what is digested is written, so a failure leaves them equal
                    if position == 0 and count < len(view):
                        running.update(block)  # a small file is not worth a change of threads
                    else:
                        self._work.put((running, block))
                        handed_over = True
                        self._next = (self._next + 1) % len(self._views)
                finally:
                    if not handed_over:
                        self._give_back()
                position += count
                if position - written_back >= WRITE_BACK_BYTES:
                    _start_writing_back(fd, written_back, position)
                    written_back = position
                on_block(position)
        finally:
            self._wait_until_digested()
        return CopyEnd(size_bytes=position, digest=Digest(running.digest()))

    def digest_so_far(self, hasher: "_Hash") -> bytes:
        """Return the digest of all that was copied; called from `on_block`, or after `run` ended in whatever way."""
        self._wait_until_digested()
        return hasher.digest()

    def _take_buffer(self) -> None:
        with self._ring:
            if not self._free_count:
                self._wait_for(len(self._views) // 2 or 1)
            self._free_count -= 1

    def _give_back(self) -> None:
        with self._ring:
            self._free_count += 1
            if self._wake_at and self._free_count >= self._wake_at:
                self._ring.notify()

    def _wait_until_digested(self) -> None:
        with self._ring:
            self._wait_for(len(self._views))

    def _wait_for(self, free_count: int) -> None:
        self._wake_at = free_count
        while self._free_count < free_count:
            self._ring.wait()
        self._wake_at = 0

    def _digest_on(self) -> None:
        while (task := self._work.get()) is not None:
            hasher, block = task
            hasher.update(block)
            self._give_back()


def _start_writing_back(fd: int, start: int, end: int) -> None:
    """Have the kernel begin writing a stretch to the medium without waiting for it (nothing is promised by this)."""
    _LIBC.sync_file_range(fd, ctypes.c_long(start), ctypes.c_long(end - start), _SYNC_FILE_RANGE_WRITE)
