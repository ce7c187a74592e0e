"""The only way to disk for whatever must survive a power cut: write, fsync, rename, fsync the folder.

After each function returns, what its docstring promises holds even if power fails on the caller's next line. Crash
tests count and interrupt exactly these calls, so nothing durable is done elsewhere.
"""

import contextlib
import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from evidence_model.errors import DamageError

_READ_BYTES = 1 << 20
_FORGET_BYTES = 8 << 20


class AlreadyDifferentError(DamageError):
    """A file that must never change is there with other content; it was left as it is."""

    code = "HOST-001"


def write_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`: after return the new content is there for good; before, the old or none."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        rename(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def read_plain(path: Path) -> bytes:
    """Return the bytes of a file; anything but a plain one is an `OSError` at once (a FIFO would be waited for)."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def write_once(path: Path, data: bytes, *, mode: int = 0o444) -> None:
    """Put `data` at `path` unless it is there already; after return it is there for good.

    Raises:
        AlreadyDifferentError: other content is there; it is not touched.
    """
    try:
        existing = path.read_bytes()
    except FileNotFoundError:
        write_file(path, data, mode=mode)
        return
    if existing != data:
        raise AlreadyDifferentError(f"{path}: this file is never rewritten, and what is there differs")


def rename(source: Path, target: Path) -> None:
    """Move a finished file into its place; after return the new name is there for good."""
    source.replace(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def rename_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Move finished files into their places; after return all the new names are there for good.

    What an earlier try moved already, before it failed, is no error.
    """
    for source, target in moves:
        try:
            source.replace(target)
        except FileNotFoundError:
            if not target.exists():
                raise
    for folder in {target.parent: None for _, target in moves} | {source.parent: None for source, _ in moves}:
        sync_folder(folder)


def link(source: Path, target: Path) -> None:
    """Give the file a second name; after return that name is there for good. Being there already is no error."""
    with contextlib.suppress(FileExistsError):
        os.link(source, target)
    sync_folder(target.parent)


def unlink(path: Path) -> None:
    """Take the name away for good; being gone already is no error."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def unlink_at(folder_fd: int, name: bytes) -> None:
    """Take a name away from an open folder for good."""
    os.unlink(name, dir_fd=folder_fd)
    os.fsync(folder_fd)


def sync_file(fd: int) -> None:
    """After return the file's bytes and size are on the medium."""
    os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """After return the folder's names are on the medium."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(folder: Path) -> None:
    """After return everything written to the file system of `folder` is on the medium (syncfs(2))."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(fd)


def make_folders(folder: Path, *, mode: int = 0o700) -> None:
    """Make the folder and what is missing above it; after return they are there for good."""
    missing = []
    step = folder
    while not step.exists():
        missing.append(step)
        step = step.parent
    for new in reversed(missing):
        with contextlib.suppress(FileExistsError):
            new.mkdir(mode=mode)
        sync_folder(new.parent)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def forget_cached(fd: int) -> None:
    """Ask the kernel to drop the file's clean pages, so that the next read comes from the medium."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def read_from_medium(path: Path, *, block_bytes: int = _READ_BYTES) -> Iterator[memoryview]:
    """Yield the file's bytes past the page cache; each view is valid until the next one is asked for.

    The file must have been fsynced before: dirty pages cannot be dropped, and would be read from memory.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO in its place is empty, not waited for
    try:
        forget_cached(fd)
        buffer = bytearray(block_bytes)
        view = memoryview(buffer)
        position, forgotten = 0, 0
        while True:
            filled = 0
            while filled < block_bytes and (count := os.readv(fd, [view[filled:]])):
                filled += count
            if filled:
                yield view[:filled]
            if filled < block_bytes:
                return
            position += filled
            if position - forgotten >= _FORGET_BYTES:  # a long file is not to push out what the machine works with
                os.posix_fadvise(fd, forgotten, position - forgotten, os.POSIX_FADV_DONTNEED)
                forgotten = position
    finally:
        forget_cached(fd)
        os.close(fd)
