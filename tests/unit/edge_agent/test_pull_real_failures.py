"""The same promises with a real kernel between: a FUSE recorder that fails, lies, stalls and goes away."""

import threading
import time
from pathlib import Path

import pytest

from evidence_model.states import SessionState
from host_io.clock import SystemClock
from tests.docking import DockHome, dock_home, noise, put
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder

pytestmark = pytest.mark.root
MIB = 1 << 20
DEADLINE_SECONDS = 20.0


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


def test_case_28_a_bad_spot_of_a_real_file_system_is_a_hole_and_the_rest_is_pulled(
    dock: DockHome, tmp_path: Path
) -> None:
    content = noise(4 * MIB)
    bad = FuseFile(content, fail_from=2 * MIB + 8192, fail_until=2 * MIB + 12_288)
    good = FuseFile(noise(MIB, seed=2))
    with fuse_recorder(tmp_path / "card", {b"bad.mp4": bad, b"good.mp4": good}) as recorder:
        result = dock.dock(recorder.folder)
    assert result.state is SessionState.PULLED
    copies = dock.copies()
    assert copies[b"good.mp4"] == {good.content}
    (copy,) = copies[b"bad.mp4"]
    holes = next(view for view in dock.events("footage.pulled") if view.body["path"] == "bad.mp4").body["holes"]
    assert isinstance(holes, dict)
    expected = bytearray(content)
    ranges = holes["ranges"]
    assert isinstance(ranges, list)
    for offset, size in ranges:
        assert int(str(size)) <= 128 << 10  # the kernel itself may fail a whole read-ahead
        expected[int(str(offset)) : int(str(offset)) + int(str(size))] = bytes(int(str(size)))
    assert copy == bytes(expected)
    assert copy[2 * MIB + 8192 : 2 * MIB + 12_288] == bytes(4096)
    dock.check_sound()


def test_case_01_pulled_out_in_the_middle_is_interrupted_within_5_s_and_resumed(dock: DockHome, tmp_path: Path) -> None:
    content = noise(12 * MIB)
    begun = threading.Event()

    def at_half(offset: int) -> None:
        if offset >= 8 * MIB:
            begun.set()
            time.sleep(0.2)

    file = FuseFile(content, on_read=at_half)
    dock.real_clock = SystemClock()
    results = []
    with fuse_recorder(tmp_path / "card", {b"a.mp4": file}) as recorder:
        thread = threading.Thread(target=lambda: results.append(dock.dock(recorder.folder, patience=threading.Event())))
        thread.start()
        assert begun.wait(DEADLINE_SECONDS)
        pulled_out = time.monotonic()
        recorder.pull_out()
        thread.join(DEADLINE_SECONDS)
        assert time.monotonic() - pulled_out < 5.0
    assert [result.state for result in results] == [SessionState.INTERRUPTED]
    dock.check_sound(partial_count=1)
    with fuse_recorder(tmp_path / "other-dock", {b"a.mp4": FuseFile(content)}) as recorder:
        assert dock.dock(recorder.folder, patience=threading.Event()).ok
    assert "resumed" in dock.events("footage.pulled")[0].body
    assert dock.copies() == {b"a.mp4": {content}}
    dock.check_sound()


@pytest.mark.parametrize(("told", "real"), [(3 * MIB, 2 * MIB), (2 * MIB, 3 * MIB)])
def test_a_size_that_lies_is_read_to_the_end_and_both_are_said(
    dock: DockHome, tmp_path: Path, told: int, real: int
) -> None:
    file = FuseFile(noise(real), size=told, direct=True)
    with fuse_recorder(tmp_path / "card", {b"a.mp4": file}) as recorder:
        dock.dock(recorder.folder)
    (pulled,) = dock.events("footage.pulled")
    assert (pulled.body["listed_size_bytes"], pulled.body["size_bytes"]) == (str(told), str(real))
    assert dock.copies() == {b"a.mp4": {file.content}}
    assert "EDGE-112" in dock.findings()


def test_sizes_that_lie_beyond_any_sum_hold_no_other_file_back(dock: DockHome, tmp_path: Path) -> None:
    files = {b"%d.mp4" % number: FuseFile(noise(MIB), size=(1 << 63) - 1, direct=True) for number in range(3)}
    with fuse_recorder(tmp_path / "card", files | {b"good.mp4": FuseFile(noise(MIB, seed=2))}) as recorder:
        result = dock.dock(recorder.folder)
    assert (result.state, result.problem) == (SessionState.WAITING, "EDGE-101")
    assert [file.raw_path for file in result.files] == [b"good.mp4"]
    (docked,) = dock.events("recorder.docked")
    assert docked.body["byte_count"] == str(3 * ((1 << 63) - 1) + MIB)
    dock.check_sound()


def test_a_recorder_that_hangs_delays_no_other(dock: DockHome, tmp_path: Path) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    def hang(offset: int) -> None:
        if offset >= MIB:
            hanging.set()
            go_on.wait(DEADLINE_SECONDS)

    put(tmp_path / "healthy", "b.mp4", noise(9 * MIB, seed=2))
    dock.real_clock = SystemClock()
    results = {}
    with (
        fuse_recorder(tmp_path / "card", {b"a.mp4": FuseFile(noise(4 * MIB), on_read=hang)}) as recorder,
        dock.station(concurrent_pulls=8) as station,
    ):

        def run(name: str, folder: Path) -> None:
            results[name] = dock.dock_at(station, folder, recorder=None, patience=threading.Event())

        stuck = threading.Thread(target=run, args=("stuck", recorder.folder))
        stuck.start()
        assert hanging.wait(DEADLINE_SECONDS)
        began = time.monotonic()
        run("healthy", tmp_path / "healthy")
        assert results["healthy"].ok
        assert time.monotonic() - began < 5.0
        assert "stuck" not in results
        go_on.set()
        stuck.join(DEADLINE_SECONDS)
    assert results["stuck"].ok
    dock.check_sound()


def test_a_hanging_recorder_gives_its_turn_up_even_when_there_is_only_one(dock: DockHome, tmp_path: Path) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    def hang(offset: int) -> None:
        if offset >= MIB:
            hanging.set()
            go_on.wait(DEADLINE_SECONDS)

    put(tmp_path / "healthy", "b.mp4", noise(MIB, seed=2))
    dock.real_clock = SystemClock()
    results = {}
    with (
        fuse_recorder(tmp_path / "card", {b"a.mp4": FuseFile(noise(4 * MIB), on_read=hang)}) as recorder,
        dock.station(concurrent_pulls=1) as station,
    ):

        def run(name: str, folder: Path) -> None:
            results[name] = dock.dock_at(station, folder, recorder=None, patience=threading.Event())

        stuck = threading.Thread(target=run, args=("stuck", recorder.folder))
        stuck.start()
        assert hanging.wait(DEADLINE_SECONDS)
        run("healthy", tmp_path / "healthy")
        assert results["healthy"].ok
        assert "stuck" not in results
        go_on.set()
        stuck.join(DEADLINE_SECONDS)
    assert results["stuck"].ok
