"""The whole chain on this machine's kernel: udevd, loop device, partition, exFAT by FUSE, the agent, pulling out.

One udevd serves the whole machine, so this runs only with `--all`, one test at a time, and puts /run/udev back.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.by_hand import agent_is_running
from evidence_model.states import SessionState
from tests.docking import DockHome, dock_home, noise, put, tree_of

pytestmark = [pytest.mark.root, pytest.mark.full]
MIB = 1 << 20
UDEVD = Path("/usr/lib/systemd/systemd-udevd")
CONTROL = Path("/run/udev/control")
RULES = Path("/run/udev/rules.d/99-evidock-test.rules")
NEEDED = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "partx", "sfdisk", "udevadm")
REPOSITORY = Path(__file__).resolve().parents[2]
LABEL = "执法仪01"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def udevd() -> Iterator[None]:
    """Run a udevd of our own where the machine has none."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or not UDEVD.exists():
        pytest.skip(f"needs udev and {', '.join(missing)}")
    with Path("/run/evidock-udev-test.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        daemon = None
        had_folder = Path("/run/udev").exists()
        RULES.parent.mkdir(parents=True, exist_ok=True)
        if not CONTROL.exists():
            daemon = subprocess.Popen([str(UDEVD)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _until(CONTROL.exists)
        try:
            yield
        finally:
            RULES.unlink(missing_ok=True)
            if daemon is not None:
                daemon.terminate()
                daemon.wait(10)
                CONTROL.unlink(missing_ok=True)
                if not had_folder:
                    shutil.rmtree("/run/udev", ignore_errors=True)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[str]:
    """Give a loop device with one exFAT partition that is not shown to the kernel yet."""
    image, content = tmp_path / "card.img", tmp_path / "filling"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["sfdisk", "-q", str(image)], input="start=2048, type=7\n", text=True, check=True)
    device = _run("losetup", "--find", "--show", str(image))
    inner = _run("losetup", "--find", "--show", "--offset", str(2048 * 512), str(image))
    try:
        _run("mkfs.exfat", "-L", LABEL, inner)
        content.mkdir()
        _run("mount.exfat-fuse", "-o", "rw", inner, str(content))
        put(content, "DCIM/100MEDIA/执法_0001.MP4", noise(5 * MIB, seed=1))
        put(content, "DCIM/100MEDIA/执法_0002.MP4", noise(3 * MIB, seed=2))
        _run("umount", str(content))
        _until(lambda: not os.path.ismount(content))
        _run("losetup", "-d", inner)
        yield device
    finally:
        subprocess.run(["partx", "-d", device], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=False, capture_output=True)


@pytest.mark.usefixtures("udevd")
def test_a_recorder_plugged_in_is_mounted_read_only_pulled_and_let_go_of(card: str, tmp_path: Path) -> None:
    name = card.rsplit("/", 1)[-1]
    RULES.write_text(
        f'KERNEL=="{name}*", ENV{{ID_BUS}}="usb", ENV{{EVIDOCK_DOCK}}="1", ENV{{ID_PATH}}="test-socket-7"\n'
    )
    _run("udevadm", "control", "--reload")
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = true\n")
    with (tmp_path / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "--home", str(dock.home.paths.root)],
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
        )
    try:
        _until(lambda: agent_is_running(dock.home.paths))
        assert dock.rows("select 1 from session") == []
        _run("partx", "-a", card)
        _until(lambda: dock.rows("select 1 from session where state = 'pulled'"))
        _check(dock)
        slots = dock.home.paths.run / "slots"
        _until(lambda: not list(slots.glob("*/*")))
        _run("partx", "-d", card)
        _run("udevadm", "settle")
        time.sleep(1.0)  # the agent may see the removal: nothing may come of it
        _run("partx", "-a", card)
        _until(lambda: len(dock.rows("select 1 from session where ended_unix_ms is not null")) == 2)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(10) == 0
    finally:
        agent.kill()
        agent.wait()
    assert len(dock.events("footage.pulled")) == 2  # known again at the second docking
    assert len(dock.rows("select 1 from recorder")) == 1
    dock.check_sound()


def _check(dock: DockHome) -> None:
    (docked,) = dock.events("recorder.docked")
    identity = docked.body["identity"]
    assert isinstance(identity, dict)
    facts = identity["facts"]
    assert isinstance(facts, dict)
    assert facts["label"] == LABEL
    assert facts["fs_type"] == "exfat"
    assert docked.body["port"] == "test-socket-7"
    assert dock.rows("select state, port_path from session") == [(SessionState.PULLED.value, "test-socket-7")]
    expected = {
        "DCIM/100MEDIA/执法_0001.MP4".encode(): {noise(5 * MIB, seed=1)},
        "DCIM/100MEDIA/执法_0002.MP4".encode(): {noise(3 * MIB, seed=2)},
    }
    assert dock.copies() == expected
    assert tree_of(dock.spool / "incoming") == {}
