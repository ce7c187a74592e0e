"""One docking as a job of its own thread: mount if need be, do the session, let go."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.by_hand import new_session_id
from edge_agent.docking import DockedVolume, folder_name
from edge_agent.errors import MountFailedError, UnknownVolumeError
from edge_agent.free import free_recorder
from edge_agent.mounts import is_mounted_elsewhere, let_go, mounted
from edge_agent.ports import Patience
from edge_agent.session import Docking, Session
from edge_agent.session_book import SessionResult, SessionRow
from edge_agent.station import Station
from edge_agent.volume import VolumeRoot
from evidence_model.errors import EvidockError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import RecorderId, SessionId
from evidence_model.instants import unix_ms
from evidence_model.states import SessionState
from host_io import logs
from retention.recorder_copy import FreePolicy

_LOG = logging.getLogger("edge_agent.dock_jobs")
_UNMOUNTED: Final = (MountFailedError, UnknownVolumeError)


@dataclass(slots=True)
class Job:
    """A docking under way; `result` is there when the thread has ended."""

    key: str
    patience: threading.Event
    thread: threading.Thread = field(init=False)
    result: SessionResult | None = None

    @property
    def ended(self) -> bool:
        """Return whether the thread has ended."""
        return not self.thread.is_alive()


def start_job(key: str, work: Callable[[Patience], SessionResult | None], on_end: Callable[[], None]) -> Job:
    """Do `work` in a thread of its own; whatever it raises is logged and ends this job alone."""
    job = Job(key=key, patience=threading.Event())

    def run() -> None:
        try:
            job.result = work(job.patience)
        except Exception:  # noqa: BLE001 - one docking must not take the others with it
            _LOG.exception("job.failed", extra={"fields": {"key": key}})
        finally:
            on_end()

    job.thread = threading.Thread(target=run, name=f"dock-{key}"[:40], daemon=True)
    job.thread.start()
    return job


def dock_folder(
    station: Station,
    place: Path,
    patience: Patience,
    *,
    session_id: SessionId | None = None,
    recorder: RecorderId | None = None,
) -> SessionResult:
    """Dock a folder, and free what may be freed if the site wants that."""
    docking = Docking(session_id=session_id or new_session_id(), place=place, recorder=recorder)
    return Session(station, docking, patience=patience).run()


def dock_volume(station: Station, volume: DockedVolume, patience: Patience) -> SessionResult | None:
    """Mount a recorder's volume read-only, dock it, and let go of it."""
    session_id = new_session_id()
    slots = station.paths.run / "slots"
    target = slots / folder_name(volume.key) / session_id
    try:
        if is_mounted_elsewhere(volume.devnode, slots):
            raise MountFailedError(f"{volume.devnode}: another program has mounted it; keep desktops from doing so")
        with mounted(volume.devnode, volume.fs_type, target):
            docking = Docking(session_id=session_id, place=target, port_path=volume.port_path, udev=volume.properties)
            return Session(station, docking, patience=patience).run()
    except _UNMOUNTED as error:
        return _say_unmounted(station, volume, session_id, error)


def let_go_of(station: Station, volume: DockedVolume) -> None:
    """Detach whatever is mounted for a volume that was pulled out; a session on it fails at its next read."""
    for target in (station.paths.run / "slots" / folder_name(volume.key)).glob("*"):
        let_go(target)


def free_folder(station: Station, place: Path, result: SessionResult, patience: Patience) -> None:
    """Erase what may be erased of a docked folder (off unless the site wants it)."""
    if result.recorder_id is None:
        return
    with contextlib.suppress(EvidockError), VolumeRoot.open(place) as root, station.journal.desk() as desk:
        outcomes = free_recorder(
            station,
            desk,
            root,
            result.recorder_id,
            session_id=result.session_id,
            policy=FreePolicy(enabled=station.config.station.free_recorders),
            patience=patience,
        )
        freed = sum(outcome.freed for outcome in outcomes)
        logs.event(_LOG, "recorder.freed", recorder=result.recorder_id, file_count=freed, kept=len(outcomes) - freed)


def free_volume(station: Station, volume: DockedVolume, result: SessionResult, patience: Patience) -> None:
    """Mount a recorder's volume for writing, erase what may be erased, and let go of it."""
    target = station.paths.run / "slots" / folder_name(volume.key) / new_session_id()
    try:
        with mounted(volume.devnode, volume.fs_type, target, writable=True):
            free_folder(station, target, result, patience)
    except _UNMOUNTED as error:
        logs.event(_LOG, "recorder.not-freed", level=logging.WARNING, code=error.code, error=str(error))


def _say_unmounted(
    station: Station, volume: DockedVolume, session_id: SessionId, error: EvidockError
) -> SessionResult | None:
    """Keep for people that something is docked whose files cannot be seen."""
    now = unix_ms(station.clock.now())
    finding = Finding(error.code, Severity.FAULT, volume.key, {"why": str(error)[:300], "fs_type": volume.fs_type})
    with station.journal.desk() as desk:
        with desk.transaction():
            desk.find(finding)
            desk.sessions.write(
                SessionRow(
                    session_id=session_id,
                    place=volume.devnode.encode(),
                    port_path=volume.port_path,
                    state=SessionState.FAILED,
                    problem=error.code,
                    problem_text=str(error),
                    findings=[finding],
                    started_unix_ms=now,
                    ended_unix_ms=now,
                )
            )
        logs.event(_LOG, "volume.not-mounted", level=logging.WARNING, code=error.code, key=volume.key)
        return desk.sessions.result(session_id)
