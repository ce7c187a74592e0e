"""Is this recorder fit to be taken out? A pure decision on what the volume tells (MS-D4, XM-D4).

Each check says what it saw, against which limit of the policy pack, and what mends it; texts are ids, so that the same
signed result is shown in either language. What cannot be known is `unknown` and shown as that, never as passed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from edge_agent.identify import Trust
from evidence_model.canonical import Json
from evidence_model.instants import wire_instant
from evidence_model.known import Known, Unknown
from evidence_model.wall_time import WallTime
from policies.model import PreflightThresholds

_PERCENT = 100


class Verdict(Enum):
    """How a check came out."""

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


_GRAVITY = {Verdict.PASS: 0, Verdict.UNKNOWN: 1, Verdict.WARN: 1, Verdict.FAIL: 2}


class Translate(Protocol):
    """Turns a text id and its values into a sentence (`operator_cli.texts.Texts` does)."""

    def __call__(self, message_id: str, /, **values: object) -> str:
        """Return the sentence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFacts:
    """What the checks look at; gathered in preflight_facts.py."""

    docked_at: datetime
    battery_percent: "Known[int] | Unknown"
    total_bytes: int
    free_bytes: int
    locked_bytes: int
    pending_count: int  # files on the recorder that the store has not receipted
    pending_bytes: int
    newest_stamp: "Known[WallTime] | Unknown"  # latest time the recorder wrote into a name or a FAT entry
    newest_stamp_at: "Known[datetime] | Unknown"  # the same under the profile's assumed zone
    reset_stamp_count: int  # files whose stamp a clock that lost its time has written
    clock_offset_ms: "Known[int] | Unknown"  # measured, positive = the recorder is ahead
    fs_type: "Known[str] | Unknown"
    dirty: "Known[bool] | Unknown"
    media_failure: "Known[bool] | Unknown"
    error_count: int  # entries that could not be listed or read
    recorder_id: str
    trust: Trust
    profile_id: str
    recognised: bool
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check's result; `reason` and `fix` are text ids under `preflight.`, `values` what the texts show."""

    name: str
    verdict: Verdict
    value: "Known[str] | Unknown"
    unit: str
    reason: str
    fix: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def as_json(self, translate: Translate) -> dict[str, object]:
        """Return the contract's form; `value` is null where it is not known."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "value": self.value.value if isinstance(self.value, Known) else None,
            "unit": self.unit,
            "reason": translate(f"preflight.{self.reason}", **self.values),
            "fix": translate(f"preflight.{self.fix}", **self.values) if self.fix else "",
        }

    def as_body(self) -> dict[str, Json]:
        """Return the check as it stands in `preflight.done`."""
        return {
            "fix": self.fix,
            "name": self.name,
            "reason": self.reason,
            "unit": self.unit,
            "value": self.value.value if isinstance(self.value, Known) else "unknown",
            "values": dict(sorted(self.values.items())),
            "verdict": self.verdict.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """All checks and what they come to."""

    verdict: Verdict  # pass, warn or fail; what an unknown counts as is the policy's to say
    checks: tuple[Check, ...]
    docked_at: datetime
    rules: tuple[str, ...]

    def as_json(self, translate: Translate) -> dict[str, object]:
        """Return `preflight PATH --json` as the contract has it."""
        return {
            "verdict": self.verdict.value,
            "checks": [check.as_json(translate) for check in self.checks],
            "rules": list(self.rules),
        }

    def as_body(self) -> dict[str, Json]:
        """Return the body of `preflight.done`."""
        return {
            "at": wire_instant(self.docked_at),
            "checks": [check.as_body() for check in self.checks],
            "verdict": self.verdict.value,
        }


def check(facts: PreflightFacts, thresholds: PreflightThresholds) -> Preflight:
    """Check a docked recorder against the policy's limits (MS-D4, XM-D4)."""
    checks = (
        _battery(facts, thresholds),
        _storage(facts, thresholds),
        _clock(facts, thresholds),
        _pending_footage(facts),
        _file_system(facts),
        _identity(facts),
    )
    counted = [
        Verdict(thresholds.unknown_counts_as.value) if one.verdict is Verdict.UNKNOWN else one.verdict for one in checks
    ]
    return Preflight(
        verdict=max(counted, key=lambda verdict: _GRAVITY[verdict]),
        checks=checks,
        docked_at=facts.docked_at,
        rules=thresholds.source.rules,
    )


def is_reset_stamp(stamp: WallTime, thresholds: PreflightThresholds) -> bool:
    """Return whether only a clock that lost its time can have shown this (recorders.md case 14)."""
    return stamp.year <= thresholds.clock_reset_until_year or stamp.date in thresholds.clock_reset_dates


def _battery(facts: PreflightFacts, thresholds: PreflightThresholds) -> Check:
    if isinstance(facts.battery_percent, Unknown):
        return Check(
            name="battery",
            verdict=Verdict.UNKNOWN,
            value=facts.battery_percent,
            unit="%",
            reason="battery.hidden",
            fix="battery.look",
        )
    percent = facts.battery_percent.value
    verdict, reason = Verdict.PASS, "battery.enough"
    if percent < thresholds.battery_fail_below_percent:
        verdict, reason = Verdict.FAIL, "battery.empty"
    elif percent < thresholds.battery_warn_below_percent:
        verdict, reason = Verdict.WARN, "battery.low"
    return Check(
        name="battery",
        verdict=verdict,
        value=Known(str(percent)),
        unit="%",
        reason=reason,
        fix="" if verdict is Verdict.PASS else "battery.charge",
        values={"percent": str(percent), "limit": str(thresholds.battery_warn_below_percent)},
    )


def _storage(facts: PreflightFacts, thresholds: PreflightThresholds) -> Check:
    minutes = facts.free_bytes // thresholds.recording_bytes_per_minute
    locked_percent = facts.locked_bytes * _PERCENT // facts.total_bytes if facts.total_bytes else 0
    values = {
        "free": str(facts.free_bytes),
        "locked": str(facts.locked_bytes),
        "locked_percent": str(locked_percent),
        "minutes": str(minutes),
        "total": str(facts.total_bytes),
        "limit": str(thresholds.storage_warn_below_minutes),
    }
    verdict, reason, fix = Verdict.PASS, "storage.enough", ""
    if facts.total_bytes == 0:
        verdict, reason, fix = Verdict.UNKNOWN, "storage.hidden", "storage.look"
    elif locked_percent >= thresholds.locked_fail_from_percent:
        # a card full of locked files: loop recording finds nothing to overwrite, some recorders do not even start
        verdict, reason, fix = Verdict.FAIL, "storage.locked_full", "storage.free_locked"
    elif minutes < thresholds.storage_fail_below_minutes:
        verdict, reason, fix = Verdict.FAIL, "storage.full", "storage.wait_until_freed"
    elif minutes < thresholds.storage_warn_below_minutes:
        verdict, reason, fix = Verdict.WARN, "storage.low", "storage.wait_until_freed"
    value: Known[str] | Unknown = Known(str(facts.free_bytes))
    if verdict is Verdict.UNKNOWN:
        value = Unknown("the file system does not say its size")
    return Check(name="storage", verdict=verdict, value=value, unit="bytes", reason=reason, fix=fix, values=values)


def _clock(facts: PreflightFacts, thresholds: PreflightThresholds) -> Check:
    values = {
        "count": str(facts.reset_stamp_count),
        "docked_at": wire_instant(facts.docked_at),
        "offset": "",
        "stamp": facts.newest_stamp.value.text if isinstance(facts.newest_stamp, Known) else "",
    }
    if isinstance(facts.clock_offset_ms, Known):
        offset = timedelta(milliseconds=facts.clock_offset_ms.value)
        verdict, reason = _measured_clock(offset, thresholds)
        value: Known[str] | Unknown = Known(_seconds(offset))
    else:
        verdict, reason, value = _clock_by_stamps(facts, thresholds)
    if isinstance(value, Known):
        values["offset"] = value.value
    fix = {Verdict.PASS: "", Verdict.UNKNOWN: "clock.compare"}.get(verdict, "clock.set")
    return Check(name="clock", verdict=verdict, value=value, unit="s", reason=reason, fix=fix, values=values)


def _measured_clock(offset: timedelta, thresholds: PreflightThresholds) -> tuple[Verdict, str]:
    if abs(offset) >= thresholds.clock_fail_from:
        return Verdict.FAIL, "clock.off"
    if abs(offset) >= thresholds.clock_warn_from:
        return Verdict.WARN, "clock.drifts"
    return Verdict.PASS, "clock.right"


def _clock_by_stamps(
    facts: PreflightFacts, thresholds: PreflightThresholds
) -> "tuple[Verdict, str, Known[str] | Unknown]":
    """Return what stamps alone prove: a clock that is fast or lost its time; never that one is slow or right."""
    if isinstance(facts.newest_stamp, Known) and is_reset_stamp(facts.newest_stamp.value, thresholds):
        return Verdict.FAIL, "clock.reset", Unknown("the clock lost its time")
    if isinstance(facts.newest_stamp_at, Known):
        ahead = facts.newest_stamp_at.value - facts.docked_at
        if ahead > thresholds.clock_fast_after:  # nothing is recorded in the future: at least this much too fast
            return Verdict.FAIL, "clock.fast", Known(_seconds(ahead))
    if facts.reset_stamp_count:
        return Verdict.WARN, "clock.was_reset", Unknown("some stamps are of a clock that lost its time")
    return Verdict.UNKNOWN, "clock.unproved", Unknown("stamps alone cannot prove that a clock is slow or right")


def _pending_footage(facts: PreflightFacts) -> Check:
    waiting = facts.pending_count > 0
    return Check(
        name="pending_footage",
        verdict=Verdict.WARN if waiting else Verdict.PASS,
        value=Known(str(facts.pending_count)),
        unit="files",
        reason="pending.waiting" if waiting else "pending.none",
        fix="pending.leave_docked" if waiting else "",
        values={"count": str(facts.pending_count), "bytes": str(facts.pending_bytes)},
    )


def _file_system(facts: PreflightFacts) -> Check:
    verdict, reason, fix = Verdict.PASS, "filesystem.sound", ""
    if isinstance(facts.media_failure, Known) and facts.media_failure.value:
        verdict, reason, fix = Verdict.FAIL, "filesystem.media_failure", "filesystem.replace_card"
    elif facts.error_count:
        verdict, reason, fix = Verdict.FAIL, "filesystem.errors", "filesystem.replace_card"
    elif isinstance(facts.fs_type, Unknown):
        verdict, reason, fix = Verdict.UNKNOWN, "filesystem.unknown", "filesystem.report"
    elif isinstance(facts.dirty, Known) and facts.dirty.value:
        # normal after a recorder lost power; never repaired on the original (recorders.md case 27)
        verdict, reason, fix = Verdict.WARN, "filesystem.dirty", "filesystem.shut_down_first"
    return Check(
        name="filesystem",
        verdict=verdict,
        value=facts.fs_type,
        unit="",
        reason=reason,
        fix=fix,
        values={"count": str(facts.error_count)},
    )


def _identity(facts: PreflightFacts) -> Check:
    verdict, reason, fix = Verdict.PASS, "identity.device", ""
    if facts.refused:
        verdict, reason, fix = Verdict.FAIL, "identity.refused_model", "identity.makers_dock"
    elif facts.trust is Trust.FOLDER:
        verdict, reason, fix = Verdict.UNKNOWN, "identity.folder", "identity.give_id"
    elif facts.trust is Trust.FILE_SYSTEM:
        verdict, reason, fix = Verdict.PASS, "identity.card", ""
    elif facts.trust is Trust.OPERATOR:
        verdict, reason, fix = Verdict.PASS, "identity.operator", ""
    return Check(
        name="identity",
        verdict=verdict,
        value=Known(facts.recorder_id),
        unit="",
        reason=reason,
        fix=fix,
        values={"profile": facts.profile_id, "recorder": facts.recorder_id},
    )


def _seconds(span: timedelta) -> str:
    return str(round(span.total_seconds()))
