"""What reached the disk is whole, what must not change does not, and nothing half-made keeps a right name."""

import os
import stat
from pathlib import Path

import pytest

from host_io import durable
from host_io.durable import AlreadyDifferentError


def test_a_written_file_has_its_bytes_and_mode_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_file(path, b"first", mode=0o640)
    durable.write_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_content_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    durable.write_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        durable.write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_the_file_is_synced_before_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(fd: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def noting_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    durable.write_file(tmp_path / "file", b"x")
    assert order == ["file", "rename", "folder"]


def test_write_once_takes_the_same_bytes_again_and_refuses_others(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_once(path, b"for ever")
    durable.write_once(path, b"for ever")
    with pytest.raises(AlreadyDifferentError):
        durable.write_once(path, b"something else")
    assert path.read_bytes() == b"for ever"


def test_a_second_name_is_the_same_file_and_asking_again_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):
        durable.link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").samefile(tmp_path / "a")


def test_taking_a_name_away_twice_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):
        durable.unlink(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_many_files_are_moved_at_once(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    moves = []
    for number in range(5):
        source = tmp_path / f"{number}.part"
        source.write_bytes(b"%d" % number)
        moves.append((source, tmp_path / "to" / str(number)))
    durable.rename_all(moves)
    assert sorted(each.read_bytes() for each in (tmp_path / "to").iterdir()) == [b"0", b"1", b"2", b"3", b"4"]


def test_folders_are_made_all_the_way_down_for_the_owner_alone(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    durable.make_folders(deep)
    durable.make_folders(deep)
    assert deep.is_dir()
    assert stat.S_IMODE(deep.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("size_bytes", [0, 1, 4096, 10_000])
def test_reading_from_the_medium_gives_every_byte_once(tmp_path: Path, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    durable.write_file(tmp_path / "file", content)
    blocks = [bytes(view) for view in durable.read_from_medium(tmp_path / "file", block_bytes=4096)]
    assert b"".join(blocks) == content
    assert all(len(block) == 4096 for block in blocks[:-1])
