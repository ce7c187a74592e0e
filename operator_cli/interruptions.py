"""The interruptions of a recording and what was said about each (WH-R18)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from evidence_model.known import Known
from evidence_model.timeline import Recording, Segment, TimelineFinding
from operator_cli.errors import NotThereError
from operator_cli.timeline_drawing import gaps_of


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
        raise NotThereError(f"--gap {number} ({recording.id}: {len(gaps)})")
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


def gap_length_ms(finding: TimelineFinding) -> int | None:
    """Return the length in milliseconds, None where it is no length of time."""
    return finding.length // timedelta(milliseconds=1) if finding.length else None


def _bounds(finding: TimelineFinding, segments: Iterable[Segment]) -> tuple[datetime | None, datetime | None]:
    by_id: dict[str, Segment] = {segment.asset_id: segment for segment in segments}
    after, before = by_id.get(finding.after), by_id.get(finding.before)
    from_at = after.end_at.value if after is not None and isinstance(after.end_at, Known) else None
    until_at = before.start_at.value if before is not None and isinstance(before.start_at, Known) else None
    return from_at, until_at
