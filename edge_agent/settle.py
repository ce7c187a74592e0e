"""Whether a file has stopped growing: two looks some seconds apart show the same, or it is old anyway (case 13).

A recorder whose card is mounted here cannot write at the same time; one that shares a folder over a network or MTP can.
So a file whose last change lies long enough back is taken at once, and only a young one has to be looked at twice.
Pure: looks come in with the time they were taken.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from evidence_model.instants import EPOCH

STAMP_LIMITS: Final = (-(1 << 63), (1 << 63) - 1)  # what station.db counts in nanoseconds: 1677 to 2262


def storable_ns(mtime_ns: int) -> int:
    """Return a stamp as station.db keeps it, cut at its limits; the exact one stands in the signed event."""
    return max(STAMP_LIMITS[0], min(mtime_ns, STAMP_LIMITS[1]))


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another without reading it."""

    size_bytes: int
    mtime_ns: int

    @property
    def row(self) -> tuple[int, int]:
        """Return it as the columns of station.db hold it."""
        return self.size_bytes, storable_ns(self.mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a file; `mono` is from a clock that never goes back."""

    stamp: Stamp
    mono: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRule:
    """How long a file must have been quiet, and how often it is looked at before it is left for the next docking."""

    quiet_seconds: float = 2.0
    most_looks: int = 6


class Settled(Enum):
    """What two looks say."""

    YES = "yes"
    TOO_SOON = "too-soon"  # the looks are not far enough apart to say anything
    CHANGED = "changed"


def is_old(stamp: Stamp, *, now: datetime, rule: SettleRule) -> bool:
    """Return whether the last change lies so far back that a second look would tell nothing more.

    A change that is in the future by this machine's clock says nothing about age: such a file is looked at twice.
    """
    try:
        quiet_at = EPOCH + timedelta(microseconds=stamp.mtime_ns // 1000) + timedelta(seconds=rule.quiet_seconds)
    except OverflowError:
        return False
    return quiet_at <= now


def compare(first: Look, second: Look, rule: SettleRule) -> Settled:
    """Say whether the file was quiet between two looks."""
    if first.stamp != second.stamp:
        return Settled.CHANGED
    return Settled.YES if second.mono - first.mono >= rule.quiet_seconds else Settled.TOO_SOON
