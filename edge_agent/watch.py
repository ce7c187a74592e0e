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
from typing import Final, Generic, TypeVar

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from evidence_model.instants import Clock
from host_io import logs

_MAX_ENTRIES: Final = 250_000
_REST_SHARE: Final = 9.0  # times as long as a look took, nobody looks there again
_MOST_REST_SECONDS: Final = 30.0  # it may have taken long because something hung
_END_SECONDS: Final = 3.0
_LOG = logging.getLogger("edge_agent.watch")
Seen = TypeVar("Seen")


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


class Looks(Generic[Seen]):
    """Looks at docks, each in a thread of its own: a mount that hangs keeps nobody but itself waiting.

    A tenth of the time goes into one dock's looks at most, however many files lie there.
    """

    def __init__(self, clock: Clock, on_end: Callable[[], None]) -> None:
        self._clock = clock
        self._on_end = on_end
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._rest_until_mono: dict[str, float] = {}
        self._ended: dict[str, Seen] = {}

    def start(self, key: str, look: Callable[[], Seen]) -> None:
        """Begin a look, unless one is under way or was long and ended just now."""
        with self._lock:
            if key in self._under_way or self._clock.mono() < self._rest_until_mono.get(key, 0.0):
                return
            self._under_way.add(key)
        threading.Thread(target=self._run, args=(key, look), name=f"look-{key}"[:40], daemon=True).start()

    def take(self) -> dict[str, Seen]:
        """Return what the looks that ended since the last call saw, by key."""
        with self._lock:
            ended, self._ended = self._ended, {}
            return ended

    def _run(self, key: str, look: Callable[[], Seen]) -> None:
        began_mono = self._clock.mono()
        try:
            seen = look()
            with self._lock:
                self._ended[key] = seen
        finally:
            now_mono = self._clock.mono()
            with self._lock:
                self._under_way.discard(key)
                rest_seconds = min((now_mono - began_mono) * _REST_SHARE, _MOST_REST_SECONDS)
                self._rest_until_mono[key] = now_mono + rest_seconds
            self._on_end()


class FolderHints(FileSystemEventHandler):
    """Calls `on_hint` when something changes in or below the given folders; losing a hint costs half a minute.

    Each folder is gone through and listened to by threads of its own: one that hangs keeps no other waiting.
    """

    def __init__(self, on_hint: Callable[[], None]) -> None:
        self._on_hint = on_hint
        self._observers: list[BaseObserver] = []
        self._watched: set[tuple[Path, bool]] = set()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the listening threads, but wait for none that hangs."""
        ending = threading.Thread(target=self._end, daemon=True)
        ending.start()
        ending.join(_END_SECONDS)

    def watch(self, folder: Path, *, recursive: bool) -> None:
        """Listen to one more folder soon; what cannot be watched is scanned all the same."""
        with self._lock:
            if (folder, recursive) in self._watched:
                return
            self._watched.add((folder, recursive))
        threading.Thread(target=self._begin, args=(folder, recursive), daemon=True).start()

    def _begin(self, folder: Path, recursive: bool) -> None:
        if not folder.is_dir():
            with self._lock:
                self._watched.discard((folder, recursive))  # it may come yet
            return
        observer = Observer()
        try:
            observer.schedule(self, str(folder), recursive=recursive)
            observer.start()
        except OSError as error:  # out of inotify watches
            logs.event(_LOG, "folder.unwatched", level=logging.WARNING, folder=str(folder), error=str(error))
            return
        with self._lock:
            self._observers.append(observer)

    def _end(self) -> None:
        with self._lock:
            observers = list(self._observers)
        for observer in observers:
            observer.stop()
        for observer in observers:
            observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """See watchdog: one change; reading a file is none."""
        if event.event_type not in {"opened", "closed_no_write"}:
            self._on_hint()
