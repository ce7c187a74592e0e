"""When people are told that nothing moves: pure, from how long the oldest envelope has waited for its receipt."""

from datetime import datetime, timedelta

from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from ingest_daemon.ledger import Backlog

WAITING = "ING-001"
LINK_REFUSED = "ING-002"
SUSPECT = "ING-019"
UNWITNESSED = "ING-020"
NOTE_AFTER = timedelta(minutes=15)
FAULT_AFTER = timedelta(hours=4)


def waiting_finding(backlog: Backlog, *, station: SourceId, now: datetime) -> Finding | None:
    """Return what to tell about envelopes that wait too long, or None if none does.

    A fault, not damage: footage and envelopes are safe in the spool however long it takes. A clock that was set back
    makes nothing older.
    """
    if backlog.oldest_signed_at is None:
        return None
    waited = now - backlog.oldest_signed_at
    for limit, severity in ((FAULT_AFTER, Severity.FAULT), (NOTE_AFTER, Severity.NOTE)):
        if waited >= limit:
            minutes = int(limit.total_seconds() // 60)
            return Finding(WAITING, severity, f"station/{station}", {"longer_than_minutes": str(minutes)})
    return None
