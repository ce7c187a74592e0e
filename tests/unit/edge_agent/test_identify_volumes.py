"""Identity from real file systems: what mkfs wrote is read as blkid reads it, a card is itself anywhere."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.boot_sector import BootSector, read_boot_sector
from edge_agent.identify import Trust, identify
from edge_agent.listing import list_volume
from edge_agent.profile_reader import shipped_profiles
from edge_agent.volume import VolumeGoneError, VolumeRoot
from edge_agent.volume_facts import gather_facts
from evidence_model.known import Known, Unknown

PROFILES = shipped_profiles()
MIB = 1 << 20


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{command[0]} does not work here: {done.stderr.strip()[:200]}")
    return done.stdout.strip()


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize(
    ("mkfs", "kind"),
    [
        (("mkfs.vfat", "-F", "32", "-i", "1a2b3c4d", "-n", "CAM01"), "vfat"),
        (("mkfs.vfat", "-F", "16", "-i", "1a2b3c4d", "-n", "CAM01"), "vfat"),
        (("mkfs.exfat", "-L", "CAM01"), "exfat"),
    ],
)
def test_case_26_a_card_without_a_partition_table_is_read_as_blkid_reads_it(
    tmp_path: Path, mkfs: tuple[str, ...], kind: str
) -> None:
    need(mkfs[0], "blkid")
    image = tmp_path / "card.img"
    image.touch()
    os.truncate(image, 64 * MIB)
    run(*mkfs, image)
    with image.open("rb") as file:
        sector = read_boot_sector(file.read(512))
    assert isinstance(sector, BootSector)
    assert sector.fs_type == kind
    assert sector.fs_uuid == run("blkid", "-p", "-s", "UUID", "-o", "value", image)
    assert not sector.dirty
    if kind == "vfat":
        assert sector.label == Known("CAM01")


@pytest.mark.parametrize("tool", ["mkfs.ext4"])
def test_case_26_a_file_system_of_another_kind_is_unknown_and_not_misread(tmp_path: Path, tool: str) -> None:
    need(tool)
    image = tmp_path / "card.img"
    image.touch()
    os.truncate(image, 400 * MIB)
    run(tool, "-q", image)
    with image.open("rb") as file:
        assert isinstance(read_boot_sector(file.read(512)), Unknown)


@pytest.fixture
def exfat_card(tmp_path: Path) -> Iterator[Path]:
    """An exFAT card with one clip on a loop device, mounted through FUSE as the agent does where the kernel cannot."""
    need("mkfs.exfat", "mount.exfat-fuse", "losetup", "fusermount")
    image, card = tmp_path / "card.img", tmp_path / "card"
    image.touch()
    os.truncate(image, 64 * MIB)
    run("mkfs.exfat", "-L", "执法仪01", image)
    device = run("losetup", "--find", "--show", image)
    card.mkdir()
    try:
        run("mount.exfat-fuse", device, card)
        (card / "DCIM/Movie").mkdir(parents=True)
        (card / "DCIM/Movie/2026_1122_101500_001F.MP4").write_bytes(b"x" * 1_000)
        run("umount", card)
        run("mount.exfat-fuse", "-o", "ro", device, card)
        yield card
    finally:
        subprocess.run(["umount", "-l", card], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=False, capture_output=True)


@pytest.mark.root
def test_a_mounted_card_is_known_by_its_volume_number_and_no_folder_on_it_is(exfat_card: Path) -> None:
    with VolumeRoot.open(exfat_card) as volume:
        facts = gather_facts(volume, PROFILES)
        first = identify(facts, PROFILES)
        listing = list_volume(volume, first.profile)
    assert first.trust is Trust.FILE_SYSTEM
    assert first.profile.id == "novatek_dcim"
    assert facts.fs_type == Known("exfat")
    assert isinstance(facts.fs_uuid, Known)
    assert facts.read_only
    assert [file.raw_path for file in listing.files] == [b"DCIM/Movie/2026_1122_101500_001F.MP4"]
    with VolumeRoot.open(exfat_card / "DCIM") as folder:  # a folder on the card is not the card
        assert identify(gather_facts(folder, PROFILES), PROFILES).trust is Trust.FOLDER


@pytest.mark.root
def test_case_1_a_card_unmounted_under_our_feet_is_gone_and_not_empty(exfat_card: Path) -> None:
    with VolumeRoot.open(exfat_card) as volume:
        run("umount", "-l", exfat_card)
        with pytest.raises(VolumeGoneError):
            list_volume(volume, PROFILES.generic)
