"""From docking to the verified receipt on an idle system, one file of 100 MiB, against `cp`, `sync` and hashlib."""

import hashlib
import shutil
import subprocess
from functools import partial
from pathlib import Path

from bench.bench_home import evidock_json, footage, running_workstation, scratch
from bench.figure import Figure, seconds

FILE_BYTES = 100 << 20
GOAL_SECONDS = 1.5
ROUNDS = 5


def figures() -> list[Figure]:
    """Measure the way of one file while nothing else happens."""
    ours, rival = [], []
    with scratch() as folder, running_workstation(folder / "home"):
        for number in range(ROUNDS):
            source = footage(folder / f"recorder-{number}", files=1, file_bytes=FILE_BYTES)
            rival.append(seconds(partial(_by_hand, source, folder / "copy")))
            ours.append(seconds(partial(evidock_json, folder / "home", "dock", str(source), "--wait", "received")))
            shutil.rmtree(source)
    took, by_hand = sorted(ours)[ROUNDS // 2], sorted(rival)[ROUNDS // 2]
    beyond = took - by_hand
    return [
        Figure(
            name="dock to verified receipt, 100 MiB, idle system",
            ours=f"{took:.2f} s",
            rival=f"cp + sync + sha256 on both sides {by_hand:.2f} s",
            ratio=took / by_hand,
            goal=f"≤ {GOAL_SECONDS} s beyond",
            met=beyond <= GOAL_SECONDS,
            note="with pre-flight, media probe and the start of the command itself",
        )
    ]


def _by_hand(source: Path, target: Path) -> None:
    file = next(source.rglob("*.MP4"))
    subprocess.run(["cp", file, target], check=True)
    subprocess.run(["sync"], check=True)
    for path in (file, target):
        with path.open("rb") as opened:
            hashlib.file_digest(opened, "sha256")
    target.unlink()
