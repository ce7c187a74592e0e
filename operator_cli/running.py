"""Which programs of this home are at work now, whether a supervisor or systemd started them."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evidence_model.canonical import Json
from host_io.config import HomePaths
from operator_cli.home_programs import Program

_LOCKS = {Program.STORE: "store.lock", Program.INGEST: "ingest.lock", Program.AGENT: "agent.lock"}


@dataclass(frozen=True, slots=True)
class Running:
    """What runs; `supervisor` is the process of `evidock run`, None where there is none."""

    programs: frozenset[Program]
    supervisor: int | None
    children: tuple[Mapping[str, Json], ...]

    def keeps(self, program: Program) -> bool:
        """Say whether the program is at work, or a supervisor will start it again in a moment."""
        return program in self.programs or any(child.get("id") == program.value for child in self.children)

    def gives_receipts(self, *, has_store: bool) -> bool:
        """Say whether somebody here hands footage over, and the store, if it is ours to run, answers."""
        return self.keeps(Program.INGEST) and (self.keeps(Program.STORE) or not has_store)


def look(paths: HomePaths) -> Running:
    """Look once."""
    programs = {program for program, name in _LOCKS.items() if is_locked(paths.run / name)}
    supervisor: int | None = None
    children: tuple[Mapping[str, Json], ...] = ()
    if is_locked(paths.run / "supervisor.lock"):
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((paths.run / "supervisor.json").read_text(encoding="utf-8"))
            supervisor, children = int(state["pid"]), tuple(state["children"])
            if any(child["id"] == Program.BROKER.value and child["state"] == "ready" for child in children):
                programs.add(Program.BROKER)
    return Running(frozenset(programs), supervisor, children)


def is_locked(path: Path) -> bool:
    """Say whether a process holds the lock file, without taking it if the kernel tells (a program may be starting)."""
    try:
        facts = path.stat()
    except OSError:
        return False
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return _is_locked_by_trying(path)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    held = {line.split()[5] for line in locks if " FLOCK " in line and "->" not in line}
    if place in held:
        return True
    # btrfs and overlayfs (containers) give stat another device number than the kernel's list of locks
    return (not locks or any(each.rsplit(":", 1)[-1] == str(facts.st_ino) for each in held)) and _is_locked_by_trying(
        path
    )


def _is_locked_by_trying(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)
