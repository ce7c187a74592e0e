"""Docking by hand: at once where no agent runs, else by a request that the agent takes up (for the command line)."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.agent_lock import agent_is_running, agent_lock
from edge_agent.free import FreeOutcome, free_recorder
from edge_agent.identify import identify
from edge_agent.listing import list_volume
from edge_agent.preflight import Preflight, check
from edge_agent.preflight_facts import facts_for_preflight
from edge_agent.progress import Progress, forget_all, progress_path, read_progress_file
from edge_agent.pull import PullSettings
from edge_agent.recovery import recover
from edge_agent.requests import DockRequest, write_request
from edge_agent.session import Docking, Session
from edge_agent.session_book import SessionBook, SessionResult
from edge_agent.station import SessionSettings, Station, open_station
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import gather_facts
from evidence_model.ids import RecorderId, SessionId
from evidence_model.instants import Clock
from host_io.clock import SystemClock
from host_io.config import HomeConfig, HomePaths
from host_io.station_db import open_station_db
from retention.recorder_copy import FreePolicy

__all__ = [
    "agent_is_running",
    "dock_inline",
    "free_inline",
    "preflight_inline",
    "read_progress",
    "read_result",
    "request_dock",
]

_Listener = Callable[[Progress], None]
_BY_HAND = SessionSettings(pull=PullSettings(wait_for_room=False))


def dock_inline(
    paths: HomePaths,
    config: HomeConfig,
    path: Path,
    *,
    recorder: RecorderId | None = None,
    clock: Clock | None = None,
    on_progress: _Listener | None = None,
    stop: threading.Event | None = None,
    settings: SessionSettings | None = None,
) -> SessionResult:
    """Dock a folder in this process and return when everything on it is sealed and read again.

    A spool without room ends the docking as WAITING here, for nobody would wait for it.

    Raises:
        AgentRunningError: the home's agent runs; use `request_dock`.
        KeyMissingError, ConfigError …: the home is not fit for it.
    """
    with agent_lock(paths), _open(paths, config, clock, settings or _BY_HAND) as station:
        docking = Docking(session_id=new_session_id(), place=path.absolute(), recorder=recorder)
        patience = stop or threading.Event()
        result = Session(station, docking, patience=patience, on_progress=on_progress).run()
        station.rereader.drain(patience)  # what an earlier stop left over: nobody else does it
        return result


def preflight_inline(
    paths: HomePaths, config: HomeConfig, path: Path, *, recorder: RecorderId | None = None, clock: Clock | None = None
) -> Preflight:
    """Check a recorder without pulling or signing anything; the agent may run beside it.

    Raises:
        VolumeGoneError, UnreadableVolumeError: there is nothing to check.
    """
    station = open_station(paths, config, clock=clock or SystemClock())
    with VolumeRoot.open(path) as volume, station.journal.desk() as desk:
        docked_at = station.clock.now()
        facts = gather_facts(volume, station.profiles)
        identity = identify(facts, station.profiles, opt_in=station.opted_in, operator_id=recorder)
        listing = list_volume(volume, identity.profile)
        pending = desk.items.unpulled(identity.recorder_id, [each for each in listing.files if each.pulled])
        thresholds = station.pack.preflight
        return check(
            facts_for_preflight(
                identity, facts, listing, volume.usage(), thresholds, docked_at=docked_at, pending=pending
            ),
            thresholds,
        )


def free_inline(
    paths: HomePaths,
    config: HomeConfig,
    path: Path,
    *,
    recorder: RecorderId | None = None,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
) -> tuple[FreeOutcome, ...]:
    """Dock a recorder, then erase every copy on it that may go; the others are returned with what keeps them.

    Raises:
        AgentRunningError: the home's agent runs; it frees by itself where the site wants it.
        VolumeGoneError, UnreadableVolumeError: there is nothing to free.
    """
    patience = stop or threading.Event()
    with agent_lock(paths), _open(paths, config, clock, _BY_HAND) as station:
        docking = Docking(session_id=new_session_id(), place=path.absolute(), recorder=recorder)
        result = Session(station, docking, patience=patience).run()
        if result.recorder_id is None:
            return ()
        with VolumeRoot.open(path) as volume, station.journal.desk() as desk:
            return tuple(
                free_recorder(
                    station,
                    desk,
                    volume,
                    result.recorder_id,
                    session_id=result.session_id,
                    policy=FreePolicy(enabled=config.station.free_recorders),
                    patience=patience,
                )
            )


def request_dock(paths: HomePaths, path: Path, *, recorder: RecorderId | None = None) -> SessionId:
    """Ask the running agent to dock a folder; the id is that of the session it will open."""
    session_id = new_session_id()
    write_request(
        paths.spool / "requests", DockRequest(session_id=session_id, place=path.absolute(), recorder=recorder)
    )
    return session_id


def read_progress(paths: HomePaths, session_id: SessionId) -> Progress | None:
    """Return how far a session is, or None if nothing is known of it (yet)."""
    return read_progress_file(progress_path(paths.run / "progress", session_id))


def read_result(paths: HomePaths, session_id: SessionId) -> SessionResult | None:
    """Return how a session ended, or None if it has not."""
    db = open_station_db(paths)
    try:
        return SessionBook(db, SystemClock()).result(session_id)
    finally:
        db.close()


def new_session_id() -> SessionId:
    """Make the id of a docking."""
    return SessionId(str(uuid.uuid4()))


@contextmanager
def _open(paths: HomePaths, config: HomeConfig, clock: Clock | None, settings: SessionSettings) -> Iterator[Station]:
    station = open_station(paths, config, clock=clock or SystemClock(), settings=settings)
    forget_all(paths.run / "progress")
    with station.journal.desk() as desk:
        recover(desk, station.spool)
        with station.rereader:
            station.rereader.put_left_over(desk)
            yield station
