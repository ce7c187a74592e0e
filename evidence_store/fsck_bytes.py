"""Are these files what their digests say? Read from the medium and hashed on all cores, the largest first."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from evidence_model.digests import Digest
from host_io import durable

_BLOCK_BYTES = 1 << 20
_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Hashed:
    """What came of one file: its digest, or why it could not be read; None if it went away meanwhile."""

    path: Path
    expected: Digest
    size_bytes: int
    found: Digest | None
    error: str

    @property
    def is_gone(self) -> bool:
        """Say whether the file was taken away while we looked."""
        return self.found is None and not self.error


class Progress:
    """Counts bytes from several threads and tells somebody now and then."""

    def __init__(self, total_bytes: int, say: Callable[[int, int], None] | None) -> None:
        self._total_bytes = total_bytes
        self._say = say
        self._done_bytes = 0
        self._said_bytes = 0
        self._lock = threading.Lock()

    def add(self, size_bytes: int) -> None:
        """Note that so many more bytes are hashed."""
        with self._lock:
            self._done_bytes += size_bytes
            if self._say is None or self._done_bytes - self._said_bytes < _BLOCK_BYTES * 8:
                return
            self._said_bytes = self._done_bytes
            self._say(self._done_bytes, max(self._total_bytes, self._done_bytes))


def hash_files(
    files: Iterable[tuple[Path, Digest, int]], *, workers: int | None, progress: Progress
) -> Iterator[Hashed]:
    """Yield what came of each (path, expected digest, size); large ones begin first, so no core waits at the end."""
    ordered = sorted(files, key=lambda each: each[2], reverse=True)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="hash") as pool:
        running: set[Future[Hashed]] = set()
        for path, expected, size_bytes in ordered:
            running.add(pool.submit(_hash, path, expected, size_bytes, progress))
            if len(running) >= _AHEAD:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in running:
            yield future.result()


def _hash(path: Path, expected: Digest, size_bytes: int, progress: Progress) -> Hashed:
    digest = hashlib.sha256()
    try:
        for block in durable.read_from_medium(path, block_bytes=_BLOCK_BYTES):
            digest.update(block)
            progress.add(len(block))
    except FileNotFoundError:
        return Hashed(path, expected, size_bytes, None, "")
    except OSError as error:
        return Hashed(path, expected, size_bytes, None, error.strerror or str(error))
    return Hashed(path, expected, size_bytes, Digest(digest.digest()), "")
