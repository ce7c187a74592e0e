"""What `evidock status` says of a home, gathered read only; everything it cannot know is None or an empty list."""

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from edge_agent.progress import Progress, read_progress_file
from evidence_model.findings import Finding, worst_first
from evidence_model.instants import wire_instant
from evidence_model.states import SessionState
from evidence_store import queries
from evidence_store.queries import StoreFigures
from host_io.config import HomeConfig, HomePaths
from operator_cli import running, station_view
from operator_cli.deadlines import Deadline, deadlines
from operator_cli.home_catalogue import home_catalogue, not_received
from operator_cli.home_programs import Program
from operator_cli.lock_files import is_locked
from operator_cli.policy_packs import shipped_pack
from operator_cli.recorder_view import RecorderRow, recorders
from operator_cli.running import Running
from operator_cli.station_view import Waiting

_AT_WORK = frozenset({SessionState.DOCKED, SessionState.PULLING, SessionState.WAITING})
_NOTHING_WAITS = Waiting(envelope_count=0, item_count=0, byte_count=0, oldest_pulled_at=None, refused_count=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeStatus:
    """One look at a home."""

    config: HomeConfig
    running: Running
    recorders: tuple[RecorderRow, ...]
    docking: tuple[Progress, ...]
    waiting: Waiting
    spool_free_bytes: int | None
    vault_free_bytes: int | None
    deadlines: tuple[Deadline, ...]
    last_receipt_at: datetime | None
    store: StoreFigures | None
    stamp_age_seconds: int | None  # of the newest time stamp; None: there is none
    findings: tuple[Finding, ...]

    def as_json(self, paths: HomePaths) -> dict[str, object]:
        """Return the document of `status --json`."""
        config, store = self.config, self.store
        return {
            "home": str(paths.root),
            "role": config.role.value,
            "site": config.site,
            "unit": config.unit,
            "policy": config.policy,
            "station": config.station.id if config.role.pulls else None,
            "running": {
                "supervisor": self.running.supervisor,
                "programs": [program.value for program in Program if program in self.running.programs],
                "children": list(self.running.children),
            },
            "recorders": [row.as_json() for row in self.recorders],
            "docking": [progress.as_json() for progress in self.docking],
            "waiting_for_receipt": self.waiting.envelope_count,
            "refused": self.waiting.refused_count,
            "queue": {
                "files": self.waiting.item_count,
                "bytes": self.waiting.byte_count,
                "oldest_pulled_at": _instant(self.waiting.oldest_pulled_at),
                "spool_free_bytes": self.spool_free_bytes,
                "vault_free_bytes": self.vault_free_bytes,
            },
            "deadlines": [deadline.as_json() for deadline in self.deadlines],
            "last_receipt_at": _instant(self.last_receipt_at),
            "last_verification_at": _instant(store.last_verification_at) if store else None,
            "last_reconciliation_at": _instant(store.last_reconciliation_at) if store else None,
            "last_stamp_at": _instant(store.last_stamp_at) if store else None,
            "stamp_age_seconds": self.stamp_age_seconds,
            "replica_age_seconds": None,  # there is no replica yet
            "store": store.as_json() if store else None,
            "findings": [finding.as_json() for finding in self.findings],
        }


def look(paths: HomePaths, config: HomeConfig, *, now: datetime) -> HomeStatus:
    """Gather the status of a home."""
    findings: list[Finding] = []
    rows: list[RecorderRow] = []
    waiting, last_receipt_at = _NOTHING_WAITS, None
    with station_view.station_reading(paths) as db:
        if db is not None:
            rows = recorders(db)
            waiting = station_view.waiting(db)
            last_receipt_at = station_view.last_receipt_at(db)
            findings += station_view.open_findings(db)
    store = None
    if config.role.stores and paths.catalogue_db.exists():
        store = queries.status_figures(paths)
        findings += queries.open_findings(paths)
    with home_catalogue(paths, config) as catalogue:
        due = _deadlines(catalogue, paths, config, now=now)
    return HomeStatus(
        config=config,
        running=running.look(paths),
        recorders=tuple(rows),
        docking=tuple(_docking(paths)),
        waiting=waiting,
        spool_free_bytes=_free(paths.spool) if config.role.pulls else None,
        vault_free_bytes=_free(paths.vault) if config.role.stores else None,
        deadlines=tuple(due),
        last_receipt_at=last_receipt_at,
        store=store,
        stamp_age_seconds=_age_seconds(store.last_stamp_at if store else None, now=now),
        findings=tuple(worst_first(findings)),
    )


def _age_seconds(at: datetime | None, *, now: datetime) -> int | None:
    return None if at is None else max(0, int((now - at).total_seconds()))


def _deadlines(catalogue: sqlite3.Connection, paths: HomePaths, config: HomeConfig, *, now: datetime) -> list[Deadline]:
    rule = shipped_pack(config.policy).pull_deadline
    return deadlines(not_received(catalogue, paths, config), rule, now=now)


def _docking(paths: HomePaths) -> list[Progress]:
    """Return the sessions that are at work, if their agent is; an old file of a killed agent is not believed."""
    if not is_locked(paths.run / "agent.lock"):
        return []
    found = [read_progress_file(path) for path in sorted((paths.run / "progress").glob("*.json"))]
    return [progress for progress in found if progress is not None and progress.state in _AT_WORK]


def _free(folder: object) -> int | None:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(str(folder)).free
    return None


def _instant(at: datetime | None) -> str | None:
    return wire_instant(at) if at is not None else None
