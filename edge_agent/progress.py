"""How far a session is, for the terminal, `status` and pages: a small file in `run/progress/`, a few times a second.

It is a view that may vanish at any stop; what is durably true stands in station.db.
"""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from evidence_model.ids import MalformedIdError, SessionId
from evidence_model.instants import Clock, parse_instant, wire_instant
from evidence_model.known import Known, Unknown
from evidence_model.states import SessionState

MOST_OFTEN_SECONDS: Final = 0.25
_SMOOTHING: Final = 0.3  # share of the newest measurement in the rate shown
_MAX_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one session is."""

    session_id: SessionId
    recorder_id: str | None
    state: SessionState
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    bytes_per_second: int
    eta_seconds: "Known[int] | Unknown"
    current_file: str
    waiting_for: str | None
    updated_at: datetime

    def as_json(self) -> dict[str, object]:
        """Return the progress as the file and `--json` have it."""
        return {
            "session": self.session_id,
            "recorder": self.recorder_id,
            "state": self.state.value,
            "files_done": self.files_done,
            "files_total": self.files_total,
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
            "bytes_per_second": self.bytes_per_second,
            "eta_seconds": self.eta_seconds.value if isinstance(self.eta_seconds, Known) else None,
            "current_file": self.current_file,
            "waiting_for": self.waiting_for,
            "updated_at": wire_instant(self.updated_at),
        }


class ProgressBoard:
    """Counts what a session did and shows it, at most four times a second; called by the session's thread."""

    def __init__(
        self,
        folder: Path,
        session_id: SessionId,
        *,
        clock: Clock,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._path = progress_path(folder, session_id)
        self._session_id = session_id
        self._clock = clock
        self._on_progress = on_progress
        self._shown_mono = float("-inf")
        self._rate = 0.0
        self._rate_from = (clock.mono(), 0)
        self.recorder_id: str | None = None
        self.state = SessionState.DOCKED
        self.waiting_for: str | None = None
        self.files_total = 0
        self.bytes_total = 0
        self._files_done = 0
        self._bytes_done = 0
        self._current_file = ""
        self._current_bytes = 0

    def change(self, state: SessionState, *, waiting_for: str | None = None) -> None:
        """Show a new state at once."""
        self.state, self.waiting_for = state, waiting_for
        self.show(at_once=True)

    def begin_file(self, display_name: str) -> None:
        """Say which file is being copied now."""
        self._current_file, self._current_bytes = display_name, 0
        self.show()

    def moved_to(self, position_bytes: int) -> None:
        """Say how far the current file is."""
        self._current_bytes = position_bytes
        self.show()

    def finish_file(self, size_bytes: int) -> None:
        """Count a file as copied (or as known already)."""
        self._files_done += 1
        self._bytes_done += size_bytes
        self._current_file, self._current_bytes = "", 0
        self.show()

    def give_up_file(self) -> None:
        """Forget what was counted of the current file."""
        self._current_file, self._current_bytes = "", 0
        self.show()

    def show(self, *, at_once: bool = False) -> None:
        """Write the file and tell the listener, unless that was done a moment ago."""
        mono = self._clock.mono()
        if not at_once and mono - self._shown_mono < MOST_OFTEN_SECONDS:
            return
        self._shown_mono = mono
        progress = self._progress(mono)
        part = self._path.with_suffix(".part")
        try:
            part.write_text(json.dumps(progress.as_json(), ensure_ascii=False), encoding="utf-8")
            part.replace(self._path)
        except OSError:
            pass  # a view that cannot be shown (full disk) must not stop the pull
        if self._on_progress is not None:
            self._on_progress(progress)

    def _progress(self, mono: float) -> Progress:
        done = self._bytes_done + self._current_bytes
        since, before = self._rate_from
        if mono - since >= 1.0 and done >= before:
            newest = (done - before) / (mono - since)
            self._rate = newest if not self._rate else self._rate + _SMOOTHING * (newest - self._rate)
            self._rate_from = (mono, done)
        elif done < before:
            self._rate_from = (mono, done)
        left = max(self.bytes_total - done, 0)
        eta: Known[int] | Unknown
        if self.state is not SessionState.PULLING:
            eta = Unknown("not copying")
        elif self._rate >= 1:
            eta = Known(round(left / self._rate))
        else:
            eta = Unknown("not measured yet")
        return Progress(
            session_id=self._session_id,
            recorder_id=self.recorder_id,
            state=self.state,
            files_done=self._files_done,
            files_total=self.files_total,
            bytes_done=done,
            bytes_total=self.bytes_total,
            bytes_per_second=round(self._rate),
            eta_seconds=eta,
            current_file=self._current_file,
            waiting_for=self.waiting_for,
            updated_at=self._clock.now(),
        )


def progress_path(folder: Path, session_id: SessionId) -> Path:
    """Return where a session's progress stands.

    Raises:
        MalformedIdError: the id is no plain name.
    """
    if not session_id or not all(char.isalnum() or char == "-" for char in session_id):
        raise MalformedIdError(f"{session_id[:60]!r} is no session id")
    return folder / f"{session_id}.json"


def forget_all(folder: Path) -> None:
    """Remove what earlier runs showed: it shows nothing any more. Called under the agent lock."""
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            path.unlink()


def parse_progress(data: bytes) -> Progress | None:
    """Read a progress file; None if it is not one (cut off by a stop, or another version's)."""
    try:
        table = json.loads(data)
        eta = table["eta_seconds"]
        return Progress(
            session_id=SessionId(str(table["session"])),
            recorder_id=table["recorder"],
            state=SessionState(table["state"]),
            files_done=int(table["files_done"]),
            files_total=int(table["files_total"]),
            bytes_done=int(table["bytes_done"]),
            bytes_total=int(table["bytes_total"]),
            bytes_per_second=int(table["bytes_per_second"]),
            eta_seconds=Unknown("not told") if eta is None else Known(int(eta)),
            current_file=str(table["current_file"]),
            waiting_for=table["waiting_for"],
            updated_at=parse_instant(table["updated_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def read_progress_file(path: Path) -> Progress | None:
    """Read a session's progress, or None if there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        return parse_progress(file.read(_MAX_BYTES))
