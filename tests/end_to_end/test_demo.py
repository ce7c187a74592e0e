"""The demonstration shows the main job for real, in the contract's form, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workstation import wait_until

pytestmark = pytest.mark.slow

STEPS = [
    "init",
    "run",
    "recorder",
    "preflight",
    "dock",
    "receipt",
    "tag",
    "timeline",
    "verify",
    "seal",
    "export",
    "thief",
]


def demo(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "operator_cli", *words, "demo"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in line:
                found.append(int(entry.name))
    return found


def test_the_demo_takes_real_footage_to_verified_receipts(tmp_path: Path) -> None:
    done = demo("--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert [step["name"] for step in document["steps"]] == STEPS
    assert all(step["ok"] and step["detail"] and step["seconds"] >= 0 for step in document["steps"])
    assert document["files"] == document["receipted"] == document["verified"] > 0
    assert document["bytes"] > 0
    assert Path(document["home"]).is_dir()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_demo_says_what_happened_and_where_to_look(language: str, tmp_path: Path) -> None:
    done = demo("--lang", language, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("✓") == len(STEPS)
    assert "custody log" in done.stdout
    assert ("发生了什么" if language == "zh" else "What happened") in done.stdout


def test_the_demo_never_mixes_its_footage_into_a_home_that_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    subprocess.run(
        [sys.executable, "-m", "operator_cli", "--home", str(home), "init", "--role", "workstation"], check=True
    )
    done = demo("--json", "--home", str(home), folder=tmp_path)
    assert (done.returncode, "CLI-005" in done.stderr) == (3, True)
    assert json.loads(done.stdout)["ok"] is False
    assert not (home / "run" / "evidock-run.log").exists()
    assert list(tmp_path.glob("evidock-demo-*")) == []


def test_the_demo_uses_a_new_home_that_it_is_given(tmp_path: Path) -> None:
    done = demo("--json", "--home", str(tmp_path / "new"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["home"] == str(tmp_path / "new")


def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "operator_cli", "demo"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    wait_until(lambda: list(tmp_path.rglob("broker.pid")), what="the broker to run")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 4
    assert list(tmp_path.glob("evidock-demo-*")) == []
    assert processes_of(tmp_path) == []


def test_with_keep_everything_goes_on_running_until_it_is_stopped(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "operator_cli", "--json", "demo", "--keep"],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    try:
        time.sleep(0.5)
        os.kill(document["pid"], 0)
    finally:
        os.kill(document["pid"], signal.SIGTERM)
    wait_until(lambda: processes_of(tmp_path) == [], seconds=15, what="everything to end")
