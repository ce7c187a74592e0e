"""A disk that is full while copies are sealed makes everything wait; what was copied is sealed when there is room."""

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from edge_agent.pull import PullSettings
from edge_agent.station import SessionSettings
from evidence_model.states import SessionState
from host_io import durable, sqlite
from tests.docking import DockHome, QuickPatience, dock_home, noise, put
from tests.fakes.faulty_volume import Faults

MIB = 1 << 20
WAITS = SessionSettings(pull=PullSettings(wait_for_room=True))


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    for number in range(5):
        put(tmp_path / "card", f"{number}.mp4", noise(MIB + number, seed=number))
    return tmp_path / "card"


@dataclass
class FullDisk:
    """From the first byte that is read on, one kind of durable step fails for want of room, until it is emptied."""

    full: bool = False
    was_full: bool = False
    failures: int = 0
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(on_read=lambda _path, _offset: self.fill())

    def fill(self) -> None:
        """Have it full, once."""
        if not self.was_full:
            self.full = self.was_full = True

    def limit(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
        """Have this step fail while the disk is full."""
        original: Callable[..., object] = getattr(module, name)

        def step(*args: object) -> object:
            # a commit that changes nothing (when a database is opened) needs no room
            if self.full and not (isinstance(args[0], sqlite3.Connection) and not args[0].total_changes):
                self.failures += 1
                raise _no_space(module)
            return original(*args)

        monkeypatch.setattr(module, name, step)


def _no_space(module: ModuleType) -> Exception:
    if module is sqlite:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        return error
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


STEPS = pytest.mark.parametrize(
    ("module", "name"),
    [(durable, "sync_file"), (durable, "rename_all"), (durable, "sync_folder"), (sqlite, "commit")],
    ids=lambda each: each.__name__.rsplit(".", 1)[-1] if isinstance(each, ModuleType) else each,
)


@STEPS
def test_case_40_no_room_while_sealing_makes_it_wait_and_goes_on_by_itself(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    dock.settings, disk = WAITS, FullDisk()
    disk.limit(monkeypatch, module, name)

    def make_room() -> None:
        disk.full = disk.failures < 3

    shown: list[str | None] = []
    patience = QuickPatience(dock.clock, on_wait=make_room)
    result = dock.dock(
        card, files=disk.faults.files, patience=patience, on_progress=lambda now: shown.append(now.waiting_for)
    )
    assert result.ok
    assert set(shown) == {None, "HOST-003" if module is sqlite else "EDGE-101"}  # people see why nothing moves
    assert disk.failures
    assert len(result.files) == 5
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


@STEPS
def test_case_40_no_room_while_sealing_ends_a_docking_by_hand_as_waiting(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    disk = FullDisk()
    disk.limit(monkeypatch, module, name)
    if module is sqlite:
        with pytest.raises(sqlite.DatabaseUnavailableError):  # not even the end of the docking can be noted
            dock.dock(card, files=disk.faults.files)
    else:
        result = dock.dock(card, files=disk.faults.files)
        assert (result.state, result.problem) == (SessionState.WAITING, "EDGE-101")
        assert not list((dock.spool / "incoming").iterdir())
    disk.full = False
    assert dock.dock(card).ok
    dock.check_sound()
    dock.check_has(card)


@STEPS
def test_a_docking_that_waits_for_room_to_seal_ends_when_told_to_stop(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    dock.settings, disk = WAITS, FullDisk()
    disk.limit(monkeypatch, module, name)
    patience = QuickPatience(dock.clock)

    def stop() -> None:
        patience.told.set()
        disk.full = False  # how it ended can be noted

    patience.on_wait = stop
    assert dock.dock(card, files=disk.faults.files, patience=patience).state is not SessionState.FAILED
    assert dock.dock(card).ok
    dock.check_sound()
    dock.check_has(card)
