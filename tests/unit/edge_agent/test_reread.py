"""Only what the medium itself gives back condemns a copy; whatever else fails is tried again."""

import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest

from edge_agent import reread
from edge_agent.reread import TRY_AGAIN_SECONDS
from edge_agent.service import AgentService
from evidence_model.states import SessionState
from host_io import durable, sqlite
from host_io.config import HomePaths
from host_io.notify import Notifier
from host_io.station_db import open_station_db
from tests.docking import DockHome, dock_home, noise, put
from tests.workstation import wait_until

MIB = 1 << 20


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    put(tmp_path / "card", "1.mp4", noise(MIB, seed=1))
    put(tmp_path / "card", "2.mp4", noise(MIB, seed=2))
    return tmp_path / "card"


def _failing(monkeypatch: pytest.MonkeyPatch, number: int) -> threading.Event:
    """Have each reading of the spool's medium fail until the event is set."""
    original, mended = durable.read_from_medium, threading.Event()

    def read(path: Path, *, block_bytes: int = MIB) -> object:
        if not mended.is_set():
            raise OSError(number, os.strerror(number))
        return original(path, block_bytes=block_bytes)

    monkeypatch.setattr(durable, "read_from_medium", read)
    return mended


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES])
def test_a_copy_that_could_not_be_looked_at_is_not_condemned_and_read_again_a_while_later(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    mended = _failing(monkeypatch, number)
    with dock.station() as station:
        dock.dock_at(station, card)
        assert not list((dock.spool / "quarantine").iterdir())
        assert "EDGE-103" not in dock.findings()
        assert dock.rows("select count(*) from item where reread_seq is null") == [(2,)]
        mended.set()
        dock.clock.advance(TRY_AGAIN_SECONDS)
        wait_until(lambda: dock.rows("select count(*) from item where reread_seq is null") == [(0,)])
    dock.check_sound()
    dock.check_all_reread()


def test_a_database_that_cannot_be_opened_for_a_moment_does_not_end_rereading_for_good(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reread, "_PAUSE_SECONDS", 0.01)
    refused = threading.Semaphore(3)

    def refuse(paths: HomePaths) -> object:
        if threading.current_thread().name.startswith("reread") and refused.acquire(blocking=False):
            raise sqlite.DatabaseUnavailableError("no descriptor left")
        return open_station_db(paths)

    monkeypatch.setattr("edge_agent.journal.open_station_db", refuse)
    assert dock.dock(card).ok
    dock.check_all_reread()


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADMSG, errno.EUCLEAN])
def test_a_copy_that_the_medium_does_not_give_back_is_set_aside(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _failing(monkeypatch, number)
    with dock.station() as station:
        dock.dock_at(station, card)
    assert len(list((dock.spool / "quarantine").iterdir())) >= 2
    assert "EDGE-103" in dock.findings()


def _rotting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Have the spool's disk alter each copy before it is read again, until the event."""
    original, mended = durable.read_from_medium, threading.Event()

    def read(path: Path, *, block_bytes: int = MIB) -> object:
        if path.parent.name == "footage" and not mended.is_set():
            with path.open("r+b") as file:
                file.write(b"rot")
        return original(path, block_bytes=block_bytes)

    monkeypatch.setattr(durable, "read_from_medium", read)
    return mended


def test_a_disk_that_damages_every_copy_is_left_to_a_person_after_some_tries(
    dock: DockHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card"
    put(card, "1.mp4", noise(MIB))
    mended = _rotting(monkeypatch)
    result = dock.dock(card)
    assert (result.state, result.problem, result.ok) == (SessionState.WAITING, "EDGE-103", False)
    assert len(list((dock.spool / "quarantine").iterdir())) == 1 + dock.settings.anew_rounds
    assert "EDGE-103" in dock.findings()
    mended.set()  # a person put in another disk, and docks again
    assert dock.dock(card).ok
    assert "EDGE-103" not in dock.findings()
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


def test_the_agent_does_not_dock_again_by_itself_while_its_disk_damages_copies(
    dock: DockHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "dock"
    put(card, "1.mp4", noise(MIB))
    _rotting(monkeypatch)
    with dock.station(dock_folders=(str(card),)) as station:
        service = AgentService(
            station,
            stop=threading.Event(),
            notifier=Notifier({}),
            watch_volumes=lambda _seen: contextlib.nullcontext(),
        )

        def ended() -> bool:
            dock.clock.advance(100.0)
            service._turn()
            return bool(dock.rows("select 1 from session where ended_unix_ms is not null"))

        wait_until(ended)
        wait_until(lambda: ended() and not service._jobs)
        for _ in range(20):
            assert ended()
        assert dock.rows("select problem from session") == [("EDGE-103",)]


def test_a_copy_damaged_after_its_receipt_came_is_pulled_anew_so_that_the_recorder_may_be_freed_one_day(
    dock: DockHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card"
    put(card, "1.mp4", noise(MIB))
    original, receipted = durable.read_from_medium, threading.Event()

    def read(path: Path, *, block_bytes: int = MIB) -> object:
        if not receipted.is_set():
            receipted.set()
            dock.rows("update envelope set receipt = x'7b7d', log_index = seq, receipted_unix_ms = 1 returning seq")
            path.write_bytes(b"rot")
        return original(path, block_bytes=block_bytes)

    monkeypatch.setattr(durable, "read_from_medium", read)
    assert dock.dock(card).ok
    dock.check_all_reread()
    assert "EDGE-103" not in dock.findings()
    assert len(dock.events("footage.pulled")) == 1
    dock.check_sound()
