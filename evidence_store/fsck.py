"""Is everything in this home still what was signed? Offline, also while it runs; no fault hides another.

What is compared: the log with itself and its signatures; every file of the vault and the spool with the digest that
signed events name; the signers' own databases with their signatures, their receipts and the log; trust file, private
keys and enrolled keys with each other. The catalogue is a view: where it differs, it is made again.
"""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from chain_of_custody.audit_events import ENVELOPE_MISSING
from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from evidence_store.catalogue import ITEM_ID_FOREIGN
from evidence_store.centre_book import CentreBook, Moment, open_centre_db
from evidence_store.errors import CentreJournalLostError, LogSetBackError
from evidence_store.fsck_bytes import Progress, hash_files
from evidence_store.fsck_catalogue import CatalogueCheck
from evidence_store.fsck_chains import (
    DATABASE_DAMAGED,
    ENVELOPE_ALTERED,
    UNREADABLE_DATABASE,
    ChainCheck,
    SpoolFile,
    check_items,
    read_only,
    spool_files,
)
from evidence_store.fsck_decisions import DecisionCheck
from evidence_store.fsck_facts import LogFacts
from evidence_store.fsck_holdings import Holdings, is_plain
from evidence_store.fsck_log import LogCheck
from evidence_store.fsck_recorders import check_recorders
from evidence_store.fsck_sm3 import check_sm3
from evidence_store.fsck_time import check_time
from evidence_store.fsck_trust import TrustCheck, check_names
from evidence_store.fsck_vault import (
    SPOOL_FILE_MISSING,
    VaultListing,
    check_awaited,
    check_hashed,
    check_vault_names,
    is_handed_over,
)
from host_io.clock import SystemClock
from host_io.config import HomePaths
from host_io.trust import TrustMissingError, witness_key_path
from host_io.witness_state import WitnessStateLostError, witness_state

SayProgress = Callable[[int, int], None]
_EXIT_CODE = {Severity.NOTE: 0, Severity.FAULT: 1, Severity.DAMAGE: 5}


@dataclass(slots=True, kw_only=True)
class HomeVerification:
    """What came of verifying a home."""

    files: int = 0
    bytes: int = 0
    events: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each code."""
        return dict(sorted(Counter(finding.code for finding in self.findings).items()))

    @property
    def exit_code(self) -> int:
        """Return 5 if anything is damaged, 1 if anything is at fault, else 0 (contract.md, exit codes)."""
        return max((_EXIT_CODE[finding.severity] for finding in self.findings), default=0)

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "ok": self.exit_code == 0,
            "files": self.files,
            "bytes": self.bytes,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "counts": self.counts,
            "findings": [finding.as_json() for finding in self.findings],
        }


def verify_home_summary(
    paths: HomePaths, *, workers: int | None = None, progress: SayProgress | None = None, clock: Clock | None = None
) -> HomeVerification:
    """Verify a home and return everything that was found; a centre notes that it was verified."""
    clock = clock or SystemClock()
    started = clock.mono()
    result = HomeVerification()
    result.findings += _Verification(paths, result, workers=workers, progress=progress, clock=clock).run()
    result.seconds = clock.mono() - started
    with contextlib.suppress(*UNREADABLE_DATABASE):  # a copy may be read-only
        with read_only(paths.centre_db) as db:  # another database in its place, or a damaged one, is left as it is
            is_ours = db.execute("select 1 from sqlite_master where name = 'centre_moment'").fetchone() is not None
        if is_ours:
            with contextlib.closing(open_centre_db(paths)) as db:
                CentreBook(db, clock).happened(Moment.VERIFICATION)
    return result


def verify_home(
    paths: HomePaths, *, workers: int | None = None, progress: SayProgress | None = None, clock: Clock | None = None
) -> Iterator[Finding]:
    """Yield everything that is wrong with a home, of whatever role; nothing is written."""
    result, clock = HomeVerification(), clock or SystemClock()
    yield from _Verification(paths, result, workers=workers, progress=progress, clock=clock).run()


class _Verification:
    """One verification of one home."""

    def __init__(
        self,
        paths: HomePaths,
        result: HomeVerification,
        *,
        workers: int | None,
        progress: SayProgress | None,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._paths = paths
        self._result = result
        self._workers = workers
        self._say = progress
        self._facts = LogFacts()
        self._is_running = _is_running(paths)
        self._promised: dict[Digest, str] = {}
        self._holdings = Holdings.of(paths)
        self._trust = TrustCheck(paths, self._holdings.signers)
        self._unmade: dict[Path, int] = {}  # databases that are not there, and how many of their events the log has
        self._log_was_seen = False

    def run(self) -> Iterator[Finding]:
        """Yield what is wrong, part by part; the bytes are hashed while the log is audited."""
        listing = VaultListing.of(self._paths.vault)
        spool, missing, faults = self._spool()
        files = [*listing.files, *((file.path, file.digest, file.size_bytes) for file in spool)]
        progress = Progress(sum(size for _, _, size in files), self._say)
        with ThreadPoolExecutor(1, thread_name_prefix="bytes") as beside:
            hashing = beside.submit(lambda: list(hash_files(files, workers=self._workers, progress=progress)))
            yield from self._check_records()
            yield from faults
            for file in missing:
                if not is_handed_over(self._paths.vault, file.digest):
                    subject = str(file.path.relative_to(self._paths.root))
                    yield Finding(SPOOL_FILE_MISSING, Severity.DAMAGE, subject)
            if self._holdings.stores:
                vault = self._paths.vault
                yield from check_vault_names(listing, self._paths.root, vault, self._facts, promised=self._promised)
                said = {*self._promised, *self._facts.received, *(file.digest for file in (*spool, *missing))}
                yield from check_awaited(vault, self._facts, now=self._clock.now(), elsewhere=said)
            for hashed in hashing.result():
                self._result.files += 1
                self._result.bytes += hashed.size_bytes
                in_vault = hashed.path.is_relative_to(self._paths.vault)
                yield from check_hashed(hashed, self._paths.root, self._facts, in_vault=in_vault)
                yield from check_sm3(hashed, self._paths.root, self._facts)

    def _check_records(self) -> Iterator[Finding]:
        yield from self._holdings.findings
        self._trust.read()
        log, log_is_sound = self._log_check(), True
        if log is not None:
            lost: list[Finding] = []  # envelopes that are not there
            for finding in log.run():
                if finding.code == ENVELOPE_MISSING:
                    lost.append(finding)
                    continue
                log_is_sound = log_is_sound and finding.severity is Severity.NOTE
                yield finding
            self._facts = log.facts
            for finding in self._check_decisions(log, lost):
                log_is_sound = log_is_sound and finding.code != ENVELOPE_MISSING
                yield finding
        self._facts.settle(self._trust.centre_key_ids())
        self._result.events = self._facts.event_count
        for name, asset in self._facts.misnamed:
            yield Finding(ITEM_ID_FOREIGN, Severity.FAULT, f"log/envelopes/{name[:2]}/{name}", {"asset": asset})
        yield from check_recorders(self._facts.docked)
        yield from self._trust.check(self._facts)
        yield from check_names(self._trust, self._facts)
        yield from self._check_witness(log)
        if log is not None and self._trust.trust is not None:
            yield from check_time(log, self._trust.trust)
        yield from self._check_chains(log)
        if self._trust.is_missing:
            is_awaited = not self._holdings.stores and not self._log_was_seen  # a new station, before it has a centre
            severity = Severity.NOTE if is_awaited else Severity.DAMAGE
            yield Finding(TrustMissingError.code, severity, "trust.json")
        is_empty = log is not None and log.is_empty
        yield from self._holdings.check(log_is_empty=log is None or is_empty, unmade=self._unmade)
        if is_empty:
            yield from self._holdings.check_empty_log(was_seen=self._log_was_seen)
        if log is not None:
            catalogue = CatalogueCheck(
                paths=self._paths,
                log_size=log.size,
                newest_size=log.newest_size,
                leaf_at=log.leaf,
                is_running=self._is_running,
                log_is_sound=log_is_sound,
                centre=self._trust.trust.centre.id if self._trust.trust is not None else None,
            )
            yield from catalogue.run()
            for digest in catalogue.held:
                self._promised.setdefault(digest, self._paths.catalogue_db.name)

    def _check_decisions(self, log: LogCheck, lost: list[Finding]) -> Iterator[Finding]:
        """Yield what is wrong with what people decided, and the lost envelopes that nobody may have erased."""
        if self._trust.trust is None:
            yield from lost
            return
        check = DecisionCheck(log, self._facts.decisions, self._trust.trust)
        yield from check.run()
        yield from check.lost_bodies(lost)
        self._facts.disposed = frozenset(check.decisions.tombstones)

    def _check_witness(self, log: LogCheck | None) -> Iterator[Finding]:
        """Yield what is wrong with what this station cosigned last, if it is a witness."""
        station, log_key = self._holdings.station, self._trust.log_key
        if station is None or log_key is None or not os.path.lexists(witness_key_path(self._paths, station)):
            return
        state = witness_state(self._paths, station)
        subject = str(state.path.relative_to(self._paths.root))
        try:
            last = state.last(log_key=log_key, before=self._trust.logs_before)
        except (WitnessStateLostError, OSError) as error:
            yield Finding(WitnessStateLostError.code, Severity.DAMAGE, subject, {"why": str(error)[:200]})
            return
        if last is None or log is None or log.head is None or self._is_running:
            return
        root = log.root_at(last.size) if last.size <= log.size else None
        if last.size and root != last.root:  # the same machine has a log that is not the one that it cosigned
            details = {"cosigned": str(last.size), "log": str(log.size)}
            yield Finding(LogSetBackError.code, Severity.DAMAGE, subject, details)

    def _log_check(self) -> LogCheck | None:
        log_key = self._trust.log_key
        if log_key is None or not self._paths.log.is_dir():
            return None
        check = LogCheck(self._paths.log, log_key, self._trust.verifiers(), self._is_running)
        if self._trust.trust is not None:
            check.trust = self._trust.trust
            check.before = self._trust.logs_before
        private = self._trust.private.get(("log", ""))
        if private is not None and private != log_key and not check.is_signed_by_its_key():
            check.log_key, check.before = private, ()  # trust.json names another key, and is reported for it
        return check

    def _check_chains(self, log: LogCheck | None) -> Iterator[Finding]:
        trust = self._trust.trust
        owners = {
            self._paths.station_db: self._holdings.station,
            self._paths.centre_db: trust.centre.id if trust is not None else None,
        }
        for path, owner in owners.items():
            check = ChainCheck(
                path=path,
                keys=self._trust.verifiers(),
                centre_key=self._trust.centre_key,
                log_key=log.log_key if log else self._trust.log_key,
                before=self._trust.logs_before,
                log_size=log.size if log and log.head else None,
                leaf_at=log.leaf if log else lambda _: None,
                root_at=log.root_at if log else lambda _: None,
                is_running=self._is_running,
                source=owner,
            )
            yield from check.run()
            self._log_was_seen = self._log_was_seen or check.has_seen_log
            said = self._facts.last_seq_of.get(owner, 0) if owner else 0
            if check.is_unmade:
                self._unmade[path] = said
            elif check.is_whole and check.event_count < said:
                code = CentreJournalLostError.code if path == self._paths.centre_db else ENVELOPE_ALTERED
                details = {"holds": str(check.event_count), "logged": str(said)}
                yield Finding(code, Severity.DAMAGE, path.name, details)
            if path == self._paths.station_db and check.is_whole:
                self._promised |= check.promised
                self._result.events = max(self._result.events, check.event_count)
                with _database_faults(path.name) as faults:
                    yield from check_items(path, check.pulled, last_seq=check.event_count)
                yield from faults

    def _spool(self) -> tuple[list[SpoolFile], list[SpoolFile], list[Finding]]:
        """Return the spool's files that are there, those that are not, and why neither can be said."""
        if not is_plain(self._paths.station_db):
            return [], [], []
        there: list[SpoolFile] = []
        missing: list[SpoolFile] = []
        with _database_faults(self._paths.station_db.name) as faults:
            there, missing = spool_files(self._paths.station_db, self._paths.spool)
        return there, missing, faults


@contextlib.contextmanager
def _database_faults(name: str) -> Iterator[list[Finding]]:
    """Turn a database that cannot be read into a finding."""
    findings: list[Finding] = []
    try:
        yield findings
    except UNREADABLE_DATABASE as error:
        findings.append(Finding(DATABASE_DAMAGED, Severity.DAMAGE, name, {"why": str(error)[:200]}))


def _is_running(paths: HomePaths) -> bool:
    """Say whether a store works on this home now."""
    try:
        fd = os.open(paths.run / "store.lock", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)
