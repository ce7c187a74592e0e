"""What is plugged in now is not judged by how an earlier stay in the same socket ended."""

import contextlib
import errno
import os
import sqlite3
import threading
from pathlib import Path

from edge_agent.by_hand import new_session_id
from edge_agent.dock_jobs import dock_folder
from edge_agent.docking import DockedVolume
from edge_agent.ports import Patience
from edge_agent.requests import DockRequest, write_request
from edge_agent.service import REQUEST_REST_SECONDS, AgentService
from edge_agent.session_book import SessionResult
from evidence_model.states import SessionState
from host_io.clock import SystemClock
from host_io.notify import Notifier
from tests.docking import DockHome, dock_home, noise, put
from tests.workstation import wait_until


def _volume(fs_type: str) -> DockedVolume:
    return DockedVolume(key="1-1", port_path="1-1", devnode="/dev/none-such", fs_type=fs_type, stay=fs_type)


def test_a_file_that_grows_does_not_have_the_dock_folders_scanned_with_every_block(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home")
    with dock.station(dock_folders=(str(tmp_path / "dock"),)) as station:
        service = AgentService(
            station,
            stop=threading.Event(),
            notifier=Notifier({}),
            watch_volumes=lambda _: contextlib.nullcontext(),
        )

        def state_after(content: bytes) -> object:
            put(tmp_path / "dock", "1.mp4", content)
            service._folder_changed()
            service._look_at_folders(dock.clock.mono())
            wait_until(lambda: not looks())
            return service._places[f"folder:{tmp_path / 'dock'}"].state

        def looks() -> bool:
            service._look_at_folders(dock.clock.mono())
            return any(each._under_way or each._ended for each in (service._root_looks, service._state_looks))

        put(tmp_path / "dock", "1.mp4", b"1")
        wait_until(lambda: not looks() and service._places)
        first = state_after(b"12")
        assert state_after(b"123") == first
        dock.clock.advance(1.0)
        wait_until(lambda: state_after(b"1234") != first)


class _FailingNotifier(Notifier):
    """Fails at every second turn."""

    turns = 0

    def alive(self) -> None:
        """See `Notifier`."""
        self.turns += 1
        if self.turns % 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_turn_that_fails_does_not_end_the_agent(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home")
    dock.real_clock = SystemClock()
    put(tmp_path / "dock", "1.mp4", b"footage")
    stop, notifier = threading.Event(), _FailingNotifier({})
    service = AgentService(
        dock.new_station(dock_folders=(str(tmp_path / "dock"),)),
        stop=stop,
        notifier=notifier,
        watch_volumes=lambda _: contextlib.nullcontext(),
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        wait_until(lambda: not thread.is_alive() or (dock.rows("select 1 from item") and notifier.turns > 3))
        assert thread.is_alive()
    finally:
        stop.set()
        service.wake()
        thread.join(15)
    dock.check_has(tmp_path / "dock")


def test_a_volume_that_udev_knew_too_little_of_is_docked_again_when_it_knows_more(tmp_path: Path) -> None:
    """Its partition is seen before its file system is: the first try fails, and must not count for the second."""
    with dock_home(tmp_path / "home").station() as station:
        notifier = Notifier({})
        service = AgentService(
            station,
            stop=threading.Event(),
            notifier=notifier,
            watch_volumes=lambda _: contextlib.nullcontext(),
        )
        go_on = threading.Event()

        def failing(patience: Patience) -> SessionResult:
            assert go_on.wait(10)
            return dock_folder(station, tmp_path / "none-such", patience)

        service._volumes_seen([_volume("")])
        service._look_at_volumes()
        early = service._places["volume:1-1"]
        service._start("volume:1-1", failing, early)
        job = service._jobs["volume:1-1"]
        service._volumes_seen([_volume("vfat")])
        service._look_at_volumes()
        go_on.set()
        job.thread.join(10)
        service._reap(0.0)
        now = service._places["volume:1-1"]
        assert job.result is not None
        assert job.result.state is not SessionState.PULLED
        assert now is not early
        assert now.result is None
        assert service._is_due(now, 0.0), "the volume that is there now is docked"


def test_a_request_whose_docking_could_not_even_be_noted_is_tried_again_after_a_rest(tmp_path: Path) -> None:
    """A full disk fails a docking at once: trying again at once, for ever, would take the machine with it."""
    home = dock_home(tmp_path / "home")
    put(tmp_path / "card", "a.mp4", noise(1000))
    with home.station() as station:
        service = AgentService(
            station, stop=threading.Event(), notifier=Notifier({}), watch_volumes=lambda _: contextlib.nullcontext()
        )
        session_id = new_session_id()
        request = DockRequest(session_id=session_id, place=tmp_path / "card", recorder=None)
        write_request(station.spool.requests, request)
        _on_station_db(home, "create trigger full before insert on session begin select raise(abort, 'full'); end")

        def tries() -> int:
            service._turn()
            started = list(service._jobs.values())
            for job in started:
                job.thread.join(10)
            service._reap(station.clock.mono())
            return len(started)

        assert [tries(), tries(), tries()] == [1, 0, 0]
        home.clock.advance(REQUEST_REST_SECONDS)
        assert tries() == 1
        _on_station_db(home, "drop trigger full")
        home.clock.advance(REQUEST_REST_SECONDS)
        assert [tries(), tries()] == [1, 0]
        assert not list(station.spool.requests.iterdir())
        assert len(home.events("footage.pulled")) == 1


def _on_station_db(home: DockHome, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(home.home.paths.station_db)) as db:
        db.execute(statement)
        db.commit()
