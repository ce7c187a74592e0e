"""A recording drawn as text: one bar a file on a common scale, and between the files what is wrong with the time.

Pure: recordings in, lines out. Times are in the unit's zone; a file whose start is unknown is listed, not guessed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from evidence_model.known import Known
from evidence_model.names import display_name
from evidence_model.timeline import Irregularity, Recording, Segment, TimelineFinding
from operator_cli.display import pad, safe, shorten, width_of
from operator_cli.people_time import clock_time
from operator_cli.progress_line import duration_text
from operator_cli.texts import Texts

_FULL, _EMPTY, _GAP, _POINT = "█", "·", "╌", "▏"
_LEAST_BAR, _LEAST_NAME = 20, 16


@dataclass(frozen=True, slots=True)
class Scale:
    """Which column stands for which instant."""

    start_at: datetime
    end_at: datetime
    columns: int

    def column(self, at: datetime) -> int:
        """Return the column of an instant, clipped to the scale."""
        whole = (self.end_at - self.start_at) or timedelta(seconds=1)
        return max(0, min(self.columns, round((at - self.start_at) / whole * self.columns)))

    def bar(self, start_at: datetime, end_at: datetime) -> str:
        """Return the bar of a file: at least one sign wide."""
        first, last = self.column(start_at), self.column(end_at)
        first = min(first, self.columns - 1)
        last = max(last, first + 1)
        return _EMPTY * first + _FULL * (last - first) + _EMPTY * (self.columns - last)


def gaps_of(recording: Recording) -> list[TimelineFinding]:
    """Return the interruptions of a recording, counted from 1 as `recordings note --gap` counts them."""
    return [finding for finding in recording.findings if finding.kind is not Irregularity.OVERLAP]


def draw(
    recording: Recording, texts: Texts, *, zone: ZoneInfo, width: int, notes: Mapping[int, str] | None = None
) -> list[str]:
    """Return the lines of one recording; `notes` are the explanations of its gaps by their number."""
    names = [safe(display_name(segment.raw_path)) for segment in recording.segments]
    name_width = max(_LEAST_NAME, min(max(map(width_of, names)), width - _LEAST_BAR - 24))
    scale = _scale(recording, columns=max(_LEAST_BAR, width - name_width - 24))
    numbers = {id(gap): number for number, gap in enumerate(gaps_of(recording), start=1)}
    after: dict[str, list[TimelineFinding]] = {}
    before: dict[str, list[TimelineFinding]] = {}
    for finding in recording.findings:
        (after.setdefault(finding.after, []) if finding.after else before.setdefault(finding.before, [])).append(
            finding
        )
    lines = [_head(recording, texts, zone)]
    for segment, name in zip(recording.segments, names, strict=True):
        lines += _between(before.get(segment.asset_id, []), texts, numbers, notes or {})
        lines.append(_segment_line(segment, pad(shorten(name, name_width), name_width), scale, zone, texts))
        lines += _between(after.get(segment.asset_id, []), texts, numbers, notes or {})
    return lines


def _head(recording: Recording, texts: Texts, zone: ZoneInfo) -> str:
    start, end = recording.start_at, recording.end_at
    when = texts("timeline.no_time")
    if isinstance(start, Known):
        when = texts(
            "timeline.when",
            day=start.value.astimezone(zone).strftime("%Y-%m-%d"),
            start=clock_time(start.value, zone),
            end=clock_time(end.value, zone) if isinstance(end, Known) else texts("word.unknown"),
        )
    return texts(
        "timeline.head",
        id=recording.id,
        recorder=recording.recorder_id,
        when=when,
        files=len(recording.segments),
        gaps=len(gaps_of(recording)),
    )


def _scale(recording: Recording, *, columns: int) -> Scale | None:
    starts = [segment.start_at.value for segment in recording.segments if isinstance(segment.start_at, Known)]
    ends = [segment.end_at.value for segment in recording.segments if isinstance(segment.end_at, Known)]
    return Scale(min(starts), max([*starts, *ends]), columns) if starts else None


def _segment_line(segment: Segment, name: str, scale: Scale | None, zone: ZoneInfo, texts: Texts) -> str:
    start, length = segment.start_at, segment.duration
    clock = clock_time(start.value, zone) if isinstance(start, Known) else pad(texts("word.unknown"), 8)
    bar = ""
    if scale is not None and isinstance(start, Known):
        end_at = start.value + (length.value if isinstance(length, Known) else timedelta())
        bar = scale.bar(start.value, end_at)
        if not isinstance(length, Known):
            bar = bar.replace(_FULL, _POINT)
    shown = duration_text(length.value.total_seconds()) if isinstance(length, Known) else texts("word.unknown")
    lock = texts("timeline.locked") if segment.locked else ""
    return f"  {clock} {name} {bar} {shown} {lock}".rstrip()


def _between(
    findings: Sequence[TimelineFinding],
    texts: Texts,
    numbers: Mapping[int, int],
    notes: Mapping[int, str],
) -> Iterator[str]:
    for finding in findings:
        number = numbers.get(id(finding))
        head = f"#{number}" if number is not None else ""
        text = texts(
            f"timeline.{finding.kind.name.lower()}",
            length=_signed(finding.length),
            first=finding.first_missing,
            last=finding.last_missing,
        )
        yield f"  {pad(_GAP * 8, 8)} {pad(head, 3)} {text} [{finding.kind.value}]"
        if number is not None and number in notes:
            yield f"  {'':8} {'':3} {safe(notes[number])}"


def _signed(length: timedelta) -> str:
    return (
        duration_text(length.total_seconds()) if length >= timedelta() else f"-{duration_text(-length.total_seconds())}"
    )
