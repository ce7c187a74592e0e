"""What can be wrong with a decision, and how bad that is: acts without leave are faults, lost footage is damage."""

from dataclasses import dataclass
from enum import Enum

from evidence_model.findings import Finding, Severity

PERSON_DID_NOT_SIGN = "COC-160"
GRANT_MISUSED = "COC-161"
NO_GRANT = "COC-162"
NO_LEAVE = "COC-163"
DISPOSED_UNDER_HOLD = "COC-164"
HOLD_MISUSED = "COC-165"
TOMBSTONE_UNLAWFUL = "COC-166"
ACT_AFTER_TOMBSTONE = "COC-167"
CASE_CONTRADICTED = "COC-168"
BODY_ERASED = "COC-169"


class Rule(Enum):
    """What was broken; the value is the last digit of its code in both verifiers (COC-16n, PKG-07n)."""

    PERSON = "0"  # a person's key is claimed, and did not sign
    GRANT = "1"  # used for something else than was asked for and approved
    UNGRANTED = "2"  # viewed or copied without a grant that was in force
    LEAVE = "3"  # decided by one who may not, or by the one who asked
    HELD = "4"  # a tombstone while a hold is open
    RELEASE = "5"  # a hold that was released by one who may not, or placed so, or another one
    TOMBSTONE = "6"  # without two persons' keys over the same proposal
    AFTERWARDS = "7"  # something was done with what is gone
    CASE = "8"  # other bytes, or moved to another case


class Why(Enum):
    """Which part of a rule."""

    FORM = "form"
    KEY = "key"
    ROLE = "role"
    SAME_PERSON = "same-person"
    REFERENCE = "reference"
    ITEMS = "items"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"
    PERIOD = "period"
    HOLD = "hold"
    TOMBSTONE = "tombstone"
    BYTES = "bytes"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Breach:
    """One event that breaks a rule; `of` is what it breaks it about: an item, a person, a hold."""

    rule: Rule
    index: int
    why: Why
    of: str = ""

    def finding(self) -> Finding:
        """Return it as a finding of a whole log."""
        severity = Severity.DAMAGE if self.rule in (Rule.HELD, Rule.TOMBSTONE) else Severity.FAULT
        details = {"rule": self.why.value, "of": self.of}
        return Finding(
            _CODES[self.rule], severity, f"entry {self.index}", {key: each for key, each in details.items() if each}
        )


_CODES = {
    Rule.PERSON: PERSON_DID_NOT_SIGN,
    Rule.GRANT: GRANT_MISUSED,
    Rule.UNGRANTED: NO_GRANT,
    Rule.LEAVE: NO_LEAVE,
    Rule.HELD: DISPOSED_UNDER_HOLD,
    Rule.RELEASE: HOLD_MISUSED,
    Rule.TOMBSTONE: TOMBSTONE_UNLAWFUL,
    Rule.AFTERWARDS: ACT_AFTER_TOMBSTONE,
    Rule.CASE: CASE_CONTRADICTED,
}
