"""Bytes to a vault on the same machine: a reflink where the file system can, else a second name for the same file.

The file in `vault/incoming/` is whole at the moment its name exists, since the spool copy was fsynced before it got
its own name. Nothing is copied, and the spool copy stays until every receipt that needs it was verified.
"""

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evidence_model.errors import DamageError, EvidockError
from host_io import durable
from host_io.config import HomePaths
from ingest_daemon.errors import SpoolCopyMissingError, SpoolCopyUnreadableError, StoreAwayError
from ingest_daemon.ledger import SpoolBlob

_FICLONE: Final = 0x40049409
_NO_REFLINK: Final = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EPERM}
_NO_LINK: Final = {
    errno.EXDEV,  # another file system
    errno.EPERM,  # links are not allowed here, or not for this user
    errno.EACCES,  # the vault belongs to somebody else
    errno.ENOENT,  # the store has never run here
    errno.ENOTDIR,
    errno.EROFS,
    errno.EMLINK,
    errno.EOPNOTSUPP,
}


@dataclass(slots=True)
class LinkOutcome:
    """What became of some blobs."""

    given: list[SpoolBlob] = field(default_factory=list)
    to_upload: list[SpoolBlob] = field(default_factory=list)
    failed: list[tuple[SpoolBlob, EvidockError]] = field(default_factory=list)


class LinkHandOver:
    """Gives spool copies names in `vault/incoming/`; may be asked for the same blob again."""

    def __init__(self, paths: HomePaths) -> None:
        self._paths = paths
        self._incoming = paths.vault / "incoming"
        self._can_reflink = True

    def give(self, blobs: Sequence[SpoolBlob]) -> LinkOutcome:
        """Hand over what can be linked; after return those names are there for good."""
        outcome = LinkOutcome()
        for blob in blobs:
            try:
                check_copy(blob, self._paths)
                self._give_one(blob)
            except DamageError as error:
                outcome.failed.append((blob, error))
            except OSError as error:
                if error.errno in _NO_LINK:
                    outcome.to_upload.append(blob)
                else:  # a disk that fails, or is full; what is wrong with one name keeps no other one back
                    outcome.failed.append((blob, StoreAwayError(f"{self._paths.vault}: {error}")))
            else:
                outcome.given.append(blob)
        if outcome.given:
            durable.sync_folder(self._incoming)
        return outcome

    def _give_one(self, blob: SpoolBlob) -> None:
        source, target = blob.path(self._paths), self._incoming / f"{blob.digest.hex}.handed"
        final = vault_path(blob, self._paths)
        if not source.exists() or (final.exists() and final.samefile(source)):
            return  # the vault has it; another file of this name there is read again by the store, and may be damaged
        if self._can_reflink and self._reflink(source, target):
            return
        try:
            os.link(source, target)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):  # the store has taken it in at this moment
                if target.samefile(source):
                    return
            # An older copy that was replaced in the spool lies there: put the new one over it.
            part = self._part(target)
            os.link(source, part)
            part.replace(target)

    def _reflink(self, source: Path, target: Path) -> bool:
        """Make a file of its own that shares the bytes; False if this file system cannot."""
        part = self._part(target)
        with source.open("rb") as bytes_of:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.ioctl(fd, _FICLONE, bytes_of.fileno())
                durable.sync_file(fd)
            except OSError as error:
                part.unlink()
                if error.errno not in _NO_REFLINK:
                    raise
                self._can_reflink = False
                return False
            finally:
                os.close(fd)
        part.replace(target)
        return True

    def _part(self, target: Path) -> Path:
        return target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def check_copy(blob: SpoolBlob, paths: HomePaths) -> None:
    """Return if the spool copy is there with the right size, or the vault of this home has the bytes already.

    Raises:
        SpoolCopyMissingError: neither; what the copy holds is read and compared by the store.
        SpoolCopyUnreadableError: the spool's medium does not even tell its size.
    """
    copy = blob.path(paths)
    try:
        found_bytes = copy.stat().st_size
    except FileNotFoundError:
        if vault_path(blob, paths).exists():
            return
        raise SpoolCopyMissingError(f"{copy}: event {blob.seq} needs these bytes and they are not there") from None
    except OSError as error:
        raise SpoolCopyUnreadableError(f"{copy}: {error}") from error
    if found_bytes != blob.size_bytes:
        raise SpoolCopyMissingError(f"{copy}: {found_bytes} bytes, event {blob.seq} says {blob.size_bytes}")


def vault_path(blob: SpoolBlob, paths: HomePaths) -> Path:
    """Return where the vault of this home has or will have the bytes (contract.md, home)."""
    name = blob.digest.hex
    return paths.vault / "sha256" / name[:2] / name[2:4] / name
