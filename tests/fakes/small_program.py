"""A small program for the supervisor to keep running: says READY, lives until SIGTERM, or fails as it is told.

`python -m tests.fakes.small_program FOLDER NAME [exit=N] [exit4-while=FILE] [ready-after=FILE] [deaf]`
Each start adds a line to FOLDER/NAME.starts, each clean stop one to FOLDER/stops.
"""

import os
import signal
import sys
import time
from pathlib import Path

from host_io.notify import Notifier


def main() -> int:
    """Do as the words say."""
    folder, name, *words = sys.argv[1:]
    with (Path(folder) / f"{name}.starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: None if "deaf" in words else stopped.append(number))
    for word in words:
        kind, _, value = word.partition("=")
        if kind == "exit" or (kind == "exit4-while" and Path(value).exists()):
            sys.stderr.write(f"{name} cannot go on" + "\n")
            return int(value) if kind == "exit" else 4
        while kind == "ready-after" and not Path(value).exists() and not stopped:
            time.sleep(0.01)
    notifier = Notifier(os.environ)
    notifier.status(f"{name} at work")
    notifier.ready()
    while not stopped:
        time.sleep(0.02)
    with (Path(folder) / "stops").open("a") as stops:
        stops.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
