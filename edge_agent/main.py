"""`python -m edge_agent --home H`: the agent of one station, until SIGTERM."""

import argparse
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.agent_lock import agent_lock
from edge_agent.docking import DockedVolume
from edge_agent.errors import AgentRunningError
from edge_agent.service import AgentService
from edge_agent.station import open_station
from edge_agent.udev import UdevWatch
from evidence_model.errors import EvidockError, UnavailableError
from host_io import logs
from host_io.clock import SystemClock
from host_io.config import HomePaths, read_config
from host_io.notify import Notifier

_LOG = logging.getLogger("edge_agent")
_UDEV_CONTROL: Final = Path("/run/udev/control")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent and return the exit code: 0 stopped cleanly, else that of the error's family (contract.md)."""
    parser = argparse.ArgumentParser(prog="edge_agent", description="the docking station's agent")
    parser.add_argument("--home", default=os.environ.get("EVIDOCK_HOME"), help="the station's home")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args(argv)
    if not arguments.home:
        parser.error("--home is needed")
    logs.set_up(level=logging.DEBUG if arguments.verbose else logging.INFO)
    stop = threading.Event()
    try:
        return _serve(HomePaths(Path(arguments.home).absolute()), stop)
    except AgentRunningError as error:
        logs.event(_LOG, "agent.not-started", level=logging.ERROR, code=error.code, error=str(error))
        return UnavailableError.exit_code
    except EvidockError as error:
        logs.event(_LOG, "agent.not-started", level=logging.ERROR, code=error.code, error=str(error))
        return error.exit_code


def _serve(paths: HomePaths, stop: threading.Event) -> int:
    config = read_config(paths)
    with agent_lock(paths):
        station = open_station(paths, config, clock=SystemClock())
        service = AgentService(
            station,
            stop=stop,
            notifier=Notifier(os.environ),
            watch_volumes=_udev if config.station.watch_usb else _no_volumes,
        )

        def told_to_stop(_number: int, _frame: object) -> None:
            stop.set()
            service.wake()

        signal.signal(signal.SIGTERM, told_to_stop)
        signal.signal(signal.SIGINT, told_to_stop)
        service.run()
    return 0


@contextmanager
def _udev(on_present: Callable[[list[DockedVolume]], None]) -> Iterator[None]:
    """Watch sockets where the machine has a udev daemon; elsewhere dock folders and requests are all there is."""
    if not _UDEV_CONTROL.exists():
        logs.event(_LOG, "udev.absent", level=logging.WARNING)
        yield
        return
    watch = UdevWatch(on_present)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


def _no_volumes(_on_present: Callable[[list[DockedVolume]], None]) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()
