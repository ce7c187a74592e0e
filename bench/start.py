"""How soon `evidock --help` answers, against an empty Python program."""

import subprocess
import sys

from bench.figure import Figure, by_turns

GOAL_SECONDS = 0.25


def figures() -> list[Figure]:
    """Measure the start."""
    ours, (bare,) = by_turns(
        lambda: subprocess.run([sys.executable, "-m", "operator_cli", "--help"], check=True, capture_output=True),
        [lambda: subprocess.run([sys.executable, "-c", "import click"], check=True, capture_output=True)],
        rounds=7,
    )
    return [
        Figure(
            name="start of evidock --help",
            ours=f"{ours:.2f} s",
            rival=f"python3 -c 'import click' {bare:.2f} s",
            ratio=ours / bare,
            goal=f"< {GOAL_SECONDS} s",
            met=ours < GOAL_SECONDS,
        )
    ]
