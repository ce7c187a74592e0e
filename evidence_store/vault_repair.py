"""A bad file of the vault is replaced by a good copy of its replica, and is itself kept in quarantine.

Nothing is taken away before the good copy is on the medium and was read back from there.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.instants import Clock, unix_ms
from evidence_store.errors import VaultFullError
from evidence_store.fixity_plan import Reading, Verdict
from evidence_store.vault import Vault
from host_io import durable

_NS_A_MS = 1_000_000
_PART = ".restored"

Step = Callable[[int], None]  # told of every block; may wait, and may raise StoppedError


def read_copy(path: Path, digest: Digest, step: Step) -> Reading:
    """Read a copy past the page cache and say what it is; never raises for what lies there."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Reading(Verdict.UNREADABLE, "not a plain file")
        found = hashlib.sha256()
        for block in durable.read_from_medium(path):
            step(len(block))
            found.update(block)
        path.lstat()  # somebody may have taken it away while it was read
    except FileNotFoundError:
        return Reading(Verdict.MISSING)
    except OSError as error:
        return Reading(Verdict.UNREADABLE, error.strerror or str(error))
    if found.digest() == digest.raw:
        return Reading(Verdict.SOUND, digest.hex)
    return Reading(Verdict.ALTERED, found.hexdigest())


def forget_half_done(vault: Vault) -> None:
    """Remove what a restoring that was cut off left behind; the next check begins it anew."""
    for part in vault.incoming.glob(f".*{_PART}"):
        durable.unlink(part)


def restore(vault: Vault, digest: Digest, source: Path, *, own: Reading, clock: Clock, step: Step) -> Path | None:
    """Put the bytes of `source` in the place of what reads as `own`; return where that lies now, None if none was.

    Raises:
        VaultFullError: there is no room for the copy; nothing was changed.
        OSError: the copy could not be made, or reads back differently; nothing was changed.
        StoppedError: `step` said so; nothing was changed.
    """
    if not vault.has_room(source.stat().st_size):
        raise VaultFullError(f"{vault.root}: no room for a copy of {digest.hex} from the replica")
    part = vault.incoming / f".{digest.hex}{_PART}"
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for block in durable.read_from_medium(source):
            step(len(block))
            durable.write_all(fd, block)
        durable.sync_file(fd)
        found = read_copy(part, digest, step)
        if found.verdict is not Verdict.SOUND:
            raise OSError(errno.EIO, f"the copy reads back as {found.found}", str(source))
        at_ns = unix_ms(clock.now()) * _NS_A_MS
        os.fchmod(fd, 0o400)
        os.utime(fd, ns=(at_ns, at_ns))
        durable.sync_file(fd)
        target = vault.path_of(digest)
        durable.make_folders(target.parent)
        kept = _set_aside(vault, digest, target, own)
        # Power fails here: the bad file is in its place and in quarantine; the next check restores it.
        durable.rename(part, target)
        # Power fails here: the good copy is in its place for good, the bad one in quarantine.
        return kept
    finally:
        os.close(fd)
        part.unlink(missing_ok=True)


def _set_aside(vault: Vault, digest: Digest, target: Path, own: Reading) -> Path | None:
    """Give what lies at `target` a name in quarantine that nothing else has; None if nothing lies there."""
    try:
        info = target.lstat()
    except FileNotFoundError:
        return None
    what = own.found if own.verdict is Verdict.ALTERED else "unreadable"
    number, kept = 1, vault.quarantine / f"{digest.hex}.is.{what}"
    while os.path.lexists(kept) and not os.path.samestat(kept.lstat(), info):
        number += 1
        kept = vault.quarantine / f"{digest.hex}.is.{what}-{number}"
    if stat.S_ISREG(info.st_mode):
        durable.link(target, kept)  # and not moved: there is a file under this digest at every moment
    else:
        durable.rename(target, kept)  # a folder or a FIFO, which held none of the bytes
    return kept
