"""Sizes are `int` bytes inside; text only at the edge."""

import re

from evidence_model.errors import UsageError

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|TiB)")


class MalformedSizeError(UsageError):
    """A size in the configuration is not like `64 MiB`."""

    code = "EM-014"


def parse_size(text: str) -> int:
    """Read `64 MiB`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise MalformedSizeError(f"{text[:40]!r} is no size; write it like 64 MiB")
    return int(match.group(1)) * _UNITS[match.group(2)]


def people_size(size_bytes: float) -> str:
    """Return a size for people, in IEC units with at most one decimal."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size_bytes) < 1024:  # noqa: PLR2004 - IEC units grow by 1024
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"
