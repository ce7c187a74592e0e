"""What the centre says of checks of the vault: a batch in one event, a failure in one of its own."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chain_of_custody.event import Subject
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, SourceId
from evidence_model.instants import wire_instant
from evidence_store.centre_book import CentreBook, Moment
from evidence_store.fixity_book import Checked
from evidence_store.fixity_plan import Verdict
from evidence_store.fsck_vault import RECEIVED_IS_MISSING, UNREADABLE, VAULT_FILE_ALTERED
from evidence_store.own_facts import centre_actor
from host_io.signed_journal import NewFact

QUARANTINE_LARGE = "STO-162"
BOTH_COPIES_BAD = "STO-163"
REPLICA_AWAY = "STO-164"
RESTORED = "STO-165"
CHECKS_LATE = "STO-166"
MOST_IN_A_BATCH = 400  # digests in one event, which has room for 45 KiB
_MOST_ITEMS = 20  # that share the same bytes, each with an event in its chain
_CODE_OF = {
    Verdict.ALTERED: VAULT_FILE_ALTERED,
    Verdict.MISSING: RECEIVED_IS_MISSING,
    Verdict.UNREADABLE: UNREADABLE,
}
OF_A_FILE = frozenset({*_CODE_OF.values(), BOTH_COPIES_BAD, RESTORED})
"""Codes of findings on one file, which a later check that finds it sound clears."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityReport:
    """What the sequencer's thread is to sign and to note; `said` is set when that is done."""

    facts: Sequence[NewFact] = ()
    findings: Sequence[Finding] = ()
    cured: frozenset[tuple[str, str]] = frozenset()  # (code, subject)
    said: threading.Event = field(default_factory=threading.Event)

    def say(self, say: Callable[[NewFact], object], book: CentreBook) -> None:
        """Sign the facts and note the findings, all or none."""
        with book.transaction():
            for fact in self.facts:
                say(fact)
            for code, subject in self.cured & book.standing():
                book.clear(code, subject)
            for finding in self.findings:
                book.note(finding)
            if self.facts:
                book.happened(Moment.FIXITY)
        self.said.set()


def report_of(
    checks: Sequence[Checked],
    *,
    items_of: Callable[[Digest], Sequence[AssetId]],
    left_count: int,
    site: SourceId,
    centre: SourceId,
) -> FixityReport:
    """Return what is to be signed and noted of checks."""
    facts = [_batch(checks, left_count=left_count, site=site, centre=centre)] if checks else []
    findings: list[Finding] = []
    cured: set[tuple[str, str]] = set()
    for each in checks:
        told: list[Finding] = []
        if each.verdict is not Verdict.SOUND:
            items = items_of(each.digest)[:_MOST_ITEMS]
            facts += [_failure(each, asset, centre) for asset in items or (None,)]
            told = _findings(each, items)
        codes = {finding.code for finding in told}
        cured |= {(code, _subject(each.digest)) for code in OF_A_FILE - codes}
        findings += told
    return FixityReport(facts=facts, findings=findings, cured=frozenset(cured))


def _batch(checks: Sequence[Checked], *, left_count: int, site: SourceId, centre: SourceId) -> NewFact:
    """Say which files were read again, and how they read: nobody can say later that a file was not looked at."""
    verdicts = Counter(each.verdict.value for each in checks)
    digests = sorted(each.digest.hex for each in checks)
    body: Mapping[str, Json] = {
        **{verdict.value: str(verdicts[verdict.value]) for verdict in Verdict},
        "bytes": str(sum(each.size_bytes for each in checks)),
        "checked": str(len(checks)),
        "files": list(digests),
        "from": wire_instant(min(each.at for each in checks)),
        "left": str(left_count),
        "list_sha256": hashlib.sha256("".join(f"{each}\n" for each in digests).encode("ascii")).hexdigest(),
        "restored": str(sum(each.is_repaired for each in checks)),
        "until": wire_instant(max(each.at for each in checks)),
    }
    subject = Subject(f"fixity/{site}", hashlib.sha256(canonical_bytes(body)).digest())
    return NewFact(kind=EventKind.FIXITY_CHECKED, subject=subject, body=body, actor=centre_actor(centre))


def _failure(check: Checked, asset: AssetId | None, centre: SourceId) -> NewFact:
    """Say in an item's own chain that its bytes did not read back as they should, and what was done."""
    body: Mapping[str, Json] = {
        "at": wire_instant(check.at),
        "found": check.found,
        "problem": check.problem,
        "quarantined": check.quarantined,
        "replica": check.replica,
        "restored_from": "replica" if check.is_repaired else None,
        "sha256": check.digest.hex,
        "size_bytes": str(check.size_bytes),
        "verdict": check.verdict.value,
    }
    name = f"asset/{asset}" if asset is not None else f"blob/{check.digest.hex}"
    return NewFact(
        kind=EventKind.FIXITY_CHECKED,
        subject=Subject(name, check.digest.raw),
        body=body,
        actor=centre_actor(centre),
        asset_id=asset,
    )


def _findings(check: Checked, items: Sequence[AssetId]) -> list[Finding]:
    subject = _subject(check.digest)
    facts = {"found": check.found, "items": ",".join(items), "replica": check.replica, "problem": check.problem}
    details = {name: value for name, value in facts.items() if value}
    if check.is_repaired:
        details["quarantined"] = check.quarantined
        return [Finding(RESTORED, Severity.FAULT, subject, details)]
    found = [Finding(_CODE_OF[check.verdict], Severity.DAMAGE, subject, details)]
    if check.replica not in {"", "none", "good"}:
        found.append(Finding(BOTH_COPIES_BAD, Severity.DAMAGE, subject, details))
    return found


def _subject(digest: Digest) -> str:
    return f"vault/sha256/{digest.hex}"
