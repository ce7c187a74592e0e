"""Puts the spool in order after a stop of any kind, before anything is docked.

What station.db names is the truth. A part that no record names is removed: the recorder still has the file. A whole
copy that no record names stays (a stop fell between its name and its record): its bytes may be all that is left if the
recorder never comes back; the next pull of the same file takes the name over, and people see it until then.
"""

import contextlib
import logging
import os
import re
from pathlib import Path

from edge_agent.codes import LOST_COPY, UNCLAIMED_COPY
from edge_agent.journal import Desk
from edge_agent.spool import Spool
from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from host_io import durable, logs

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOG = logging.getLogger("edge_agent.recovery")


def recover(desk: Desk, spool: Spool) -> list[Finding]:
    """Bring spool and station.db together again and return what people should know; may be done any number of times.

    Called under the agent lock, with no docking under way.
    """
    with desk.transaction():
        interrupted = desk.sessions.interrupt_all()
    removed = _remove_nameless_parts(desk, spool)
    removed += _remove_nameless_blobs(desk, spool)
    findings = _unclaimed(desk, spool) + _lost(desk, spool)
    with desk.transaction():
        for code in (LOST_COPY, UNCLAIMED_COPY):
            desk.cure_all_but(code, {finding.subject for finding in findings if finding.code == code})
        for finding in findings:
            desk.find(finding)
    logs.event(
        _LOG, "spool.recovered", interrupted_count=interrupted, removed_count=removed, finding_count=len(findings)
    )
    return findings


def _remove_nameless_parts(desk: Desk, spool: Spool) -> int:
    kept = desk.items.partial_names()
    removed = 0
    present = set()
    for part in spool.parts():
        if part.name in kept and part.stat().st_size >= kept[part.name]:
            present.add(part.name)
            with contextlib.suppress(OSError):
                os.truncate(part, part.stat().st_size)  # gives back the room that was set aside for the rest
        else:
            removed += _remove(part)
    with desk.transaction():
        for name in kept.keys() - present:
            desk.items.forget_partial(name)
    return removed


def _remove_nameless_blobs(desk: Desk, spool: Spool) -> int:
    """Remove listings and chunk lists whose event was never committed: they are made again with it."""
    named = desk.items.spool_digests("blobs")
    return sum(_remove(path) for path in sorted(spool.blobs.iterdir()) if not _is_named(path, named))


def _remove(path: Path) -> bool:
    """Remove a file; a folder that somebody put here, or a disk that refuses, must not keep the station from work."""
    try:
        durable.unlink(path)
    except OSError as error:
        logs.event(_LOG, "spool.not-removed", level=logging.WARNING, path=str(path), error=str(error))
        return False
    return True


def _unclaimed(desk: Desk, spool: Spool) -> list[Finding]:
    named = desk.items.spool_digests("footage")
    return [
        Finding(UNCLAIMED_COPY, Severity.NOTE, path.name, {"size_bytes": str(path.stat().st_size)})
        for path in sorted(spool.footage.iterdir())
        if path.is_file() and not _is_named(path, named)
    ]


def _lost(desk: Desk, spool: Spool) -> list[Finding]:
    """Find items whose bytes are neither at the store nor in the spool: lost, unless the recorder still has them."""
    findings = []
    for row in desk.items.unreceipted():
        if not spool.has_footage(row.digest, row.size_bytes):
            details = {"asset": row.asset_id, "sha256": row.digest.hex}
            findings.append(Finding(LOST_COPY, Severity.DAMAGE, row.asset_id, details))
    return findings


def _is_named(path: Path, digests: set[bytes]) -> bool:
    return bool(_DIGEST.fullmatch(path.name)) and Digest.parse(path.name).raw in digests
