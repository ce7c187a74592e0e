"""What a verification found: codes with their particulars, as many as people can read, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .strict import RefusedError

MAX_KEPT = 100  # of each code; hostile input could have a million


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `reason` is a key of `words.REASONS` or empty."""

    code: str
    subject: str
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """All that a verification has to say."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    is_loss: bool = False  # something was lost or altered; else what was found is only that something cannot be checked
    checked: dict[str, int] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)  # what the package says of itself
    items: list[dict[str, str]] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)  # whose keys were believed, and their ids

    @property
    def exit_code(self) -> int:
        """Return 0 if everything agrees, 5 if something was lost or altered, 4 if something cannot be checked here."""
        return 5 if self.is_loss else 4 if self.counts else 0

    def add(self, code: str, subject: str, reason: str = "", /, *, loss: bool = True, **facts: Any) -> None:
        """Note that something is wrong."""
        self.is_loss = self.is_loss or loss
        self.counts[code] += 1
        if self.counts[code] <= MAX_KEPT:
            self.findings.append(Finding(code, subject, reason, {name: str(value) for name, value in facts.items()}))

    def refused(self, code: str, subject: str, error: RefusedError) -> None:
        """Note what a reader refused."""
        self.add(code, subject, error.reason, loss=error.reason != "file.unreadable", **error.facts)
