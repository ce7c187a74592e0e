"""A policy pack: every value that a rule sets, with the rule's code and its article, or marked as our own default."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class Basis(Enum):
    """Where a value comes from; shown wherever the value is."""

    RULE = "rule"  # the article gives this figure
    OURS = "ours"  # the article asks for the thing and gives no figure: our default, for the unit to decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Why a value is what it is."""

    basis: Basis
    rules: tuple[str, ...]  # "MS-D9": agency, part, article
    article: str  # the words of the rule
    note_zh: str = ""
    note_en: str = ""


@dataclass(frozen=True, slots=True)
class Ruled(Generic[T]):
    """A value with its source."""

    value: T
    source: Source


class UnknownCountsAs(Enum):
    """What a check that cannot know does to the verdict of the whole."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightThresholds:
    """When a recorder is fit for use (MS-D4, XM-D4 name battery, storage, date and time and give no figures)."""

    source: Source
    battery_warn_below_percent: int
    battery_fail_below_percent: int
    recording_bytes_per_minute: int  # turns free space into minutes of recording
    storage_warn_below_minutes: int
    storage_fail_below_minutes: int
    locked_fail_from_percent: int  # of the card: loop recording has nothing left to overwrite
    clock_fast_after: timedelta  # newest stamp later than dock time by more than this proves a fast clock
    clock_warn_from: timedelta
    clock_fail_from: timedelta
    clock_reset_until_year: int  # a stamp of this year or before is a clock that lost its time
    clock_reset_dates: tuple[str, ...]  # days at which clocks start again, `2000-01-01`
    unknown_counts_as: UnknownCountsAs


class Explanation(Enum):
    """What an interruption for this reason asks of the officer."""

    SPOKEN = "spoken"  # said aloud when recording starts again, else report and written statement (WH-R18)
    WORK_RECORD = "work-record"  # reason and basis in writing, reviewed by the unit's head (MS-D16)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionReason:
    """A reason for which recording may stop."""

    id: str
    zh: str
    en: str
    explanation: Explanation
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The rules one unit works under from a day on."""

    id: str
    title_zh: str
    title_en: str
    valid_from_on: date
    zone: str
    pull_deadline: Ruled[timedelta]
    pull_deadline_after_return: Ruled[timedelta]
    preflight: PreflightThresholds
    interruption_reasons: Mapping[str, InterruptionReason]
    required_tags: Ruled[tuple[str, ...]]
    retention_months: Ruled[int]
    sm3: Ruled[bool]  # a second digest of footage beside SHA-256

    def explain(self) -> dict[str, Source]:
        """Return setting → source, for showing the article beside every value."""
        sources = {
            "digests.sm3": self.sm3.source,
            "preflight": self.preflight.source,
            "pull.after_return": self.pull_deadline_after_return.source,
            "pull.deadline": self.pull_deadline.source,
            "retention.default": self.retention_months.source,
            "tags.required": self.required_tags.source,
        }
        return sources | {
            f"interruption_reasons.{reason.id}": reason.source for reason in self.interruption_reasons.values()
        }
