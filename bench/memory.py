"""Memory of the agent with eight recorders at once, whatever the file sizes."""

import subprocess
import sys
import threading
from pathlib import Path

from bench.bench_home import evidock, footage, scratch, wait_until
from bench.figure import Figure
from edge_agent.by_hand import read_result, request_dock
from host_io.config import HomePaths

RECORDERS = 8
FILE_BYTES = 384 << 20
GOAL_BYTES = 150 << 20


def figures() -> list[Figure]:
    """Dock eight recorders at the same time and watch the agent's resident memory."""
    with scratch() as folder:
        sources = [footage(folder / f"recorder-{n}", files=1, file_bytes=FILE_BYTES) for n in range(RECORDERS)]
        home = folder / "home"
        evidock(home, "init", "--role", "station")
        paths = HomePaths(home)
        with (folder / "agent.log").open("wb") as log:
            agent = subprocess.Popen([sys.executable, "-m", "edge_agent", "--home", str(home)], stderr=log)
            try:
                sessions = [request_dock(paths, source) for source in sources]
                peak = _Peak(agent.pid)
                wait_until(lambda: all(read_result(paths, session) for session in sessions), 300)
                most = peak.stop()
            finally:
                agent.terminate()
                agent.wait(timeout=30)
    copy = subprocess.run(
        [sys.executable, "-c", "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"],
        check=True,
        capture_output=True,
        text=True,
    )
    empty = int(copy.stdout) << 10
    return [
        Figure(
            name="memory of the agent, 8 recorders at once",
            ours=f"{most >> 20} MiB",
            rival=f"an empty Python {empty >> 20} MiB",
            ratio=most / empty,
            goal=f"< {GOAL_BYTES >> 20} MiB",
            met=most < GOAL_BYTES,
            note="media probes run in child processes and are not counted",
        )
    ]


class _Peak:
    """Watches a process's resident memory ten times a second."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._most = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for line in self._status.read_text(encoding="ascii").splitlines():
                if line.startswith("VmRSS:"):
                    self._most = max(self._most, int(line.split()[1]) << 10)
