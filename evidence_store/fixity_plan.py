"""Which files of the vault are read again now, in which order, and what is to be done about a bad one; pure.

Every file is to be read once a period. A day's portion is the share of the vault that gets it round in four fifths of
the period, so that a day off, or a slow one, makes nothing late. What was read longest ago comes first; among files of
one age class (a tenth of the period) chance decides, so that nobody can tell when a file's turn is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from evidence_model.digests import Digest

AGE_CLASSES = 10
ROUND_SHARE = 0.8  # of the period: in so long the whole vault is read once
URGENT_SHARE = 0.9  # of the period: what is as old is read whatever else was read today
DAY = timedelta(days=1)
_LEAST_COST_BYTES = 4096  # opening a file costs, too; a vault of empty files is read in portions like any


class Verdict(Enum):
    """What a copy read back as."""

    SOUND = "sound"
    ALTERED = "altered"
    MISSING = "missing"
    UNREADABLE = "unreadable"


class Remedy(Enum):
    """What follows from what the vault and its replica hold."""

    NONE = "none"
    RESTORE = "restore"  # the replica's copy is good
    BOTH_BAD = "both-bad"
    NO_REPLICA = "no-replica"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a copy read: `found` is the digest that it has, or why it could not be read."""

    verdict: Verdict
    found: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that the vault took in, and when it was read back last: at a check, or when it came."""

    digest: Digest
    size_bytes: int
    read_at: datetime
    is_checked: bool = False  # False: `read_at` is when it came
    is_bad: bool = False  # at the last check, and it is not restored

    def age(self, now: datetime) -> timedelta | None:
        """Return how long ago it was read; None if that is later than now, so that nobody knows."""
        return now - self.read_at if self.read_at <= now else None

    @property
    def cost_bytes(self) -> int:
        """Return what reading it counts."""
        return max(self.size_bytes, _LEAST_COST_BYTES)


def in_order(kept: Iterable[Kept], *, now: datetime, period: timedelta, draw: Callable[[], float]) -> list[Kept]:
    """Return the files, the oldest age class first, and within a class as `draw` has it."""

    def place(each: Kept) -> tuple[int, float]:
        age = each.age(now)
        age_class = AGE_CLASSES if age is None else min(AGE_CLASSES, age * AGE_CLASSES // period)
        return -age_class, draw()

    return sorted(kept, key=place)


def portion(kept: Iterable[Kept], *, now: datetime, period: timedelta, draw: Callable[[], float]) -> list[Kept]:
    """Return what is to be read now: what is left of the day's share, and everything that is nearly late.

    What was read within the last day is left out.
    """
    files = list(kept)
    left = sum(each.cost_bytes for each in files) * (DAY / (period * ROUND_SHARE))
    left -= sum(each.cost_bytes for each in files if each.is_checked and _is_of_today(each, now))
    chosen = []
    for each in in_order((each for each in files if not _is_of_today(each, now)), now=now, period=period, draw=draw):
        age = each.age(now)
        urgent = period / AGE_CLASSES if each.is_bad else period * URGENT_SHARE  # a replica may be there by now
        if left > 0 or age is None or age >= urgent:
            chosen.append(each)
            left -= each.cost_bytes
    return chosen


def late(kept: Iterable[Kept], *, now: datetime, period: timedelta) -> list[Kept]:
    """Return what was not read for longer than the period."""
    return [each for each in kept if (age := each.age(now)) is not None and age > period]


def remedy(own: Reading, replica: Reading | None) -> Remedy:
    """Say what follows; `replica` is None where there is none."""
    if own.verdict is Verdict.SOUND:
        return Remedy.NONE
    if replica is None:
        return Remedy.NO_REPLICA
    return Remedy.RESTORE if replica.verdict is Verdict.SOUND else Remedy.BOTH_BAD


def _is_of_today(each: Kept, now: datetime) -> bool:
    age = each.age(now)
    return age is not None and age < DAY
