"""The interruptions of a recording and what was said about each (WH-R18)."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from evidence_model.errors import UsageError
from evidence_model.known import Known
from evidence_model.timeline import Recording, Segment, TimelineFinding
from operator_cli.errors import NotThereError
from operator_cli.people_time import NoTimeError, parse_people_time, people_time
from operator_cli.timeline_drawing import gaps_of

_TIME_OF_DAY = re.compile(r"([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2})?)")
_CLOCKS_DIFFER = timedelta(minutes=1)  # what is read off the picture, often without seconds, against the file's time
_LONGEST_FILE = timedelta(hours=12)  # of one charge; where a file's end is unknown


class NoFootageThenError(UsageError):
    """A reason cannot have been spoken when nothing was recorded."""

    code = "CLI-018"


class Note(Protocol):
    """An interruption note as the catalogue has it."""

    @property
    def text(self) -> str:
        """What was said."""
        ...

    @property
    def reason(self) -> str:
        """Id of the reason in the policy pack."""
        ...

    @property
    def from_at(self) -> datetime | None:
        """Begin of the interruption."""
        ...

    @property
    def until_at(self) -> datetime | None:
        """Its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """One gap, jump or hole in the numbers, with its neighbours."""

    number: int
    finding: TimelineFinding
    assets: tuple[str, ...]
    from_at: datetime | None
    until_at: datetime | None


def interruption(recording: Recording, number: int) -> Interruption:
    """Return interruption `number` (from 1) of a recording.

    Raises:
        NotThereError: it has not so many.
    """
    gaps = gaps_of(recording)
    if not 1 <= number <= len(gaps):
        raise NotThereError(f"--gap {number} ({recording.id}: {f'#1–#{len(gaps)}' if gaps else '0'})")
    finding = gaps[number - 1]
    from_at, until_at = _bounds(finding, recording.segments)
    return Interruption(
        number=number,
        finding=finding,
        assets=tuple(asset for asset in (finding.after, finding.before) if asset),
        from_at=from_at,
        until_at=until_at,
    )


def explanations(
    recording: Recording, notes: Iterable[Note], *, reasons: Mapping[str, str] | None = None
) -> dict[int, str]:
    """Return number of the interruption → the newest note about it; `reasons` has the words for the reasons' ids."""
    known, words = list(notes), reasons or {}
    found: dict[int, str] = {}
    for number in range(1, len(gaps_of(recording)) + 1):
        one = interruption(recording, number)
        for note in known:
            if (note.from_at, note.until_at) == (one.from_at, one.until_at) and (one.from_at or one.until_at):
                reason = words.get(note.reason, note.reason)
                found[number] = f"{reason}: {note.text}" if note.text else reason
    return found


def spoken_at(text: str, recording: Recording, footage: Collection[Segment], zone: ZoneInfo) -> datetime:
    """Return the moment at which a reason was spoken: `10:32:05` on a day of the recording, or a full date and time.

    Args:
        text: as people typed it.
        recording: the one that was interrupted; it, or the night after it, has the day.
        footage: in which it may be spoken. Where no time is known of any of it, a full date and time is believed.
        zone: in which people read clocks.

    Raises:
        NoTimeError: it is no time, or one without a day where none is known.
        NoFootageThenError: no footage is of that moment.
    """
    timed = [one for one in footage if one.is_footage and isinstance(one.start_at, Known)]
    form = text.strip().replace("：", ":")  # as a Chinese keyboard has it
    forms = [form]
    if time := _TIME_OF_DAY.fullmatch(form):
        forms = [f"{day}T{time[1]:0>2}{time[2]}" for day in _days(recording, zone)]
    try:
        readings = [parse_people_time(each, zone, option="--spoken-at") for each in forms]
    except NoTimeError:
        readings = []
    if not readings:
        raise NoTimeError(f"--spoken-at {text!r}")
    heard = [at for at in readings if not timed or any(_covers(one, at) for one in timed)]
    if not heard:
        start, end = (people_time(at, zone, unknown="…") for at in _span(recording))
        raise NoFootageThenError(f"--spoken-at {form} ({recording.id}: {start}–{end})")
    return heard[0]


def gap_length_ms(finding: TimelineFinding) -> int | None:
    """Return the length in milliseconds, None where it is no length of time."""
    return finding.length // timedelta(milliseconds=1) if finding.length else None


def _days(recording: Recording, zone: ZoneInfo) -> list[str]:
    start, end = _span(recording)
    if start is None:
        return []
    last = (end or start).astimezone(zone).date() + timedelta(days=1)
    first = start.astimezone(zone).date()
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def _covers(segment: Segment, at: datetime) -> bool:
    """Say whether the footage may be of that moment."""
    if not isinstance(segment.start_at, Known):
        return False
    start = segment.start_at.value
    end = segment.end_at.value if isinstance(segment.end_at, Known) else start + _LONGEST_FILE
    return start - _CLOCKS_DIFFER <= at <= end + _CLOCKS_DIFFER


def _span(recording: Recording) -> tuple[datetime | None, datetime | None]:
    ends = (recording.start_at, recording.end_at)
    start, end = (at.value if isinstance(at, Known) else None for at in ends)
    return start, end


def _bounds(finding: TimelineFinding, segments: Iterable[Segment]) -> tuple[datetime | None, datetime | None]:
    by_id: dict[str, Segment] = {segment.asset_id: segment for segment in segments}
    after, before = by_id.get(finding.after), by_id.get(finding.before)
    from_at = after.end_at.value if after is not None and isinstance(after.end_at, Known) else None
    until_at = before.start_at.value if before is not None and isinstance(before.start_at, Known) else None
    return from_at, until_at
