"""The programs of a home as child processes: how one is started, known to be ready, and stopped.

A child dies with its parent (PR_SET_PDEATHSIG), says READY on a socket that only it was told of, and leaves its words
in `run/<name>.log`. Ctrl-C on the terminal reaches the supervisor alone, which stops its children in good order.
"""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from evidence_model.errors import UnavailableError
from host_io.broker import Broker
from host_io.child_process import die_with_parent
from host_io.config import HomePaths
from operator_cli.lock_files import is_locked

LOG_BYTES = 8 << 20
"""A larger log is put aside as `.log.1`."""
_BROKER_ROOM_BYTES = 16 << 20
_LOOK_AGAIN_SECONDS = 0.2


class Child(Protocol):
    """One program under supervision; used from one thread."""

    @property
    def name(self) -> str:
        """Its role, which is also the name of its log and pid file."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        ...

    @property
    def messages(self) -> socket.socket | None:
        """Where it says READY and STATUS; None for a child that is ready once `start` has returned."""
        ...

    def start(self) -> None:
        """Start it; it must not be running.

        Raises:
            UnavailableError: it cannot be started.
        """
        ...

    def poll(self) -> int | None:
        """Return its exit status once it has ended, None before."""
        ...

    def stop(self, *, seconds: float) -> None:
        """End it: ask, wait so long, then kill. Not running is no error."""
        ...

    def last_words(self) -> str:
        """Return the last line it wrote, for an error that people read."""
        ...

    def look_after(self) -> None:
        """Keep its log from growing without end, and end it if it can go on only from a new start; called often."""
        ...

    def is_kept_out(self) -> bool:
        """Say whether somebody else does its work just now (`dock` by hand, an old one still stopping)."""
        ...


class ProgramChild:
    """One of our own programs: `python -m <module> --home H`; one that `stays` outlives us."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        paths: HomePaths,
        environment: dict[str, str],
        pass_words: bool = False,
        stays: bool = False,
        lock: Path | None = None,
    ) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", *arguments]
        self._paths = paths
        self._environment = environment
        self._pass_words = pass_words
        self._stays = stays
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self.messages: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def log(self) -> Path:
        """Where its words go."""
        return self._paths.run / f"{self.name}.log"

    def start(self) -> None:
        """Start it with a notification socket of its own."""
        self._close_messages()
        address = f"@evidock-{os.getpid()}-{self.name}-{secrets.token_hex(8)}"
        self.messages = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self.messages.bind("\0" + address[1:])
        environment = {name: value for name, value in self._environment.items() if not name.startswith("WATCHDOG_")}
        environment["NOTIFY_SOCKET"] = address
        with contextlib.ExitStack() as stack:
            words = None if self._pass_words else stack.enter_context(self._open_log())
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=words if words is not None else sys.stderr.fileno(),
                stderr=words,
                env=environment,
                process_group=None if self._stays else 0,
                start_new_session=self._stays,
                preexec_fn=None if self._stays else die_with_parent(),  # noqa: PLW1509 - one prctl call; the supervisor has one thread
            )

    def poll(self) -> int | None:
        """Return its exit status once it has ended."""
        return self._process.poll() if self._process is not None else None

    def wait_ready(self, *, seconds: float) -> bool:
        """Wait until it says READY; False if it ends or says nothing in time. For callers without a supervisor."""
        end = time.monotonic() + seconds
        while self.messages is not None and self.poll() is None and (left := end - time.monotonic()) > 0:
            heard = select.select([self.messages], [], [], min(left, _LOOK_AGAIN_SECONDS))[0]
            if heard and b"READY=1" in self.messages.recv(4096).splitlines():
                return True
        return False

    def stop(self, *, seconds: float) -> None:
        """SIGTERM, and SIGKILL for one that does not listen: what is durable stays, the rest is done next time."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=max(0.1, seconds))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._close_messages()

    def last_words(self) -> str:
        """Return the last line of its log."""
        return last_line(self.log)

    def is_kept_out(self) -> bool:
        """Say whether another process holds its lock."""
        return self._lock is not None and is_locked(self._lock)

    def look_after(self) -> None:
        """Put a log that has grown large aside while its program goes on writing; a line or two may be lost."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)  # it is written by appending, so the next line stands at its beginning

    def _open_log(self) -> contextlib.AbstractContextManager[int]:
        self.look_after()
        return _closing(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))

    def _close_messages(self) -> None:
        if self.messages is not None:
            self.messages.close()
            self.messages = None


class BrokerChild:
    """The embedded broker; `start` returns when it takes MQTT connections."""

    name = "broker"
    messages: socket.socket | None = None

    def __init__(self, make: Callable[[], Broker], paths: HomePaths) -> None:
        self._make = make
        self._paths = paths
        self._broker: Broker | None = None
        self._log_read = 0
        self._met_full_disk = False

    @property
    def _log(self) -> Path:
        return self._paths.run / "nats-server.log"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._broker.pid if self._broker is not None else None

    def start(self) -> None:
        """Start it anew, on its old port if that is free.

        Raises:
            UnavailableError: no nats-server on this machine, or it does not come up.
        """
        with contextlib.suppress(OSError):
            self._log_read = self._log.stat().st_size
        self._met_full_disk = False
        self._broker = self._make()
        self._broker.start()

    def poll(self) -> int | None:
        """Return its exit status once it has ended."""
        return self._broker.poll() if self._broker is not None else None

    def stop(self, *, seconds: float) -> None:
        """End it; messages it acknowledged are on its disk."""
        if self._broker is not None:
            with contextlib.suppress(UnavailableError):
                self._broker.stop(timeout_seconds=max(0.1, seconds))

    def last_words(self) -> str:
        """Return the last line of its log."""
        return last_line(self._log)

    def look_after(self) -> None:
        """End one that met a full disk once there is room again: nats-server itself refuses all writes from then on."""
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            self._log_read = min(self._log_read, self._log.stat().st_size)  # it is begun anew now and then
            file.seek(self._log_read)
            new = file.read()
            self._log_read += len(new)
            self._met_full_disk |= b"no space left on device" in new
            room = shutil.disk_usage(self._paths.broker).free
            if self._met_full_disk and room > _BROKER_ROOM_BYTES and (pid := self.pid) is not None:
                self._met_full_disk = False
                os.kill(pid, signal.SIGTERM)

    def is_kept_out(self) -> bool:
        """Return False: an old broker is ended by the new one."""
        return False


def last_line(path: Path) -> str:
    """Return the last line of a log that says something, shortened."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return _words_of(lines[-1])[:400] if lines else ""


def _words_of(line: str) -> str:
    """Return what a structured log line says to people, other lines as they are."""
    with contextlib.suppress(ValueError):
        fields = json.loads(line)
        if isinstance(fields, dict):
            words = fields.get("reason") or fields.get("error") or fields.get("exception") or fields.get("event")
            code = f" [{fields['code']}]" if "code" in fields else ""
            return " ".join(str(words).split()) + code
    return line


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
