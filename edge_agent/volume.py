"""A docked folder held by file descriptor: every later look starts there and follows no link (design.md, promise 5).

Raw names go in as bytes. A path is walked one component at a time with `O_NOFOLLOW`, so neither `..` from a profile
nor a link put there between two looks leads out of the volume.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evidence_model.errors import DamageError, RefusedError, UnavailableError
from evidence_model.names import display_name

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO or a tape that took the file's place between two looks must not hang
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class VolumeGoneError(UnavailableError):
    """The device was pulled out or unmounted; nothing it seems to say now (an empty folder!) is to be believed."""

    code = "EDGE-207"

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path}: {why}; plug the recorder in again, finished files are safe")


class UnsafePathError(RefusedError):
    """A relative path would leave the volume or is no file; refused before anything is opened."""

    code = "EDGE-208"

    def __init__(self, raw_path: bytes, why: str) -> None:
        self.raw_path = raw_path
        super().__init__(f"{display_name(raw_path)}: {why}; not opened")


class UnreadableVolumeError(DamageError):
    """The folder itself cannot be opened or read."""

    code = "EDGE-209"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUse:
    """What `statvfs` says of the volume."""

    total_bytes: int
    free_bytes: int
    read_only: bool


class VolumeRoot:
    """The root folder of a docked volume, open until `close`."""

    def __init__(self, path: Path, fd: int, *, sys_block: Path = Path("/sys/dev/block")) -> None:
        self.path = path
        self.fd = fd
        self._sys_block = sys_block
        status = os.fstat(fd)
        self.device = status.st_dev
        self.inode = status.st_ino
        # a mask that takes the write bit from folders too takes it from every file: then the bit tells nothing
        self.write_bit_tells = bool(status.st_mode & stat.S_IWUSR)
        # the device's entry in /sys goes away with the plug, while the mount point stays and lists as empty
        self._block_entry = sys_block / f"{os.major(self.device)}:{os.minor(self.device)}"
        self._watched = self._block_entry.exists()

    @classmethod
    def open(cls, path: Path, *, sys_block: Path = Path("/sys/dev/block")) -> Self:
        """Hold `path`, which may itself be given through a link; below it no link is followed.

        Raises:
            VolumeGoneError: there is no such folder.
            UnreadableVolumeError: it is there and cannot be read.
        """
        try:
            fd = os.open(path.resolve(), _FOLDER_FLAGS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise VolumeGoneError(path, f"no such folder ({error.strerror})") from error
        except OSError as error:
            raise UnreadableVolumeError(f"{path}: cannot be read ({error.strerror}); check the card") from error
        return cls(path, fd, sys_block=sys_block)

    def close(self) -> None:
        """Let go of the folder; safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def check_present(self) -> None:
        """Return if the device is still plugged in and mounted at the same place.

        A yanked FAT volume that is still mounted lists as empty without any error, so every empty listing and every
        end of a walk is believed only after this.

        Raises:
            VolumeGoneError: the path is another device now, or the block device has left /sys.
        """
        try:
            now = self.path.stat()
        except OSError as error:
            raise VolumeGoneError(self.path, f"no longer there ({error.strerror})") from error
        if (now.st_dev, now.st_ino) != (self.device, self.inode):
            raise VolumeGoneError(self.path, "another volume lies there now")
        if self._watched and not self._block_entry.exists():
            raise VolumeGoneError(self.path, "the device was pulled out")

    def open_file(self, raw_path: bytes) -> int:
        """Return a descriptor of a regular file of this volume, for the caller to close.

        Raises:
            UnsafePathError: the path leads out, or what lies there is a link, a FIFO, a device or a folder.
            OSError: as the file system says (ENOENT, EIO, ENODEV …).
        """
        with self._folder_of(raw_path) as (parent, name):
            try:
                fd = os.open(name, _FILE_FLAGS, dir_fd=parent)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENXIO}:
                    raise UnsafePathError(raw_path, "is a link or no regular file") from error
                raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise UnsafePathError(raw_path, "is no regular file")
        return fd

    def stat_file(self, raw_path: bytes) -> os.stat_result:
        """Return what the file system says of a file without opening it.

        Raises:
            UnsafePathError: the path leads out of the volume.
            OSError: as the file system says.
        """
        with self._folder_of(raw_path) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False)

    @contextmanager
    def folder(self, raw_path: bytes) -> Iterator[int]:
        """Hold a folder of this volume; `b""` is the root.

        Raises:
            UnsafePathError: the path leads out of the volume.
            OSError: as the file system says.
        """
        fd = os.open(b".", _FOLDER_FLAGS, dir_fd=self.fd)
        try:
            for name in _components(raw_path) if raw_path else ():
                try:
                    following = os.open(name, _FOLDER_FLAGS, dir_fd=fd)
                except OSError as error:
                    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                        raise UnsafePathError(raw_path, "a folder on the way is a link or no folder") from error
                    raise
                os.close(fd)
                fd = following
            yield fd
        finally:
            os.close(fd)

    def usage(self) -> StorageUse:
        """Return size, free space (for the recorder, reserved blocks included) and whether it is mounted read-only."""
        numbers = os.fstatvfs(self.fd)
        return StorageUse(
            total_bytes=numbers.f_frsize * numbers.f_blocks,
            free_bytes=numbers.f_frsize * numbers.f_bfree,
            read_only=bool(numbers.f_flag & os.ST_RDONLY),
        )

    @contextmanager
    def _folder_of(self, raw_path: bytes) -> Iterator[tuple[int, bytes]]:
        *folders, name = _components(raw_path)
        with self.folder(b"/".join(folders)) as fd:
            yield fd, name


def _components(raw_path: bytes) -> list[bytes]:
    parts = raw_path.split(b"/")
    if b"\0" in raw_path or any(part in {b"", b".", b".."} for part in parts):
        raise UnsafePathError(raw_path, "is not a plain path below the volume's root")
    return parts
