"""Instants are UTC and aware; naive ones are refused, never repaired. Recorder times stay raw (docs/design/time.md)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol

from evidence_model.errors import RefusedError
from evidence_model.known import Known, Unknown

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedInstantError(RefusedError):
    """The text is not `YYYY-MM-DDThh:mm:ss.mmmZ`, or the value has no zone."""

    code = "EM-012"


class ClockSource(Enum):
    """Whose clock the wall time is."""

    NTP = "ntp"
    RTC = "rtc"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """All that this machine's clocks say at one moment; goes into every event as it is."""

    wall_at: datetime
    boot: str
    mono_ns: int
    source: ClockSource
    error_ms: "Known[int] | Unknown"


class Clock(Protocol):
    """The only way to learn the time; `host_io.clock` has the real one, tests have one they set."""

    def read(self) -> ClockReading:
        """Return all clocks at this moment."""
        ...

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        ...

    def mono(self) -> float:
        """Return seconds on a clock that never goes back; for intervals only."""
        ...


def wire_instant(at: datetime) -> str:
    """Return RFC 3339 with milliseconds and `Z`.

    Raises:
        MalformedInstantError: the datetime is naive.
    """
    if at.tzinfo is None:
        raise MalformedInstantError("an instant without a zone")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_instant(text: object) -> datetime:
    """Read RFC 3339 with exactly three decimals and `Z`.

    Raises:
        MalformedInstantError: anything else.
    """
    match = _RFC3339.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    if match is None:
        raise MalformedInstantError(f"not an instant like 2026-11-22T01:02:03.456Z: {text!r:.60}")
    year, month, day, hour, minute, second, milli = (int(part) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, milli * 1000, tzinfo=UTC)
    except ValueError as error:
        raise MalformedInstantError(f"no such instant: {text!r:.60}") from error


def unix_ms(at: datetime) -> int:
    """Return milliseconds since 1970 in UTC, as SQLite columns named `…_unix_ms` hold them."""
    if at.tzinfo is None:
        raise MalformedInstantError("an instant without a zone")
    return (at - EPOCH) // timedelta(milliseconds=1)


def from_unix_ms(value: int) -> datetime:
    """Return the instant of a `…_unix_ms` column."""
    return EPOCH + timedelta(milliseconds=value)
