"""The agent's udev code on a made-up machine (umockdev): real pyudev, real monitor, no hardware."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MISSING = "needs umockdev, gir1.2-umockdev-1.0 and python3-gi (script/setup --test installs them)"


def test_case_37_a_monitor_that_dies_is_made_anew_and_recorders_come_and_go() -> None:
    wrapper = shutil.which("umockdev-wrapper")
    if wrapper is None:
        pytest.skip(MISSING)
    done = subprocess.run(
        [wrapper, sys.executable, "-m", "tests.fakes.udev_testbed"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if "No module named 'gi'" in done.stderr or "Namespace UMockdev not available" in done.stderr:
        pytest.skip(MISSING)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "rebuilt": 1,
        "one": [["1-3", "vfat", "执法记录仪"]],
        "four": ["1-3", "1-4", "1-5", "1-6"],
        "five": ["1-3", "1-4", "1-5", "1-6", "1-7"],
        "gone": ["1-4", "1-5", "1-6", "1-7"],
        "beside one that flaps": ["1-4", "1-5", "1-6", "1-7", "1-8"],
    }
