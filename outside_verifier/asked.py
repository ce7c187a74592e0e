"""What the outsider asks of a package besides being whole: for whom it is, and how old its log's state may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Asked:
    """What was asked; None is not asked."""

    recipient: str | None = None
    min_time: datetime | None = None


def parse_instant(text: str) -> datetime:
    """Return an instant such as `2026-11-28T09:00:00+08:00`; ValueError if it is none, or says no zone."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError(text)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def instant_text(at: datetime) -> str:
    """Return an instant in UTC, to the second."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
