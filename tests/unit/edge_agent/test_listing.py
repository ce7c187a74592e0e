"""A docked volume is listed whole, without following, opening or believing anything (recorders.md section 8)."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.listing import (
    ListedFile,
    ListingLimits,
    list_volume,
    listing_blob,
    pull_order,
    still_growing,
    walk,
)
from edge_agent.profile import FileKind
from edge_agent.profile_reader import shipped_profiles
from edge_agent.volume import UnsafePathError, VolumeGoneError, VolumeRoot
from evidence_model.findings import Finding
from evidence_model.known import Known
from evidence_model.recording import NameFields
from evidence_model.wall_time import WallTime
from tests.hostile_names import HostileTree, hostile_tree

GENERIC = shipped_profiles().generic


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileTree:
    return hostile_tree(tmp_path_factory.mktemp("hostile") / "card")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[VolumeRoot]:
    card = tmp_path / "card"
    card.mkdir()
    with VolumeRoot.open(card) as root:
        yield root


def listed(raw_path: bytes, *, kind: FileKind = FileKind.FOOTAGE, locked: bool = False, stamp: str = "") -> ListedFile:
    fields = NameFields(stamp=Known(WallTime(stamp))) if stamp else NameFields()
    return ListedFile(
        raw_path=raw_path, size_bytes=9, mtime_ns=0, allocated_bytes=9, locked=locked, kind=kind, fields=fields
    )


def test_every_regular_file_is_listed_by_its_raw_name_and_nothing_else(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        listing = list_volume(root, GENERIC)
    assert {file.raw_path for file in listing.files} == hostile.files
    assert listing.complete


def test_each_link_fifo_socket_and_device_is_a_finding_and_is_not_opened(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        listing = list_volume(root, GENERIC)
    assert {bytes.fromhex(finding.details["path_hex"]) for finding in listing.findings} == hostile.untouchable
    assert {finding.code for finding in listing.findings} == {"EDGE-201", "EDGE-202"}


def test_every_file_listed_can_be_opened_by_its_raw_path_and_holds_what_was_written(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        for file in list_volume(root, GENERIC).files:
            fd = root.open_file(file.raw_path)
            try:
                assert len(os.read(fd, 1 << 16)) == file.size_bytes
            finally:
                os.close(fd)


def test_nothing_untouchable_is_ever_opened_by_path(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        for raw_path in hostile.untouchable:
            with pytest.raises(UnsafePathError):
                root.open_file(raw_path)


@pytest.mark.parametrize(
    "raw_path", [b"..", b"../card/a", b"/etc/passwd", b"a//b", b"a/../b", b"./a", b"", b"a\0b", b"etc/passwd"]
)
def test_no_path_leads_out_of_the_volume(hostile: HostileTree, raw_path: bytes) -> None:
    with VolumeRoot.open(hostile.root) as root, pytest.raises(UnsafePathError):
        root.open_file(raw_path)


def test_a_folder_is_no_file(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root, pytest.raises(UnsafePathError):
        root.open_file(b"DCIM")


def test_case_42_twenty_levels_are_gone_down_and_deeper_ones_are_reported(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        assert hostile.deepest in {file.raw_path for file in list_volume(root, GENERIC).files}
        shallow = list_volume(root, GENERIC, limits=ListingLimits(depth=5))
    assert hostile.deepest not in {file.raw_path for file in shallow.files}
    assert [finding.code for finding in shallow.findings if finding.code == "EDGE-203"] == ["EDGE-203"]
    assert not shallow.complete


def test_case_42_ten_thousand_small_files_come_one_by_one(tmp_path: Path) -> None:
    tree = hostile_tree(tmp_path / "card", small_files=10_000)
    with VolumeRoot.open(tree.root) as root:
        stream = walk(root, GENERIC)
        first = next(stream)  # long before the last was seen
        rest = list(stream)
    assert isinstance(first, ListedFile | Finding)
    assert len([entry for entry in [first, *rest] if isinstance(entry, ListedFile)]) == len(tree.files)


def test_too_many_entries_stop_the_walk_and_say_so(tmp_path: Path) -> None:
    tree = hostile_tree(tmp_path / "card", small_files=50)
    with VolumeRoot.open(tree.root) as root:
        listing = list_volume(root, GENERIC, limits=ListingLimits(entries=20))
    assert "EDGE-204" in {finding.code for finding in listing.findings}
    assert not listing.complete


def test_more_findings_than_are_kept_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.listing.MAX_FINDINGS", 5)
    for number in range(9):
        (tmp_path / f"link{number}").symlink_to("/etc/passwd")
    with VolumeRoot.open(tmp_path) as root:
        listing = list_volume(root, GENERIC)
    assert [finding.code for finding in listing.findings] == ["EDGE-201"] * 5 + ["EDGE-206"]
    assert listing.findings[-1].details["count"] == "4"


def test_a_sparse_file_shows_less_on_the_medium_than_its_size(volume: VolumeRoot) -> None:
    path = volume.path / "sparse.mp4"
    path.touch()
    os.truncate(path, 64 << 30)
    (file,) = list_volume(volume, GENERIC).files
    assert file.size_bytes == 64 << 30
    assert file.is_sparse


def test_a_folder_that_cannot_be_read_any_more_is_a_finding_and_the_rest_goes_on(volume: VolumeRoot) -> None:
    for name in ("a", "b", "c"):
        (volume.path / name).mkdir()
        (volume.path / name / "x.mp4").write_bytes(b"x")
    stream = walk(volume, GENERIC)
    first = next(stream)
    assert isinstance(first, ListedFile)
    gone = "a" if first.raw_path.startswith(b"b") else "b"
    shutil.rmtree(volume.path / gone)
    entries = [first, *stream]
    assert [entry.code for entry in entries if isinstance(entry, Finding)] == ["EDGE-205"]
    assert len([entry for entry in entries if isinstance(entry, ListedFile)]) == 2


def test_an_empty_volume_that_is_still_there_is_listed_as_empty(volume: VolumeRoot) -> None:
    assert list_volume(volume, GENERIC).files == ()


def test_case_1_an_empty_listing_of_a_device_that_was_pulled_out_is_not_believed(tmp_path: Path) -> None:
    card, sys_block = tmp_path / "card", tmp_path / "sys"
    card.mkdir()
    device = card.stat().st_dev
    entry = sys_block / f"{os.major(device)}:{os.minor(device)}"
    entry.mkdir(parents=True)
    with VolumeRoot.open(card, sys_block=sys_block) as root:
        assert list_volume(root, GENERIC).files == ()
        entry.rmdir()  # what the kernel does on unplugging; the mount point stays and lists as empty
        with pytest.raises(VolumeGoneError):
            list_volume(root, GENERIC)


def test_a_folder_that_was_replaced_by_another_is_not_believed(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    with VolumeRoot.open(card) as root:
        card.rename(tmp_path / "moved")
        card.mkdir()
        with pytest.raises(VolumeGoneError):
            list_volume(root, GENERIC)


def test_a_folder_that_vanishes_during_the_walk_does_not_end_as_a_short_listing(tmp_path: Path) -> None:
    card = tmp_path / "card"
    for name in ("a", "b", "c"):
        (card / name).mkdir(parents=True)
        (card / name / "x.mp4").write_bytes(b"x")
    with VolumeRoot.open(card) as root:
        stream = walk(root, GENERIC)
        next(stream)
        shutil.rmtree(card)
        with pytest.raises(VolumeGoneError):
            list(stream)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(VolumeGoneError, match="nowhere"):
        VolumeRoot.open(tmp_path / "nowhere")


def test_case_31_locked_files_are_pulled_first_then_the_newest() -> None:
    files = [
        listed(b"old.mp4", stamp="2026-11-20T08:00:00"),
        listed(b"photo.jpg", kind=FileKind.PHOTO, stamp="2026-11-22T23:00:00"),
        listed(b"new.mp4", stamp="2026-11-22T08:00:00"),
        listed(b"x.xyz", kind=FileKind.UNKNOWN),
        listed(b"station_bind.ini", kind=FileKind.SIDE),
        listed(b"a.log", kind=FileKind.LOG),
        listed(b"locked_old.mp4", locked=True, stamp="2026-11-01T08:00:00"),
        listed(b"locked_new.mp4", locked=True, stamp="2026-11-21T08:00:00"),
    ]
    assert [file.raw_path for file in pull_order(files)] == [
        b"locked_new.mp4", b"locked_old.mp4", b"new.mp4", b"old.mp4", b"x.xyz", b"photo.jpg", b"a.log",
    ]  # fmt: skip
    assert pull_order(reversed(files)) == pull_order(files)


def test_case_31_the_read_only_bit_locks_where_the_model_says_so(volume: VolumeRoot) -> None:
    (volume.path / "a.mp4").write_bytes(b"x")
    (volume.path / "b.mp4").write_bytes(b"x")
    (volume.path / "a.mp4").chmod(0o444)
    assert {file.raw_path: file.locked for file in list_volume(volume, GENERIC).files} == {
        b"a.mp4": True,
        b"b.mp4": False,
    }
    gopro = shipped_profiles().get("gopro_files")
    assert not any(file.locked for file in list_volume(volume, gopro).files)


def test_a_mount_that_masks_all_write_bits_locks_nothing(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "a.mp4").write_bytes(b"x")
    (card / "a.mp4").chmod(0o444)
    card.chmod(0o555)
    try:
        with VolumeRoot.open(card) as root:
            assert [file.locked for file in list_volume(root, GENERIC).files] == [False]
    finally:
        card.chmod(0o755)


def test_case_13_a_file_that_changes_between_two_looks_is_growing(volume: VolumeRoot) -> None:
    path = volume.path / "a.mp4"
    path.write_bytes(b"x")
    (before,) = list_volume(volume, GENERIC).files
    assert not still_growing(before, before)
    path.write_bytes(b"xy")
    (after,) = list_volume(volume, GENERIC).files
    assert still_growing(before, after)
    assert still_growing(before, replace(before, mtime_ns=before.mtime_ns + 1))


def test_listing_blob_is_the_same_bytes_for_every_order_and_holds_raw_paths(hostile: HostileTree) -> None:
    with VolumeRoot.open(hostile.root) as root:
        files = list_volume(root, GENERIC).files
    blob = listing_blob(files)
    assert blob == listing_blob(reversed(files))
    lines = [json.loads(line) for line in blob.splitlines()]
    assert {bytes.fromhex(line["path_hex"]) for line in lines} == hostile.files
    assert all(isinstance(line["size_bytes"], str) and line["path"].isprintable() for line in lines)


def test_case_12_an_empty_file_is_listed_and_pulled_but_is_no_footage(volume: VolumeRoot) -> None:
    (volume.path / "empty.mp4").touch()
    (file,) = list_volume(volume, GENERIC).files
    assert file.pulled
    assert not file.is_footage


def test_case_9_two_files_of_one_fat_tick_stay_two(volume: VolumeRoot) -> None:
    for name in ("a.mp4", "b.mp4"):
        (volume.path / name).write_bytes(b"x")
        os.utime(volume.path / name, (1_795_341_600, 1_795_341_600))
    assert len(pull_order(list_volume(volume, GENERIC).files)) == 2


@pytest.mark.root
def test_another_file_system_mounted_inside_is_reported_and_not_entered(volume: VolumeRoot) -> None:
    inner = volume.path / "inner"
    inner.mkdir()
    if os.system(f"mount -t tmpfs none '{inner}' 2>/dev/null") != 0:  # noqa: S605 - fixed words and our own path
        pytest.skip("mounting is forbidden here")
    try:
        (inner / "secret.mp4").write_bytes(b"x")
        listing = list_volume(volume, GENERIC)
    finally:
        os.system(f"umount '{inner}'")  # noqa: S605 - as above
    assert listing.files == ()
    assert [finding.code for finding in listing.findings] == ["EDGE-210"]
