"""`evidock verify` of a home and of a package, against hashing the same bytes with hashlib on all cores."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.bench_home import evidock, evidock_json, footage, running_workstation, scratch
from bench.figure import Figure, by_turns

FILES = 16
FILE_BYTES = 256 << 20
GOAL = 0.9


def figures() -> list[Figure]:
    """Verify a home of 4 GiB, and an evidence package of all that is in it."""
    with scratch() as folder:
        home, package = folder / "home", folder / "package"
        source = footage(folder / "recorder", files=FILES, file_bytes=FILE_BYTES)
        with running_workstation(home):
            evidock_json(home, "dock", str(source), "--wait", "received")
            evidock(home, "custody", "seal")
        recordings: list[dict[str, str]] = json.loads(evidock(home, "--json", "recordings", "list").stdout)
        words = [word for each in recordings for word in ("--recording", each["id"])]
        evidock(home, "custody", "export", *words, "--out", str(package))
        trust = str(home / "trust.json")
        return [
            _figure("a home", home / "vault", lambda: evidock(home, "verify", str(home))),
            _figure("an evidence package", package, lambda: evidock(home, "verify", str(package), "--trust", trust)),
        ]


def _figure(what: str, bytes_in: Path, verify: Callable[[], object]) -> Figure:
    files = [path for path in bytes_in.rglob("*") if path.is_file()]
    ours, (rival,) = by_turns(verify, [lambda: _hash_all(files)], rounds=3)
    return Figure(
        name=f"verify {what} of 4 GiB",
        ours=f"{ours:.2f} s",
        rival=f"hashlib on {os.cpu_count()} cores {rival:.2f} s",
        ratio=rival / ours,
        goal=f"≥ {GOAL} ×",
        met=rival / ours >= GOAL,
        note="log, signatures, chains and every byte",
    )


def _hash_all(files: list[Path]) -> None:
    with ProcessPoolExecutor() as pool:
        list(pool.map(_hash, files))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
