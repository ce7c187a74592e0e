"""The centre's bytes: write-once files named by their SHA-256, `vault/sha256/ab/cd/<digest>`.

What is handed over lies in `vault/incoming/` under the digest that is claimed for it. It is *adopted* by reading it
again from its own medium: equal → it becomes read-only and is renamed into its place, never copied a second time;
different → it goes to `vault/quarantine/`, under a name that is no digest. A file is in `sha256/` only if it was read
back whole and equal; its modification time is that moment. When its bytes are handed over once more it is read again,
and if it was damaged meanwhile the good ones take its place.
"""

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.instants import Clock, from_unix_ms, unix_ms
from evidence_store.errors import VaultReadError
from host_io import durable

_HANDED = re.compile(r"([0-9a-f]{64})\.(?:handed|[0-9a-f]{32}\.uploaded)")
_NS_A_MS = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Handed:
    """A file in `incoming/` that says of itself that it is the bytes of `digest`."""

    size_bytes: int
    digest: Digest
    path: Path
    since_ns: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """The vault holds these bytes for good; they were read back from the medium at `verified_at`."""

    digest: Digest
    size_bytes: int
    verified_at: datetime
    replaced: Path | None = None
    """Where the damaged file lies that these bytes took the place of."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was handed over is not what it was said to be; it lies in quarantine, the vault holds nothing of it."""

    digest: Digest
    found: str
    quarantined: Path


class StoppedError(Exception):
    """The program stops; what was being read is read again after the next start."""


def place_in(vault: Path, digest: Digest) -> Path:
    """Return where the bytes of `digest` lie or will lie in a vault, which need not be there."""
    name = digest.hex
    return vault / "sha256" / name[:2] / name[2:4] / name


class Vault:
    """The folders under `vault/`; several threads may adopt different files at once."""

    def __init__(self, root: Path, *, reserve_bytes: int, clock: Clock) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes
        self._clock = clock

    @property
    def incoming(self) -> Path:
        """Where finished files wait to be adopted."""
        return self.root / "incoming"

    @property
    def uploads(self) -> Path:
        """Where uploads grow."""
        return self.root / "uploads"

    @property
    def quarantine(self) -> Path:
        """Where files lie that are not what they were said to be."""
        return self.root / "quarantine"

    def make_folders(self) -> None:
        """Make what is missing."""
        for folder in (self.incoming, self.uploads, self.quarantine, self.root / "sha256"):
            durable.make_folders(folder)

    def path_of(self, digest: Digest) -> Path:
        """Return where the bytes of `digest` lie or will lie."""
        return place_in(self.root, digest)

    def held(self, digest: Digest) -> Adopted | None:
        """Return what the vault holds under this digest, or None."""
        try:
            info = self.path_of(digest).stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(info.st_mode):
            return None
        return Adopted(digest, info.st_size, from_unix_ms(info.st_mtime_ns // _NS_A_MS))

    def is_sound(self, digest: Digest) -> bool:
        """Read a file of the vault from its medium and say whether it is what its name says."""
        return self._damage_of(digest, lambda: False) is None

    def files(self) -> Iterator[Path]:
        """Yield every file under `sha256/`, whatever its name."""
        for folder, folders, names in os.walk(self.root / "sha256"):
            folders.sort()
            for name in sorted(names):
                yield Path(folder) / name

    def has_room(self, size_bytes: int = 0) -> bool:
        """Say whether `size_bytes` more leave the reserve untouched."""
        usage = os.statvfs(self.root)
        return usage.f_bavail * usage.f_frsize - size_bytes > self._reserve_bytes

    def waiting(self) -> list[Handed]:
        """Return what waits in `incoming/`, smallest first; names that are none of ours are left out."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.incoming):
                match = _HANDED.fullmatch(entry.name)
                if match is None:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    info = entry.stat(follow_symlinks=False)
                    found.append(Handed(info.st_size, Digest.parse(match[1]), Path(entry.path), info.st_ctime_ns))
        return sorted(found)

    def adopt(self, handed: Handed, *, is_stopping: Callable[[], bool] = lambda: False) -> Adopted | Rejected:
        """Read a handed-over file back from the medium and take it into the vault, or put it into quarantine.

        Raises:
            StoppedError: `is_stopping` said so; the file waits as before.
            VaultReadError: the medium did not give the bytes back; the file waits as before.
            FileNotFoundError: somebody took the file away.
        """
        damage = None
        if (known := self.held(handed.digest)) is not None:
            damage = self._damage_of(handed.digest, is_stopping)
            if damage is None:
                durable.unlink(handed.path)
                return known
        try:
            fd = os.open(handed.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return self._reject(handed, "a symlink")
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return self._reject(handed, "not a file")
            if os.fstat(fd).st_uid != os.geteuid():
                return self._adopt_foreign(handed, fd, damage, is_stopping)
            durable.sync_file(fd)  # a link may be younger than its bytes; dirty pages would be read from memory
            found = self._read_back(fd, handed.path, is_stopping)
            if found != handed.digest:
                return self._reject(handed, found.hex)
            return self._take_in(handed.path, fd, handed.digest, damage)
        finally:
            os.close(fd)

    def _read_back(self, fd: int, path: Path, is_stopping: Callable[[], bool]) -> Digest:
        digest = hashlib.sha256()
        try:
            # by the open file, so that nobody can put another one under the name meanwhile
            for block in durable.read_from_medium(Path(f"/proc/self/fd/{fd}")):
                if is_stopping():
                    raise StoppedError
                digest.update(block)
        except OSError as error:
            raise VaultReadError(f"{path}: {error}; check the medium, the bytes are read again later") from error
        return Digest(digest.digest())

    def _damage_of(self, digest: Digest, is_stopping: Callable[[], bool]) -> str | None:
        """Return what the vault's own file reads as if it is not what its name says."""
        found = hashlib.sha256()
        try:
            for block in durable.read_from_medium(self.path_of(digest)):
                if is_stopping():
                    raise StoppedError
                found.update(block)
        except OSError:
            return "unreadable"
        return None if found.digest() == digest.raw else found.hexdigest()

    def _take_in(self, path: Path, fd: int, digest: Digest, damage: str | None) -> Adopted:
        """Make the file read-only and put it in its place for good; a damaged one there goes into quarantine."""
        at_ms = unix_ms(self._clock.now())
        target = self.path_of(digest)
        os.fchmod(fd, 0o400)
        os.utime(fd, ns=(at_ms * _NS_A_MS, at_ms * _NS_A_MS))
        durable.sync_file(fd)
        durable.make_folders(target.parent)
        replaced = None
        if damage is not None:
            replaced = self.quarantine / f"{digest.hex}.is.{damage}"
            durable.link(target, replaced)  # and not moved: there is a file under this digest at every moment
        # Power fails here: the file still waits in incoming and is read again.
        durable.rename(path, target)
        # Power fails here: the vault holds the bytes; whoever asks for them looks here.
        return Adopted(digest, os.fstat(fd).st_size, from_unix_ms(at_ms), replaced)

    def _adopt_foreign(
        self, handed: Handed, fd: int, damage: str | None, is_stopping: Callable[[], bool]
    ) -> Adopted | Rejected:
        """Adopt a copy of a file that belongs to another user, who could otherwise change it in the vault."""
        copy = handed.path.with_name(f".{handed.path.name}.copy")
        copy.unlink(missing_ok=True)
        copy_fd = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while block := os.read(fd, 1 << 20):
                if is_stopping():
                    raise StoppedError
                durable.write_all(copy_fd, block)
            durable.sync_file(copy_fd)
            found = self._read_back(copy_fd, copy, is_stopping)
            if found != handed.digest:
                return self._reject(handed, found.hex)
            adopted = self._take_in(copy, copy_fd, handed.digest, damage)
            durable.unlink(handed.path)
            return adopted
        finally:
            os.close(copy_fd)
            copy.unlink(missing_ok=True)

    def _reject(self, handed: Handed, found: str) -> Rejected:
        """Move the file to where nothing is looked up by digest; the same wrong bytes twice are kept once."""
        target = self.quarantine / f"{handed.digest.hex}.is.{found.replace(' ', '-')}"
        durable.rename(handed.path, target)
        return Rejected(handed.digest, found, target)
