"""Did the key count at that place in the log? PKG-025, PKG-026. The time that an event claims is not asked."""

from __future__ import annotations

from .examination import Examination
from .findings import Severity
from .trust import Source


def check_range(exam: Examination, path: str, entry: Source, index: int) -> bool:
    """Say whether an event counts that this key signed at `index`; tell if not, or if it may have been a thief."""
    if not entry.counts_at(index):
        until = "-" if entry.until is None else entry.until
        exam.result.add("PKG-025", path, "range", key=entry.key.id, source=entry.name, start=entry.start, until=until)
        return False
    if entry.is_suspect_at(index):
        key, start = entry.key.id, entry.suspect_from
        exam.result.add("PKG-026", path, "suspect", severity=Severity.FAULT, key=key, source=entry.name, start=start)
    return True
