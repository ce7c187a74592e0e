"""Is everything that was seen on recorders in the store, on its way, or explained?

Every file of every listing that stations signed counts once a recorder, path and size. Being on its way is no excuse
for ever: what was announced and is not here a day later, and what was seen and never announced, are findings.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chain_of_custody.event import Subject
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import from_unix_ms, wire_instant
from evidence_model.names import display_name
from evidence_store.catalogue import MAX_LISTING_BYTES
from evidence_store.own_facts import centre_actor
from host_io.signed_journal import NewFact

NEVER_ANNOUNCED = "STO-050"
NOT_RECEIVED = "STO-051"
LISTING_NOT_HERE = "STO-052"
LISTING_CUT_OFF = "STO-053"
ANNOUNCED_WITHIN = timedelta(hours=4)  # how long a station may take to pull everything that it listed
RECEIVED_WITHIN = timedelta(hours=24)  # MS-D9, XM-D9: into the store within a day
MAX_FINDINGS_TOLD = 60
MAX_BODY_BYTES = 32 << 10  # an event has room for 45 KiB
_MAX_SUBJECT_CHARACTERS = 200

_FILES = """
select dock.recorder_id, entry.raw_path, entry.size_bytes, min(dock.docked_unix_ms) as first_unix_ms,
  max(exists (select 1 from item where item.recorder_id = dock.recorder_id and item.raw_path = entry.raw_path
    and (entry.size_bytes in (item.size_bytes, item.listed_size_bytes) or item.session_id = dock.session_id)
    and item.received_index is not null)) as is_received,
  max(exists (select 1 from item where item.recorder_id = dock.recorder_id and item.raw_path = entry.raw_path
    and (entry.size_bytes in (item.size_bytes, item.listed_size_bytes) or item.session_id = dock.session_id)
  )) as is_announced,
  max(exists (select 1 from missing where missing.recorder_id = dock.recorder_id and missing.raw_path = entry.raw_path
    and (missing.size_bytes = entry.size_bytes or missing.session_id = dock.session_id))) as is_explained
from dock_entry as entry join dock on dock.log_index = entry.dock_index
group by dock.recorder_id, entry.raw_path, entry.size_bytes
order by dock.recorder_id, entry.raw_path
"""

_LISTINGS = """
select dock.*, ifnull(iif(blob.verified_unix_ms is null, 0, blob.size_bytes), 0) as size_bytes
from dock left join blob on blob.digest = dock.listing where is_read = 0 or is_complete = 0 order by log_index
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came of comparing listings with the store at one moment."""

    at: datetime
    dock_count: int
    file_count: int
    received_count: int
    on_the_way_count: int
    explained_count: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Json]:
        """Return it for people's tools; also what the signed event says."""
        return {
            "at": wire_instant(self.at),
            "docks": str(self.dock_count),
            "explained": str(self.explained_count),
            "files": str(self.file_count),
            "finding_count": str(len(self.findings)),
            "findings": [_told(finding) for finding in self.findings[:MAX_FINDINGS_TOLD]],
            "on_the_way": str(self.on_the_way_count),
            "received": str(self.received_count),
        }


def reconcile(db: sqlite3.Connection, *, now: datetime) -> Reconciliation:
    """Compare everything that was seen on recorders with the catalogue; reads only."""
    received = on_the_way = explained = files = 0
    findings: list[Finding] = []
    for row in db.execute(_FILES):
        files += 1
        age = now - from_unix_ms(row["first_unix_ms"])
        if row["is_received"]:
            received += 1
        elif row["is_explained"]:
            explained += 1
        elif row["is_announced"]:
            on_the_way += 1
            if age > RECEIVED_WITHIN:
                findings.append(_finding(NOT_RECEIVED, row, age))
        else:
            on_the_way += age <= ANNOUNCED_WITHIN
            if age > ANNOUNCED_WITHIN:
                findings.append(_finding(NEVER_ANNOUNCED, row, age))
    findings += _about_listings(db, now)
    return Reconciliation(
        at=now,
        dock_count=int(db.execute("select count(*) from dock").fetchone()[0]),
        file_count=files,
        received_count=received,
        on_the_way_count=on_the_way,
        explained_count=explained,
        findings=tuple(findings),
    )


def reconciliation_done(result: Reconciliation, *, site: SourceId, centre: SourceId) -> NewFact:
    """Say in the log how the comparison came out, so that nobody can later say that nothing was missing."""
    body = result.as_json()
    told = [_told(finding) for finding in result.findings[:MAX_FINDINGS_TOLD]]
    while len(canonical_bytes(body)) > MAX_BODY_BYTES:  # names may be long; how many findings there are is said anyway
        del told[-1]
        body = {**body, "findings": told}
    identity = canonical_bytes({"at": wire_instant(result.at), "site": site})
    return NewFact(
        kind=EventKind.RECONCILIATION_DONE,
        subject=Subject(f"reconciliation/{site}", hashlib.sha256(identity).digest()),
        body=body,
        actor=centre_actor(centre),
        rules=("MS-D9", "XM-D9"),
    )


def _about_listings(db: sqlite3.Connection, now: datetime) -> Sequence[Finding]:
    findings = []
    for row in db.execute(_LISTINGS):
        subject = f"recorder/{row['recorder_id']}"
        details = {"entry": str(row["log_index"]), "station": row["station"]}
        too_large = {"size_bytes": str(row["size_bytes"])} if row["size_bytes"] > MAX_LISTING_BYTES else {}
        if not row["is_read"] and (too_large or now - from_unix_ms(row["docked_unix_ms"]) > RECEIVED_WITHIN):
            findings.append(Finding(LISTING_NOT_HERE, Severity.FAULT, subject, {**details, **too_large}))
        if not row["is_complete"]:
            findings.append(Finding(LISTING_CUT_OFF, Severity.NOTE, subject, details))
    return findings


def _finding(code: str, row: sqlite3.Row, age: timedelta) -> Finding:
    subject = f"recorder/{row['recorder_id']}/{display_name(row['raw_path'])}"
    details = {
        "age_hours": str(int(age.total_seconds() // 3600)),
        "path_hex": row["raw_path"].hex(),
        "size_bytes": str(row["size_bytes"]),
    }
    return Finding(code, Severity.FAULT, subject[:_MAX_SUBJECT_CHARACTERS], details)


def _told(finding: Finding) -> dict[str, Json]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject[:_MAX_SUBJECT_CHARACTERS],
    }
