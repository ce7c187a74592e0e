"""The real store is killed, stopped, filled up and cut from power; what its stations hold a receipt for is there."""

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from evidence_model.errors import EvidockError
from evidence_model.findings import Severity
from evidence_store.centre_book import open_centre_db, open_findings
from evidence_store.fsck import verify_home
from evidence_store.log_folder import LogFolder
from host_io.config import HomePaths
from tests.brokers import wait_for
from tests.crash.steps import PowerCutError, Steps
from tests.crash.test_store_steps import Story, no_open_files
from tests.fakes.centre_home import make_centre_home
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.fakes.running_store import StationLink, broker_of, running_store, start_store, wait_ready
from tests.fakes.small_disk import SmallDisk, small_disk

needs_disk = pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4 for a small disk")


def damage(paths: HomePaths) -> list[object]:
    return [finding for finding in verify_home(paths, clock=ManualClock()) if finding.severity is not Severity.NOTE]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_nine_at_durable_steps_of_the_running_store(tmp_path: Path, when: str) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    raws: list[bytes] = []
    with broker_of(paths, station), StationLink(paths, station) as link:
        for number, at in enumerate((9, 14, 17, 19, 21, 24, 27, 30, 34, 38, 43)):
            film = b"film %d" % number
            raws += [station.pulls(film, path=b"%d.MP4" % number), station.says()]
            store = start_store(
                paths, "tests.crash.killer", "--at", str(at), "--when", when, "--module", "evidence_store", "--"
            )
            try:
                with contextlib.suppress(AssertionError):
                    wait_ready(store, paths)
                link.send(raws)
                link.hand_over(film)
                wait_for(lambda: store.poll() is not None, seconds=40, what=f"the end at step {at}")  # noqa: B023
            finally:
                store.kill()
                assert store.wait(10) == -signal.SIGKILL
            assert damage(paths) == []
        with running_store(paths):
            link.wait_receipts(raws)
        assert len(link.receipts()) == len(raws)
        assert len({receipt.index for receipt in link.receipts().values()}) == len(raws)
    assert list(verify_home(paths, clock=ManualClock())) == []


@pytest.mark.slow
def test_a_stop_in_the_middle_of_the_work_is_clean_and_quick_and_nothing_is_lost(tmp_path: Path) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    raws = [station.says() for _ in range(3000)]
    with broker_of(paths, station), StationLink(paths, station) as link:
        for _ in range(3):
            with running_store(paths):
                link.send(raws[:600])
                second = start_store(paths)
                assert second.wait(20) == 4
                assert "STO-090" in (paths.run / "store.log").read_text()
        with running_store(paths):
            link.wait_receipts(raws, seconds=60)
    assert list(verify_home(paths, clock=ManualClock())) == []


@needs_disk
@pytest.mark.root
@pytest.mark.slow
def test_a_full_disk_stops_nothing_for_good(tmp_path: Path) -> None:
    station = FakeStation()
    with small_disk(tmp_path / "disk", tmp_path / "mount", size_bytes=48 << 20):
        paths = HomePaths(tmp_path / "mount" / "home")
        paths.root.mkdir()
        for name in ("broker", "run"):  # only the store's own disk is full
            (tmp_path / name).mkdir()
            (paths.root / name).symlink_to(tmp_path / name)
        make_centre_home(paths.root, station)
        early, late = [station.says() for _ in range(20)], [station.says() for _ in range(20)]
        film = os.urandom(200_000)
        late.append(station.pulls(film))
        with broker_of(paths, station), running_store(paths) as store, StationLink(paths, station) as link:
            link.wait_receipts(early)
            wait_for(lambda: not any((paths.log / "stage").iterdir()), what="the stages, which would give room back")
            filler = fill_up(tmp_path / "mount")
            link.send(late)
            wait_for(lambda: "store.waiting" in (paths.run / "store.log").read_text(), what="a word on the full disk")
            assert store.poll() is None
            assert not link.has(late[:1])
            filler.unlink()
            link.hand_over(film)
            link.wait_receipts(late, seconds=40)
        assert list(verify_home(paths, clock=ManualClock())) == []
        with contextlib.closing(open_centre_db(paths)) as db:
            assert [finding.code for finding in open_findings(db) if finding.code == "STO-005"] == []


def fill_up(folder: Path) -> Path:
    """Take all room of a disk, to the last byte."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), b"\0" * size)
                    if size == 1:
                        break
    return filler


class CutPower(Steps):
    """Cuts the power of a disk at a durable step, before anything else of the program can happen."""

    def __init__(self, disk: SmallDisk, at: int) -> None:
        super().__init__(at=at)
        self._disk = disk

    def _stop(self, name: str) -> None:
        self._disk.cut_power()
        super()._stop(name)


@needs_disk
@pytest.mark.root
@pytest.mark.slow
def test_a_real_power_cut_of_the_file_system_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """ext4 stops where it is, as in a power cut, and is mounted again: the journal's promises are all that is left."""
    with small_disk(tmp_path / "disk", tmp_path / "mount", size_bytes=64 << 20) as disk:
        for at in itertools.count(5, 3):
            story = Story()
            paths = make_centre_home(tmp_path / "mount" / f"home-{at}", story.station)
            os.sync()
            steps = CutPower(disk, at)
            with no_open_files(), contextlib.suppress(PowerCutError, OSError, EvidockError, sqlite3.Error), steps:
                story.happens(paths)
            if not steps.stopped_at:
                assert at > 60
                break
            disk.unmount()
            disk.mount()
            assert damage(paths) == [], steps.stopped_at
            story.is_finished(paths)
            shutil.rmtree(paths.root)


def test_the_envelopes_of_receipted_events_have_files_when_the_store_has_stopped(tmp_path: Path) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    raws = [station.says() for _ in range(50)]
    with broker_of(paths, station), running_store(paths), StationLink(paths, station) as link:
        link.wait_receipts(raws)
    names = {path.name.split(".")[0] for path in LogFolder(paths.log).envelope_names()}
    assert {hashlib.sha256(raw).hexdigest() for raw in raws} <= names
    assert LogFolder(paths.log).stages() == []
    assert list(verify_home(paths, clock=ManualClock())) == []


@pytest.mark.slow
def test_verifying_a_store_that_is_writing_finds_no_damage(tmp_path: Path) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    raws: list[bytes] = []
    with broker_of(paths, station), running_store(paths), StationLink(paths, station) as link:
        for number in range(12):
            film = b"film %d" % number
            fresh = [station.pulls(film, path=b"%d" % number), *(station.says() for _ in range(150))]
            link.hand_over(film)
            link.send(fresh)
            raws += fresh
            assert damage(paths) == []
        link.wait_receipts(raws, seconds=60)
        assert damage(paths) == []
    assert list(verify_home(paths, clock=ManualClock())) == []
