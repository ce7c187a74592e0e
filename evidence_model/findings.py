"""What a check found. Checking is not failing: validators yield every `Finding` and never stop at the first."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib import resources


class Severity(Enum):
    """How bad a finding is; DAMAGE makes a command exit 5, FAULT 1, NOTE 0."""

    NOTE = "note"
    FAULT = "fault"
    DAMAGE = "damage"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: its stable code, what it is about, and the particulars as text."""

    code: str
    severity: Severity
    subject: str
    details: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the finding as people's tools get it with `--json`."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "subject": self.subject,
            "details": dict(self.details),
        }


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return damage before faults before notes, else in the order given: a list may be cut at its end."""
    order = (Severity.DAMAGE, Severity.FAULT, Severity.NOTE)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return code → {zh, en, fix_zh, fix_en} of every finding and error code (`findings.toml`)."""
    text = resources.files("evidence_model").joinpath("findings.toml").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return loaded
