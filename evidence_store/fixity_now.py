"""Reading the vault again in the foreground, with the store stopped; and how far the scheduled reading is."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evidence_model.findings import Finding
from evidence_model.instants import Clock, wire_instant
from evidence_store.centre_book import CentreBook, open_centre_db
from evidence_store.custody_queries import open_catalogue
from evidence_store.fixity import Fixity, FixityRules
from evidence_store.fixity_book import FixityBook, fixity_db_path, kept_files, open_fixity_db
from evidence_store.fixity_events import FixityReport
from evidence_store.fixity_plan import late, portion
from evidence_store.rebuild import store_lock
from evidence_store.vault import Vault
from host_io.config import HomeConfig, HomePaths
from host_io.keys import read_signing_key
from host_io.signed_journal import SignedJournal
from host_io.trust import centre_key_path, read_trust

SayProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityFigures:
    """How far the vault was read again; instants are None where nothing lies in it."""

    file_count: int
    checked_count: int  # read again within the period
    due_count: int  # to be read now
    due_bytes: int
    late_count: int
    oldest_read_at: datetime | None
    next_by: datetime | None  # when the oldest must have been read again
    is_asked: bool

    @property
    def left_count(self) -> int:
        """Return how many were not read again within the period."""
        return self.file_count - self.checked_count

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        return {
            "files": self.file_count,
            "checked": self.checked_count,
            "left": self.left_count,
            "due": self.due_count,
            "due_bytes": self.due_bytes,
            "late": self.late_count,
            "oldest_read_at": wire_instant(self.oldest_read_at) if self.oldest_read_at else None,
            "next_by": wire_instant(self.next_by) if self.next_by else None,
            "asked": self.is_asked,
        }


@dataclass(frozen=True, slots=True)
class FixityRun:
    """What came of reading the vault now."""

    file_count: int
    size_bytes: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as people's tools get it."""
        findings = [finding.as_json() for finding in self.findings]
        return {"files": self.file_count, "bytes": self.size_bytes, "findings": findings}


def fixity_figures(paths: HomePaths, config: HomeConfig, *, now: datetime) -> FixityFigures:
    """Return how far the scheduled reading of a home's vault is; changes nothing.

    Raises:
        CatalogueMissingError: this home's store never ran.
    """
    period = FixityRules.of(config.centre).period
    with contextlib.ExitStack() as stack:
        catalogue = stack.enter_context(contextlib.closing(open_catalogue(paths)))
        checks = None
        if fixity_db_path(paths).exists():
            checks = stack.enter_context(contextlib.closing(open_fixity_db(paths, read_only=True)))
        kept = kept_files(catalogue, checks)
        is_asked = checks is not None and FixityBook(checks).asked() is not None
    due = portion(kept, now=now, period=period, draw=lambda: 0.0)
    late_ones = late(kept, now=now, period=period)
    oldest = min((each.read_at for each in kept), default=None)
    return FixityFigures(
        file_count=len(kept),
        checked_count=sum(each.is_checked for each in kept) - sum(each.is_checked for each in late_ones),
        due_count=len(due),
        due_bytes=sum(each.size_bytes for each in due),
        late_count=len(late_ones),
        oldest_read_at=oldest,
        next_by=oldest + period if oldest is not None else None,
        is_asked=is_asked,
    )


def fixity_now(
    paths: HomePaths, config: HomeConfig, *, clock: Clock, limit: int | None, progress: SayProgress | None = None
) -> FixityRun:
    """Read the vault now, as fast as the disk gives; what an earlier run that was cut off left is done first.

    Raises:
        StoreRunningError: the store runs; ask it with `fixity_request` instead.
        CatalogueMissingError: it never ran.
    """
    trust, findings, done_bytes = read_trust(paths.trust), list[Finding](), 0
    with store_lock(paths), contextlib.ExitStack() as stack:
        vault = Vault(paths.vault, reserve_bytes=config.centre.vault_reserve_bytes, clock=clock)
        catalogue = stack.enter_context(contextlib.closing(open_catalogue(paths)))
        book = FixityBook(stack.enter_context(contextlib.closing(open_fixity_db(paths))))
        centre_db = stack.enter_context(contextlib.closing(open_centre_db(paths)))
        signer = read_signing_key(centre_key_path(paths))
        journal = SignedJournal(centre_db, signer=signer, source=trust.centre.id, clock=clock)
        centre_book = CentreBook(centre_db, clock)

        def tell(report: FixityReport) -> bool:
            findings.extend(report.findings)
            report.say(journal.append, centre_book)  # signed for good; the store logs it at its next start
            return True

        def step(size_bytes: int) -> None:
            nonlocal done_bytes
            done_bytes += size_bytes
            if progress is not None:
                progress(done_bytes, max(total_bytes, done_bytes))

        fixity = Fixity(
            vault,
            book,
            catalogue,
            FixityRules.of(config.centre),
            site=trust.site,
            centre=trust.centre.id,
            clock=clock,
            step=step,
            tell=tell,
        )
        book.ask(clock.now(), limit)
        planned = fixity.planned()
        total_bytes = sum(each.size_bytes for each in planned)
        return FixityRun(fixity.work(planned), done_bytes, tuple(findings))
