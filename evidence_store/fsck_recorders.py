"""Was it the same recorder each time? What the signed dockings of one recorder show, compared one after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evidence_model.canonical import JsonObject
from evidence_model.continuity import Shown, breaks
from evidence_model.findings import Finding, Severity
from evidence_store import body_reading as read

RECORDER_REPLACED = "STO-161"
_MAX_SUBJECT_CHARACTERS = 200


@dataclass(frozen=True, slots=True, order=True)
class Docked:
    """One `recorder.docked`, in the order of one station's numbers, and of the stations' clocks between stations."""

    recorder: str
    docked_at: str
    station: str
    seq: int
    envelope: str

    @classmethod
    def of(cls, body: JsonObject, *, station: str, seq: int, envelope: str) -> "Docked":
        """Read where it stands among the dockings of its recorder."""
        return cls(read.text(body, "recorder") or "", read.text(body, "docked_at") or "", station, seq, envelope)


def shown_in(body: JsonObject) -> Shown:
    """Return what a docking showed of the recorder."""
    return Shown.from_body({"facts": read.table(read.table(body, "identity"), "facts"), "counter": body.get("counter")})


def check_recorders(docked: Iterable[tuple[Docked, Shown]]) -> Iterator[Finding]:
    """Yield a note for each docking at which another device came under a recorder's id.

    It stays a note for good: an old fact that people judge, and no fault of this home.
    """
    known: dict[str, Shown] = {}
    for docking, shown in sorted(docked, key=lambda each: each[0]):
        before = known.get(docking.recorder, Shown())
        if found := breaks(before, shown):
            details = {
                "docked_at": docking.docked_at,
                "event": docking.envelope,
                "station": docking.station,
                "what": ",".join(each.value for each in found),
            }
            subject = f"recorder/{docking.recorder}"[:_MAX_SUBJECT_CHARACTERS]
            yield Finding(RECORDER_REPLACED, Severity.NOTE, subject, details)
        known[docking.recorder] = before.then(shown)
