"""`python -m ingest_daemon --home H`: from the spool to the store, until SIGTERM.

Exit: 0 after a clean stop; 2 wrong usage; 3 a key others can read; 4 something is missing or another one runs;
5 station.db or trust.json is damaged.
"""

import argparse
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from evidence_model.errors import EvidockError, UsageError
from host_io import logs
from host_io.clock import SystemClock
from host_io.config import HomePaths, read_config
from host_io.durable import make_folders
from host_io.notify import Notifier
from host_io.only_one import only_one
from ingest_daemon.errors import AlreadyRunningError
from ingest_daemon.service import IngestService

_LOG = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ingest daemon of a home and return its exit status."""
    parser = argparse.ArgumentParser(prog="ingest_daemon", description="Hands the spool over to the store.")
    parser.add_argument("--home", type=Path, required=True)
    home: Path = parser.parse_args(argv).home
    logs.set_up()
    try:
        with StopSignal() as stop:
            _run(HomePaths(home.absolute()), stop)
    except EvidockError as error:
        logs.event(_LOG, "ingest.ended", level=logging.ERROR, code=error.code, reason=str(error))
        return error.exit_code
    logs.event(_LOG, "ingest.stopped")
    return 0


class StopSignal:
    """SIGTERM and SIGINT as an event, from the first moment on; `wake` is called so that the loop sees it at once."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.wake: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._received) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, _number: int, _frame: object) -> None:
        self.event.set()
        self.wake()


def _run(paths: HomePaths, stop: StopSignal) -> None:
    config = read_config(paths)
    if not config.role.pulls:
        raise UsageError(f"{paths.root}: a {config.role.value} has no spool; the ingest daemon runs at stations")
    make_folders(paths.run)
    with only_one(paths.run / "ingest.lock", lambda: AlreadyRunningError(f"{paths.root}: an ingest daemon runs here")):
        service = IngestService(paths, config, clock=SystemClock(), notifier=Notifier(os.environ))
        stop.wake = service.wake
        service.run(stop.event)
