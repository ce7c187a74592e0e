"""Back-pressure: a full spool makes files wait, evicts nothing, and goes on by itself."""

import os
import threading
import time
from pathlib import Path

import pytest

from edge_agent.errors import NoRoomError
from edge_agent.pull import PullSettings
from edge_agent.recovery import recover
from edge_agent.settle import SettleRule
from edge_agent.spool import Spool
from edge_agent.station import SessionSettings
from evidence_model.digests import Digest
from evidence_model.errors import UnavailableError
from evidence_model.states import SessionState
from host_io.clock import SystemClock
from tests.docking import DockHome, dock_home, noise, put
from tests.fakes.small_disk import small_disk

MIB = 1 << 20
EXBI = 1 << 60


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


def _spool(tmp_path: Path, *, reserve_bytes: int = 0) -> Spool:
    spool = Spool(tmp_path / "spool", reserve_bytes=reserve_bytes)
    spool.prepare()
    return spool


def test_case_40_without_room_everything_waits_visibly_and_goes_on_when_there_is_room(
    dock: DockHome, tmp_path: Path
) -> None:
    put(tmp_path / "card", "a.mp4", noise(MIB))
    result = dock.dock(tmp_path / "card", spool_reserve_bytes=EXBI)
    assert result.state is SessionState.WAITING
    assert result.problem == "EDGE-101"
    assert not result.files
    dock.check_sound()
    assert dock.dock(tmp_path / "card").ok
    dock.check_has(tmp_path / "card")


def test_a_part_never_looks_longer_than_what_was_written_into_it(tmp_path: Path) -> None:
    part = _spool(tmp_path).new_part("key", 50 * MIB)
    os.write(part.fd, b"abc")
    assert part.path.stat().st_size == 3
    part.drop()
    assert not part.path.exists()


def test_without_room_no_part_is_made(tmp_path: Path) -> None:
    spool = _spool(tmp_path, reserve_bytes=EXBI)
    with pytest.raises(NoRoomError) as caught:
        spool.new_part("key", 1)
    assert caught.value.needed_bytes == 1
    assert not list(spool.parts())


def test_a_part_shorter_than_its_record_is_not_taken_up_again(tmp_path: Path) -> None:
    spool = _spool(tmp_path)
    part = spool.new_part("key", 100)
    os.write(part.fd, b"abc")
    part.close()
    assert spool.reopen_part(part.name, keep_bytes=4, size_bytes=100) is None
    assert spool.reopen_part("no-such.part", keep_bytes=0, size_bytes=100) is None
    again = spool.reopen_part(part.name, keep_bytes=2, size_bytes=100)
    assert again is not None
    assert again.path.stat().st_size == 2
    again.close()


def test_blobs_lie_under_their_digest(tmp_path: Path) -> None:
    spool = _spool(tmp_path)
    first, second = spool.place_blobs([b"one", b"two"])
    assert spool.blob_path(first).read_bytes() == b"one"
    assert spool.blob_path(second).read_bytes() == b"two"
    assert not list(spool.parts())


def test_recovery_removes_what_nobody_names_and_keeps_whole_bytes(dock: DockHome, tmp_path: Path) -> None:
    put(tmp_path / "card", "a.mp4", noise(MIB))
    dock.dock(tmp_path / "card")
    (dock.spool / "incoming" / "left-over.part").write_bytes(b"half")
    (dock.spool / "blobs" / ("ab" * 32)).write_bytes(b"listing of a docking that was never signed")
    orphan = dock.spool / "footage" / Digest(b"\x07" * 32).hex
    orphan.write_bytes(b"whole, but the stop came before its record")
    with dock.station():
        pass
    assert not list((dock.spool / "incoming").iterdir())
    assert not (dock.spool / "blobs" / ("ab" * 32)).exists()
    assert orphan.exists()
    assert "EDGE-104" in dock.findings()
    orphan.unlink()
    dock.check_sound()


def test_recovery_leaves_alone_what_it_cannot_remove(dock: DockHome, tmp_path: Path) -> None:
    put(tmp_path / "card", "a.mp4", noise(MIB))
    for place in ("incoming", "blobs", "footage"):
        (dock.spool / place).mkdir(parents=True, exist_ok=True)
        put(dock.spool / place / "lost+found", "1", b"of a file system check")
    assert dock.dock(tmp_path / "card").ok
    assert dock.dock(tmp_path / "card").ok
    assert {path.name for path in dock.spool.glob("*/lost+found")} == {"lost+found"}
    dock.check_has(tmp_path / "card")


def test_recovery_names_an_item_whose_bytes_are_nowhere(dock: DockHome, tmp_path: Path) -> None:
    put(tmp_path / "card", "a.mp4", noise(MIB))
    dock.dock(tmp_path / "card")
    (copy,) = (dock.spool / "footage").iterdir()
    copy.unlink()
    with dock.station() as station, station.journal.desk() as desk:
        found = recover(desk, station.spool)
    assert [finding.code for finding in found] == ["EDGE-105"]
    assert dock.dock(tmp_path / "card").ok  # the recorder still has it
    dock.check_has(tmp_path / "card")
    assert len(dock.events("footage.pulled")) == 1
    with dock.station():
        assert dock.findings() == set()


@pytest.mark.root
def test_case_40_on_a_full_disk_small_files_go_on_and_large_ones_follow_when_it_empties(tmp_path: Path) -> None:
    card = tmp_path / "card"
    put(card, "DCIM/large.mp4", noise(14 * MIB), mtime_ns=1_800_000_000_000_000_000)
    for number in range(4):
        put(card, f"DCIM/small{number}.mp4", noise(MIB, seed=number))
    with small_disk(tmp_path / "disk", tmp_path / "home" / "spool", size_bytes=32 * MIB) as disk:
        dock = dock_home(tmp_path / "home")
        (disk.folder / "other-footage").write_bytes(noise(10 * MIB))
        dock.real_clock = SystemClock()
        dock.settings = SessionSettings(
            pull=PullSettings(settle=SettleRule(quiet_seconds=0.1), room_look_seconds=0.05, wait_for_room=True)
        )
        waiting = threading.Event()
        done = []

        def run() -> None:
            done.append(
                dock.dock(
                    card,
                    patience=threading.Event(),
                    on_progress=lambda shown: waiting.set() if shown.waiting_for == "EDGE-101" else None,
                    spool_reserve_bytes=MIB,
                )
            )

        thread = threading.Thread(target=run)
        thread.start()
        assert waiting.wait(20)
        deadline = time.monotonic() + 20
        while len(dock.rows("select 1 from item")) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(dock.rows("select 1 from item")) == 4
        assert dock.rows("select state, problem from session") == [("waiting", "EDGE-101")]
        assert (disk.folder / "other-footage").stat().st_size == 10 * MIB  # nothing is evicted
        (disk.folder / "other-footage").unlink()
        thread.join(30)
        assert [result.ok for result in done] == [True]
        dock.check_sound()
        dock.check_has(card)


@pytest.mark.root
def test_a_sparse_file_of_64_gib_waits_and_fills_nothing(tmp_path: Path) -> None:
    card = tmp_path / "card"
    small = put(card, "small.mp4", noise(MIB))
    with (card / "huge.mp4").open("wb") as file:
        file.truncate(64 << 30)
    os.utime(card / "huge.mp4", ns=(10**18, 10**18))
    with small_disk(tmp_path / "disk", tmp_path / "home" / "spool", size_bytes=20 * MIB) as disk:
        dock = dock_home(tmp_path / "home")
        result = dock.dock(card, spool_reserve_bytes=MIB)
        assert result.state is SessionState.WAITING
        assert result.problem == "EDGE-101"
        assert [file.size_bytes for file in result.files] == [small.stat().st_size]
        assert os.statvfs(disk.folder).f_bavail * os.statvfs(disk.folder).f_frsize > 10 * MIB
        dock.check_sound()


@pytest.mark.root
@pytest.mark.parametrize("left_bytes", [0, 100_000, 900_000, 2_500_000])
def test_a_disk_so_full_that_nothing_can_be_noted_interrupts_and_loses_nothing(tmp_path: Path, left_bytes: int) -> None:
    card = tmp_path / "card"
    for number in range(40):
        put(card, f"{number}.mp4", noise(60_000, seed=number))
    with small_disk(tmp_path / "disk", tmp_path / "station", size_bytes=24 * MIB) as disk:
        dock = dock_home(disk.folder / "home")
        with dock.station():
            pass
        filler = disk.folder / "filler"
        space = os.statvfs(disk.folder)
        filler.write_bytes(bytes(space.f_bavail * space.f_frsize - left_bytes - 64_000))
        assert _dock_or_error(dock, card) in {SessionState.WAITING, SessionState.INTERRUPTED, None}
        filler.unlink()
        assert dock.dock(card, spool_reserve_bytes=0).ok
        assert len(dock.events("footage.pulled")) == 40
        dock.check_sound()
        dock.check_has(card)
        dock.check_all_reread()


def _dock_or_error(dock: DockHome, card: Path) -> SessionState | None:
    try:
        return dock.dock(card, spool_reserve_bytes=0).state
    except UnavailableError:
        return None  # not even the end of the docking could be noted; the next start finds it cut off
