"""Stops a program at any durable step: right before it, or right after it has persisted.

Every durable write goes through `host_io.durable` and `host_io.sqlite.commit`; these are counted, and at the chosen one
either `PowerCutError` is raised (in this process; from then on every durable step of every thread fails, as if the
machine were off) or the process is killed with SIGKILL (in a child: see tests/crash/killer.py).
"""

import os
import signal
import threading
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self

from host_io import durable, sqlite

STEPS: Final = (
    (durable, "write_file"),
    (durable, "write_once"),
    (durable, "rename"),
    (durable, "rename_all"),
    (durable, "link"),
    (durable, "unlink"),
    (durable, "unlink_at"),
    (durable, "sync_file"),
    (durable, "sync_folder"),
    (durable, "sync_file_system"),
    (durable, "make_folders"),
    (sqlite, "commit"),
)


class When(Enum):
    """On which side of the step."""

    BEFORE = "before"
    AFTER = "after"


class PowerCutError(BaseException):
    """The program ended here; no handler for errors may catch it."""


class Steps:
    """Counts the durable steps of a block, and stops at the chosen one."""

    def __init__(self, *, at: int | None = None, when: When = When.BEFORE, kill: bool = False) -> None:
        self._at = at
        self._when = when
        self._kill = kill
        self._lock = threading.Lock()
        self._originals: list[tuple[Any, str, Callable[..., Any]]] = []
        self.count = 0
        self.stopped_at = ""
        self.names: list[str] = []

    def __enter__(self) -> Self:
        for module, name in STEPS:
            if (original := getattr(module, name, None)) is not None:
                self._originals.append((module, name, original))
                setattr(module, name, self._wrapped(f"{module.__name__}.{name}", original))
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for module, name, original in self._originals:
            setattr(module, name, original)

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                if self.stopped_at:
                    raise PowerCutError(self.stopped_at)
                self.count += 1
                self.names.append(name)
                here = self.count == self._at
                if here and self._when is When.BEFORE:
                    self._stop(name)
            result = original(*args, **kwargs)
            if here:
                with self._lock:
                    self._stop(name)
            with self._lock:
                if self.stopped_at:
                    raise PowerCutError(self.stopped_at)
            return result

        return step

    def _stop(self, name: str) -> None:
        if self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        self.stopped_at = f"{self._when.value} step {self._at}: {name}"
        raise PowerCutError(self.stopped_at)
