"""Dock folders: which recorders lie in them, and whether anything changed since the last look.

A configured folder is one recorder; one that ends in `/*` holds a recorder in each of its subfolders. inotify (through
watchdog) gives hints; a scan decides, at every hint that has come to rest and every half minute.
"""

import contextlib
import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from host_io import logs

_MAX_ENTRIES: Final = 250_000
_LOG = logging.getLogger("edge_agent.watch")


@dataclass(frozen=True, slots=True)
class FolderState:
    """What a dock folder looked like; equal looks mean that nothing is to be done."""

    file_count: int
    mark: bytes  # digest over names, sizes and stamps, and over the folder's own identity


def dock_roots(specs: Sequence[str], *, home: Path) -> list[Path]:
    """Return the folders that are recorders now; a relative one is below the home."""
    roots: list[Path] = []
    for spec in specs:
        if spec.endswith("/*"):
            parent = home / spec[:-2]
            with contextlib.suppress(OSError):
                roots += sorted(
                    Path(entry.path)
                    for entry in os.scandir(parent)
                    if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
                )
        elif (home / spec).is_dir():
            roots.append(home / spec)
    return list(dict.fromkeys(roots))


def look_at(root: Path) -> FolderState | None:
    """Return what a dock folder looks like, or None if it cannot be read or holds no file at all."""
    try:
        status = root.stat()
    except OSError:
        return None
    count = 0
    mark = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode())
    for path, size, mtime_ns in _files(bytes(root)):
        count += 1
        mark.update(b"%d:%s:%d:%d\n" % (len(path), path, size, mtime_ns))
    return FolderState(count, mark.digest()) if count else None


def _files(root: bytes) -> Iterator[tuple[bytes, int, int]]:
    waiting = [root]
    seen = 0
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError:
            continue
        for name in names:
            seen += 1
            if seen > _MAX_ENTRIES:
                return
            path = folder + b"/" + name
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield path, status.st_size, status.st_mtime_ns


class FolderHints(FileSystemEventHandler):
    """Calls `on_hint` when something changes in or below the given folders; losing a hint costs half a minute."""

    def __init__(self, on_hint: Callable[[], None]) -> None:
        self._on_hint = on_hint
        self._observer = Observer()
        self._watched: set[tuple[Path, bool]] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to listen."""
        self._observer.start()

    def stop(self) -> None:
        """End the listening thread."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join(timeout=3.0)

    def watch(self, folder: Path, *, recursive: bool) -> None:
        """Listen to one more folder; what cannot be watched is scanned all the same."""
        with self._lock:
            if (folder, recursive) in self._watched or not folder.is_dir():
                return
            try:
                self._observer.schedule(self, str(folder), recursive=recursive)
                self._watched.add((folder, recursive))
            except OSError as error:  # out of inotify watches
                logs.event(_LOG, "folder.unwatched", level=logging.WARNING, folder=str(folder), error=str(error))
                self._watched.add((folder, recursive))

    def on_any_event(self, event: FileSystemEvent) -> None:
        """See watchdog: one change; reading a file is none."""
        if event.event_type not in {"opened", "closed_no_write"}:
            self._on_hint()
