"""Only what the medium itself gives back condemns a copy; whatever else fails is tried again."""

import errno
import os
import threading
from pathlib import Path

import pytest

from edge_agent.reread import TRY_AGAIN_SECONDS
from host_io import durable
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


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADMSG, errno.EUCLEAN])
def test_a_copy_that_the_medium_does_not_give_back_is_set_aside(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _failing(monkeypatch, number)
    with dock.station() as station:
        dock.dock_at(station, card)
    assert len(list((dock.spool / "quarantine").iterdir())) >= 2
    assert "EDGE-103" in dock.findings()
