"""What one benchmark says, and how it is measured fairly: ours and the rival by turns, medians, one machine."""

import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: our measure, the rival's, their ratio and the goal."""

    name: str
    ours: str
    rival: str
    ratio: float
    goal: str
    met: bool
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the line for `--json`."""
        return {
            "id": self.name,
            "ours": self.ours,
            "rival": self.rival,
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "met": self.met,
            "note": self.note,
        }


def seconds(action: Callable[[], object]) -> float:
    """Return how long `action` takes by the wall, with nothing dirty left over from before."""
    os.sync()
    gc.collect()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def by_turns(
    ours: Callable[[], object],
    rivals: list[Callable[[], object]],
    *,
    rounds: int,
    clean: Callable[[], None] = lambda: None,
) -> tuple[float, list[float]]:
    """Return the median seconds of ours and of each rival, run in turn so that a drifting machine hits all alike."""
    mine: list[float] = []
    theirs: list[list[float]] = [[] for _ in rivals]
    for turn in range(rounds + 1):
        for rival, times in zip(rivals, theirs, strict=True):
            clean()
            took = seconds(rival)
            if turn:  # the first turn warms the caches
                times.append(took)
        clean()
        took = seconds(ours)
        if turn:
            mine.append(took)
    clean()
    return statistics.median(mine), [statistics.median(times) for times in theirs]
