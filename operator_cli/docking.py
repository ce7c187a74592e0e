"""Docks one folder for `dock` and `demo`: by the running agent where there is one, else in this process; then waits.

Whatever ends the wait (Ctrl-C, a time-out, a dead agent), what was copied stays on the station and is sent on; doing
the same again continues and makes nothing twice.
"""

import contextlib
import errno
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edge_agent.by_hand import dock_inline, read_progress, read_result, request_dock
from edge_agent.errors import AgentRunningError
from edge_agent.progress import Progress
from edge_agent.session_book import SessionResult
from evidence_model.ids import RecorderId, SessionId
from evidence_model.instants import Clock
from host_io.config import HomeConfig, HomePaths
from operator_cli import running
from operator_cli.errors import InterruptedByUserError, NothingRunningError, WaitedTooLongError
from operator_cli.home_programs import Program
from operator_cli.station_view import StationItem, items_of, station_reading

LOOK_AGAIN_SECONDS = 0.1
_AGENT_BACK_SECONDS = 30.0
_BEGIN_SECONDS = 10.0
_ROOM_BYTES = 1 << 20
_STORE_BACK_SECONDS = 30.0
_NEVER_RAN_SECONDS = 1.0


class WaitFor(Enum):
    """Until when `dock` waits."""

    SPOOLED = "spooled"  # signed and re-read on this station's disk
    RECEIVED = "received"  # the store re-read the bytes and its receipts verified here


@dataclass(frozen=True, slots=True)
class Docked:
    """What came of it."""

    result: SessionResult
    items: tuple[StationItem, ...]

    @property
    def receipted_count(self) -> int:
        """How many files have a verified receipt."""
        return sum(item.is_receipted for item in self.items)


def dock(
    paths: HomePaths,
    config: HomeConfig,
    path: Path,
    *,
    recorder: RecorderId | None,
    clock: Clock,
    on_progress: Callable[[Progress], None],
) -> SessionResult:
    """Dock a folder and return when its session has ended, whoever did the work.

    Raises:
        InterruptedByUserError: Ctrl-C; the next docking goes on.
        NothingRunningError: the agent that had taken the folder is gone and does not come back.
    """
    if Program.AGENT not in running.look(paths).programs:
        with contextlib.suppress(AgentRunningError), _ctrl_c_stops() as stop:
            result = dock_inline(
                paths, config, path, recorder=recorder, clock=clock, on_progress=on_progress, stop=stop
            )
            if stop.is_set():
                raise InterruptedByUserError(str(path))
            return result
    return _by_the_agent(paths, request_dock(paths, path, recorder=recorder), clock=clock, on_progress=on_progress)


def wait_for_receipts(
    paths: HomePaths,
    config: HomeConfig,
    result: SessionResult,
    *,
    clock: Clock,
    most_seconds: float,
    was_running: bool,
    on_count: Callable[[int, int], None],
) -> None:
    """Return when every file of the session has its verified receipts (of the pull and of the re-read).

    Programs that were running before (`was_running`) get some time to come back; those that never ran do not.

    Raises:
        NothingRunningError: nobody is running who could bring one.
        WaitedTooLongError: none came for `most_seconds`.
    """
    assets = [file.asset_id for file in result.files]
    last_count, last_mono, alone_mono = -1, clock.mono(), clock.mono()
    while True:
        with station_reading(paths) as db:
            items = items_of(db, assets) if db is not None else []
        count = sum(item.is_receipted for item in items)
        settled = count + sum(item.reread_is_receipted for item in items)
        on_count(count, len(assets))
        if len(items) == len(assets) and settled == 2 * len(assets):
            return
        now = clock.mono()
        if settled != last_count:
            last_count, last_mono = settled, now
        if gives_receipts(paths, config):
            was_running, alone_mono = True, now
        if now - alone_mono > (_STORE_BACK_SECONDS if was_running else _NEVER_RAN_SECONDS):
            raise NothingRunningError(f"{count}/{len(assets)}")
        if now - last_mono > most_seconds:
            raise WaitedTooLongError(f"{count}/{len(assets)}")
        time.sleep(LOOK_AGAIN_SECONDS)


def gives_receipts(paths: HomePaths, config: HomeConfig) -> bool:
    """Say whether the programs that bring a receipt are at work, or will be in a moment."""
    return running.look(paths).gives_receipts(has_store=config.role.stores)


def docked(paths: HomePaths, result: SessionResult) -> Docked:
    """Return the session with the present state of its files."""
    with station_reading(paths) as db:
        items = items_of(db, [file.asset_id for file in result.files]) if db is not None else []
    return Docked(result, tuple(items))


def _by_the_agent(
    paths: HomePaths, session: SessionId, *, clock: Clock, on_progress: Callable[[Progress], None]
) -> SessionResult:
    gone_mono: float | None = None
    asked_mono, has_begun = clock.mono(), False
    while True:
        if (progress := read_progress(paths, session)) is not None:
            has_begun = True
            on_progress(progress)
        elif not has_begun and clock.mono() - asked_mono > _BEGIN_SECONDS:
            _refuse_full_disk(paths)
        if has_ended(paths, session) and (result := read_result(paths, session)) is not None:
            return result
        if running.look(paths).keeps(Program.AGENT):
            gone_mono = None
        elif gone_mono is None:
            gone_mono = clock.mono()
        elif clock.mono() - gone_mono > _AGENT_BACK_SECONDS:
            raise NothingRunningError(session)
        time.sleep(LOOK_AGAIN_SECONDS)


def _refuse_full_disk(paths: HomePaths) -> None:
    """Say why nothing begins; the request stays, and the agent takes it up when there is room.

    Raises:
        OSError: the disk is full.
    """
    if shutil.disk_usage(paths.spool).free < _ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(paths.spool))


def has_ended(paths: HomePaths, session: SessionId) -> bool:
    """Say whether a session is over, without asking for the right to write (this is asked ten times a second).

    One that a stopping agent cut off has ended too, but its request stays, and the next agent takes it up again.
    """
    if (paths.spool / "requests" / f"{session}.json").exists():
        return False
    with station_reading(paths) as db:
        if db is None:
            return False
        query = "select 1 from session where session_id = ? and ended_unix_ms is not null"
        return db.execute(query, (session,)).fetchone() is not None


@contextmanager
def _ctrl_c_stops() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a clean stop between two durable steps; a second one ends at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt(number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
