"""What a clock without a zone showed. It stays text until somebody says under which zone it is to be read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from evidence_model.errors import RefusedError

_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?")


class MalformedWallTimeError(RefusedError):
    """The text is no reading of a clock: `YYYY-MM-DDThh:mm:ss` with a day that exists."""

    code = "EM-031"


@dataclass(frozen=True, slots=True, order=True)
class WallTime:
    """A recorder's clock reading, `2026-11-22T10:00:00` or with milliseconds; ordered as the clock counts."""

    text: str

    def __post_init__(self) -> None:
        self._as_if_utc()

    @classmethod
    def of_parts(cls, date_digits: str, time_digits: str) -> "WallTime":
        """Read `20261122` and `101530` as file names have them.

        Raises:
            MalformedWallTimeError: no such day or hour.
        """
        date, time = date_digits, time_digits
        return cls(f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}")

    @classmethod
    def of_naive_unix_ns(cls, unix_ns: int) -> "WallTime":
        """Read a file system stamp whose seconds count a wall clock as if it were UTC (FAT mounted with `tz=UTC`).

        Raises:
            MalformedWallTimeError: a year before 1900 or after 9000.
        """
        try:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unix_ns // 1_000_000)
        except OverflowError as error:
            raise MalformedWallTimeError(f"no clock shows {unix_ns} ns") from error
        spec = "milliseconds" if at.microsecond else "seconds"
        return cls(at.replace(tzinfo=None).isoformat(timespec=spec))

    @property
    def year(self) -> int:
        """Return the year the clock showed."""
        return int(self.text[:4])

    @property
    def date(self) -> str:
        """Return the day the clock showed, `2026-11-22`."""
        return self.text[:10]

    def at(self, zone: tzinfo) -> datetime:
        """Return the instant, if the clock stood in `zone`; the earlier one where a clock change makes two."""
        return self._as_if_utc().replace(tzinfo=zone).astimezone(UTC)

    def minus(self, other: "WallTime") -> timedelta:
        """Return how much later this reading is on the same clock."""
        return self._as_if_utc() - other._as_if_utc()  # noqa: SLF001 - its own class

    def _as_if_utc(self) -> datetime:
        match = _FORM.fullmatch(self.text) if self.text.isascii() else None
        if match is None:
            raise MalformedWallTimeError(f"no clock reading like 2026-11-22T10:00:00: {self.text[:60]!r}")
        year, month, day, hour, minute, second, milli = (int(part or "0") for part in match.groups())
        if not 1900 <= year <= 9000:  # noqa: PLR2004 - leaves room for every zone and sum
            raise MalformedWallTimeError(f"no recorder's clock shows the year {year}")
        try:
            return datetime(year, month, day, hour, minute, second, milli * 1000, tzinfo=UTC)
        except ValueError as error:
            raise MalformedWallTimeError(f"no such day or hour: {self.text!r}") from error
