"""The thread that takes spool copies away once the receipts are there; unlinking a huge file holds up nobody else."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from evidence_model.instants import Clock
from host_io.config import HomePaths
from ingest_daemon.ledger import Ledger
from ingest_daemon.spool_removal import SpoolRemoval

_AT_ONCE: Final = 200


class Tidy:
    """Told of receipts by `receipted`, from any thread; looks at the whole spool once at its start."""

    def __init__(self, *, paths: HomePaths, clock: Clock, on_fatal: Callable[[BaseException], None]) -> None:
        self._paths = paths
        self._clock = clock
        self._on_fatal = on_fatal
        self._receipted: queue.SimpleQueue[Sequence[int] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidy", daemon=True)

    def receipted(self, seqs: Sequence[int]) -> None:
        """Note that these envelopes have their receipts now."""
        self._receipted.put(seqs)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        """End after the removal in hand; what is left is found at the next start."""
        self._stopping.set()
        self._receipted.put(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            with Ledger(self._paths, self._clock) as ledger:
                removal = SpoolRemoval(ledger, self._paths, self._clock)
                removal.scan()
                while not self._stopping.is_set():
                    seqs = self._receipted.get()
                    for start in range(0, len(seqs or ()), _AT_ONCE):
                        if not self._stopping.is_set() and seqs is not None:
                            removal.after_receipts(seqs[start : start + _AT_ONCE])
        except Exception as error:  # noqa: BLE001 - whatever it is, the main loop decides
            self._on_fatal(error)
