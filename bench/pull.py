"""Pulling footage, against what an administrator would type instead: cp, bagit.py, sha256sum, rsync."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.bench_home import evidock, footage, scratch
from bench.figure import Figure, by_turns
from edge_agent.by_hand import dock_inline
from host_io.config import HomePaths, read_config

FILES = 8
FILE_BYTES = 256 << 20
BIG_BYTES = 4 << 30
ROUNDS = 3


def figures() -> list[Figure]:
    """Measure 2 GiB in 8 files, then one file of 4 GiB."""
    with scratch() as folder:
        result = _many(folder, footage(folder / "recorder", files=FILES, file_bytes=FILE_BYTES))
        shutil.rmtree(folder / "recorder")
        return result + _one(folder, footage(folder / "big", files=1, file_bytes=BIG_BYTES))


def _many(folder: Path, source: Path) -> list[Figure]:
    target = folder / "copy"

    def copy() -> None:
        subprocess.run(["cp", "-r", source, target], check=True)
        subprocess.run(["sync"], check=True)

    def copy_and_bag() -> None:
        copy()
        subprocess.run(
            [sys.executable, "-m", "bagit", "--processes", "2", "--sha256", "--quiet", target],
            check=True,
            capture_output=True,
        )

    def copy_and_sum() -> None:
        copy()
        _sum(target)

    def rsync_and_sum() -> None:
        subprocess.run(["rsync", "-a", f"{source}/", target], check=True)
        subprocess.run(["sync"], check=True)
        _sum(target)

    pull = _Pull(folder)
    named: list[tuple[str, Callable[[], None], float, str]] = [
        ("cp -r + sync", copy, 1 / 1.3, "≤ 1.3 ×"),
        ("cp + bagit.py --processes 2", copy_and_bag, 1.25, "≥ 1.25 × faster"),
        ("cp && sync && sha256sum", copy_and_sum, 6, "≥ 6 × faster"),
        ("rsync + sha256sum", rsync_and_sum, 7, "≥ 7 × faster"),
    ]
    reported: list[float] = []

    def ours() -> None:
        reported.append(pull.run(source))

    _, rivals = by_turns(
        ours, [rival for _, rival, _, _ in named], rounds=ROUNDS, clean=lambda: _clean(target, pull.home)
    )
    took = sorted(reported[1:])[len(reported[1:]) // 2]
    return [
        Figure(
            name=f"pull 2 GiB in 8 files against {name}",
            ours=f"{took:.2f} s",
            rival=f"{rival:.2f} s",
            ratio=took / rival if goal < 1 else rival / took,
            goal=words,
            met=rival / took >= goal,
            note="copy, SHA-256, fsync, sign and journal; the re-read past the page cache follows",
        )
        for (name, _, goal, words), rival in zip(named, rivals, strict=True)
    ]


def _one(folder: Path, source: Path) -> list[Figure]:
    target = folder / "copy"
    big = next(source.rglob("*.MP4"))

    def copy() -> None:
        subprocess.run(["cp", big, target], check=True)
        subprocess.run(["sync"], check=True)

    def digest() -> None:
        with big.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    pull = _Pull(folder)
    reported: list[float] = []
    _, (copied, hashed) = by_turns(
        lambda: reported.append(pull.run(source)),
        [copy, digest],
        rounds=1,
        clean=lambda: _clean(target, pull.home),
    )
    slower = max(copied, hashed)
    return [
        Figure(
            name="pull one file of 4 GiB",
            ours=f"{reported[-1]:.2f} s",
            rival=f"cp + sync {copied:.2f} s, hashlib {hashed:.2f} s",
            ratio=reported[-1] / slower,
            goal="≤ 1.15 × the slower",
            met=reported[-1] <= 1.15 * slower,
        )
    ]


class _Pull:
    """Pulls into a new home each time and returns the seconds until every file was sealed."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"

    def run(self, source: Path) -> float:
        evidock(self.home, "init", "--role", "station")
        paths = HomePaths(self.home)
        return dock_inline(paths, read_config(paths), source).pull_seconds


def _sum(target: Path) -> None:
    files = sorted(path for path in target.rglob("*") if path.is_file())
    subprocess.run(["sha256sum", *files], check=True, capture_output=True)


def _clean(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
