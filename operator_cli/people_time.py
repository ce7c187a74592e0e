"""Instants as people of the unit read them: in the home's zone, to the second."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evidence_model.errors import UsageError
from evidence_model.wall_time import MalformedWallTimeError, WallTime


class NoTimeError(UsageError):
    """A text is no day and no moment."""

    code = "CLI-017"


_DATE_LENGTH = len("2026-11-22")
_MINUTE_LENGTH = len("2026-11-22T10:00")


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of `home.zone`.

    Raises:
        UsageError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UsageError(f"home.zone: no zone {name!r}; write it like Asia/Shanghai") from error


def people_time(at: datetime | None, zone: ZoneInfo, *, unknown: str) -> str:
    """Return `2026-11-22 10:00:05`, or the word for unknown."""
    return unknown if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def clock_time(at: datetime, zone: ZoneInfo) -> str:
    """Return `10:00:05`."""
    return at.astimezone(zone).strftime("%H:%M:%S")


def parse_people_time(text: str, zone: ZoneInfo, *, option: str, day_ends: bool = False) -> datetime:
    """Read `2026-11-22`, `2026-11-22T10:00` or `2026-11-22 10:00:05` as the wall time of the zone.

    A day alone is its beginning, or its end if `day_ends`.

    Raises:
        NoTimeError: it is none of these.
    """
    form = text.strip().replace("：", ":").replace(" ", "T")  # as a Chinese keyboard has it
    is_day = len(form) == _DATE_LENGTH
    if is_day:
        form += "T00:00:00"
    elif len(form) == _MINUTE_LENGTH:
        form += ":00"
    try:
        at = WallTime(form).at(zone)
    except MalformedWallTimeError as error:
        raise NoTimeError(f"{option} {text!r}") from error
    return at + timedelta(days=1) if is_day and day_ends else at
