"""Keeps the programs of one home running: start in order, restart with back-off, stop in reverse.

Theory of operation: one thread waits on one selector for (a) a child's end (pidfd), (b) what a child says (READY,
STATUS), (c) a signal. Each child is STARTING until it says READY, then READY, and WAITING between an end and its next
start. The next child of the order is started when the one before it is ready. A child that cannot be brought up at
the first start ends the whole run with its own last words; once a child has been ready it is restarted for ever.
"""

import fcntl
import json
import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from evidence_model.errors import EvidockError
from evidence_model.instants import Clock, wire_instant
from host_io.notify import Notifier
from operator_cli.children import Child
from operator_cli.errors import AlreadyRunningError, ChildFoundDamageError, ChildNotReadyError

STOP_SECONDS = 9.0
"""All children have so long together to stop by themselves; systemd and people wait ten."""
FIRST_TRIES_SECONDS = 15.0
"""A program that keeps ending before it was ever ready gets so long (an old one may still hold its lock)."""
FIRST_START_SECONDS = 60.0
"""A program that runs and does not say READY gets so long."""
_BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LOG_LOOK_SECONDS = 300.0
_KEPT_OUT_SECONDS = 1.0
_CALM_SECONDS = 2.0  # ready for so long: it works, and its end counts as the first one again
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PERMANENT_EXITS = frozenset({2, 3, 5})  # wrong configuration, refused, damaged: trying again changes nothing
_FOUND_DAMAGE = 5


class ChildState(Enum):
    """What is true of a child now."""

    NOT_YET = "not yet"  # waits for the one before it
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"  # ended; to be started again after a while
    STOPPED = "stopped"


def back_off_seconds(failures: int) -> float:
    """Return how long to wait before the next start after so many ends in a row."""
    return _BACK_OFF_SECONDS[min(max(failures, 1), len(_BACK_OFF_SECONDS)) - 1]


@dataclass(slots=True)
class Watched:
    """One child and what the supervisor knows of it."""

    child: Child
    state: ChildState = ChildState.NOT_YET
    failures: int = 0
    restarts: int = 0
    was_ready: bool = False
    since_mono: float = 0.0
    start_again_mono: float = 0.0
    first_start_mono: float = 0.0
    last_exit: int | None = None
    says: str = ""
    fds: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildReport:
    """A change that people who watch want to know."""

    name: str
    state: ChildState
    pid: int | None
    exit_status: int | None = None
    wait_seconds: float = 0.0
    last_words: str = ""


class Supervisor:
    """Runs the children until a signal comes; make one, call `run` once."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        run_folder: Path,
        clock: Clock,
        notifier: Notifier,
        on_report: Callable[[ChildReport], None],
        on_ready: Callable[[], None],
        first_tries_seconds: float = FIRST_TRIES_SECONDS,
    ) -> None:
        self._watched = [Watched(child) for child in children]
        self._run_folder = run_folder
        self._clock = clock
        self._notifier = notifier
        self._on_report = on_report
        self._on_ready = on_ready
        self._first_tries_seconds = first_tries_seconds
        self._selector = selectors.DefaultSelector()
        self._started_at: datetime = clock.now()
        self._all_ready = False
        self._stopping = False

    def run(self) -> None:
        """Start all, keep them running, and stop them when SIGTERM, SIGINT or SIGHUP comes.

        Raises:
            AlreadyRunningError: another one does this for the same home.
            ChildNotReadyError: a child could not be brought up; all others were stopped.
        """
        with self._only_one(), self._signals() as signals:
            try:
                self._start_next()
                while not self._stopping:
                    self._notifier.alive()
                    for key, _ in self._selector.select(timeout=self._patience()):
                        if key.fileobj is signals:
                            self._stopping = bool(signals.recv(64))
                        else:
                            key.data()
                    if not self._stopping:
                        self._start_due()
            finally:
                self._stop_all()

    # ------------------------------------------------------------------------------------------------ starting
    def _start_next(self) -> None:
        """Start the first child that was never started, if all before it are ready."""
        for watched in self._watched:
            if watched.state is ChildState.NOT_YET:
                watched.first_start_mono = self._clock.mono()
                self._start(watched)
            if watched.state is not ChildState.READY and not watched.was_ready:
                return
        if not self._all_ready:
            self._all_ready = True
            self._notifier.ready()
            self._on_ready()

    def _start(self, watched: Watched) -> None:
        watched.state = ChildState.STARTING
        watched.since_mono = self._clock.mono()
        watched.says = ""
        try:
            watched.child.start()
        except EvidockError as error:
            self._ended(watched, status=error.exit_code, last_words=str(error))
            return
        except OSError as error:
            if not watched.was_ready:
                raise
            self._ended(watched, status=None, last_words=str(error))  # a full disk has room again some day
            return
        self._watch(watched)
        self._keep_pid(watched)
        if watched.child.messages is None:
            self._ready(watched)
        else:
            self._report(watched)

    def _watch(self, watched: Watched) -> None:
        child = watched.child
        if child.pid is not None:
            fd = os.pidfd_open(child.pid)
            self._selector.register(fd, selectors.EVENT_READ, lambda: self._ended(watched, status=child.poll()))
            watched.fds.append(fd)
        if child.messages is not None:
            messages = child.messages
            self._selector.register(messages, selectors.EVENT_READ, lambda: self._heard(watched, messages))

    def _heard(self, watched: Watched, messages: socket.socket) -> None:
        try:
            lines = messages.recv(4096).decode(errors="replace").splitlines()
        except BlockingIOError:
            return
        for line in lines:
            if line == "READY=1" and watched.state is ChildState.STARTING:
                self._ready(watched)
            elif line.startswith("STATUS="):
                watched.says = line.removeprefix("STATUS=")
                self._write_state()

    def _ready(self, watched: Watched) -> None:
        watched.state = ChildState.READY
        watched.was_ready = True
        watched.since_mono = self._clock.mono()
        self._report(watched)
        self._start_next()

    # ------------------------------------------------------------------------------------------------ ends
    def _ended(self, watched: Watched, *, status: int | None, last_words: str = "") -> None:
        """Plan the next start of a child that has ended, or give up one that was never ready."""
        self._forget(watched)
        now = self._clock.mono()
        if watched.state is ChildState.READY and now - watched.since_mono > _CALM_SECONDS:
            watched.failures = 0
        watched.failures += 1
        watched.last_exit = status
        wait = back_off_seconds(watched.failures)
        watched.state = ChildState.WAITING
        words = last_words or watched.child.last_words()
        if watched.child.is_kept_out():
            wait = _KEPT_OUT_SECONDS
            watched.first_start_mono = now
        hopeless = status in _PERMANENT_EXITS or now - watched.first_start_mono > self._first_tries_seconds
        if not watched.was_ready and hopeless:
            error = ChildFoundDamageError if status == _FOUND_DAMAGE else ChildNotReadyError
            raise error(f"{watched.child.name}: {words or f'ended with {status}'}")
        watched.start_again_mono = now + wait
        self._report(watched, exit_status=status, wait_seconds=wait, last_words=words)

    def _start_due(self) -> None:
        now = self._clock.mono()
        for watched in self._watched:
            watched.child.look_after()
            if watched.state is ChildState.WAITING and now >= watched.start_again_mono:
                watched.restarts += 1
                self._start(watched)
            elif (
                watched.state is ChildState.STARTING
                and not watched.was_ready
                and now - watched.first_start_mono > FIRST_START_SECONDS
            ):
                raise ChildNotReadyError(f"{watched.child.name}: {watched.child.last_words()}")

    def _patience(self) -> float:
        """Return how long to sleep at most: minutes when all is well and nobody waits for a sign of life."""
        now = self._clock.mono()
        waits = [LOG_LOOK_SECONDS]
        waits += [watched.start_again_mono - now for watched in self._watched if watched.state is ChildState.WAITING]
        waits += [
            watched.first_start_mono + FIRST_START_SECONDS - now
            for watched in self._watched
            if watched.state is ChildState.STARTING and not watched.was_ready
        ]
        if self._notifier.watchdog_seconds is not None:
            waits.append(self._notifier.watchdog_seconds / 3)
        return max(0.0, min(waits)) + 0.01

    # ------------------------------------------------------------------------------------------------ stopping
    def _stop_all(self) -> None:
        """Stop in reverse order, so that each can still hand over to the one behind it."""
        self._stopping = True
        self._notifier.stopping()
        end = self._clock.mono() + STOP_SECONDS
        running = [watched for watched in reversed(self._watched) if watched.state is not ChildState.NOT_YET]
        for left, watched in zip(range(len(running) - 1, -1, -1), running, strict=True):
            self._forget(watched)
            watched.child.stop(seconds=end - self._clock.mono() - left)
            watched.state = ChildState.STOPPED
            self._report(watched)
            (self._run_folder / f"{watched.child.name}.pid").unlink(missing_ok=True)
        self._state_file.unlink(missing_ok=True)
        self._selector.close()

    def _forget(self, watched: Watched) -> None:
        messages = watched.child.messages
        if messages is not None and messages.fileno() >= 0 and messages in self._selector.get_map():
            self._selector.unregister(messages)
        for fd in watched.fds:
            self._selector.unregister(fd)
            os.close(fd)
        watched.fds.clear()

    # ------------------------------------------------------------------------------------------------ telling
    def _report(self, watched: Watched, **particulars: object) -> None:
        self._write_state()
        self._on_report(
            ChildReport(
                name=watched.child.name,
                state=watched.state,
                pid=watched.child.pid if watched.state in {ChildState.STARTING, ChildState.READY} else None,
                **particulars,  # type: ignore[arg-type]
            )
        )

    @property
    def _state_file(self) -> Path:
        return self._run_folder / "supervisor.json"

    def _write_state(self) -> None:
        """Keep what `evidock status` shows; lost with a power cut, and that is right."""
        now = self._clock.mono()
        state = {
            "pid": os.getpid(),
            "started_at": wire_instant(self._started_at),
            "ready": self._all_ready,
            "children": [
                {
                    "id": watched.child.name,
                    "state": watched.state.value,
                    "pid": watched.child.pid,
                    "restarts": watched.restarts,
                    "for_seconds": round(now - watched.since_mono),
                    "last_exit": watched.last_exit,
                    "says": watched.says,
                }
                for watched in self._watched
            ],
        }
        _replace(self._state_file, json.dumps(state))

    def _keep_pid(self, watched: Watched) -> None:
        _replace(self._run_folder / f"{watched.child.name}.pid", f"{watched.child.pid}\n")

    # ------------------------------------------------------------------------------------------------ surroundings
    @contextmanager
    def _only_one(self) -> Iterator[None]:
        fd = os.open(self._run_folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(str(self._run_folder.parent)) from None
            yield
        finally:
            os.close(fd)

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Turn signals into bytes on a socket that the selector waits on, so that none comes at a bad moment."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)  # noqa: FBT003 - its signature
        before_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in _STOP_SIGNALS}
        self._selector.register(ours, selectors.EVENT_READ)
        try:
            yield ours
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            ours.close()
            theirs.close()


def _replace(path: Path, text: str) -> None:
    """Put the text in the file's place; a full disk ends no run, and then nothing is better than what was true once."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        for stale in (part, path):
            with suppress(OSError):
                stale.unlink()
