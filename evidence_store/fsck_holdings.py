"""Does this home hold what a home of its role must hold?

What is gone as a whole contradicts nothing that is left, so it is asked for by name. Which traces show that something
was there once: what a program makes before it (main.py, edge_agent), or what was signed about it.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evidence_model.errors import EvidockError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_store.errors import LogRecordMissingError
from host_io.config import HomePaths, NoHomeError, read_config

NOT_HELD = "STO-079"
_SPOOL_FOLDERS = ("footage", "blobs", "quarantine")


@dataclass(slots=True)
class Holdings:
    """What a home must hold: by its configuration, or, where that is lost, by what lies in it."""

    paths: HomePaths
    stores: bool
    pulls: bool
    station: SourceId | None = None
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, paths: HomePaths) -> "Holdings":
        """Read the role of a home and look at its folders."""
        found: list[Finding] = []
        try:
            config = read_config(paths)
            if not paths.config.stat().st_size:
                found.append(_finding(paths.config.name, "it is empty"))
        except NoHomeError:
            found.append(_finding(paths.config.name, "it is not there"))
        except EvidockError as error:
            found.append(Finding(error.code, Severity.DAMAGE, paths.config.name, {"why": str(error)[:300]}))
        if found:
            keys = [path.name for path in paths.keys.glob("*.key")] if paths.keys.is_dir() else []
            stores = any(map(os.path.lexists, (paths.log, paths.vault, paths.centre_db))) or "log.key" in keys
            pulls = any(map(os.path.lexists, (paths.spool, paths.station_db)))
            holdings = cls(paths, stores=stores, pulls=pulls, findings=found)
        else:
            role = config.role
            station = config.station.id if role.pulls else None
            holdings = cls(paths, stores=role.stores, pulls=role.pulls, station=station, findings=found)
        holdings.findings += holdings._folders()
        return holdings

    @property
    def signers(self) -> frozenset[tuple[str, str]]:
        """Return (role, id) of those whose private keys this home makes."""
        store = {("log", ""), ("centre", "")} if self.stores else set()
        return frozenset(store | ({("station", self.station)} if self.pulls and self.station else set()))

    def check(self, *, log_is_empty: bool, unmade: Mapping[Path, int]) -> Iterator[Finding]:
        """Yield databases that must be there and are not; `unmade`: those, and how many of their events are logged."""
        paths, spool = self.paths, self.paths.spool
        traces = {
            paths.centre_db: self.stores and (not log_is_empty or _holds_files(paths.vault / "sha256")),
            paths.station_db: self.pulls
            and (os.path.lexists(spool / "wake") or any(_holds_files(spool / name) for name in _SPOOL_FOLDERS)),
        }
        for path, was_there in traces.items():
            if (path in unmade or not os.path.lexists(path)) and (was_there or unmade.get(path)):
                yield _finding(path.name, "it is empty" if os.path.lexists(path) else "it is not there")

    def check_empty_log(self, *, was_seen: bool) -> Iterator[Finding]:
        """Yield a finding if a log without any entry cannot be: somebody saw it larger, or bytes came through it."""
        if was_seen or os.path.lexists(self.paths.catalogue_db) or _holds_files(self.paths.vault / "sha256"):
            yield Finding(LogRecordMissingError.code, Severity.DAMAGE, "log/signed", {"why": "the log is empty"})

    def _folders(self) -> Iterator[Finding]:
        """Yield the folders that `evidock init` makes and that are not there; `run` may vanish, keys stay at home."""
        paths = self.paths
        folders: list[Path] = []
        if self.stores:
            folders += [paths.log, paths.vault, *(paths.vault / name for name in ("sha256", "incoming", "uploads"))]
        if self.pulls:
            folders += [paths.spool, *(paths.spool / name for name in ("footage", "blobs", "incoming"))]
        optional = (paths.keys, paths.vault / "quarantine", paths.log / "stage", paths.spool / "quarantine")
        folders += [folder for folder in optional if os.path.lexists(folder)]
        for folder in folders:
            if folder.is_dir():
                continue
            if folder.parent == paths.root or folder.parent.is_dir():  # else its parent is named
                why = "it is no folder" if os.path.lexists(folder) else "it is not there"
                yield _finding(str(folder.relative_to(paths.root)), why)


def is_plain(path: Path) -> bool:
    """Say whether a file is there that can be opened without waiting for anybody (a FIFO would be waited for)."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _holds_files(folder: Path) -> bool:
    return any(names for _, _, names in os.walk(folder))


def _finding(subject: str, why: str) -> Finding:
    return Finding(NOT_HELD, Severity.DAMAGE, subject, {"why": why})
