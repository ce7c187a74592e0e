"""What fails on the station's own side is never said of the recorder, and leaves nothing open behind it."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from evidence_model.states import SessionState
from host_io import durable
from tests.docking import DockHome, dock_home, noise, put
from tests.fakes.faulty_volume import Faults

MIB = 1 << 20
OF_THE_RECORDER = {"EDGE-110", "EDGE-111", "EDGE-112", "EDGE-114", "EDGE-205"}


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    put(tmp_path / "card", "a.mp4", noise(12 * MIB))
    return tmp_path / "card"


def _open_files(folder: Path) -> list[str]:
    """Return what this process holds open below a folder, deleted files too."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(entry.readlink()))
    return [link for link in links if link.startswith(str(folder))]


def _check_nothing_said_of_the_recorder(dock: DockHome) -> None:
    assert not dock.events("footage.missing")
    assert not dock.findings() & OF_THE_RECORDER
    assert not _open_files(dock.spool / "incoming")


def _eio(*_args: object, **_kwargs: object) -> object:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("reading", ["ends", "all"])
def test_a_part_that_our_disk_cannot_give_back_is_begun_anew(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch, reading: str
) -> None:
    dock.dock(card, files=Faults(gone_at={b"a.mp4": 8 * MIB}).files)
    module, name = {"ends": (os, "pread"), "all": (durable, "read_from_medium")}[reading]
    original = getattr(module, name)
    failures: list[object] = []

    def fail_once(*args: object, **kwargs: object) -> object:
        if not failures:
            failures.append(args)
            return _eio()
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, fail_once)
    assert dock.dock(card).ok
    assert failures
    assert "resumed" not in dock.events("footage.pulled")[0].body
    _check_nothing_said_of_the_recorder(dock)
    dock.check_sound()
    dock.check_has(card)


def test_a_whole_copy_that_our_disk_cannot_give_back_fails_the_docking(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", _eio)
        result = dock.dock(card)
    assert (result.state, result.problem) == (SessionState.FAILED, "EDGE-102")
    _check_nothing_said_of_the_recorder(dock)
    dock.check_sound()
    assert dock.dock(card).ok
    dock.check_has(card)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_running_out_of_descriptors_or_memory_interrupts_and_says_nothing_of_the_file(
    dock: DockHome, card: Path, number: int
) -> None:
    result = dock.dock(card, files=Faults(unopenable={b"a.mp4": number}).files)
    assert (result.state, result.problem) == (SessionState.INTERRUPTED, "EDGE-009")
    _check_nothing_said_of_the_recorder(dock)
    assert dock.dock(card).ok


def test_running_out_of_memory_while_reading_is_no_hole(dock: DockHome, card: Path) -> None:
    def exhausted(_path: bytes, offset: int) -> None:
        if offset >= 6 * MIB:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    result = dock.dock(card, files=Faults(on_read=exhausted).files)
    assert (result.state, result.problem) == (SessionState.INTERRUPTED, "EDGE-009")
    _check_nothing_said_of_the_recorder(dock)
    assert dock.dock(card).ok
    assert "resumed" in dock.events("footage.pulled")[0].body


def test_pulled_out_right_after_the_last_byte_the_copy_is_kept_and_nothing_stays_open(
    dock: DockHome, card: Path
) -> None:
    assert dock.dock(card, files=Faults(gone_at_end=True).files).state is SessionState.INTERRUPTED
    _check_nothing_said_of_the_recorder(dock)
    dock.check_sound(partial_count=1)
    assert dock.dock(card).ok
    assert dock.events("footage.pulled")[0].body["resumed"]
    dock.check_sound()


def test_a_copy_that_cannot_be_noted_leaves_nothing_open(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def pull_out(_path: bytes, offset: int) -> None:
            if offset >= 8 * MIB:
                patch.setattr(durable, "sync_file", _eio)
                patch.setattr(durable, "unlink", _eio)
                faults.gone = True

        faults = Faults(on_read=pull_out)
        assert dock.dock(card, files=faults.files).problem == "EDGE-207"
    _check_nothing_said_of_the_recorder(dock)
    assert dock.dock(card).ok
    dock.check_sound()
