"""What an officer gives as the moment of a spoken reason is a moment at which there is footage (WH-R18)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from evidence_model.ids import AssetId, RecorderId
from evidence_model.known import Known, Unknown
from evidence_model.recording import NameFields, SegmentRule
from evidence_model.timeline import Recording, Segment
from operator_cli.interruptions import NoFootageThenError, spoken_at
from operator_cli.people_time import NoTimeError

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # in Shanghai, between the 21st and the 22nd


def recording(*pieces: tuple[float, float | None]) -> Recording:
    """Return a recording of files that begin so many minutes after midnight and last so many minutes."""
    return Recording(segments=tuple(segment(number, *piece) for number, piece in enumerate(pieces)), findings=())


def segment(number: int, start: float | None, length: float | None) -> Segment:
    return Segment(
        asset_id=AssetId(f"{number:032x}"),
        recorder_id=RecorderId("rec-1"),
        raw_path=b"DCIM/FILE.MP4",
        start_at=Unknown("no witness") if start is None else Known(MIDNIGHT + timedelta(minutes=start)),
        duration=Unknown("no index") if length is None else Known(timedelta(minutes=length)),
        fields=NameFields(sequence=Known(number)),
        rule=SegmentRule(),
    )


LATE = recording((-30, 20), (10, 20))  # 23:30 to 23:50, and after an interruption 00:10 to 00:30


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("23:35:00", -25),
        ("00:12", 12),
        (" 00:12:30 ", 12.5),
        ("0:12", 12),
        ("00：12：30", 12.5),
        ("2026-11-22T00:12:30", 12.5),
        ("2026-11-21 23:40", -20),
        ("00:09:30", 9.5),  # read off the picture, whose clock is not the file's to the second
    ],
)
def test_a_moment_in_the_footage_is_taken_on_the_day_it_was(text: str, minutes: float) -> None:
    assert spoken_at(text, LATE, LATE.segments, ZONE) == MIDNIGHT + timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["00:00", "12:00:00", "2026-11-21T00:12", "1999-01-01T00:12:00", "2026-11-22"])
def test_a_moment_without_footage_is_refused_with_the_times_there_are(text: str) -> None:
    with pytest.raises(NoFootageThenError, match="23:30:00–2026-11-22 00:30:00"):
        spoken_at(text, LATE, LATE.segments, ZONE)


@pytest.mark.parametrize("text", ["25:00:00", "noon", "", "0:1", "00:12:61", "\u0661\u0662:00", "2026-02-30T00:00"])
def test_what_is_no_time_is_shown_as_it_was_typed(text: str) -> None:
    with pytest.raises(NoTimeError) as caught:
        spoken_at(text, LATE, LATE.segments, ZONE)
    assert repr(text) in str(caught.value)


def test_the_reason_may_be_spoken_in_the_next_recording_also_after_midnight() -> None:
    before, after = recording((-30, 20)), recording((90, 20))
    footage = [*before.segments, *after.segments]
    assert spoken_at("01:31", before, footage, ZONE) == MIDNIGHT + timedelta(minutes=91)


def test_footage_of_unknown_length_is_open_at_its_end() -> None:
    cut_off = recording((-30, None))
    assert spoken_at("23:59", cut_off, cut_off.segments, ZONE) == MIDNIGHT - timedelta(minutes=1)
    with pytest.raises(NoFootageThenError):
        spoken_at("23:00", cut_off, cut_off.segments, ZONE)


def test_footage_of_unknown_time_asks_for_the_day_and_believes_it() -> None:
    untimed = Recording(segments=(segment(1, None, 5),), findings=())
    assert spoken_at("2026-11-22T00:12", untimed, untimed.segments, ZONE) == MIDNIGHT + timedelta(minutes=12)
    with pytest.raises(NoTimeError):
        spoken_at("00:12", untimed, untimed.segments, ZONE)
