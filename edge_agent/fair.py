"""Who may copy now, when more recorders are docked than may copy at once: first come, first served, file by file.

A recorder that hangs in a read must not keep a turn from others: a turn from which nothing was heard for some seconds
no longer counts, until its copy moves again. So one broken recorder costs the others nothing, and memory stays bounded
by the turns of those that do move.

It also tells how fast all copies together run, so that re-reading uses what the recorders leave over: behind USB that
is nearly all of the disk; beside a copy that runs as fast as the disk can, it would only slow both.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from edge_agent.errors import StopRequestedError
from edge_agent.ports import Patience
from evidence_model.instants import Clock

STALLED_AFTER_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 0.5
_SPEED_SECONDS: Final = 0.25


class Turn:
    """Leave to copy one file; `moved_to` is called as the copy moves."""

    def __init__(self, clock: Clock, speed: "Speed") -> None:
        self._clock = clock
        self._speed = speed
        self._heard = clock.mono()
        self._position = 0

    def moved_to(self, position_bytes: int) -> None:
        """Say how far the copy is."""
        self._heard = self._clock.mono()
        self._speed.add(max(position_bytes - self._position, 0), self._heard)
        self._position = position_bytes

    @property
    def stalled(self) -> bool:
        """Say whether nothing was heard for long."""
        return self._clock.mono() - self._heard > STALLED_AFTER_SECONDS


class Speed:
    """How many bytes all copies together moved in the last half second; a hint, so it needs no lock."""

    def __init__(self) -> None:
        self._since, self._bytes, self._last = 0.0, 0, 0.0

    def add(self, moved_bytes: int, mono: float) -> None:
        """Count bytes."""
        if mono - self._since >= _SPEED_SECONDS:
            self._last = self._bytes / (mono - self._since)
            self._since, self._bytes = mono, 0
        self._bytes += moved_bytes

    def bytes_per_second(self, mono: float) -> float:
        """Return the speed; 0 when nothing moved for a while."""
        if mono - self._since >= 2 * _SPEED_SECONDS:
            return 0.0
        return max(self._last, self._bytes / _SPEED_SECONDS)


class FairTurns:
    """Hands out turns to the threads of all sessions."""

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = max(most, 1)
        self._clock = clock
        self._changed = threading.Condition()
        self._turns: set[Turn] = set()
        self._waiting: list[int] = []
        self._tickets = itertools.count()
        self._speed = Speed()

    @property
    def bytes_per_second(self) -> float:
        """Return how fast all copies together run."""
        return self._speed.bytes_per_second(self._clock.mono())

    @contextmanager
    def turn(self, patience: Patience) -> Iterator[Turn]:
        """Wait for a turn and hold it for the block.

        Raises:
            StopRequestedError: told to stop while waiting.
        """
        ticket = next(self._tickets)
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not (self._waiting[0] == ticket and self._is_free()):
                    if patience.is_set():
                        raise StopRequestedError("stopped while waiting for a turn to copy")
                    self._changed.wait(_LOOK_AGAIN_SECONDS)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            mine = Turn(self._clock, self._speed)
            self._turns.add(mine)
        try:
            yield mine
        finally:
            with self._changed:
                self._turns.discard(mine)
                self._changed.notify_all()

    def _is_free(self) -> bool:
        return sum(not turn.stalled for turn in self._turns) < self._most
