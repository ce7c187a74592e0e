"""A docked folder's files as `ports.SourceVolume`: reads by position, so that a retry starts where it wants."""

import contextlib
import os
from pathlib import Path

from edge_agent.volume import VolumeRoot


class OpenFile:
    """A file of a volume, open for reading."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # the whole file is read once, in order: the kernel may read far ahead
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def read_at(self, view: memoryview, offset: int) -> int:
        """See `ports.SourceFile`."""
        return os.preadv(self._fd, [view], offset)

    def status(self) -> os.stat_result:
        """See `ports.SourceFile`."""
        return os.fstat(self._fd)

    def close(self) -> None:
        """See `ports.SourceFile`."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):  # a recorder that went away; it was open for reading only
                os.close(fd)


class VolumeFiles:
    """The files of a `VolumeRoot`."""

    def __init__(self, volume: VolumeRoot) -> None:
        self._volume = volume

    @property
    def place(self) -> Path:
        """See `ports.SourceVolume`."""
        return self._volume.path

    def open_source(self, raw_path: bytes) -> OpenFile:
        """See `ports.SourceVolume`."""
        return OpenFile(self._volume.open_file(raw_path))

    def stat_file(self, raw_path: bytes) -> os.stat_result:
        """See `ports.SourceVolume`."""
        return self._volume.stat_file(raw_path)

    def check_present(self) -> None:
        """See `ports.SourceVolume`."""
        self._volume.check_present()
