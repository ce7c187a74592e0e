"""What the media say of themselves and of their time, put into the form of the signed event."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from edge_agent.facts import MediaSaid
from edge_agent.listing import ListedFile
from edge_agent.media_facts import MediaFacts, probe
from edge_agent.profile import FileKind, Profile
from edge_agent.time_witnesses import witnesses
from edge_agent.volume_facts import StampMeaning
from evidence_model.known import Unknown
from evidence_model.names import display_name

_UNKNOWN_FROM_BYTES: Final = 256 << 10
_WHY: Final = Unknown("not looked into: no footage or sound")
_NOT_PROBED: Final = MediaFacts(structure=_WHY, container=_WHY, flags=frozenset())

Inspect = Callable[[Path, ListedFile, Profile, StampMeaning, datetime], MediaSaid]


def inspect(
    path: Path, listed: ListedFile, profile: Profile, stamp_meaning: StampMeaning, docked_at: datetime
) -> MediaSaid:
    """Look into a spool copy (in a limited child process); bad media are a finding in it, never an error."""
    facts = probe(path) if _is_worth_it(listed) else _NOT_PROBED
    times = witnesses(listed, facts, profile, stamp_meaning=stamp_meaning, docked_at=docked_at)
    return MediaSaid(
        media=facts.as_body(),
        flags=tuple(sorted(flag.value for flag in facts.flags)),
        witnesses=times.as_body(),
        start_at=times.start_at,
        duration_ms=facts.duration_ms,
        probe=facts.blob(),
        findings=facts.findings(display_name(listed.raw_path)),
    )


def _is_worth_it(listed: ListedFile) -> bool:
    """Return whether a child process is started for a file: not for thousands of photos, logs and crumbs."""
    if listed.kind in {FileKind.FOOTAGE, FileKind.AUDIO}:
        return True
    return listed.kind is FileKind.UNKNOWN and listed.size_bytes >= _UNKNOWN_FROM_BYTES
