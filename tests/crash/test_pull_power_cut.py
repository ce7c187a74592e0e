"""Power cuts on a real ext4 under the real agent: what was signed before the cut is there after it, byte for byte.

The kernel is told to stop the file system without flushing its log (what xfstests' `godown` does); then it is mounted
again, its journal is replayed, and the agent starts anew.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_agent.by_hand import read_result, request_dock
from tests.docking import RECORDER, DockHome, dock_home, noise, put
from tests.fakes.small_disk import small_disk
from tests.homes import Home

pytestmark = pytest.mark.root
KIB = 1 << 10
REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 30.0


def _start(home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "edge_agent", "--home", str(home)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _wait_for_items(dock: DockHome, count: int, *, reread: bool) -> None:
    everything, again = "select count(*) from item", "select count(*) from item where reread_seq is not null"
    statement = again if reread else everything
    deadline = time.monotonic() + DEADLINE_SECONDS
    while int(str(dock.rows(statement)[0][0])) < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("items", "reread"), [(0, False), (1, False), (2, False), (5, False), (9, False), (1, True), (8, True)]
)
def test_case_39_a_power_cut_takes_nothing_that_was_signed(tmp_path: Path, items: int, reread: bool) -> None:
    card = tmp_path / "card"
    for number in range(12):
        put(card, f"DCIM/{number:02d}.MP4", noise(700 * KIB + number, seed=number))
    with small_disk(tmp_path / "disk", tmp_path / "station", size_bytes=96 << 20) as disk:
        dock = dock_home(disk.folder / "home", extra_toml='[station]\nwatch_usb = false\nspool_reserve = "4 MiB"\n')
        os.sync()  # the home itself was made long ago
        request_dock(dock.home.paths, card, recorder=RECORDER)
        agent = _start(dock.home.paths.root)
        try:
            _wait_for_items(dock, items, reread=reread)
            signed = dock.rows("select seq, hash from envelope order by seq")  # seen by another process: committed
            disk.cut_power()
        finally:
            agent.send_signal(signal.SIGKILL)
            agent.wait()
        disk.unmount()
        disk.mount()
        dock = DockHome(_again(dock.home))
        after = dock.rows("select seq, hash from envelope order by seq")
        assert after[: len(signed)] == signed
        for view in dock.events("footage.pulled"):
            copy = disk.folder / "home" / "spool" / "footage" / view.subject.sha256.hex()
            assert copy.read_bytes() == (card / os.fsdecode(bytes.fromhex(str(view.body["path_hex"])))).read_bytes()
        agent = _start(dock.home.paths.root)
        try:
            _wait_for_items(dock, 12, reread=True)
            last = request_dock(dock.home.paths, card, recorder=RECORDER)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while read_result(dock.home.paths, last) is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(10) == 0
        finally:
            agent.kill()
            agent.wait()
        assert len(dock.events("footage.pulled")) == 12
        dock.check_sound()
        dock.check_has(card)
        dock.check_all_reread()


def _again(home: Home) -> Home:
    return Home(home.paths, home.config, home.trust, home.station, home.centre, home.log)
