"""A clock reading without a zone stays text until a zone is named."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from evidence_model.wall_time import MalformedWallTimeError, WallTime

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_reading_becomes_an_instant_only_under_a_named_zone() -> None:
    reading = WallTime("2026-11-22T10:00:00")
    assert reading.at(SHANGHAI) == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert reading.at(UTC) == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert reading.at(timezone(timedelta(hours=-3))) == datetime(2026, 11, 22, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-13-01T00:00:00", "2026-02-30T00:00:00", "2026-11-22T24:00:00", "2026-11-22", "2026-11-22T10:00:00Z",
     "0001-01-01T00:00:00", "9999-12-31T23:59:59", "２０２６-11-22T10:00:00"],
)  # fmt: skip
def test_a_reading_no_clock_can_show_is_refused(text: str) -> None:
    with pytest.raises(MalformedWallTimeError):
        WallTime(text)


def test_fat_stamp_mounted_as_utc_is_read_as_the_wall_clock_it_is() -> None:
    assert WallTime.of_naive_unix_ns(1_795_341_600 * 10**9).text == "2026-11-22T10:00:00"


@pytest.mark.parametrize("unix_ns", [-(2**63), 2**63 - 1 << 8, -3_000_000_000 * 10**9])
def test_an_absurd_stamp_is_refused_and_does_not_overflow(unix_ns: int) -> None:
    with pytest.raises(MalformedWallTimeError):
        WallTime.of_naive_unix_ns(unix_ns)


def test_readings_are_ordered_as_the_clock_counts() -> None:
    assert WallTime("2026-11-22T09:59:59.900") < WallTime("2026-11-22T10:00:00") < WallTime("2026-11-22T10:00:00.100")
    assert WallTime("2026-11-22T10:00:03").minus(WallTime("2026-11-22T10:00:00")) == timedelta(seconds=3)
