"""A gap is seen at one look, numbered as `recordings note --gap` counts it, and nothing unknown is drawn as known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from evidence_model.ids import AssetId, RecorderId
from evidence_model.known import Known, Unknown
from evidence_model.recording import NameFields, SegmentRule
from evidence_model.timeline import Irregularity, Recording, Segment, group
from operator_cli.display import width_of
from operator_cli.errors import NotThereError
from operator_cli.interruptions import explanations, interruption
from operator_cli.texts import Language, Texts
from operator_cli.timeline_drawing import Scale, draw, gaps_of

ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai


def segment(number: int, start_s: float | None, length_s: float | None = 60, name: str = "") -> Segment:
    return Segment(
        asset_id=AssetId(f"{number:032x}"),
        recorder_id=RecorderId("rec-1"),
        raw_path=(name or f"DCIM/FILE{number:04}.MP4").encode(),
        start_at=Unknown("no witness") if start_s is None else Known(TEN + timedelta(seconds=start_s)),
        duration=Unknown("no index") if length_s is None else Known(timedelta(seconds=length_s)),
        fields=NameFields(sequence=Known(number)),
        rule=SegmentRule(),
    )


def with_a_gap() -> Recording:
    [recording] = group([segment(1, 0), segment(2, 60), segment(3, 140)])
    return recording


@pytest.mark.parametrize("language", list(Language))
def test_a_gap_stands_between_its_files_with_number_length_and_code(language: Language) -> None:
    lines = draw(with_a_gap(), Texts(language), zone=ZONE, width=100)
    [gap] = [line for line in lines if "EM-040" in line]
    assert "#1" in gap
    assert "20 s" in gap
    assert "FILE0002" in lines[lines.index(gap) - 1]
    assert "FILE0003" in lines[lines.index(gap) + 1]


def test_times_are_those_of_the_unit_s_zone() -> None:
    lines = draw(with_a_gap(), Texts(Language.EN), zone=ZONE, width=100)
    assert "10:00:00" in lines[1]
    assert "02:00:00" not in "".join(lines)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "name", ["", "执法记录/超长的中文文件名字用来看看会不会把列推歪了并且还要更长一些.mp4", "a" * 250]
)
def test_bars_stand_under_each_other_whatever_the_names(width: int, name: str) -> None:
    recording = Recording(segments=(segment(1, 0, name=name), segment(2, 60)), findings=())
    lines = draw(recording, Texts(Language.ZH), zone=ZONE, width=width)[1:]
    columns = {width_of(line[: min(line.find(sign) for sign in "█·" if sign in line)]) for line in lines}
    assert len(columns) == 1


def test_a_name_cannot_command_the_terminal() -> None:
    recording = Recording(segments=(segment(1, 0, name="\x1b[2Jevil\n.mp4"),), findings=())
    assert all(line.isprintable() for line in draw(recording, Texts(Language.EN), zone=ZONE, width=100))


def test_a_file_of_unknown_time_is_listed_without_a_bar() -> None:
    recording = Recording(segments=(segment(1, None, None),), findings=())
    [_, line] = draw(recording, Texts(Language.EN), zone=ZONE, width=100)
    assert "unknown" in line
    assert "█" not in line


def test_a_file_of_unknown_length_is_a_point_and_not_a_bar() -> None:
    recording = Recording(segments=(segment(1, 0), segment(2, 60, None)), findings=())
    last = draw(recording, Texts(Language.EN), zone=ZONE, width=100)[-1]
    assert "▏" in last
    assert "█" not in last


def test_a_scale_keeps_every_instant_inside() -> None:
    scale = Scale(TEN, TEN + timedelta(hours=1), 40)
    assert scale.bar(TEN, TEN + timedelta(hours=1)) == "█" * 40
    assert scale.bar(TEN, TEN).count("█") == 1
    assert len(scale.bar(TEN + timedelta(hours=1), TEN + timedelta(hours=2))) == 40


def test_an_overlap_is_shown_and_is_no_interruption() -> None:
    [recording] = group([segment(1, 0, 70), segment(2, 60)])
    assert [finding.kind for finding in recording.findings] == [Irregularity.OVERLAP]
    assert gaps_of(recording) == []
    assert any("EM-041" in line for line in draw(recording, Texts(Language.EN), zone=ZONE, width=100))


class WrittenNote:
    """A note as the catalogue has it."""

    def __init__(self, *, reason: str, from_at: datetime | None, until_at: datetime | None) -> None:
        self.text, self.reason, self.from_at, self.until_at = "said", reason, from_at, until_at


def test_a_note_stands_under_the_gap_that_it_explains() -> None:
    recording = with_a_gap()
    one = interruption(recording, 1)
    notes = explanations(recording, [WrittenNote(reason="bad_weather", from_at=one.from_at, until_at=one.until_at)])
    assert notes == {1: "bad_weather: said"}
    lines = draw(recording, Texts(Language.EN), zone=ZONE, width=100, notes=notes)
    gap = next(at for at, line in enumerate(lines) if "EM-040" in line)
    assert "bad_weather" in lines[gap + 1]


def test_a_note_about_another_time_explains_nothing_here() -> None:
    recording = with_a_gap()
    assert explanations(recording, [WrittenNote(reason="x", from_at=TEN, until_at=None)]) == {}


def test_there_is_no_second_gap_to_explain() -> None:
    with pytest.raises(NotThereError):
        interruption(with_a_gap(), 2)
