"""What a verification found: codes with their particulars, as many as people can read, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from .strict import RefusedError

MAX_KEPT = 100  # of each code; hostile input could have a million


class Severity(IntEnum):
    """How bad a finding is; the worst one rules the exit code."""

    NOTE = 0  # nothing is wrong; something that proves more is there and was not checked here: 0
    FAULT = 1  # nothing was lost or altered, and yet it is not what was asked for, or not as it has to be: exit code 1
    UNCHECKED = 2  # something cannot be read or checked here, so there may be damage: 4
    DAMAGE = 3  # something was lost or altered, or is not proved: 5


_EXIT_CODES = {Severity.NOTE: 0, Severity.FAULT: 1, Severity.UNCHECKED: 4, Severity.DAMAGE: 5}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `reason` is a key of `words.REASONS` or empty."""

    code: str
    severity: Severity
    subject: str
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """All that a verification has to say."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    worst: Severity | None = None
    checked: dict[str, int] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)  # what the package says of itself
    about_trust: dict[str, str] = field(default_factory=dict)  # number of the document, and who decides of it
    notices: list[Finding] = field(default_factory=list)  # nothing is wrong, and people should know it
    sealed: list[dict[str, str]] = field(default_factory=list)  # how many items of a recorder there are
    items: list[dict[str, str]] = field(default_factory=list)
    decisions: list[dict[str, str]] = field(default_factory=list)  # what people decided, and how well that is proved
    erased: list[dict[str, str]] = field(default_factory=list)  # proved entries whose bodies were erased by law
    keys: dict[str, str] = field(default_factory=dict)  # whose keys were believed, and their ids

    @property
    def exit_code(self) -> int:
        """Return 0 if everything agrees, else what the worst finding asks for."""
        return 0 if self.worst is None else _EXIT_CODES[self.worst]

    def add(
        self, code: str, subject: str, reason: str = "", /, *, severity: Severity = Severity.DAMAGE, **facts: Any
    ) -> None:
        """Note that something is wrong."""
        self.worst = max(severity, self.worst or severity)
        self.counts[code] += 1
        if self.counts[code] <= MAX_KEPT:
            texts = {name: str(value) for name, value in facts.items()}
            self.findings.append(Finding(code, severity, subject, reason, texts))

    def notice(self, code: str, subject: str) -> None:
        """Note what a package does not show although nothing is wrong with it; the exit code stays as it is."""
        if len(self.notices) < MAX_KEPT:
            self.notices.append(Finding(code, Severity.NOTE, subject))

    def refused(self, code: str, subject: str, error: RefusedError) -> None:
        """Note what a reader refused."""
        severity = Severity.UNCHECKED if error.reason == "file.unreadable" else Severity.DAMAGE
        self.add(code, subject, error.reason, severity=severity, **error.facts)
