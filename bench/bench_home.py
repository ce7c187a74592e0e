"""Homes and footage for the benchmarks, all in one temporary folder that goes away again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_BLOCK_BYTES = 8 << 20


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder on the disk that the checkout lies on (never a tmpfs), and take it away afterwards."""
    base = Path(__file__).parent.parent / ".work"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def footage(folder: Path, *, files: int, file_bytes: int) -> Path:
    """Fill a folder with incompressible files of different content, laid out as a recorder does."""
    media = folder / "DCIM" / "100MEDIA"
    media.mkdir(parents=True)
    block = os.urandom(_BLOCK_BYTES)
    an_hour_ago = time.time() - 3600  # a file that was just written is looked at twice before it is believed finished
    for number in range(files):
        path = media / f"2026_1122_0{number // 6}{number % 6}000_{number:03}.MP4"
        with path.open("wb") as file:
            file.write(number.to_bytes(8, "big"))
            left = file_bytes - 8
            while left > 0:
                file.write(block[: min(left, _BLOCK_BYTES)])
                left -= _BLOCK_BYTES
        os.utime(path, (an_hour_ago, an_hour_ago))
    os.sync()
    return folder


def evidock(home: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "operator_cli", "--home", str(home), *words], check=check, capture_output=True, text=True
    )


def evidock_json(home: Path, *words: str) -> dict[str, object]:
    """Run a command with --json and return its document."""
    document: dict[str, object] = json.loads(evidock(home, "--json", *words).stdout)
    return document


@contextlib.contextmanager
def running_workstation(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Make a workstation's home and run all its roles until the block ends."""
    evidock(home, "init", "--role", "workstation")
    with (home.parent / f"{home.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "operator_cli", "--home", str(home), "run"], stdout=log, stderr=log
        )
        try:
            wait_until(
                lambda: all((home / "run" / f"{role}.pid").exists() for role in ("store", "ingest", "agent")), 60
            )
            wait_until((home / "run" / "store.json").exists, 60)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait for a condition, looking 50 times a second.

    Raises:
        TimeoutError: it did not come true in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds} s in vain")
        time.sleep(0.02)
