"""A docked folder whose reads fail as a bad card's or a pulled-out recorder's do; the files below it are real.

Passes the contract suite of `edge_agent.ports.SourceVolume` when told nothing; what a real kernel does in each of these
cases is tested with a FUSE file system of our own (tests/fakes/fuse_recorder.py) and in the QEMU guest.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.ports import SourceFile, SourceVolume
from edge_agent.source import VolumeFiles
from edge_agent.volume import VolumeGoneError, VolumeRoot


@dataclass
class Faults:
    """What goes wrong, by raw path; offsets are of the file."""

    bad: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)  # [start, end) gives EIO
    mends_after: int | None = None  # so many failing reads, then it reads
    gone_at: dict[bytes, int] = field(default_factory=dict)  # the recorder is pulled out when this offset is read
    unopenable: dict[bytes, int] = field(default_factory=dict)  # errno of open
    cut_off_at: dict[bytes, int] = field(default_factory=dict)  # the file ends there, whatever its size says
    on_read: Callable[[bytes, int], None] = lambda _path, _offset: None
    gone_at_end: bool = False  # the recorder is pulled out right after the last byte of a file
    gone: bool = False
    failed_reads: int = 0
    opened: list[bytes] = field(default_factory=list)
    most_read_bytes: int | None = None

    def files(self, volume: VolumeRoot) -> "FaultyVolume":
        """Return the volume's files with these faults; for `Docking.open_files`."""
        return FaultyVolume(VolumeFiles(volume), self)


class FaultyVolume:
    """See `ports.SourceVolume`."""

    def __init__(self, inner: SourceVolume, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def place(self) -> Path:
        """See `ports.SourceVolume`."""
        return self._inner.place

    def open_source(self, raw_path: bytes) -> SourceFile:
        """See `ports.SourceVolume`."""
        self._refuse_if_gone()
        self._faults.opened.append(raw_path)
        if (number := self._faults.unopenable.get(raw_path)) is not None:
            raise OSError(number, os.strerror(number))
        return FaultyFile(self._inner.open_source(raw_path), raw_path, self._faults)

    def stat_file(self, raw_path: bytes) -> os.stat_result:
        """See `ports.SourceVolume`."""
        self._refuse_if_gone()
        return self._inner.stat_file(raw_path)

    def check_present(self) -> None:
        """See `ports.SourceVolume`."""
        if self._faults.gone:
            raise VolumeGoneError(self.place, "the device was pulled out")
        self._inner.check_present()

    def _refuse_if_gone(self) -> None:
        if self._faults.gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


class FaultyFile:
    """See `ports.SourceFile`."""

    def __init__(self, inner: SourceFile, raw_path: bytes, faults: Faults) -> None:
        self._inner = inner
        self._raw_path = raw_path
        self._faults = faults
        self._was_read = False

    def read_at(self, view: memoryview, offset: int) -> int:
        """See `ports.SourceFile`."""
        faults = self._faults
        self._was_read = True
        faults.on_read(self._raw_path, offset)
        end = offset + len(view)
        gone_at = faults.gone_at.get(self._raw_path)
        if gone_at is not None and end > gone_at:
            faults.gone = True
        if faults.gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        for bad_start, bad_end in faults.bad.get(self._raw_path, ()):
            if offset < bad_end and bad_start < end:
                if bad_start > offset:
                    view = view[: bad_start - offset]  # a disk gives what lies before the bad spot first
                    break
                faults.failed_reads += 1
                if faults.mends_after is None or faults.failed_reads <= faults.mends_after:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
        cut_off_at = faults.cut_off_at.get(self._raw_path)
        if cut_off_at is not None:
            view = view[: max(cut_off_at - offset, 0)]
        if faults.most_read_bytes is not None:
            view = view[: faults.most_read_bytes]
        return self._inner.read_at(view, offset) if view else 0

    def status(self) -> os.stat_result:
        """See `ports.SourceFile`."""
        self._faults.gone |= self._was_read and self._faults.gone_at_end
        if self._faults.gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._inner.status()

    def close(self) -> None:
        """See `ports.SourceFile`."""
        self._inner.close()
