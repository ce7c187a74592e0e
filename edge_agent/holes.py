"""Reads a file of a bad card as far as it can be read, and says exactly what could not be (recorders.md case 28).

An error is tried again three times with a growing pause, for a loose contact often mends. Then the failing stretch is
read in smaller and smaller pieces, so that a hole is never larger than the 4 KiB that really cannot be read. Holes are
filled with zeros and named in the signed event: the copy keeps every offset, and nobody takes a zero for footage.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from edge_agent.errors import StopRequestedError, refuse_if_exhausted
from edge_agent.ports import Patience, SourceFile, SourceVolume
from edge_agent.volume import VolumeGoneError
from evidence_model.canonical import Json
from evidence_model.instants import Clock

RETRY_PAUSES: Final = (0.1, 0.4, 1.6)
PATIENT_ROUNDS: Final = 4  # failing blocks of one file that are given all three pauses
PIECES: Final = (64 << 10, 4 << 10)
MAX_HOLES_TOLD: Final = 400  # in the event; it has 60 KiB

MOST_BAD_SECONDS: Final = 30.0  # that go into bad spots of one file while others wait behind it

GONE: Final = frozenset(
    {errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN, errno.ESTALE, errno.ENOMEDIUM, errno.ECONNABORTED}
)


@dataclass(frozen=True, slots=True, order=True)
class Hole:
    """A stretch that could not be read."""

    offset: int
    size_bytes: int


@dataclass(slots=True)
class HoleMap:
    """The stretches of one file that could not be read, in order, neighbours joined."""

    holes: list[Hole] = field(default_factory=list)
    retry_count: int = 0

    def add(self, offset: int, size_bytes: int) -> None:
        """Note a stretch; stretches come in rising order."""
        if self.holes and self.holes[-1].offset + self.holes[-1].size_bytes == offset:
            last = self.holes.pop()
            offset, size_bytes = last.offset, last.size_bytes + size_bytes
        self.holes.append(Hole(offset, size_bytes))

    @property
    def size_bytes(self) -> int:
        """Return how many bytes could not be read."""
        return sum(hole.size_bytes for hole in self.holes)

    def as_body(self) -> dict[str, Json]:
        """Return the map as it stands in `footage.pulled`; very long maps are cut and say so."""
        return {
            "count": str(len(self.holes)),
            "size_bytes": str(self.size_bytes),
            "retries": str(self.retry_count),
            "ranges": [[str(hole.offset), str(hole.size_bytes)] for hole in self.holes[:MAX_HOLES_TOLD]],
        }


class PutOffError(Exception):
    """So much of a file cannot be read that others go first."""


class CarefulReader:
    """Reads one open file in order; a recorder that went away is an error, a bad sector is a hole."""

    def __init__(
        self,
        file: SourceFile,
        volume: SourceVolume,
        *,
        size_bytes: int,
        patience: Patience,
        clock: Clock,
        most_bad_seconds: float,
    ) -> None:
        self._file = file
        self._volume = volume
        self._size_bytes = size_bytes
        self._patience = patience
        self._rounds = 0
        self._clock = clock
        self._bad_seconds_left = most_bad_seconds
        self._bad_until_mono = 0.0  # in a bad spot: until when
        self.map = HoleMap()

    def read_at(self, view: memoryview, offset: int) -> int:
        """Fill `view` and return how many bytes it holds; fewer than asked only at the end of the file.

        Raises:
            VolumeGoneError: the recorder went away.
            SessionFailedError: this machine has no descriptors or memory left.
            StopRequestedError: told to stop while waiting for a retry.
            PutOffError: bad spots have taken all the time that they may.
        """
        filled = 0
        while filled < len(view):
            try:
                count = self._file.read_at(view[filled:], offset + filled)
            except OSError as error:
                began_mono = self._clock.mono()
                self._bad_until_mono = began_mono + self._bad_seconds_left
                count = self._in_spite_of(error, view[filled:], offset + filled)
                self._bad_seconds_left -= self._clock.mono() - began_mono
            if not count:
                return filled
            filled += count
        return filled

    def _in_spite_of(self, error: OSError, view: memoryview, offset: int) -> int:
        """Return how many bytes of `view` are settled (read, or zero and noted as a hole)."""
        # a contact that mends does so at once; a card full of bad spots must not cost two seconds for each of them
        pauses = RETRY_PAUSES if self._rounds < PATIENT_ROUNDS else RETRY_PAUSES[:1]
        self._rounds += 1
        for pause in pauses:
            self._refuse_if_gone(error)
            if self._patience.wait(pause):
                raise StopRequestedError("stopped while a bad spot was tried again; the copy so far is kept")
            self.map.retry_count += 1
            try:
                return self._file.read_at(view, offset)
            except OSError as again:
                error = again
        self._refuse_if_gone(error)
        stretch = min(len(view), max(self._size_bytes - offset, 0))
        if not stretch:
            return 0
        for start, size, readable in self._pieces(view, offset, stretch, PIECES):
            if not readable:
                view[start : start + size] = bytes(size)
                self.map.add(offset + start, size)
        return stretch

    def _pieces(
        self, view: memoryview, offset: int, stretch: int, sizes: tuple[int, ...]
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield (start, size, was it read) of ever smaller pieces of the stretch."""
        start = 0
        while start < stretch:
            size = min(sizes[0] - (offset + start) % sizes[0], stretch - start)
            if self._patience.is_set():
                raise StopRequestedError("stopped in the middle of a bad spot; the copy so far is kept")
            if self._clock.mono() > self._bad_until_mono:
                raise PutOffError
            if self._read_whole(view[start : start + size], offset + start):
                yield start, size, True
            elif sizes[1:]:
                for inner, inner_size, readable in self._pieces(view[start:], offset + start, size, sizes[1:]):
                    yield start + inner, inner_size, readable
            else:
                yield start, size, False
            start += size

    def _read_whole(self, view: memoryview, offset: int) -> bool:
        filled = 0
        while filled < len(view):
            try:
                count = self._file.read_at(view[filled:], offset + filled)
            except OSError as error:
                self._refuse_if_gone(error)
                return False
            if not count:
                return False  # shorter than it said: what is missing is a hole, not silence
            filled += count
        return True

    def _refuse_if_gone(self, error: OSError) -> None:
        refuse_if_exhausted(error)
        self._volume.check_present()
        if error.errno in GONE:
            raise VolumeGoneError(self._volume.place, f"the device does not answer ({error.strerror})") from error
