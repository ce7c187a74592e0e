"""One docking of a recorder at a time: a second one waits, and then finds that its work is done.

The same folder can be asked for by hand, be a dock folder, and have a request left over from before a stop. Two
dockings of one recorder would go on with the same half copy.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from edge_agent.errors import StopRequestedError
from edge_agent.ports import Patience
from evidence_model.ids import RecorderId

_LOOK_AGAIN_SECONDS: Final = 0.2


class OneDockingEach:
    """Knows which recorders are being docked; used from all dockings' threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[RecorderId] = set()

    @contextmanager
    def turn(self, recorder_id: RecorderId, patience: Patience) -> Iterator[None]:
        """Be the only docking of this recorder for the block.

        Raises:
            StopRequestedError: told to stop before the other one ended.
        """
        while not self._taken(recorder_id):
            if patience.wait(_LOOK_AGAIN_SECONDS):
                raise StopRequestedError("stopped while another docking of the same recorder was under way")
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(recorder_id)

    def _taken(self, recorder_id: RecorderId) -> bool:
        with self._lock:
            if recorder_id in self._under_way:
                return False
            self._under_way.add(recorder_id)
            return True
