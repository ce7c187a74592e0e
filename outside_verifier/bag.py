"""The folder as a BagIt bag: what lies in it, what its manifests name, and the digest of every byte.

Only regular files that a walk met inside the folder are ever opened; no link is followed, and a file that was exchanged
between walk and opening is refused. Files are read in blocks of one MiB.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Callable

from .strict import RefusedError

BLOCK = 1 << 20
MAX_FILES = 1_000_000
_MAX_DEPTH = 16
_LOOK_SECONDS = 0.5
_MAX_LINE = 4096
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f]+)\n")
_ESCAPES = {"%25": "%", "%0D": "\r", "%0d": "\r", "%0A": "\n", "%0a": "\n"}
_FLAGS = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
_WINDOWS_LINK = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: symbolic links and junctions

SayProgress = Callable[[int, int], None]


@dataclass
class Bag:
    """What a walk through the folder met; paths are relative, with slashes."""

    root: str
    sizes: dict[str, int] = field(default_factory=dict)
    unsafe: list[str] = field(default_factory=list)  # links and special files
    unreadable: list[str] = field(default_factory=list)  # folders that cannot be listed
    digests: dict[str, str | None] = field(default_factory=dict)  # None: the medium does not give all of it
    identity: dict[str, tuple[int, int]] = field(default_factory=dict)

    def open(self, path: str) -> io.FileIO:
        """Open a file of the bag for reading."""
        descriptor = os.open(os.path.join(self.root, *path.split("/")), _FLAGS)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or (found.st_dev, found.st_ino) != self.identity[path]:
            os.close(descriptor)
            raise OSError("exchanged while it was read")
        return io.FileIO(descriptor, "rb")

    def read(self, path: str, at_most: int) -> bytes:
        """Return a small file; RefusedError if it is not there, cannot be read or is larger than such a file may be."""
        if path not in self.sizes:
            raise RefusedError("file.missing", path=path)
        try:
            with self.open(path) as file:
                data = b""
                while len(data) <= at_most and (block := file.read(min(BLOCK, at_most + 1 - len(data)))):
                    data += block
        except OSError as error:
            raise RefusedError("file.unreadable", path=path, why=error.strerror or error) from None
        if len(data) > at_most:
            raise RefusedError("file.long", path=path, limit=at_most)
        return data

    def manifest(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield (digest, path) of each line of a manifest; RefusedError at the first line that is none."""
        if path not in self.sizes:
            raise RefusedError("file.missing", path=path)
        try:
            with io.BufferedReader(self.open(path)) as file:
                count = 0
                while line := file.readline(_MAX_LINE):
                    count += 1
                    match = _LINE.fullmatch(line.decode("utf-8", "replace"))
                    if match is None or "\ufffd" in match[2] or count > MAX_FILES:
                        raise RefusedError("manifest.line", path=path, line=count)
                    yield match[1], re.sub("%(?:25|0[AaDd])", lambda escape: _ESCAPES[escape[0]], match[2])
        except OSError as error:
            raise RefusedError("file.unreadable", path=path, why=error.strerror or error) from None

    def hash_all(self, paths: list[str], progress: SayProgress | None = None) -> None:
        """Fill `digests` with the SHA-256 of these files, on all cores (hashing lets go of Python's lock)."""
        total = sum(self.sizes[path] for path in paths)
        waiting = iter(paths)
        lock = threading.Lock()
        done = 0

        stop = threading.Event()

        def on_bytes(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                if progress is not None:
                    progress(done, total)

        def work() -> None:
            while not stop.is_set():
                with lock:
                    path = next(waiting, None)
                if path is None:
                    return
                digest = self._digest(path, on_bytes, stop)
                with lock:
                    self.digests[path] = digest

        count = min(os.cpu_count() or 1, 16)
        with ThreadPoolExecutor(count) as pool:
            try:
                for each in [pool.submit(work) for _ in range(count)]:
                    while not each.done():  # a Ctrl-C right before a lock is waited for would wake nobody
                        wait([each], timeout=_LOOK_SECONDS)
                    each.result()
            finally:
                stop.set()  # after Ctrl-C nobody waits for a terabyte

    def _digest(self, path: str, on_bytes: Callable[[int], None], stop: threading.Event) -> str | None:
        value = sha256()
        with ExitStack() as stack:
            file = None
            while not stop.is_set():
                try:
                    file = file or stack.enter_context(self.open(path))
                    block = file.read(BLOCK)
                except OSError:
                    return None
                if not block:
                    return value.hexdigest()
                value.update(block)
                on_bytes(len(block))
        return None

    def damaged_blocks(self, path: str, chunks: str) -> tuple[list[int], int]:
        """Return which MiB (from 1) of a file are not those of its chunk list, and how many there should be."""
        damaged: list[int] = []
        count = 0
        try:
            with io.BufferedReader(self.open(chunks)) as digests, self.open(path) as file:
                while line := digests.readline(_MAX_LINE):
                    count += 1
                    if sha256(_block(file, count - 1)).hexdigest().encode() != line.rstrip(b"\n"):
                        damaged.append(count)
                if _block(file, count):
                    damaged.append(count + 1)  # more bytes than there should be
        except OSError:
            return list(range(1, count + 2)), count
        return damaged, count


def open_bag(root: str) -> Bag:
    """Walk through a folder; OSError if it is none."""
    bag = Bag(root)
    waiting, left = [("", 0)], MAX_FILES
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                names = sorted(entry.name for entry in islice(entries, left + 1))
        except OSError:
            if not folder:
                raise
            bag.unreadable.append(folder)
            continue
        left -= len(names)
        if left < 0:
            raise OSError("too many files")
        for name in names:
            path = f"{folder}{name}"
            try:
                found = os.lstat(os.path.join(root, path))
            except OSError:
                bag.unreadable.append(path)
                continue
            is_link = getattr(found, "st_file_attributes", 0) & _WINDOWS_LINK
            if stat.S_ISDIR(found.st_mode) and not is_link and depth < _MAX_DEPTH:
                waiting.append((f"{path}/", depth + 1))
            elif stat.S_ISREG(found.st_mode) and not is_link:
                bag.sizes[path] = found.st_size
                bag.identity[path] = (found.st_dev, found.st_ino)
            else:
                bag.unsafe.append(path)
    return bag


def is_safe(path: str) -> bool:
    """Say whether a path of a manifest stays in the bag on every system."""
    return not re.search(r"[\\:\x00]", path) and all(part not in {"", ".", ".."} for part in path.split("/"))


def _block(file: io.FileIO, place: int) -> bytes:
    """Return one MiB of a file; nothing if the medium does not give it."""
    data = b""
    with suppress(OSError):
        file.seek(place * BLOCK)
        while len(data) < BLOCK and (part := file.read(BLOCK - len(data))):
            data += part
    return data
