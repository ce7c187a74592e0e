"""Are the vault's and the spool's files what their names say, and is everything there that the log says is?"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chain_of_custody.breaches import ACT_AFTER_TOMBSTONE
from evidence_model.digests import Digest, MalformedDigestError
from evidence_model.findings import Finding, Severity
from evidence_model.instants import wire_instant
from evidence_model.messages import BlobRole
from evidence_store.fsck_bytes import Hashed
from evidence_store.fsck_facts import LogFacts
from evidence_store.fsck_holdings import is_plain
from evidence_store.reconcile import NOT_RECEIVED, RECEIVED_WITHIN
from evidence_store.vault import place_in

VAULT_FILE_ALTERED = "STO-060"
RECEIVED_IS_MISSING = "STO-061"
VAULT_FILE_SURPLUS = "STO-062"
SPOOL_FILE_ALTERED = "STO-069"
SPOOL_FILE_MISSING = "STO-070"
UNREADABLE = "STO-076"
IN_QUARANTINE = "STO-077"
_MOST_USES_TOLD = 5


@dataclass(frozen=True, slots=True)
class VaultListing:
    """What lies in the vault: files named by a digest and in its place, and all others."""

    files: tuple[tuple[Path, Digest, int], ...]
    others: tuple[Path, ...]
    quarantined: tuple[Path, ...]

    @classmethod
    def of(cls, vault: Path) -> "VaultListing":
        """List a vault's folders; what is no plain file in its place is among the others."""
        files: list[tuple[Path, Digest, int]] = []
        others: list[Path] = []
        for path in sorted((vault / "sha256").rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            try:
                digest = Digest.parse(path.name)
            except MalformedDigestError:
                others.append(path)
                continue
            if path == place_in(vault, digest) and path.is_file() and not path.is_symlink():
                files.append((path, digest, path.stat().st_size))
            else:
                others.append(path)
        quarantine = vault / "quarantine"
        quarantined = tuple(sorted(quarantine.iterdir())) if quarantine.is_dir() else ()
        return cls(tuple(files), tuple(others), quarantined)


def is_handed_over(vault: Path, digest: Digest) -> bool:
    """Say whether a vault has the bytes that a spool gave away, read back or not yet."""
    return is_plain(place_in(vault, digest)) or is_plain(vault / "incoming" / f"{digest.hex}.handed")


def check_vault_names(
    listing: VaultListing, root: Path, vault: Path, facts: LogFacts, *, promised: dict[Digest, str]
) -> Iterator[Finding]:
    """Yield files that do not belong, and bytes that are not there although the log or a receipt says so."""
    for path in listing.others:
        yield Finding(VAULT_FILE_SURPLUS, Severity.FAULT, _name(path, root))
    for path in listing.quarantined:
        yield Finding(IN_QUARANTINE, Severity.NOTE, _name(path, root))
    there = {digest for _, digest, _ in listing.files}
    for path, digest, _ in listing.files:
        if facts.is_disposed(digest) and any(use.role == BlobRole.FOOTAGE.value for use in facts.uses[digest]):
            yield Finding(ACT_AFTER_TOMBSTONE, Severity.FAULT, _name(path, root), {"rule": "bytes"})
        if digest not in facts.uses:  # its event may be on its way: bytes may come first
            yield Finding(VAULT_FILE_SURPLUS, Severity.NOTE, _name(path, root))
    for digest, why in {**promised, **dict.fromkeys(facts.received, "store.received")}.items():
        if digest in there or facts.is_disposed(digest):
            continue
        if not is_plain(place_in(vault, digest)):  # it may have come since the list was made
            details = {"said_by": why, **_uses(digest, facts)}
            yield Finding(RECEIVED_IS_MISSING, Severity.DAMAGE, f"vault/sha256/{digest.hex}", details)


def check_awaited(vault: Path, facts: LogFacts, *, now: datetime, elsewhere: AbstractSet[Digest]) -> Iterator[Finding]:
    """Yield bytes that the log named more than a day ago and that are nowhere here (`elsewhere`: said already)."""
    for digest, announced_at in facts.announced_at.items():
        if (
            digest in elsewhere
            or facts.is_disposed(digest)
            or now - announced_at <= RECEIVED_WITHIN
            or is_handed_over(vault, digest)
        ):
            continue
        roles = ",".join(sorted({use.role for use in facts.uses[digest]}))
        details = {"announced_at": wire_instant(announced_at), "roles": roles, **_uses(digest, facts)}
        yield Finding(NOT_RECEIVED, Severity.FAULT, f"vault/sha256/{digest.hex}", details)


def check_hashed(hashed: Hashed, root: Path, facts: LogFacts, *, in_vault: bool) -> Iterator[Finding]:
    """Yield what is wrong with one file that was read."""
    subject = _name(hashed.path, root)
    if hashed.is_gone:
        if in_vault:
            details = _uses(hashed.expected, facts)
            yield Finding(RECEIVED_IS_MISSING, Severity.DAMAGE, subject, details)
        return
    if hashed.found is None:
        yield Finding(UNREADABLE, Severity.DAMAGE, subject, {"error": hashed.error, **_uses(hashed.expected, facts)})
    elif hashed.found != hashed.expected:
        code = VAULT_FILE_ALTERED if in_vault else SPOOL_FILE_ALTERED
        details = {"found": hashed.found.hex, "size_bytes": str(hashed.size_bytes), **_uses(hashed.expected, facts)}
        yield Finding(code, Severity.DAMAGE, subject, details)


def _uses(digest: Digest, facts: LogFacts) -> dict[str, str]:
    """Return which items bytes belong to, so that people know what is hurt."""
    uses = facts.uses.get(digest, [])
    assets = list(dict.fromkeys(use.asset_id for use in uses if use.asset_id))
    names = list(dict.fromkeys(use.name for use in uses))
    told = {"items": ",".join(assets[:_MOST_USES_TOLD]), "names": ",".join(names[:_MOST_USES_TOLD])}
    return {key: value for key, value in told.items() if value}


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root))
