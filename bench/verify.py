"""`evidock verify HOME`, against hashing the same bytes with hashlib on all cores."""

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.bench_home import evidock, evidock_json, footage, running_workstation, scratch
from bench.figure import Figure, by_turns

FILES = 8
FILE_BYTES = 256 << 20
GOAL = 0.9


def figures() -> list[Figure]:
    """Verify a home of 2 GiB."""
    with scratch() as folder:
        home = folder / "home"
        source = footage(folder / "recorder", files=FILES, file_bytes=FILE_BYTES)
        with running_workstation(home):
            evidock_json(home, "dock", str(source), "--wait", "received")
        blobs = [path for path in (home / "vault" / "sha256").rglob("*") if path.is_file()]
        ours, (rival,) = by_turns(lambda: evidock(home, "verify", str(home)), [lambda: _hash_all(blobs)], rounds=3)
    return [
        Figure(
            name="verify a home of 2 GiB",
            ours=f"{ours:.2f} s",
            rival=f"hashlib on {os.cpu_count()} cores {rival:.2f} s",
            ratio=rival / ours,
            goal=f"≥ {GOAL} ×",
            met=rival / ours >= GOAL,
            note="log, signatures, chains, catalogue and every byte",
        )
    ]


def _hash_all(files: list[Path]) -> None:
    with ProcessPoolExecutor() as pool:
        list(pool.map(_hash, files))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
