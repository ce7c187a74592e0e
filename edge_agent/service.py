"""The agent as a program: finds what is docked, keeps one thread a docking, and ends cleanly.

One loop decides, at every hint and at most once a second: which requests wait, which dock folders changed, which
volumes came or went, which dockings ended and should be tried again. Hints come from udev, inotify and ending threads;
losing any of them costs a few seconds.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from edge_agent import requests
from edge_agent.codes import DAMAGED_COPY
from edge_agent.dock_jobs import (
    Job,
    dock_folder,
    dock_volume,
    free_folder,
    free_volume,
    let_go_of,
    start_job,
)
from edge_agent.docking import Docked, DockedVolume, reconcile
from edge_agent.errors import OwnFolderError, UnknownVolumeError
from edge_agent.identify import RefusedModelError
from edge_agent.mounts import clean_stale
from edge_agent.ports import Patience
from edge_agent.progress import forget_all
from edge_agent.recovery import recover
from edge_agent.session_book import SessionResult
from edge_agent.station import Station
from edge_agent.watch import FolderHints, FolderState, Looks, dock_roots, look_at
from evidence_model.errors import DamageError
from evidence_model.states import SessionState
from host_io import logs
from host_io.notify import Notifier

SCAN_SECONDS: Final = 30.0
REST_SECONDS: Final = 1.0  # a dock folder in which files just appeared is docked when it came to rest
MOST_UNREST_SECONDS: Final = 20.0
FIRST_RETRY_SECONDS: Final = 30.0
LAST_RETRY_SECONDS: Final = 600.0
REQUEST_REST_SECONDS: Final = 5.0  # of a request whose docking broke off before anything of it could be noted
FREE_LOOK_SECONDS: Final = 5.0
STOP_SECONDS: Final = 8.0
_FOR_GOOD: Final = frozenset(
    {RefusedModelError.code, OwnFolderError.code, UnknownVolumeError.code, DAMAGED_COPY}
)  # trying again changes nothing
_LOG = logging.getLogger("edge_agent.service")


@dataclass(slots=True)
class _Place:
    """A dock: a folder or a volume in a socket, and what was done about it."""

    volume: DockedVolume | None = None
    state: FolderState | None = None  # of a folder, at the newest look
    unrest_since: float | None = None
    docked_state: FolderState | None = None  # of a folder, right before the last docking
    result: SessionResult | None = None
    retry_at: float | None = None
    retry_seconds: float = FIRST_RETRY_SECONDS
    free_at: float | None = None


@dataclass(slots=True)
class _Present:
    """The newest look of the udev thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    volumes: list[DockedVolume] | None = None

    def put(self, volumes: list[DockedVolume]) -> None:
        with self.lock:
            self.volumes = volumes

    def take(self) -> list[DockedVolume] | None:
        with self.lock:
            volumes, self.volumes = self.volumes, None
            return volumes


class AgentService:
    """Watches the docks of one station; `run` returns after `stop` was set."""

    def __init__(
        self,
        station: Station,
        *,
        stop: threading.Event,
        notifier: Notifier,
        watch_volumes: Callable[[Callable[[list[DockedVolume]], None]], contextlib.AbstractContextManager[object]],
    ) -> None:
        self._station = station
        self._stop = stop
        self._notifier = notifier
        self._watch_volumes = watch_volumes
        self._hint = threading.Event()
        self._present = _Present()
        self._volumes: dict[str, DockedVolume] = {}
        self._places: dict[str, _Place] = {}
        self._jobs: dict[str, Job] = {}
        self._stays: dict[str, _Place | None] = {}  # of each job: the stay it was started for; None for a request
        self._rests: dict[str, float] = {}  # of requests: not to be tried again before
        self._folder_hint = True
        self._scanned_mono = float("-inf")
        self._roots: dict[str, list[Path]] = {}  # of each configured folder, the recorders in it
        self._root_looks: Looks[list[Path]] = Looks(station.clock, self.wake)
        self._state_looks: Looks[FolderState | None] = Looks(station.clock, self.wake)
        self._hints = FolderHints(self._folder_changed)

    def wake(self) -> None:
        """Have the loop look at once; safe from any thread and from a signal handler."""
        self._hint.set()

    def run(self) -> None:
        """Recover, say that we are ready, and serve until told to stop."""
        station = self._station
        with station.journal.desk() as desk:
            clean_stale(station.paths.run / "slots")
            forget_all(station.paths.run / "progress")
            recover(desk, station.spool)
            with station.rereader, self._watch_volumes(self._volumes_seen), contextlib.ExitStack() as stack:
                station.rereader.put_left_over(desk)
                stack.callback(self._hints.stop)
                self._notifier.ready()
                logs.event(_LOG, "agent.ready", station=station.config.station.id)
                while not self._stop.is_set():
                    try:
                        self._turn()
                    except DamageError:
                        raise  # waits for a person
                    except Exception:  # noqa: BLE001 - the dockings under way must not end with one bad turn
                        _LOG.exception("turn.failed")  # if none succeeds any more, the watchdog starts us anew
                    self._hint.wait(1.0)
                    self._hint.clear()
                self._notifier.stopping()
                self._end_jobs()

    def _turn(self) -> None:
        mono = self._station.clock.mono()
        self._reap(mono)
        self._take_requests(mono)
        self._look_at_folders(mono)
        self._look_at_volumes()
        for key, place in self._places.items():
            if key not in self._jobs:
                self._attend(key, place, mono)
        self._notifier.alive()
        self._notifier.status(f"{len(self._jobs)} dockings under way, {len(self._volumes)} volumes docked")

    def _take_requests(self, mono: float) -> None:
        self._hints.watch(self._station.spool.requests, recursive=False)
        for path, request in requests.waiting_requests(self._station.spool.requests):
            key = f"request:{request.session_id}"
            if key in self._jobs or mono < self._rests.get(key, mono):
                continue

            def work(patience: Patience, path: Path = path, request: requests.DockRequest = request) -> SessionResult:
                result = dock_folder(
                    self._station,
                    request.place,
                    patience,
                    session_id=request.session_id,
                    recorder=request.recorder,
                )
                if not self._stop.is_set():
                    requests.done(path)  # a docking that a stop cut off is taken up again under its id
                return result

            self._rests.pop(key, None)
            self._start(key, work)

    def _look_at_folders(self, mono: float) -> None:
        """Take in what looks at the dock folders saw; look again when a hint came or half a minute went by."""
        for spec, found in self._root_looks.take().items():
            self._roots[spec] = found
            for root in found:
                self._state_looks.start(f"folder:{root}", partial(look_at, root))
        roots = {f"folder:{root}" for found in self._roots.values() for root in found}
        for key in [key for key in self._places if key.startswith("folder:") and key not in roots]:
            del self._places[key]
        for key, state in self._state_looks.take().items():
            if key in roots:
                _take_in(self._places.setdefault(key, _Place()), state, mono)
        unrest = any(place.unrest_since is not None for place in self._places.values())
        if mono - self._scanned_mono < (REST_SECONDS if self._folder_hint or unrest else SCAN_SECONDS):
            return  # a file that grows hints with every block
        self._folder_hint = False
        self._scanned_mono = mono
        home = self._station.paths.root
        for spec in self._station.config.station.dock_folders:
            self._root_looks.start(spec, partial(dock_roots, [spec], home=home))
            self._hints.watch(home / spec.removesuffix("/*"), recursive=True)

    def _look_at_volumes(self) -> None:
        present = self._present.take()
        if present is None:
            return
        changes, self._volumes = reconcile(self._volumes, present)
        for change in changes:
            key = f"volume:{change.volume.key}"
            logs.event(_LOG, "volume.docked" if isinstance(change, Docked) else "volume.undocked", key=key)
            if isinstance(change, Docked):
                self._places[key] = _Place(volume=change.volume)
            else:
                self._places.pop(key, None)
                let_go_of(self._station, change.volume)

    def _attend(self, key: str, place: _Place, mono: float) -> None:
        """Start what is due at a dock where nothing is under way."""
        if self._is_due(place, mono):
            place.docked_state = place.state
            place.retry_at = None
            place.free_at = None
            self._start(key, self._work(key, place), place)
        elif place.free_at is not None and mono >= place.free_at and place.result is not None:
            place.free_at = mono + FREE_LOOK_SECONDS
            result = place.result
            if self._may_free_something(result):
                self._start(key, self._freeing(key, place, result), place)

    def _is_due(self, place: _Place, mono: float) -> bool:
        if place.retry_at is not None and mono >= place.retry_at:
            return True
        if place.volume is not None:
            return place.result is None and place.retry_at is None
        return place.state is not None and place.unrest_since is None and place.state != place.docked_state

    def _work(self, key: str, place: _Place) -> Callable[[Patience], SessionResult | None]:
        volume = place.volume
        if volume is not None:
            return lambda patience: dock_volume(self._station, volume, patience)
        root = Path(key.removeprefix("folder:"))
        return lambda patience: dock_folder(self._station, root, patience)

    def _freeing(self, key: str, place: _Place, result: SessionResult) -> Callable[[Patience], SessionResult]:
        volume = place.volume
        root = Path(key.removeprefix("folder:"))

        def work(patience: Patience) -> SessionResult:
            if volume is not None:
                free_volume(self._station, volume, result, patience)
            else:
                free_folder(self._station, root, result, patience)
            place.docked_state = place.state = look_at(root) if volume is None else None
            place.free_at = None
            return result

        return work

    def _may_free_something(self, result: SessionResult) -> bool:
        """Return whether every file of the docking has its receipt, and one of them is still on the recorder."""
        if result.recorder_id is None:
            return False
        with self._station.journal.desk() as desk:
            items = {item.asset_id: item for item in desk.items.of_recorder(result.recorder_id)}
        ours = [items[file.asset_id] for file in result.files if file.asset_id in items]
        return bool(ours) and all(item.receipted for item in ours)

    def _reap(self, mono: float) -> None:
        for key in [key for key, job in self._jobs.items() if job.ended]:
            job = self._jobs.pop(key)
            place = self._stays.pop(key)
            if place is None and job.result is None:
                self._rests[key] = mono + REQUEST_REST_SECONDS
            if place is None or self._places.get(key) is not place:
                continue  # it was pulled out meanwhile: how that stay ended says nothing of what is plugged in now
            place.result = job.result
            if job.result is not None and job.result.state is SessionState.PULLED:
                place.retry_seconds = FIRST_RETRY_SECONDS
                if self._station.config.station.free_recorders and place.free_at is None:
                    place.free_at = mono + FREE_LOOK_SECONDS
            elif job.result is None or job.result.problem not in _FOR_GOOD:
                place.retry_at = mono + place.retry_seconds
                place.retry_seconds = min(place.retry_seconds * 2, LAST_RETRY_SECONDS)

    def _start(self, key: str, work: Callable[[Patience], SessionResult | None], place: _Place | None = None) -> None:
        self._jobs[key] = start_job(key, work, self.wake)
        self._stays[key] = place

    def _end_jobs(self) -> None:
        """Have every docking finish the write in hand and end; one that hangs in a dead device is left behind."""
        clock = self._station.clock
        deadline = clock.mono() + STOP_SECONDS
        for job in self._jobs.values():
            job.patience.set()
        for job in self._jobs.values():
            job.thread.join(max(deadline - clock.mono(), 0.0))
        hanging = [key for key, job in self._jobs.items() if not job.ended]
        logs.event(_LOG, "agent.stopped", hanging=hanging)

    def _folder_changed(self) -> None:
        self._folder_hint = True
        self.wake()

    def _volumes_seen(self, volumes: list[DockedVolume]) -> None:
        self._present.put(volumes)
        self.wake()


def _take_in(place: _Place, state: FolderState | None, mono: float) -> None:
    """Note what a look at a dock folder saw."""
    if state == place.state:
        if place.unrest_since is not None and mono - place.unrest_since >= REST_SECONDS:
            place.unrest_since = None
        return
    place.state = state
    place.unrest_since = mono if place.unrest_since is None else place.unrest_since
    if mono - place.unrest_since >= MOST_UNREST_SECONDS:
        place.unrest_since = None  # somebody keeps writing: what is at rest in it need not wait for the rest
