"""`evidock run` over small programs: `python -m tests.fakes.small_supervisor FOLDER NAME[:word…] …`."""

import os
import sys
from pathlib import Path

from evidence_model.errors import EvidockError
from host_io.clock import SystemClock
from host_io.config import HomePaths
from host_io.notify import Notifier
from operator_cli.children import Child, ProgramChild
from operator_cli.supervisor import Supervisor


def say(line: str) -> None:
    """Write one line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Supervise until a signal; say each report on standard output."""
    folder = Path(sys.argv[1])
    paths = HomePaths(folder)
    paths.run.mkdir(exist_ok=True)
    children: list[Child] = []
    for text in sys.argv[2:]:
        name, *words = text.split(":")
        arguments = ["tests.fakes.small_program", str(folder), name, *words]
        lock = folder / f"{name}.lock"
        children.append(ProgramChild(name, arguments, paths=paths, environment=dict(os.environ), lock=lock))
    supervisor = Supervisor(
        children,
        run_folder=paths.run,
        clock=SystemClock(),
        notifier=Notifier(os.environ),
        on_report=lambda report: say(f"{report.name} {report.state.value}"),
        on_ready=lambda: say("all ready"),
        first_tries_seconds=2.5,
    )
    try:
        supervisor.run()
    except EvidockError as error:
        say(f"{error.code} {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
