"""Which programs of this home are at work now, whether a supervisor or systemd started them."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from evidence_model.canonical import Json
from host_io.config import HomePaths
from operator_cli.home_programs import LOCKS, Program
from operator_cli.lock_files import is_locked


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
    programs = {program for program, name in LOCKS.items() if is_locked(paths.run / name)}
    supervisor: int | None = None
    children: tuple[Mapping[str, Json], ...] = ()
    if is_locked(paths.run / "supervisor.lock"):
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((paths.run / "supervisor.json").read_text(encoding="utf-8"))
            supervisor, children = int(state["pid"]), tuple(state["children"])
            if any(child["id"] == Program.BROKER.value and child["state"] == "ready" for child in children):
                programs.add(Program.BROKER)
    return Running(frozenset(programs), supervisor, children)
