"""centre.db: what the centre signed, and what it must not forget although no log entry speaks of it."""

import json
import sqlite3
from contextlib import AbstractContextManager
from datetime import datetime
from enum import Enum
from importlib import resources

from chain_of_custody.envelope import parse_envelope
from chain_of_custody.event import parse_event
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId
from evidence_model.instants import Clock, from_unix_ms, unix_ms
from evidence_store import body_reading as read
from evidence_store.receive import Examined
from host_io import sqlite
from host_io.config import HomePaths
from host_io.signed_journal import journal_schema

MAX_EVIDENCE_A_SOURCE = 1000


class Moment(Enum):
    """What the status page shows the last time of."""

    RECEIPT = "receipt"
    VERIFICATION = "verification"
    RECONCILIATION = "reconciliation"
    FIXITY = "fixity"
    STAMP = "stamp"


def open_centre_db(paths: HomePaths, *, read_only: bool = False) -> sqlite3.Connection:
    """Open centre.db; each thread needs a connection of its own."""
    own = resources.files("evidence_store").joinpath("centre.sql").read_text(encoding="utf-8")
    return sqlite.connect(
        paths.centre_db,
        schema=journal_schema() + own,
        durability=sqlite.Durability.COMMIT_IS_FOR_GOOD,
        read_only=read_only,
    )


class CentreBook:
    """Findings, evidence and moments of the centre; used by the thread that its connection belongs to."""

    def __init__(self, db: sqlite3.Connection, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._noted: set[tuple[str, str, str]] = set()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Make what is done in the block true all together."""
        return sqlite.transaction(self._db)

    def forget_heads_below(self, size: int) -> None:
        """Drop remembered heads that a larger one has made needless."""
        self._db.execute("delete from checkpoint_seen where size < ?", (size,))

    def note(self, finding: Finding) -> None:
        """Keep a finding until it is cleared; the same one twice is one (and stands again if it was cleared)."""
        details = json.dumps(dict(finding.details), sort_keys=True, ensure_ascii=False)
        key = (finding.code, finding.subject, details)
        if key in self._noted:
            return  # a flood of one kind of message costs one row
        self._db.execute(
            "insert into centre_finding (found_unix_ms, code, severity, subject, details) values (?, ?, ?, ?, ?)"
            " on conflict (code, subject, details) do update set cleared_unix_ms = null",
            (unix_ms(self._clock.now()), finding.code, finding.severity.value, finding.subject, details),
        )
        self._noted.add(key)

    def clear(self, code: str, subject: str) -> None:
        """Say that what a finding speaks of is cured."""
        self._db.execute(
            "update centre_finding set cleared_unix_ms = ? where code = ? and subject = ? and cleared_unix_ms is null",
            (unix_ms(self._clock.now()), code, subject),
        )
        self._noted = {key for key in self._noted if key[:2] != (code, subject)}

    def clear_about(self, subject: str) -> None:
        """Say that whatever was wrong with this subject is cured."""
        self._db.execute(
            "update centre_finding set cleared_unix_ms = ? where subject = ? and cleared_unix_ms is null",
            (unix_ms(self._clock.now()), subject),
        )
        self._noted = {key for key in self._noted if key[1] != subject}

    def standing(self) -> frozenset[tuple[str, str]]:
        """Return code and subject of every finding that stands."""
        rows = self._db.execute("select code, subject from centre_finding where cleared_unix_ms is null")
        return frozenset((row["code"], row["subject"]) for row in rows)

    def keep_evidence(self, event: Examined, code: str) -> None:
        """Keep an envelope that its source signed and that contradicts the log, up to a number a source."""
        source = event.view.source
        self._db.execute(
            "insert into refused_evidence (hash, source, seq, code, raw, seen_unix_ms) select ?, ?, ?, ?, ?, ?"
            " where (select count(*) from refused_evidence where source = ?) < ? on conflict do nothing",
            (
                event.hash,
                source.id,
                source.seq,
                code,
                event.entry.raw,
                unix_ms(self._clock.now()),
                source.id,
                MAX_EVIDENCE_A_SOURCE,
            ),
        )

    def happened(self, moment: Moment) -> None:
        """Note that something happened now."""
        self._db.execute(
            "insert into centre_moment (name, at_unix_ms) values (?, ?) on conflict (name)"
            " do update set at_unix_ms = excluded.at_unix_ms",
            (moment.value, unix_ms(self._clock.now())),
        )

    def has_said(self, kind: str, asset: AssetId) -> bool:
        """Say whether the centre signed an event of this kind about this item, logged or not yet."""
        query = "select 1 from envelope where asset_id = ? and kind = ?"
        return self._db.execute(query, (asset, kind)).fetchone() is not None

    def newest_trust(self) -> int:
        """Return the number of the newest trust document that the centre said it goes by; 1 if it said nothing."""
        rows = self._db.execute("select raw from envelope where kind = ?", (EventKind.TRUST_CHANGED.value,))
        bodies = (parse_event(parse_envelope(row["raw"])).body for row in rows)
        return max((read.number(body, "number") or 1 for body in bodies), default=1)

    def subjects_of(self, kind: str) -> set[bytes]:
        """Return the digests of what the centre signed events of this kind about, logged or not yet."""
        rows = self._db.execute("select raw from envelope where kind = ?", (kind,))
        return {parse_event(parse_envelope(row["raw"])).subject.sha256 for row in rows}


def moments(db: sqlite3.Connection) -> dict[Moment, datetime]:
    """Return when each thing happened last."""
    return {Moment(row["name"]): from_unix_ms(row["at_unix_ms"]) for row in db.execute("select * from centre_moment")}


def open_findings(db: sqlite3.Connection) -> list[Finding]:
    """Return the findings that stand, newest first."""
    rows = db.execute(
        "select code, severity, subject, details from centre_finding where cleared_unix_ms is null"
        " order by finding_id desc"
    )
    return [Finding(row["code"], Severity(row["severity"]), row["subject"], json.loads(row["details"])) for row in rows]
