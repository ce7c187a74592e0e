"""Are files what the SM3 digests say that events give them beside SHA-256? Only files that their SHA-256 bears out."""

from collections.abc import Iterator
from pathlib import Path

from evidence_model.digests import new_sm3
from evidence_model.findings import Finding, Severity
from evidence_store.fsck_bytes import Hashed
from evidence_store.fsck_facts import LogFacts
from host_io import durable

NO_SM3 = "HOST-057"
SM3_DIFFERS = "HOST-059"


def check_sm3(hashed: Hashed, root: Path, facts: LogFacts) -> Iterator[Finding]:
    """Yield if a file is not what some event says by SM3; SHA-256 holds, so the station that said it was wrong."""
    said = facts.sm3.get(hashed.expected, set())
    if not said or hashed.found != hashed.expected:
        return
    digest = new_sm3()
    if digest is None:
        yield Finding(NO_SM3, Severity.NOTE, "vault", {"check_with": "openssl dgst -sm3"})
        return
    try:
        for block in durable.read_from_medium(hashed.path):
            digest.update(block)
    except OSError:
        return  # gone or unreadable since it was read a moment ago; the next verification says which
    if said != {digest.digest()}:
        details = {"found": digest.hexdigest(), "said": ",".join(sorted(each.hex() for each in said))}
        yield Finding(SM3_DIFFERS, Severity.DAMAGE, str(hashed.path.relative_to(root)), details)
