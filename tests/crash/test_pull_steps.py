"""The crash table of the pull: stop at every durable step, on both sides of it, start again, and look."""

import itertools
import shutil
from pathlib import Path

import pytest

from tests.crash.steps import PowerCutError, Steps, When
from tests.docking import DockHome, dock_home, noise, put
from tests.homes import Home

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


def _recorder(folder: Path) -> Path:
    put(folder, "DCIM/100MEDIA/0001.MP4", noise(2_500_000, seed=1))
    put(folder, "DCIM/100MEDIA/0002.MP4", noise(70_000, seed=2))
    put(folder, "DCIM/100MEDIA/0003.MP4", noise(70_000, seed=2))  # the same bytes under another name
    put(folder, "DCIM/100MEDIA/0004.MP4", b"")
    put(folder, "log.txt", b"on 08:00\n")
    return folder


def _count_steps(tmp_path: Path) -> int:
    dock = dock_home(tmp_path / "count")
    with Steps() as steps:
        assert dock.dock(_recorder(tmp_path / "counted")).ok
    return steps.count


def _cut(dock: DockHome, folder: Path, steps: Steps) -> bool:
    """Dock with a power cut; True if the cut came, False if the docking had fewer steps this time."""
    try:
        with steps:
            dock.dock(folder)
    except PowerCutError:
        return True
    return bool(steps.stopped_at)  # a background thread may be the one that it hit


@pytest.mark.slow
def test_case_39_a_stop_at_any_durable_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    folder = _recorder(tmp_path / "recorder")
    fresh = dock_home(tmp_path / "fresh")
    count = _count_steps(tmp_path)
    assert count > 40
    cuts = 0
    for at, when in itertools.product(range(1, count + 1), When):
        root = tmp_path / f"{at}-{when.value}"
        shutil.copytree(fresh.home.paths.root, root)
        dock = DockHome(_home_at(fresh.home, root))
        steps = Steps(at=at, when=when)
        cut = _cut(dock, folder, steps)
        result = dock.dock(folder)
        assert result.ok, (steps.stopped_at, result.problem_text)
        assert len(result.files) == 5, steps.stopped_at
        dock.check_sound()
        dock.check_has(folder)
        dock.check_all_reread()
        assert not dock.findings() - {"EDGE-104"}, steps.stopped_at
        assert dock.rows("select count(*) from session where ended_unix_ms is null") == [(0,)]
        cuts += cut
        shutil.rmtree(root)
    assert cuts > count  # of twice as many: a thread may save some steps by sealing more files at once


def _home_at(home: Home, root: Path) -> Home:
    paths = type(home.paths)(root)
    return Home(paths, home.config, home.trust, home.station, home.centre, home.log)
