"""Reading the vault again: one file after the other, each noted before it is told, a bad one restored from the replica.

It goes by what the catalogue and its own notes say was taken in, not by what lies there, so that a file that is gone
is missed. What stops it anywhere costs one file's reading at most.
"""

import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.errors import UnavailableError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, SourceId
from evidence_model.instants import Clock
from evidence_store.fixity_book import UNFINISHED, Checked, FixityBook
from evidence_store.fixity_events import (
    CHECKS_LATE,
    MOST_IN_A_BATCH,
    QUARANTINE_LARGE,
    REPLICA_AWAY,
    FixityReport,
    report_of,
)
from evidence_store.fixity_plan import Kept, Reading, Remedy, Verdict, in_order, late, portion, remedy
from evidence_store.vault import Vault, place_in
from evidence_store.vault_repair import Step, forget_half_done, read_copy, restore
from host_io.config import CentreConfig

_TELL_SECONDS = 60.0  # a failure is told at once, but a dying disk does not fill the log with batches of one
_UNPREDICTABLE = random.SystemRandom().random  # a thief who has the source and the clock still cannot tell


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityRules:
    """How often, and with which help."""

    period: timedelta
    replica: Path | None
    quarantine_bytes: int

    @classmethod
    def of(cls, config: CentreConfig) -> "FixityRules":
        """Take them from a home's configuration."""
        return cls(
            period=timedelta(days=max(1, config.fixity_days)),
            replica=Path(config.replica) if config.replica else None,
            quarantine_bytes=config.quarantine_limit_bytes,
        )


class Fixity:
    """Checks the files of one vault; used by one thread, which owns the book."""

    def __init__(
        self,
        vault: Vault,
        book: FixityBook,
        catalogue: sqlite3.Connection,
        rules: FixityRules,
        *,
        site: SourceId,
        centre: SourceId,
        clock: Clock,
        step: Step,
        tell: Callable[[FixityReport], bool],
        draw: Callable[[], float] = _UNPREDICTABLE,
    ) -> None:
        self._vault = vault
        self._book = book
        self._catalogue = catalogue
        self._rules = rules
        self._site = site
        self._centre = centre
        self._clock = clock
        self._step = step
        self._tell = tell
        self._draw = draw
        self._told_mono = float("-inf")
        forget_half_done(vault)

    def planned(self) -> list[Kept]:
        """Return what is to be read now: what somebody asked for, else what is left of today's portion."""
        kept, now = self._book.kept(self._catalogue), self._clock.now()
        asked = self._book.asked()
        if asked is None:
            return portion(kept, now=now, period=self._rules.period, draw=self._draw)
        unread = [each for each in kept if not each.is_checked or each.read_at < asked.since or each.read_at > now]
        return in_order(unread, now=now, period=self._rules.period, draw=self._draw)[: asked.left_count]

    def work(self, planned: Sequence[Kept], *, is_enough: Callable[[], bool] = lambda: False) -> int:
        """Check files until all are, or `is_enough`; return how many. What an earlier run did not tell is told first.

        Raises:
            StoppedError: `step` said so; what was checked is noted, and told the next time.
        """
        self._tell_unsaid(left_count=len(planned))
        count = 0
        for count, kept in enumerate(planned, start=1):
            checked = self.check(kept)
            self._book.note(checked)
            # Power fails here: it is noted, or is simply read again; what was restored is in its place.
            is_bad = checked.verdict is not Verdict.SOUND
            if count % MOST_IN_A_BATCH == 0 or (is_bad and self._clock.mono() - self._told_mono > _TELL_SECONDS):
                self._tell_unsaid(left_count=len(planned) - count)
            if is_enough():
                break
        else:
            self._book.answered()
        self._tell_unsaid(left_count=0)
        self._tell(self._surroundings())
        return count

    def check(self, kept: Kept) -> Checked:
        """Read one file; if it is bad and the replica's copy is good, put that in its place.

        Raises:
            StoppedError: `step` said so.
        """
        digest, path = kept.digest, self._vault.path_of(kept.digest)
        own = read_copy(path, digest, self._step)
        checked = Checked(digest=digest, size_bytes=kept.size_bytes, at=self._clock.now(), verdict=own.verdict)
        if own.verdict is Verdict.SOUND:
            return checked
        checked = replace(checked, found=own.found)
        spare = self._replica()
        source = place_in(spare, digest) if spare is not None else path
        other = read_copy(source, digest, self._step) if spare is not None else None
        match remedy(own, other):
            case Remedy.RESTORE:
                return self._restored(replace(checked, replica="good"), own, source)
            case Remedy.BOTH_BAD:
                return replace(checked, replica=_told(other))
            case _:
                return replace(checked, replica="none")

    def _restored(self, checked: Checked, own: Reading, source: Path) -> Checked:
        self._book.note(replace(checked, problem=UNFINISHED))
        # Power fails here, or until what came of it is noted: that it was bad is told, and it is read again at once.
        try:
            kept = restore(self._vault, checked.digest, source, own=own, clock=self._clock, step=self._step)
        except (OSError, UnavailableError) as error:
            return replace(checked, problem=str(error)[:200])
        return replace(checked, quarantined=kept.name if kept is not None else "")

    def _replica(self) -> Path | None:
        """Return the replica's folder if it is there; one that is not mounted has bad copies of nothing."""
        replica = self._rules.replica
        return replica if replica is not None and (replica / "sha256").is_dir() else None

    def _tell_unsaid(self, *, left_count: int) -> None:
        while checks := self._book.unsaid(MOST_IN_A_BATCH):
            report = report_of(
                checks, items_of=self._items_of, left_count=left_count, site=self._site, centre=self._centre
            )
            if not self._tell(report):
                return  # it is told again the next time
            self._book.said(checks)
            # Power fails here, or right before: it is said, and perhaps said twice.
        self._told_mono = self._clock.mono()

    def _items_of(self, digest: Digest) -> list[AssetId]:
        rows = self._catalogue.execute("select asset_id from item where digest = ? order by 1", (digest.raw,))
        return [AssetId(row["asset_id"]) for row in rows]

    def _surroundings(self) -> FixityReport:
        """Say what is late, whether the replica is away, and how much lies in quarantine, or that it is no more so."""
        now, rules = self._clock.now(), self._rules
        findings = []
        overdue = late(self._book.kept(self._catalogue), now=now, period=rules.period)
        if overdue:
            findings.append(Finding(CHECKS_LATE, Severity.FAULT, "vault", {"days": str(rules.period.days)}))
        if rules.replica is not None and self._replica() is None:
            findings.append(Finding(REPLICA_AWAY, Severity.FAULT, str(rules.replica)))
        if _size_below(self._vault.quarantine.rglob("*")) > rules.quarantine_bytes:
            details = {"limit_bytes": str(rules.quarantine_bytes)}
            findings.append(Finding(QUARANTINE_LARGE, Severity.FAULT, "vault/quarantine", details))
        standing = {(finding.code, finding.subject) for finding in findings}
        subjects = {CHECKS_LATE: "vault", REPLICA_AWAY: str(rules.replica), QUARANTINE_LARGE: "vault/quarantine"}
        return FixityReport(findings=findings, cured=frozenset(set(subjects.items()) - standing))


def _told(reading: Reading | None) -> str:
    if reading is None:
        return "none"
    return f"{reading.verdict.value} {reading.found}".strip()


def _size_below(paths: Iterable[Path]) -> int:
    """Return how many bytes lie there; nobody counts the same file twice who has two names for it."""
    sizes = {}
    for path in paths:
        try:
            info = path.lstat()
        except FileNotFoundError:
            continue
        sizes[info.st_dev, info.st_ino] = info.st_size
    return sum(sizes.values())
