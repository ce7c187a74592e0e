"""A whole workstation as its users run it: real processes, real broker, real files; stories are told over it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

from chain_of_custody.envelope import parse_envelope
from chain_of_custody.event import EventView, parse_event
from edge_agent.by_hand import agent_is_running
from host_io.config import HomePaths

ROLES = ("broker", "store", "ingest", "agent")


def wait_until(condition: Callable[[], object], *, seconds: float = 60.0, what: str = "the condition") -> None:
    """Wait for a condition, looking twenty times a second; fail with `what` if it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Workstation:
    """`evidock run` in a home, with what a story needs to ask of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._run: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def evidock(self, *words: str, check: bool = True, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line in this home."""
        done = subprocess.run(
            [sys.executable, "-m", "operator_cli", "--home", str(self.home), *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"evidock {' '.join(words)} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self) -> None:
        """Make the home if there is none, and run all its roles."""
        config = self.home / "evidock.toml"
        if not config.exists():
            self.evidock("init", "--role", "workstation")
            # what another test announces to this machine's udev is none of this story's
            config.write_text(config.read_text().replace("watch_usb = true", "watch_usb = false"))
        with (self.home.parent / f"{self.home.name}-run.log").open("ab") as log:
            self._run = subprocess.Popen(
                [sys.executable, "-m", "operator_cli", "--home", str(self.home), "run"], stdout=log, stderr=log
            )
        self.wait_running()

    def wait_running(self) -> None:
        """Wait until every role has a living process, the store answers, and dockings are the agent's."""
        run = self.home / "run"
        wait_until(
            lambda: (
                all(self.pid(role) for role in ROLES)
                and (run / "store.json").exists()
                and agent_is_running(HomePaths(self.home))
            ),
            what="all roles to run",
        )

    def pid(self, role: str) -> int | None:
        """Return the process of a role, or None while it is down."""
        try:
            pid = int((self.home / "run" / f"{role}.pid").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def kill(self, role: str) -> bool:
        """SIGKILL a role's process; False if it was down already."""
        pid = self.pid(role)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_supervisor(self) -> None:
        """SIGKILL `evidock run` itself."""
        if self._run is not None:
            self._run.kill()
            self._run.wait()
            self._run = None

    def stop(self) -> int:
        """SIGTERM the supervisor and return its exit status."""
        if self._run is None:
            return 0
        self._run.send_signal(signal.SIGTERM)
        status = self._run.wait(timeout=30)
        self._run = None
        return status

    def events(self) -> list[EventView]:
        """Return every event in the log's folder of envelopes, in no order."""
        return [
            parse_event(parse_envelope(path.read_bytes()))
            for path in (self.home / "log" / "envelopes").rglob("*.dsse.json")
        ]

    def event_counts(self) -> Counter[tuple[str, str]]:
        """Return how often each kind was logged about each item."""
        return Counter((event.kind, event.asset.id if event.asset else "") for event in self.events())

    def vault_digests(self) -> set[str]:
        """Return the digests of the vault's files, computed from their bytes."""
        return {file_sha256(path) for path in (self.home / "vault" / "sha256").rglob("*") if path.is_file()}

    def log_size(self) -> int:
        """Return the size that the published checkpoint says."""
        return int((self.home / "log" / "checkpoint").read_text().splitlines()[1])

    def all_receipted(self) -> bool:
        """Say whether every envelope that the station signed has its receipt."""
        figures = json.loads(self.evidock("--json", "status", check=False).stdout or "{}")
        return bool(figures) and figures.get("waiting_for_receipt") == 0


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
