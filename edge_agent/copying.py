"""Copies a stream to a file and digests it in the same pass; the digest hides behind the copy on a second core.

The caller's thread reads and writes, the lane's own thread digests; both work on a small ring of buffers, so memory
stays flat whatever the size of a file. `readv`, `write` and SHA-256 let go of the interpreter's lock. A thread that had
to wait goes on when half of the ring is free again, not at the first buffer: on a busy machine each waking costs more
than digesting a block. Written stretches are handed to the disk early, so that the final fsync finds little left to do,
and leave the page cache once the disk has them: nobody reads them there again, a day's footage does not push out what
the machine works with, and the kernel has warm pages at hand for the next stretch.
"""

import ctypes
import hashlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from edge_agent.both_digests import Filled
from evidence_model.digests import Digest
from host_io import durable

BLOCK_BYTES: Final = 512 << 10
BLOCK_COUNT: Final = 12  # 6 MiB a recorder; measured against fewer, more, smaller and larger ones
WRITE_BACK_BYTES: Final = 8 << 20
MOST_BEHIND: Final = 8  # stretches that the disk may be behind; then the copy goes at its pace

_START_WRITING: Final = 2  # SYNC_FILE_RANGE_WRITE
_WAIT_UNTIL_WRITTEN: Final = 1 | 2 | 4  # SYNC_FILE_RANGE_WAIT_BEFORE | WRITE | WAIT_AFTER
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
        self._work: queue.SimpleQueue[tuple[Filled, memoryview] | None] = queue.SimpleQueue()
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
        hasher: Filled | None = None,
        on_block: Callable[[int], None] = lambda _position: None,
    ) -> CopyEnd:
        """Copy from `start_bytes` to the end of the source into `fd` at the same offsets; nothing is durable yet.

        `hasher` has digested what lies before `start_bytes`. `on_block` is told how far the copy is after each block
        and may raise to end it; whatever ends it, no buffer is in use after return.

        Raises:
            OSError: `fd` cannot be written, or the disk failed with something written before.
        """
        running = hasher or hashlib.sha256()
        position = start_bytes
        behind = _WriteBehind(fd, start_bytes)
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
                behind.moved_to(position)
                on_block(position)
        finally:
            self._wait_until_digested()
        return CopyEnd(size_bytes=position, digest=Digest(running.digest()))

    def digest_so_far(self, hasher: Filled) -> bytes:
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


class _WriteBehind:
    """Has the disk write one stretch of a growing file after the other, not far behind the copy."""

    def __init__(self, fd: int, start_bytes: int) -> None:
        self._fd = fd
        self._start = start_bytes
        self._under_way: deque[tuple[int, int]] = deque()

    def moved_to(self, position: int) -> None:
        """Note how far the file is written; waits for a disk that is too far behind.

        Raises:
            OSError: the disk failed with an earlier stretch.
        """
        if position - self._start < WRITE_BACK_BYTES:
            return
        stretch = self._start, position - self._start
        _sync_range(self._fd, *stretch, _START_WRITING)
        self._under_way.append(stretch)
        self._start = position
        if len(self._under_way) > MOST_BEHIND:
            written = self._under_way.popleft()
            # an error told here is not told again by fsync: whoever waits must not overlook it
            _sync_range(self._fd, *written, _WAIT_UNTIL_WRITTEN)
            os.posix_fadvise(self._fd, *written, os.POSIX_FADV_DONTNEED)


def _sync_range(fd: int, offset: int, size_bytes: int, what: int) -> None:
    """Call sync_file_range(2); it makes nothing durable (neither size nor place of the bytes), fsync does.

    Raises:
        OSError: writing failed.
    """
    if _LIBC.sync_file_range(fd, ctypes.c_long(offset), ctypes.c_long(size_bytes), what) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
