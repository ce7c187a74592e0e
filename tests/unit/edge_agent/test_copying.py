"""The lane that copies and digests: what leaves it went to the disk as the disk says, or the copy ends."""

import ctypes
import hashlib
import mmap
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.copying import MOST_BEHIND, WRITE_BACK_BYTES, CopyEnd, CopyLane
from evidence_model.digests import Digest
from tests.fakes.small_disk import small_disk

LAG_BYTES = (MOST_BEHIND + 1) * WRITE_BACK_BYTES
SIZE_BYTES = 2 * LAG_BYTES + 4321


def _copy(folder: Path) -> CopyEnd:
    """Copy a source that can be made again from its offsets."""

    def read_at(view: memoryview, offset: int) -> int:
        count = min(len(view), SIZE_BYTES - offset)
        view[:count] = _PATTERN[offset % 251 : offset % 251 + count]
        return count

    fd = os.open(folder / "copy", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with CopyLane() as lane:
            end = lane.run(read_at, fd)
        os.fsync(fd)
    finally:
        os.close(fd)
    return end


_PATTERN = bytes(range(251)) * (1 << 12)


@contextmanager
def _disk(tmp_path: Path, *, real_bytes: int) -> Iterator[Path]:
    """Make a file system that believes in four times the copy, on a medium that has only `real_bytes`."""
    medium = tmp_path / "medium"
    medium.mkdir()
    size = f"size={real_bytes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(medium)], check=True, capture_output=True)
    try:
        with small_disk(medium / "image", tmp_path / "disk", size_bytes=4 * SIZE_BYTES) as disk:
            yield disk.folder
    finally:
        subprocess.run(["umount", "-l", str(medium)], check=True, capture_output=True)


def _cached_bytes(path: Path) -> int:
    """Return how much of a file the page cache holds, by mincore(2)."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
        there = (ctypes.c_ubyte * -(-len(pages) // mmap.PAGESIZE))()
        start = ctypes.c_void_p(ctypes.addressof(first := ctypes.c_char.from_buffer(pages)))
        assert ctypes.CDLL(None).mincore(start, ctypes.c_size_t(len(pages)), there) == 0
        del first  # the pages cannot be let go of before
        return sum(page & 1 for page in there) * mmap.PAGESIZE


@pytest.mark.root
def test_a_long_copy_is_written_behind_and_comes_out_whole(tmp_path: Path) -> None:
    with _disk(tmp_path, real_bytes=2 * SIZE_BYTES) as folder:
        end = _copy(folder)
        assert _cached_bytes(folder / "copy") < LAG_BYTES + 2 * WRITE_BACK_BYTES
        content = (folder / "copy").read_bytes()
    assert end == CopyEnd(size_bytes=SIZE_BYTES, digest=Digest(hashlib.sha256(content).digest()))
    assert content[:1000] == _PATTERN[:1000]


@pytest.mark.root
def test_a_disk_that_fails_behind_the_copy_ends_it(tmp_path: Path) -> None:
    with _disk(tmp_path, real_bytes=SIZE_BYTES // 3) as folder, pytest.raises(OSError, match=r"error|space"):
        _copy(folder)
