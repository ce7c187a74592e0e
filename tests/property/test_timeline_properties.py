"""Grouping is a view: exhaustive, disjoint, and the same for every order in which files became known."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from evidence_model.ids import AssetId, RecorderId
from evidence_model.known import Known, Unknown
from evidence_model.recording import JoinBy, NameFields, SegmentRule
from evidence_model.timeline import Irregularity, Segment, group

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
RULES = [
    SegmentRule(nominal_ms=60_000, sequence_digits=4),
    SegmentRule(by=JoinBy.RISING_CHAPTER),
    SegmentRule(by=JoinBy.MARK_PLUS),
    SegmentRule(by=JoinBy.NOTHING),
]


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    count = draw(st.integers(0, 25))
    rule = draw(st.sampled_from(RULES))
    made = []
    for place in range(count):
        start = draw(st.none() | st.integers(0, 900))
        length = draw(st.none() | st.sampled_from([0, 30, 60, 61]))
        made.append(
            Segment(
                asset_id=AssetId(f"{place:032x}"),
                recorder_id=RecorderId(draw(st.sampled_from(["rec-1", "rec-2"]))),
                raw_path=b"%d" % place,
                start_at=Known(START + timedelta(seconds=start)) if start is not None else Unknown("-"),
                duration=Known(timedelta(seconds=length)) if length is not None else Unknown("-"),
                fields=NameFields(
                    sequence=Known(draw(st.integers(0, 12))) if draw(st.booleans()) else Unknown("-"),
                    chapter=Known(draw(st.integers(0, 4))) if draw(st.booleans()) else Unknown("-"),
                    group=draw(st.sampled_from(["", "0001"])),
                    channel=draw(st.sampled_from(["", "F"])),
                    mark=draw(st.sampled_from(["", "+"])),
                ),
                rule=rule,
                is_footage=draw(st.integers(0, 9)) > 0,
            )
        )
    return made


@given(segments(), st.randoms(use_true_random=False))
def test_any_order_of_the_input_gives_the_same_recordings(files: list[Segment], chance: random.Random) -> None:
    shuffled = files[:]
    chance.shuffle(shuffled)
    assert group(shuffled) == group(files)


@given(segments())
def test_every_footage_file_is_in_exactly_one_recording(files: list[Segment]) -> None:
    placed = [segment.asset_id for recording in group(files) for segment in recording.segments]
    assert sorted(placed) == sorted(segment.asset_id for segment in files if segment.is_footage)


@given(segments())
def test_a_recording_has_one_recorder_and_one_channel_and_a_name_of_its_own(files: list[Segment]) -> None:
    recordings = group(files)
    for recording in recordings:
        assert len({(segment.recorder_id, segment.fields.channel) for segment in recording.segments}) == 1
    firsts = [recording.segments[0].asset_id for recording in recordings]
    assert len(set(firsts)) == len(firsts)


@given(segments())
def test_findings_name_files_of_the_input_and_have_positive_lengths(files: list[Segment]) -> None:
    known = {segment.asset_id for segment in files} | {""}
    for recording in group(files):
        for finding in recording.findings:
            assert {finding.after, finding.before} <= known
            if finding.kind in {Irregularity.GAP, Irregularity.OVERLAP}:
                assert finding.length > timedelta()


@given(st.integers(1, 40), st.integers(1, 600), st.randoms(use_true_random=False))
def test_contiguous_segments_are_always_one_uninterrupted_recording(
    count: int, length_s: int, chance: random.Random
) -> None:
    ids = list(range(count))  # which has the lowest id must not matter
    chance.shuffle(ids)
    files = [
        Segment(
            asset_id=AssetId(f"{ids[place]:032x}"),
            recorder_id=RecorderId("rec-1"),
            raw_path=b"%d" % place,
            start_at=Known(START + timedelta(seconds=place * length_s)),
            duration=Known(timedelta(seconds=length_s)),
            fields=NameFields(sequence=Known(place)),
            rule=RULES[0],
        )
        for place in range(count)
    ]
    chance.shuffle(files)
    (recording,) = group(files)
    assert len(recording.segments) == count
    assert recording.is_uninterrupted
