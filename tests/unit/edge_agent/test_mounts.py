"""Recorders are mounted read-only by our own code, and let go of whatever happens."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import MountFailedError, UnknownVolumeError
from edge_agent.mounts import clean_stale, is_mounted_elsewhere, let_go, mount, mounted
from edge_agent.volume import VolumeGoneError, VolumeRoot
from edge_agent.volume_facts import parse_mountinfo
from tests.docking import noise

pytestmark = pytest.mark.root
MIB = 1 << 20


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """Give a loop device with an ext4 that holds one file; the journal is not clean."""
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(24 * MIB)
    content = tmp_path / "content" / "DCIM"
    content.mkdir(parents=True)
    (content / "1.MP4").write_bytes(noise(MIB))
    subprocess.run(["mkfs.ext4", "-q", "-d", str(tmp_path / "content"), str(image)], check=True, capture_output=True)
    devnode = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        yield devnode
    finally:
        subprocess.run(["losetup", "-d", devnode], check=False)


def _options(target: Path) -> set[str]:
    for each in parse_mountinfo(Path("/proc/self/mountinfo").read_bytes()):
        if each.point == bytes(target):
            return set(each.options)
    return set()


def test_a_mount_is_read_only_and_harmless_and_gone_afterwards(device: str, tmp_path: Path) -> None:
    target = tmp_path / "slots" / "1-1" / "s1"
    with mounted(device, "ext4", target):
        assert {"ro", "nosuid", "nodev", "noexec"} <= _options(target)
        assert (target / "DCIM/1.MP4").read_bytes() == noise(MIB)
        with pytest.raises(OSError, match="Read-only"):
            (target / "new").write_text("x")
    assert not target.exists()


def test_the_card_is_not_altered_by_a_mount(device: str, tmp_path: Path) -> None:
    before = (tmp_path / "card.img").read_bytes()
    with mounted(device, "ext4", tmp_path / "m"):
        (tmp_path / "m/DCIM/1.MP4").read_bytes()
    os.sync()
    assert (tmp_path / "card.img").read_bytes() == before


def test_a_volume_that_is_let_go_of_while_it_is_read_is_gone(device: str, tmp_path: Path) -> None:
    target = tmp_path / "slots" / "1-1" / "s1"
    target.mkdir(parents=True)
    mount(device, "ext4", target)
    with VolumeRoot.open(target) as volume:
        fd = volume.open_file(b"DCIM/1.MP4")
        let_go(target)
        with pytest.raises(VolumeGoneError):
            volume.check_present()
        os.close(fd)


def test_what_an_earlier_run_left_mounted_is_let_go_of(device: str, tmp_path: Path) -> None:
    target = tmp_path / "slots" / "1-1" / "old"
    target.mkdir(parents=True)
    mount(device, "ext4", target)
    assert clean_stale(tmp_path / "slots") == 1
    assert not target.exists()
    assert clean_stale(tmp_path / "slots") == 0
    assert clean_stale(tmp_path / "absent") == 0


def test_a_device_that_somebody_else_mounted_is_seen(device: str, tmp_path: Path) -> None:
    slots = tmp_path / "slots"
    assert not is_mounted_elsewhere(device, slots)
    with mounted(device, "ext4", slots / "1-1" / "ours"):
        assert not is_mounted_elsewhere(device, slots)
    with mounted(device, "ext4", tmp_path / "theirs"):
        assert is_mounted_elsewhere(device, slots)
    assert not is_mounted_elsewhere("/dev/no-such-device", slots)


@pytest.mark.parametrize("fs_type", ["", "crypto_LUKS", "apfs"])
def test_case_26_a_file_system_we_do_not_read_is_said_and_never_touched(
    device: str, tmp_path: Path, fs_type: str
) -> None:
    with pytest.raises(UnknownVolumeError, match="never format"), mounted(device, fs_type, tmp_path / "m"):
        pass
    assert not (tmp_path / "m").exists()


def test_a_volume_that_is_not_what_it_says_is_refused(device: str, tmp_path: Path) -> None:
    with pytest.raises((MountFailedError, UnknownVolumeError)), mounted(device, "xfs", tmp_path / "m"):
        pass
