"""Many files, hostile trees, several recorders at once."""

import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from edge_agent.by_hand import dock_inline
from edge_agent.facts import TOO_LONG, MediaSaid
from edge_agent.listing import ListedFile
from edge_agent.profile import Profile
from edge_agent.session_book import SessionResult
from edge_agent.volume_facts import StampMeaning
from host_io.clock import SystemClock
from tests.crash.steps import Steps
from tests.docking import DockHome, QuickPatience, dock_home, noise, put, quick_look, tree_of
from tests.hostile_names import hostile_tree

MIB = 1 << 20
REPOSITORY = Path(__file__).resolve().parents[3]

MEASURE = """
import sys, threading
from pathlib import Path
from host_io.clock import SystemClock
from tests.crash.steps import Steps
from tests.docking import DockHome
from tests.homes import make_home
dock = DockHome(make_home(Path(sys.argv[1])))
dock.real_clock = SystemClock()
results = []
with dock.station(concurrent_pulls=8) as station:
    threads = [
        threading.Thread(target=lambda folder=folder: results.append(
            dock.dock_at(station, Path(folder), recorder=None, patience=threading.Event())))
        for folder in sys.argv[2:]
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
assert all(result.ok for result in results) and len(results) == len(sys.argv) - 2
lines = Path("/proc/self/status").read_text().splitlines()  # getrusage would show the parent's peak too
print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


def test_case_20_a_hostile_tree_is_pulled_whole_and_touches_nothing_else(dock: DockHome, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    hostile_tree(card)
    for folder, _, names in os.walk(os.fsencode(card)):
        for name in names:
            path = folder + b"/" + name
            if not os.path.islink(path):  # noqa: PTH114 - raw bytes
                os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
    before = set(tmp_path.iterdir())
    result = dock.dock(card)
    assert result.state.value in {"pulled", "waiting"}
    copies = dock.copies()
    for raw_path, content in tree_of(card).items():
        if raw_path in copies:
            assert content in copies[raw_path]
    listed = {bytes.fromhex(str(view.body["path_hex"])) for view in dock.events("footage.pulled")}
    assert len(listed) >= 30
    assert set(tmp_path.iterdir()) == before
    dock.check_sound()


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.full])])
def test_case_42_thousands_of_small_files_are_each_sealed_once_in_few_commits(
    dock: DockHome, tmp_path: Path, count: int
) -> None:
    card = tmp_path / "card"
    for number in range(count):
        put(card, f"DCIM/{number // 500:03d}MEDIA/IMG{number:05d}.JPG", b"photo %05d" % number + noise(number % 900))
    dock.real_clock = SystemClock()
    with Steps() as steps:
        result = dock.dock(card, patience=threading.Event())
    assert result.ok
    assert steps.names.count("host_io.sqlite.commit") < count / 4  # sealed and re-read in batches
    assert len(result.files) == count
    assert len(dock.events("footage.pulled")) == count
    assert dock.rows("select count(*) from item where reread_seq is null") == [(0,)]
    again = dock.dock(card, patience=threading.Event())
    assert not any(file.is_new for file in again.files)
    dock.check_sound()


def test_several_recorders_at_once_are_pulled_side_by_side(dock: DockHome, tmp_path: Path) -> None:
    cards = [tmp_path / f"card-{number}" for number in range(6)]
    for number, card in enumerate(cards):
        for file in range(3):
            put(card, f"DCIM/{file}.MP4", noise(2 * MIB, seed=10 * number + file))
    dock.real_clock = SystemClock()
    results: list[SessionResult] = []
    with dock.station(concurrent_pulls=2) as station:

        def run(card: Path) -> None:
            results.append(dock.dock_at(station, card, recorder=None, patience=threading.Event()))

        threads = [threading.Thread(target=run, args=(card,)) for card in cards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [result.ok for result in results] == [True] * 6
    assert len({result.recorder_id for result in results}) == 6
    assert len(dock.rows("select 1 from item")) == 18
    dock.check_sound()
    dock.check_all_reread()


@pytest.mark.slow
def test_memory_stays_flat_with_eight_recorders_whatever_their_files_size(tmp_path: Path) -> None:
    cards = []
    for number in range(8):
        card = tmp_path / f"card-{number}"
        put(card, "DCIM/1.MP4", noise(1, seed=number) * (48 * MIB))
        put(card, "DCIM/2.MP4", noise(1, seed=100 + number) * (16 * MIB))
        cards.append(str(card))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "home"), *cards],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < 150  # MiB; goal of the design


def test_docking_by_hand_looks_into_real_media_too(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home")
    put(tmp_path / "card", "DCIM/1.MP4", noise(100_000))
    result = dock_inline(dock.home.paths, dock.home.config, tmp_path / "card")
    assert result.ok
    (reread,) = dock.events("footage.reread")
    assert isinstance(reread.body["media"], dict)
    assert isinstance(reread.body["time_witnesses"], dict)
    dock.check_sound()


@pytest.mark.parametrize("where", [".", "..", "spool", "spool/footage"])
def test_the_home_itself_is_never_docked(dock: DockHome, where: str) -> None:
    result = dock.dock(dock.home.paths.root / where)
    assert (result.state.value, result.problem) == ("failed", "EDGE-006")
    assert dock.events() == []


def test_one_folder_docked_twice_at_the_same_moment_gives_every_file_once(dock: DockHome, tmp_path: Path) -> None:
    for file in range(12):
        put(tmp_path / "card", f"DCIM/{file}.MP4", noise(MIB, seed=file))
    dock.real_clock = SystemClock()
    results: list[SessionResult] = []
    with dock.station() as station:

        def run() -> None:
            results.append(dock.dock_at(station, tmp_path / "card", patience=threading.Event()))

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [(result.ok, len(result.files)) for result in results] == [(True, 12)] * 3
    assert len(dock.events("footage.pulled")) == 12
    dock.check_sound()
    dock.check_all_reread()


def test_a_recorder_full_of_trouble_fits_into_its_events(dock: DockHome, tmp_path: Path) -> None:
    card = tmp_path / "card"
    put(card, "1.mp4", b"footage")
    for number in range(200):
        name = "执法记录仪" * 12 + f"{number:03d}"
        (card / name).symlink_to("x" * 100)
    assert dock.dock(card).ok
    (docked,) = dock.events("recorder.docked")
    assert docked.body["finding_count"] == "200"
    found = docked.body["findings"]
    assert isinstance(found, list)
    assert 10 < len(found) < 200


def test_media_that_say_too_much_are_cut_in_the_event_and_whole_in_the_blob(dock: DockHome, tmp_path: Path) -> None:
    def talk(*arguments: object) -> MediaSaid:
        said = quick_look(*arguments)  # type: ignore[arg-type]
        return replace(said, media={"title": "x" * 70_000}, probe=b"x" * 70_000)

    dock.look_into = talk
    put(tmp_path / "card", "1.mp4", b"footage")
    put(tmp_path / "card", "2.mp4", b"other")
    assert dock.dock(tmp_path / "card").ok
    assert [view.body["media"] for view in dock.events("footage.reread")] == [TOO_LONG, TOO_LONG]
    dock.check_sound()


def test_a_copy_that_cannot_be_looked_into_holds_up_no_other(dock: DockHome, tmp_path: Path) -> None:
    def fail(path: Path, listed: ListedFile, profile: Profile, meaning: StampMeaning, docked_at: datetime) -> MediaSaid:
        if listed.raw_path == b"1.mp4":
            raise RuntimeError("a mistake of ours")
        return quick_look(path, listed, profile, meaning, docked_at)

    dock.look_into = fail
    for number in range(5):
        put(tmp_path / "card", f"{number}.mp4", b"footage %d" % number)
    assert dock.dock(tmp_path / "card").ok  # sealed all the same
    assert len(dock.events("footage.reread")) == 4
    dock.look_into = quick_look
    assert dock.dock(tmp_path / "card").ok
    dock.check_all_reread()


def test_case_13_thousands_of_files_that_grow_cost_little_while_they_wait(dock: DockHome, tmp_path: Path) -> None:
    paths = [put(tmp_path / "card", f"{number}.mp4", b"x") for number in range(3_000)]
    looks = itertools.count(1)

    def grow() -> None:
        stamp_ns = 4_000_000_000 * 10**9 + next(looks)
        for path in paths:
            os.utime(path, ns=(stamp_ns, stamp_ns))

    grow()
    began = time.thread_time()
    result = dock.dock(tmp_path / "card", patience=QuickPatience(dock.clock, on_wait=grow))
    assert result.problem == "EDGE-113"
    assert time.thread_time() - began < 6.0  # of this thread alone, whatever else the machine does
