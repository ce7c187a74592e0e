"""Volumes in sockets: mounted, docked, let go of, and freed where the site wants that; with real loop devices."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from edge_agent.dock_jobs import dock_volume, free_volume, start_job
from edge_agent.docking import DockedVolume
from edge_agent.free import free_recorder
from edge_agent.mounts import mounted
from edge_agent.ports import Patience
from edge_agent.service import AgentService
from edge_agent.session_book import SessionResult
from edge_agent.volume import VolumeRoot
from edge_agent.watch import look_at
from evidence_model.states import SessionState
from host_io.clock import SystemClock
from host_io.notify import Notifier
from retention.recorder_copy import FreePolicy, KeepReason
from tests.docking import DockHome, QuickPatience, dock_home, noise, put
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder

MIB = 1 << 20
DEADLINE_SECONDS = 30.0


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(24 * MIB)
    put(tmp_path / "content", "DCIM/1.MP4", noise(MIB, seed=1))
    put(tmp_path / "content", "DCIM/2.MP4", noise(MIB, seed=2))
    subprocess.run(["mkfs.ext4", "-q", "-d", str(tmp_path / "content"), str(image)], check=True, capture_output=True)
    done = subprocess.run(["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True)
    devnode = done.stdout.strip()
    try:
        yield devnode
    finally:
        subprocess.run(["losetup", "-d", devnode], check=False)


def _volume(devnode: str, fs_type: str = "ext4") -> DockedVolume:
    properties = {"ID_FS_TYPE": fs_type, "ID_FS_UUID": "f00d", "ID_SERIAL_SHORT": "YZ0012345", "ID_BUS": "usb"}
    return DockedVolume(
        key="1-1.4", port_path="1-1.4", devnode=devnode, fs_type=fs_type, stay="s", properties=properties
    )


def _receipt_all(dock: DockHome) -> None:
    with dock.station() as station, station.journal.desk() as desk:
        desk.db.execute("update envelope set receipt = x'7b7d', log_index = seq, receipted_unix_ms = 1")


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.root
def test_a_volume_is_docked_under_its_socket_and_freed_only_with_receipts(dock: DockHome, device: str) -> None:
    volume, patience = _volume(device), QuickPatience(dock.clock)
    with dock.station(free_recorders=True) as station:
        result = dock_volume(station, volume, patience)
        assert result is not None
        assert result.ok
        assert (result.state, len(result.files)) == (SessionState.PULLED, 2)
        free_volume(station, volume, result, patience)
    assert dock.events("recorder.freed") == []
    (docked,) = dock.events("recorder.docked")
    assert docked.body["port"] == "1-1.4"
    assert dock.rows("select trust from recorder") == [("usb-serial",)]
    assert not list((dock.home.paths.run / "slots").glob("*/*"))
    _receipt_all(dock)
    with dock.station(free_recorders=True) as station:
        free_volume(station, volume, result, patience)
        again = dock_volume(station, volume, patience)
        assert again is not None
        assert again.files == ()
    assert len(dock.events("recorder.freed")) == 2
    dock.check_sound()


@pytest.mark.root
@pytest.mark.parametrize(("fs_type", "code"), [("", "EDGE-004"), ("crypto_LUKS", "EDGE-004")])
def test_case_26_what_cannot_be_mounted_is_shown_and_left(dock: DockHome, device: str, fs_type: str, code: str) -> None:
    with dock.station() as station:
        result = dock_volume(station, _volume(device, fs_type), QuickPatience(dock.clock))
    assert result is not None
    assert (result.state, result.problem) == (SessionState.FAILED, code)
    assert code in dock.findings()
    assert dock.events() == []


def test_a_job_that_fails_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def fail(_patience: Patience) -> SessionResult | None:
        raise RuntimeError("a mistake of ours")

    job = start_job("key", fail, ended.set)
    assert ended.wait(5)
    job.thread.join(5)
    assert job.ended
    assert job.result is None
    assert "job.failed" in caplog.text


def test_a_dock_folder_is_freed_by_the_agent_once_every_receipt_is_there(dock: DockHome, tmp_path: Path) -> None:
    card = tmp_path / "docks" / "slot-1"
    put(card, "DCIM/1.MP4", noise(MIB, seed=1))
    put(card, "DCIM/2.MP4", noise(MIB, seed=2))
    dock.real_clock = SystemClock()
    stop = threading.Event()
    config = {"free_recorders": True, "dock_folders": (f"{tmp_path}/docks/*",), "watch_usb": False}
    service = AgentService(
        dock.new_station(**config), stop=stop, notifier=Notifier({}), watch_volumes=lambda _seen: nullcontext()
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        _until(lambda: dock.rows("select count(*) from item where reread_seq is not null") == [(2,)])
        assert len(list(card.rglob("*.MP4"))) == 2
        _receipt_now(dock)
        _until(lambda: not list(card.rglob("*.MP4")))
        _until(lambda: len(dock.events("recorder.freed")) == 2)
        assert look_at(card) is None
    finally:
        stop.set()
        service.wake()
        thread.join(15)
    assert not thread.is_alive()
    dock.check_sound()


@pytest.mark.root
def test_a_dock_folder_that_hangs_keeps_no_other_dock_waiting(dock: DockHome, tmp_path: Path) -> None:
    docks = tmp_path / "docks"
    put(docks / "2-healthy", "1.mp4", noise(MIB, seed=2))
    dock.real_clock = SystemClock()
    stop = threading.Event()
    with fuse_recorder(docks / "1-hangs", {b"1.mp4": FuseFile(noise(MIB, seed=1))}) as recorder:
        recorder.answers.clear()
        config = {"dock_folders": (f"{docks}/*", str(docks / "1-hangs")), "watch_usb": False}
        service = AgentService(
            dock.new_station(**config), stop=stop, notifier=Notifier({}), watch_volumes=lambda _seen: nullcontext()
        )
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            _until(lambda: dock.rows("select count(*) from item") == [(1,)])
            recorder.answers.set()
            _until(lambda: dock.rows("select count(*) from item") == [(2,)])
            _until(lambda: not dock.rows("select 1 from session where ended_unix_ms is null"))
            recorder.answers.clear()  # and again, while it is told to stop
        finally:
            stop.set()
            service.wake()
            thread.join(15)
            assert not thread.is_alive()
    dock.check_sound()


def _receipt_now(dock: DockHome) -> None:
    dock.rows("update envelope set receipt = x'7b7d', log_index = seq, receipted_unix_ms = 1 returning seq")


@pytest.mark.root
def test_case_29_a_write_protected_recorder_keeps_its_files_and_the_copy_stays_valid(
    dock: DockHome, device: str, tmp_path: Path
) -> None:
    volume, patience = _volume(device), QuickPatience(dock.clock)
    with dock.station(free_recorders=True) as station:
        result = dock_volume(station, volume, patience)
    assert result is not None
    _receipt_all(dock)
    with (
        dock.station(free_recorders=True) as station,
        mounted(device, "ext4", tmp_path / "read-only") as place,
        VolumeRoot.open(place) as root,
        station.journal.desk() as desk,
    ):
        assert result.recorder_id is not None
        outcomes = free_recorder(
            station,
            desk,
            root,
            result.recorder_id,
            session_id=result.session_id,
            policy=FreePolicy(enabled=True),
            patience=patience,
        )
        assert {outcome.keep for outcome in outcomes} == {(KeepReason.NOT_CHECKED, KeepReason.READ_ONLY)}
        assert len(list(place.rglob("*.MP4"))) == 2
    assert dock.events("recorder.freed") == []
    dock.check_sound()


def test_case_41_without_a_centre_docking_still_ends_sealed_and_nothing_is_freed(
    dock: DockHome, tmp_path: Path
) -> None:
    put(tmp_path / "card", "1.mp4", noise(MIB))
    assert dock.dock(tmp_path / "card", free_recorders=True).state is SessionState.PULLED
    assert dock.rows("select state from item_state") == [("sealed",)]
    assert (tmp_path / "card" / "1.mp4").exists()
