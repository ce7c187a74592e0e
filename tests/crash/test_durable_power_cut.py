"""Each durable step keeps its promise when the power fails right after it returned."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from host_io import durable
from tests.fakes.small_disk import small_disk

pytestmark = pytest.mark.root
CONTENT = b"evidence" * 5000


def _write_file(folder: Path) -> None:
    durable.write_file(folder / "new", CONTENT)


def _write_once(folder: Path) -> None:
    durable.write_once(folder / "new", CONTENT)


def _rename(folder: Path) -> None:
    (folder / "old").rename(folder / "sub" / "here")
    durable.rename(folder / "sub" / "here", folder / "new")


def _rename_all(folder: Path) -> None:
    durable.rename_all([(folder / "old", folder / "new")])


def _link(folder: Path) -> None:
    durable.link(folder / "old", folder / "new")


def _sync(folder: Path) -> None:
    fd = os.open(folder / "new", os.O_WRONLY | os.O_CREAT)
    durable.write_all(fd, CONTENT)
    durable.sync_file(fd)
    durable.sync_folder(folder)
    os.close(fd)


def _sync_file_system(folder: Path) -> None:
    (folder / "new").write_bytes(CONTENT)
    durable.sync_file_system(folder)


@pytest.mark.parametrize(
    "step",
    [_write_file, _write_once, _rename, _rename_all, _link, _sync, _sync_file_system],
    ids=lambda step: step.__name__,
)
def test_what_was_put_there_is_there(tmp_path: Path, step: Callable[[Path], None]) -> None:
    with small_disk(tmp_path / "disk", tmp_path / "mnt", size_bytes=16 << 20) as disk:
        durable.make_folders(disk.folder / "sub")
        durable.write_file(disk.folder / "old", CONTENT)
        os.sync()
        step(disk.folder)
        disk.cut_power()
        disk.unmount()
        disk.mount()
        assert (disk.folder / "new").read_bytes() == CONTENT


def _unlink(folder: Path) -> None:
    durable.unlink(folder / "old")


def _unlink_at(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    durable.unlink_at(fd, b"old")
    os.close(fd)


@pytest.mark.parametrize("step", [_unlink, _unlink_at], ids=lambda step: step.__name__)
def test_what_was_taken_away_is_gone(tmp_path: Path, step: Callable[[Path], None]) -> None:
    with small_disk(tmp_path / "disk", tmp_path / "mnt", size_bytes=16 << 20) as disk:
        durable.write_file(disk.folder / "old", CONTENT)
        os.sync()
        step(disk.folder)
        disk.cut_power()
        disk.unmount()
        disk.mount()
        assert not (disk.folder / "old").exists()


def test_without_a_durable_step_the_cut_is_felt(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", tmp_path / "mnt", size_bytes=16 << 20) as disk:
        (disk.folder / "new").write_bytes(CONTENT)
        disk.cut_power()
        disk.unmount()
        disk.mount()
        assert not (disk.folder / "new").exists()
