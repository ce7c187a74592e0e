"""Who may copy now, when more recorders are docked than may copy at once: first come, first served, file by file.

A recorder that hangs in a read must not keep a turn from others: a turn from which nothing was heard for some seconds
no longer counts, until its copy moves again. So one broken recorder costs the others nothing, and memory stays bounded
by the turns of those that do move.
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


class Turn:
    """Leave to copy one file; `alive` is called as the copy moves."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard = clock.mono()

    def alive(self) -> None:
        """Say that the copy moves."""
        self._heard = self._clock.mono()

    @property
    def stalled(self) -> bool:
        """Say whether nothing was heard for long."""
        return self._clock.mono() - self._heard > STALLED_AFTER_SECONDS


class FairTurns:
    """Hands out turns to the threads of all sessions."""

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = max(most, 1)
        self._clock = clock
        self._changed = threading.Condition()
        self._turns: set[Turn] = set()
        self._waiting: list[int] = []
        self._tickets = itertools.count()

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
            mine = Turn(self._clock)
            self._turns.add(mine)
        try:
            yield mine
        finally:
            with self._changed:
                self._turns.discard(mine)
                self._changed.notify_all()

    def _is_free(self) -> bool:
        return sum(not turn.stalled for turn in self._turns) < self._most
