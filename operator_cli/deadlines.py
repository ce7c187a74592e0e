"""Until when footage that this station holds must be in the store (MS-D9, XM-D9, DL-18, MS-R32). Pure.

The period runs from the end of the recording; where no witness tells that, it is unknown and shown as such, with the
time of the pull beside it. Nothing here holds footage back: a deadline is only seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from evidence_model.instants import wire_instant
from evidence_model.known import Known, Unknown
from policies.model import Ruled

WARNING = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFootage:
    """A recording of which not every file has its receipt yet."""

    recording_id: str
    recorder_id: str
    end_at: "Known[datetime] | Unknown"
    file_count: int
    received_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Until when a recording must be in the store, and how that stands."""

    recording_id: str
    recorder_id: str
    due_at: "Known[datetime] | Unknown"
    overdue: bool
    soon: bool
    waiting_count: int
    rules: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the deadline as `status` lists it."""
        return {
            "id": self.recording_id,
            "recorder": self.recorder_id,
            "due_at": wire_instant(self.due_at.value) if isinstance(self.due_at, Known) else None,
            "overdue": self.overdue,
            "soon": self.soon,
            "waiting": self.waiting_count,
            "rules": list(self.rules),
        }


def deadlines(footage: Iterable[WaitingFootage], rule: Ruled[timedelta], *, now: datetime) -> list[Deadline]:
    """Return the deadlines of everything that is not wholly received, the earliest first, unknown ones last."""
    found = []
    for one in footage:
        if one.received_count >= one.file_count:
            continue
        due: Known[datetime] | Unknown = (
            Known(one.end_at.value + rule.value) if isinstance(one.end_at, Known) else one.end_at
        )
        overdue = isinstance(due, Known) and due.value < now
        found.append(
            Deadline(
                recording_id=one.recording_id,
                recorder_id=one.recorder_id,
                due_at=due,
                overdue=overdue,
                soon=isinstance(due, Known) and not overdue and due.value - now < WARNING,
                waiting_count=one.file_count - one.received_count,
                rules=rule.source.rules,
            )
        )
    return sorted(
        found,
        key=lambda one: (not isinstance(one.due_at, Known), one.due_at.value if isinstance(one.due_at, Known) else now),
    )
