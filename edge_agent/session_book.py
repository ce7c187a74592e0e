"""What station.db says about recorders and their dockings. One thread at a time."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from typing import Final

from edge_agent.identify import Identity, SeenIdentity
from edge_agent.volume_facts import StampMeaning
from evidence_model.continuity import Shown
from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, SessionId
from evidence_model.instants import Clock, from_unix_ms, unix_ms
from evidence_model.states import SessionState

MAX_FINDINGS_KEPT: Final = 100
SESSIONS_WITH_FILES: Final = 5  # of each recorder; older dockings keep their row, not the list of what they met


@dataclass(frozen=True, slots=True, kw_only=True)
class DockedFile:
    """One file of a docking whose bytes are safe in the spool (or already at the store)."""

    asset_id: AssetId
    raw_path: bytes
    size_bytes: int
    digest: Digest
    pulled_seq: int
    is_new: bool  # False: known from an earlier docking


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """How a docking ended."""

    session_id: SessionId
    recorder_id: RecorderId | None
    profile: str | None
    state: SessionState
    verdict: str | None
    files: tuple[DockedFile, ...]
    findings: tuple[Finding, ...]
    problem: str | None
    problem_text: str | None
    docked_seq: int | None
    preflight_seq: int | None
    pull_seconds: float
    bytes_pulled: int

    @property
    def ok(self) -> bool:
        """Return whether everything is sealed and nothing was damaged."""
        return self.state is SessionState.PULLED and all(
            finding.severity is not Severity.DAMAGE for finding in self.findings
        )

    def as_json(self) -> dict[str, object]:
        """Return the result as `dock --json` shows it."""
        return {
            "session": self.session_id,
            "recorder": self.recorder_id,
            "profile": self.profile,
            "state": self.state.value,
            "verdict": self.verdict,
            "ok": self.ok,
            "problem": self.problem,
            "problem_text": self.problem_text,
            "pull_seconds": round(self.pull_seconds, 3),
            "bytes_pulled": self.bytes_pulled,
            "findings": [finding.as_json() for finding in self.findings],
            "files": [
                {
                    "id": file.asset_id,
                    "path_hex": file.raw_path.hex(),
                    "size_bytes": file.size_bytes,
                    "sha256": file.digest.hex,
                    "new": file.is_new,
                }
                for file in self.files
            ],
        }


@dataclass(slots=True, kw_only=True)
class SessionRow:
    """What changes in a docking's row; written as a whole."""

    session_id: SessionId
    place: bytes
    port_path: str | None = None
    recorder_id: RecorderId | None = None
    stamp_meaning: StampMeaning = StampMeaning.UNSURE
    state: SessionState = SessionState.DOCKED
    verdict: str | None = None
    problem: str | None = None
    problem_text: str | None = None
    findings: list[Finding] = field(default_factory=list)
    file_count: int = 0
    byte_count: int = 0
    pulled_byte_count: int = 0
    pull_ms: int = 0
    docked_seq: int | None = None
    preflight_seq: int | None = None
    started_unix_ms: int = 0
    ended_unix_ms: int | None = None


_MOST: Final = (1 << 63) - 1  # a column of SQLite counts no further
_COLUMNS: Final = tuple(column.name for column in fields(SessionRow))
_FIXED: Final = frozenset({"session_id", "place", "port_path", "started_unix_ms"})


class SessionBook:
    """Statements on recorders and sessions; those that write are called inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def write(self, row: SessionRow) -> None:
        """Put a docking's row as it is now; a docking that is taken up again after a stop keeps its id."""
        values = {column: _stored(getattr(row, column)) for column in _COLUMNS}
        updates = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS if column not in _FIXED)
        self._db.execute(
            f"insert into session ({', '.join(_COLUMNS)}) values ({', '.join(f':{column}' for column in _COLUMNS)})"  # noqa: S608
            f" on conflict (session_id) do update set {updates}",
            values,
        )

    def meet(self, identity: Identity) -> None:
        """Note that a recorder is docked: new, or seen again with what it shows now."""
        now = unix_ms(self._clock.now())
        claims = [[claim.path, claim.name, claim.value] for claim in identity.claims]
        self._db.execute(
            "insert into recorder (recorder_id, profile, trust, facts, claims, first_docked_unix_ms,"
            " last_docked_unix_ms) values (?, ?, ?, ?, ?, ?, ?) on conflict (recorder_id) do update set"
            " profile = excluded.profile, trust = excluded.trust, facts = excluded.facts, claims = excluded.claims,"
            " last_docked_unix_ms = excluded.last_docked_unix_ms",
            (
                identity.recorder_id,
                identity.profile.id,
                identity.trust.value,
                json.dumps(dict(identity.facts), sort_keys=True, ensure_ascii=False),
                json.dumps(claims, ensure_ascii=False),
                now,
                now,
            ),
        )

    def seen_identities(self) -> list[SeenIdentity]:
        """Return every recorder met so far, as far as identity goes."""
        rows = self._db.execute("select recorder_id, facts, claims from recorder")
        return [
            SeenIdentity(
                recorder_id=row["recorder_id"],
                facts=json.loads(row["facts"]),
                names=frozenset(value for _, name, value in json.loads(row["claims"]) if name == "recorder_name"),
            )
            for row in rows
        ]

    def shown(self, recorder_id: RecorderId) -> tuple[SessionId, Shown] | None:
        """Return the last docking of a recorder, and what all up to it showed; None at a first one."""
        row = self._db.execute("select * from recorder_shown where recorder_id = ?", (recorder_id,)).fetchone()
        return (SessionId(row["session_id"]), Shown.from_body(json.loads(row["shown"]))) if row else None

    def show(self, recorder_id: RecorderId, session_id: SessionId, shown: Shown) -> None:
        """Note what all dockings of a recorder up to this one showed."""
        self._db.execute(
            "insert or replace into recorder_shown (recorder_id, session_id, shown) values (?, ?, ?)",
            (recorder_id, session_id, json.dumps(shown.as_body(), ensure_ascii=False)),
        )

    def profile_of(self, recorder_id: RecorderId) -> str | None:
        """Return the id of the profile under which a recorder was docked last."""
        row = self._db.execute("select profile from recorder where recorder_id = ?", (recorder_id,)).fetchone()
        return str(row[0]) if row else None

    def begun(self, session_id: SessionId) -> tuple[datetime, StampMeaning]:
        """Return when a docking began, and what the stamps of its volume count."""
        row = self._db.execute(
            "select started_unix_ms, stamp_meaning from session where session_id = ?", (session_id,)
        ).fetchone()
        return from_unix_ms(row["started_unix_ms"]), StampMeaning(row["stamp_meaning"])

    def has_damage(self, session_id: SessionId) -> bool:
        """Return whether anything was found damaged at a docking."""
        row = self._db.execute("select findings from session where session_id = ?", (session_id,)).fetchone()
        return row is None or any(each.severity is Severity.DAMAGE for each in findings_from_json(row[0]))

    def drop_old_lists(self, recorder_id: RecorderId) -> None:
        """Forget which items the older dockings of a recorder met; the items themselves stay."""
        self._db.execute(
            "delete from session_file where session_id in (select session_id from session where recorder_id = ?"
            " order by started_unix_ms desc, session_id limit -1 offset ?)",
            (recorder_id, SESSIONS_WITH_FILES),
        )

    def interrupt_all(self) -> int:
        """Mark dockings that a stop of the program cut off; return how many."""
        return self._db.execute(
            "update session set state = 'interrupted', ended_unix_ms = ?, problem = 'EDGE-002',"
            " problem_text = 'the station stopped' where state in ('docked', 'pulling', 'waiting')",
            (unix_ms(self._clock.now()),),
        ).rowcount

    def result(self, session_id: SessionId) -> SessionResult | None:
        """Return how a docking ended, or None if it has not ended."""
        row = self._db.execute(
            "select session.*, recorder.profile from session left join recorder using (recorder_id)"
            " where session_id = ? and ended_unix_ms is not null",
            (session_id,),
        ).fetchone()
        if row is None:
            return None
        return SessionResult(
            session_id=session_id,
            recorder_id=row["recorder_id"],
            profile=row["profile"],
            state=SessionState(row["state"]),
            verdict=row["verdict"],
            files=tuple(self.files(session_id)),
            findings=findings_from_json(row["findings"]),
            problem=row["problem"],
            problem_text=row["problem_text"],
            docked_seq=row["docked_seq"],
            preflight_seq=row["preflight_seq"],
            pull_seconds=row["pull_ms"] / 1000,
            bytes_pulled=row["pulled_byte_count"],
        )

    def files(self, session_id: SessionId) -> list[DockedFile]:
        """Return the items that a docking brought or met again."""
        rows = self._db.execute(
            "select asset_id, raw_path, size_bytes, digest, pulled_seq, is_new"
            " from session_file join item using (asset_id) where session_file.session_id = ?"
            " order by raw_path, pulled_seq",
            (session_id,),
        )
        return [
            DockedFile(
                asset_id=AssetId(row["asset_id"]),
                raw_path=row["raw_path"],
                size_bytes=row["size_bytes"],
                digest=Digest(row["digest"]),
                pulled_seq=row["pulled_seq"],
                is_new=bool(row["is_new"]),
            )
            for row in rows
        ]


def findings_from_json(text: str) -> tuple[Finding, ...]:
    """Read findings as a session's row keeps them."""
    entries: Sequence[dict[str, str | dict[str, str]]] = json.loads(text)
    return tuple(
        Finding(str(entry["code"]), Severity(entry["severity"]), str(entry["subject"]), _details(entry["details"]))
        for entry in entries
    )


def _details(value: "str | dict[str, str]") -> dict[str, str]:
    return dict(value) if isinstance(value, dict) else {}


def _stored(value: object) -> object:
    """Return a member of `SessionRow` as its column holds it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return min(value, _MOST)  # a sum of sizes that lie
    if isinstance(value, list):
        return json.dumps([finding.as_json() for finding in value[:MAX_FINDINGS_KEPT]], ensure_ascii=False)
    return value
