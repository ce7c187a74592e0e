"""One machine with broker, fake centre and ingest daemon, all real but small; stories are told over it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from host_io.broker import Broker
from host_io.broker_access import centre_account
from host_io.clock import SystemClock
from host_io.notify import Notifier
from ingest_daemon.schedule import Pace
from ingest_daemon.service import IngestService
from tests.fakes.centre import FakeCentre
from tests.homes import SITE, STATION, Home, make_home
from tests.spooling import Spooling

QUICK = Pace(first_wait_seconds=0.3, longest_wait_seconds=2.0)


def make_broker(home: Home) -> Broker:
    """Return the home's own broker, not started."""
    return Broker(home.paths, site=SITE, stations=(STATION,))


def make_centre(home: Home, broker: Broker) -> FakeCentre:
    """Return a centre at this broker, not started."""
    return FakeCentre(home, lambda: broker.address, centre_account(home.paths))


@dataclass(slots=True)
class Running:
    """An ingest daemon in a thread of the test."""

    service: IngestService
    thread: threading.Thread

    @property
    def ended(self) -> bool:
        """Say whether it has ended by itself."""
        return not self.thread.is_alive()


@contextlib.contextmanager
def ingesting(home: Home, *, pace: Pace = QUICK) -> Iterator[Running]:
    """Run the ingest daemon in a thread while the block runs; what ended it before is raised after the block."""
    stop = threading.Event()
    service = IngestService(home.paths, home.config, clock=SystemClock(), notifier=Notifier({}), pace=pace)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            service.run(stop)
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            failure.append(error)

    thread = threading.Thread(target=run, name="ingest")
    thread.start()
    try:
        yield Running(service, thread)
    finally:
        stop.set()
        service.wake()
        thread.join(20)
        assert not thread.is_alive(), "the ingest daemon did not stop"
        if failure:
            raise failure[0]


def start_daemon(home: Home, log: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start the ingest daemon as a process of its own."""
    with (log or home.paths.run / "ingest.log").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "ingest_daemon", "--home", str(home.paths.root)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process as a power cut does."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def workstation(root: Path) -> Iterator[tuple[Home, FakeCentre, Spooling]]:
    """Make a home and run its broker and centre; the ingest daemon is the test's to start."""
    home = make_home(root)
    with make_broker(home) as broker, make_centre(home, broker) as centre, Spooling(home) as spooling:
        assert centre.link.wait_connected(20), centre.link.problem
        yield home, centre, spooling
