"""Hints that the journal has something new: the touched `spool/wake`. Losing one costs a scan interval, no more."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from host_io.config import HomePaths
from host_io.logs import event

_LOG = logging.getLogger(__name__)


@contextmanager
def wake_hints(paths: HomePaths, on_hint: Callable[[], None]) -> Iterator[None]:
    """Call `on_hint` (on a thread of its own) whenever `spool/wake` is touched while the block runs."""
    observer = Observer()
    try:
        observer.schedule(_WakeHandler(on_hint), str(paths.spool), recursive=False)
        observer.start()
    except OSError as error:  # no inotify watches left, no such folder: scanning alone finds everything as well
        event(_LOG, "watch.unavailable", level=logging.WARNING, reason=str(error))
        yield
        return
    try:
        yield
    finally:
        observer.stop()
        observer.join(2.0)


class _WakeHandler(FileSystemEventHandler):
    def __init__(self, on_hint: Callable[[], None]) -> None:
        self._on_hint = on_hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on what happens to `wake`; all else in the folder is not for us."""
        if str(event.src_path).endswith("/wake"):
            self._on_hint()
