"""Files become recordings; every gap, overlap, missing number and clock jump is found (WH-R16, WH-R18, case 47)."""

from datetime import UTC, datetime, timedelta

import pytest

from evidence_model.digests import Digest
from evidence_model.ids import RecorderId, asset_id_of
from evidence_model.known import Known, Unknown
from evidence_model.recording import JoinBy, NameFields, SegmentRule
from evidence_model.timeline import Irregularity, Recording, Segment, group

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
LENGTH = timedelta(minutes=5)
COUNTED = SegmentRule(nominal_ms=300_000, sequence_digits=4)
CHAPTERS = SegmentRule(by=JoinBy.RISING_CHAPTER)
PLUS = SegmentRule(by=JoinBy.MARK_PLUS, nominal_ms=600_000)
GOPRO = {"rule": CHAPTERS, "length": timedelta(minutes=10)}


def seg(
    name: str,
    at: timedelta | None,
    *,
    length: timedelta | None = LENGTH,
    number: int | None = None,
    rule: SegmentRule = COUNTED,
    recorder: str = "rec-1",
    is_footage: bool = True,
    **fields: object,
) -> Segment:
    recorder_id = RecorderId(recorder)
    if number is not None:
        fields["sequence"] = Known(number)
    return Segment(
        asset_id=asset_id_of(recorder=recorder_id, raw_path=name.encode(), size_bytes=1, digest=Digest(bytes(32))),
        recorder_id=recorder_id,
        raw_path=name.encode(),
        start_at=Known(START + at) if at is not None else Unknown("no stamp"),
        duration=Known(length) if length is not None else Unknown("truncated"),
        fields=NameFields(**fields),  # type: ignore[arg-type]  # fields of their own types
        rule=rule,
        is_footage=is_footage,
    )


def names(recordings: tuple[Recording, ...]) -> list[list[str]]:
    return [[segment.raw_path.decode() for segment in recording.segments] for recording in recordings]


def kinds(recording: Recording) -> list[Irregularity]:
    return [finding.kind for finding in recording.findings]


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_segments_that_follow_within_three_seconds_are_one_recording_without_findings() -> None:
    (recording,) = group([seg("a", seconds(0)), seg("b", LENGTH + seconds(3)), seg("c", 2 * LENGTH + seconds(1))])
    assert names((recording,)) == [["a", "b", "c"]]
    assert recording.findings == ()
    assert recording.is_uninterrupted
    assert recording.id == "R-" + recording.segments[0].asset_id[:12]
    assert (recording.start_at, recording.end_at) == (Known(START), Known(START + 3 * LENGTH + seconds(1)))


@pytest.mark.parametrize(
    ("pause", "joined", "gap"), [(3, True, False), (3.001, True, True), (30, True, True), (30.001, False, False)]
)
def test_case_47_a_pause_up_to_30_seconds_is_a_gap_in_the_same_recording_wh_r16(
    pause: float, joined: bool, gap: bool
) -> None:
    recordings = group([seg("a", seconds(0)), seg("b", LENGTH + seconds(pause))])
    assert (len(recordings) == 1) is joined
    assert (kinds(recordings[0]) == [Irregularity.GAP]) is gap
    if gap:
        assert recordings[0].findings[0].length == seconds(pause)
        assert not recordings[0].is_uninterrupted


def test_case_47_pre_record_that_repeats_is_an_overlap_and_no_interruption() -> None:
    (recording,) = group([seg("a", seconds(0)), seg("b", LENGTH - seconds(10))])
    assert kinds(recording) == [Irregularity.OVERLAP]
    assert recording.findings[0].length == seconds(10)
    assert recording.is_uninterrupted


def test_case_47_a_missing_number_is_found_even_between_recordings() -> None:
    first, second = group([seg("a", seconds(0), number=7), seg("b", timedelta(hours=1), number=10)])
    assert first.findings == ()
    (finding,) = second.findings
    assert (finding.kind, finding.first_missing, finding.last_missing) == (Irregularity.MISSING_NUMBERS, 8, 9)
    assert finding.as_finding().details["first"] == "8"


def test_numbers_that_photos_and_empty_files_took_are_not_missing() -> None:
    files = [
        seg("a", seconds(0), number=7),
        seg("photo", None, number=8, is_footage=False),
        seg("empty", None, number=9, is_footage=False),
        seg("b", timedelta(hours=1), number=10),
    ]
    recordings = group(files)
    assert names(recordings) == [["a"], ["b"]]
    assert [kinds(recording) for recording in recordings] == [[], []]


def test_a_counter_that_started_again_is_no_hole() -> None:
    recordings = group([seg("a", seconds(0), number=9_999), seg("b", timedelta(hours=1), number=1)])
    assert [kinds(recording) for recording in recordings] == [[], []]


def test_numbers_of_a_model_whose_counter_is_no_help_are_left_alone() -> None:
    rule = SegmentRule(sequence_digits=0)
    recordings = group([seg("a", seconds(0), number=1, rule=rule), seg("b", LENGTH, number=77, rule=rule)])
    assert names(recordings) == [["a", "b"]]
    assert recordings[0].findings == ()


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), timedelta(days=-9_000)])
def test_case_15_a_clock_set_between_two_segments_is_bridged_by_the_number_and_found(jump: timedelta) -> None:
    (recording,) = group([seg("a", seconds(0), number=7), seg("b", LENGTH + jump, number=8)])
    assert names((recording,)) == [["a", "b"]]
    assert kinds(recording) == [Irregularity.CLOCK_JUMP]
    assert recording.findings[0].length == jump


def test_case_15_a_clock_set_back_by_just_one_segment_neither_swaps_nor_loses_the_two() -> None:
    """By time the second ends where the first begins; the counter knows better, and no ring may close."""
    (recording,) = group([seg("a", LENGTH, number=7), seg("b", seconds(0), number=8)])
    assert names((recording,)) == [["a", "b"]]
    assert kinds(recording) == [Irregularity.CLOCK_JUMP]


def test_a_counter_that_runs_over_its_end_joins_all_the_same() -> None:
    (recording,) = group([seg("a", seconds(0), number=9_999), seg("b", LENGTH, number=0)])
    assert recording.is_uninterrupted


def test_two_files_that_claim_to_follow_each_other_are_both_kept() -> None:
    """By time b comes before a, by the counter that runs over its end after it: one link is taken, no ring closes."""
    recordings = group([seg("a", LENGTH, number=9_999), seg("b", seconds(0), number=0)])
    assert sorted(name for recording in names(recordings) for name in recording) == ["a", "b"]


def test_consecutive_numbers_alone_do_not_join_when_the_first_was_stopped_by_hand() -> None:
    short = timedelta(minutes=2)
    assert len(group([seg("a", seconds(0), number=7, length=short), seg("b", timedelta(hours=1), number=8)])) == 2


def test_sequence_marks_win_over_time() -> None:
    chapters = [
        seg("GX010001", seconds(0), group="0001", chapter=Known(1), rule=CHAPTERS),
        seg("GX020001", timedelta(hours=2), group="0001", chapter=Known(2), rule=CHAPTERS),
        seg("GX010002", LENGTH, group="0002", chapter=Known(1), rule=CHAPTERS),
    ]
    recordings = group(chapters)
    assert names(recordings) == [["GX010001", "GX020001"], ["GX010002"]]
    assert kinds(recordings[0]) == [Irregularity.CLOCK_JUMP]


def test_chapters_without_any_time_are_joined_in_their_order() -> None:
    files = [seg(f"GX0{n}0001", None, length=None, group="0001", chapter=Known(n), rule=CHAPTERS) for n in (3, 1, 2)]
    (recording,) = group(files)
    assert names((recording,)) == [["GX010001", "GX020001", "GX030001"]]
    assert recording.findings == ()


def test_a_missing_chapter_is_found() -> None:
    files = [seg(f"GX0{n}0001", None, group="0001", chapter=Known(n), rule=CHAPTERS) for n in (1, 3)]
    (recording,) = group(files)
    assert kinds(recording) == [Irregularity.MISSING_NUMBERS]
    assert (recording.findings[0].first_missing, recording.findings[0].last_missing) == (2, 2)


def test_case_8_a_group_number_used_again_after_formatting_is_another_recording() -> None:
    day = timedelta(days=1)
    files = [
        seg(f"{d}/GX0{n}0001", d * day + (n - 1) * LENGTH, group="0001", chapter=Known(n), rule=CHAPTERS)
        for d in (0, 1)
        for n in (1, 2)
    ]
    assert names(group(files)) == [["0/GX010001", "0/GX020001"], ["1/GX010001", "1/GX020001"]]


def test_a_plus_joins_and_the_absence_of_one_does_not() -> None:
    ten = timedelta(minutes=10)
    files = [
        seg("a", seconds(0), length=ten, rule=PLUS),
        seg("b+", ten, length=ten, rule=PLUS, mark="+"),
        seg("c", 2 * ten, length=ten, rule=PLUS),
    ]
    assert names(group(files)) == [["a", "b+"], ["c"]]


def test_a_plus_joins_by_itself_where_no_length_is_known_yet() -> None:
    ten = timedelta(minutes=10)
    files = [seg("a", seconds(0), length=None, rule=PLUS), seg("b+", ten, length=None, rule=PLUS, mark="+")]
    (recording,) = group(files)
    assert recording.findings == ()


def test_a_plus_long_after_the_file_before_it_continues_one_that_is_missing() -> None:
    recordings = group([seg("a", seconds(0), rule=PLUS), seg("b+", timedelta(hours=2), rule=PLUS, mark="+")])
    assert [kinds(recording) for recording in recordings] == [[], [Irregularity.MISSING_NUMBERS]]


def test_a_plus_whose_beginning_is_not_there_says_so() -> None:
    (recording,) = group([seg("b+", seconds(0), rule=PLUS, mark="+")])
    assert kinds(recording) == [Irregularity.MISSING_NUMBERS]
    assert "first" not in recording.findings[0].as_finding().details


def test_case_7_equal_names_of_two_recorders_never_meet() -> None:
    assert len(group([seg("a", seconds(0)), seg("a", LENGTH, recorder="rec-2")])) == 2


def test_front_and_rear_channel_are_two_recordings() -> None:
    files = [seg(f"{ch}{n}", n * LENGTH, channel=ch) for ch in ("F", "R") for n in range(3)]
    assert sorted(names(group(files))) == [["F0", "F1", "F2"], ["R0", "R1", "R2"]]


def test_case_11_a_stump_of_unknown_length_ends_its_recording_and_is_kept() -> None:
    recordings = group([seg("a", seconds(0)), seg("stump", LENGTH, length=None), seg("c", 2 * LENGTH)])
    assert names(recordings) == [["a", "stump"], ["c"]]
    assert isinstance(recordings[0].end_at, Unknown)


def test_files_without_any_time_stand_alone_and_come_last() -> None:
    recordings = group([seg("z", None), seg("y", None), seg("a", seconds(0))])
    assert names(recordings)[0] == ["a"]
    assert len(recordings) == 3


def test_a_file_given_twice_counts_once() -> None:
    assert len(group([seg("a", seconds(0)), seg("a", seconds(0))])) == 1


def test_a_thousand_files_of_the_same_second_end_in_a_moment_and_all_are_kept() -> None:
    files = [seg(f"{n}", seconds(0), length=seconds(0), number=n) for n in range(1_000)]
    recordings = group(files)
    assert sum(len(recording.segments) for recording in recordings) == 1_000


def test_nothing_recorded_gives_no_recording() -> None:
    assert group([]) == ()
    assert group([seg("photo", seconds(0), is_footage=False)]) == ()


def test_rule_and_fields_come_back_from_an_event_as_they_went_in() -> None:
    fields = NameFields(
        sequence=Known(7), chapter=Known(2), group="0001", channel="F", mark="+", device="YZ", user="012"
    )
    assert NameFields.from_body(fields.as_body()) == fields
    assert NameFields.from_body({}) == NameFields()
    for rule in (COUNTED, CHAPTERS, PLUS):
        assert SegmentRule.from_body(rule.as_body()) == rule
