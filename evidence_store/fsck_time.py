"""Do the time stamps of this home still prove what they did, and does any clock contradict them or itself?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chain_of_custody.time_bounds import Contradiction, StampedLog, contradictions, time_bounds
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_store.errors import LogSetBackError
from evidence_store.fsck_log import FILE_SURPLUS, LogCheck
from evidence_store.stamp_folder import StampFolder, Verified
from host_io.trust import Trust


def check_time(log: LogCheck, trust: Trust) -> Iterator[Finding]:
    """Yield what is wrong with the stamps, then where clocks disagree; `log` has run."""
    stamps = StampFolder(log.root)
    for path in stamps.strays():
        yield Finding(FILE_SURPLUS, Severity.FAULT, f"log/timestamps/{path.name}")
    verified, unverified = stamps.verified(trust.authorities, [each.key for each in trust.logs])
    names = {each.name for each in trust.authorities}
    for bad in unverified:
        # Only what verified was ever kept; an authority that was taken out of the trust document alters no byte.
        severity = Severity.DAMAGE if bad.authority in names else Severity.FAULT
        yield Finding(bad.code, severity, f"log/timestamps/{bad.path.name}", {"why": bad.why})
    sound: list[StampedLog] = []
    for each in verified:
        finding = _contradicts(each, log)
        if finding is not None:
            yield finding
        elif each.stamped_log is not None:
            sound.append(each.stamped_log)
    yield from _disagreements(log, sound)


def _contradicts(stamp: Verified, log: LogCheck) -> Finding | None:
    """Say whether an authority stamped a state of the log that is not this log's: it was written again since."""
    stamped = stamp.checkpoint
    if stamped is None or log.head is None or (log.is_running and stamped.size > log.size):
        return None
    if stamped.size <= log.size and log.root_at(stamped.size) == stamped.root:
        return None
    details = {
        "size": str(log.size),
        "seen_size": str(stamped.size),
        "seen_by": f"log/timestamps/{stamp.file.path.name}",
    }
    return Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", details)


@dataclass(slots=True)
class _Group:
    """What one source did in one way: a clock that is wrong for a year is one finding."""

    first: Contradiction
    count: int = 0
    most: timedelta = timedelta()


def _disagreements(log: LogCheck, stamped: list[StampedLog]) -> Iterator[Finding]:
    groups: dict[tuple[SourceId, str], _Group] = {}
    for each in contradictions(log.timed, time_bounds(log.timed, stamped)):
        group = groups.setdefault((each.event.source, each.code), _Group(each))
        group.count += 1
        group.most = max(group.most, each.by)
    for (source, code), group in groups.items():
        details = {
            "entry": str(group.first.event.index),
            "against": group.first.against,
            "count": str(group.count),
            "most_seconds": f"{group.most.total_seconds():.3f}",
        }
        yield Finding(code, Severity.FAULT, f"source/{source}", details)
