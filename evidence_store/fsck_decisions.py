"""Were holds, approvals, disposals and accesses in this log decided by people who may (docs/spec/decisions.md)?

Envelopes are read once, in any order, for the audit; what decisions need of them is kept by hash. Most events are about
items of which nobody decided anything: of these only the hashes are kept, and read again if somebody did.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from chain_of_custody.breaches import BODY_ERASED
from chain_of_custody.decisions import Decisions, Heard
from chain_of_custody.envelope import Envelope, parse_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.people import People
from chain_of_custody.signatures import KeyId
from chain_of_custody.trust_entries import Standing
from evidence_model.errors import RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.fsck_facts import DecisionFacts
from evidence_store.fsck_log import LogCheck
from host_io.trust import Trust


@dataclass(slots=True)
class DecisionCheck:
    """One check of all decisions in one log."""

    log: LogCheck
    facts: DecisionFacts
    trust: Trust
    decisions: Decisions = field(init=False)

    def __post_init__(self) -> None:
        self.decisions = Decisions(People.of(self.trust.people), centres=self.trust.centres)

    def run(self) -> Iterator[Finding]:
        """Yield every decision that breaks a rule."""
        people = self.decisions.people
        for index, envelope in self._in_order():
            try:
                view = parse_event(envelope)
            except RefusedError:
                continue  # told by the audit
            heard = Heard(index, envelope.hash, view, people.signed(envelope))
            for breach in self.decisions.hear(heard):
                yield breach.finding()

    def lost_bodies(self, lost: Iterable[Finding]) -> Iterator[Finding]:
        """Yield of the envelopes that are not there those that no lawful tombstone names, the others as notes."""
        erased = {sha256(envelope).hexdigest(): at for envelope, at in self.decisions.erased.items()}
        for finding in lost:
            tombstone = erased.get(finding.details["checksum"])
            index = int(finding.subject.removeprefix("entry "))
            if tombstone is None or tombstone <= index:
                yield finding
            else:
                yield Finding(BODY_ERASED, Severity.NOTE, finding.subject, {"tombstone": f"entry {tombstone}"})

    def _in_order(self) -> Iterator[tuple[int, Envelope]]:
        wanted = {*self.facts.decided}
        wanted.update(each for item in self.facts.items for each in self.facts.said_of.get(item, ()))
        by_checksum = {sha256(each).digest(): each for each in wanted}
        owners = self.trust.by_key()
        for index in range(self.log.size if by_checksum else 0):
            leaf = self.log.leaf(index)
            if leaf is None or leaf.checksum not in by_checksum:
                continue
            owner = owners.get(KeyId(leaf.key_hash.hex()))
            raw = self.log.envelope(by_checksum[leaf.checksum])
            if raw is None or owner is None or owner.standing(index) is Standing.OUTSIDE:
                continue  # told by the audit
            try:
                envelope = parse_envelope(raw)
            except RefusedError:
                continue  # told by the audit
            yield index, envelope
