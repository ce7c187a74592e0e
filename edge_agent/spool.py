"""The station's own disk: where copies grow, where finished ones lie, and whether there is room for more.

`incoming/<name>.part` while a copy grows · `footage/<sha256>` and `blobs/<sha256>` once it is whole and on the medium ·
`quarantine/` for copies that read differently from what was written. A name in `footage` means: these bytes were
fsynced before they got the name. No name of a recorder ever touches this disk.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.errors import NoRoomError, SpoolWriteError, refuse_if_exhausted
from evidence_model.digests import Digest
from host_io import durable

_FALLOC_FL_KEEP_SIZE: Final = 1
_SMALL_BYTES: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Part:
    """A copy that grows; `close` keeps it on disk, `drop` removes it."""

    path: Path
    fd: int

    @property
    def name(self) -> str:
        """Its name in `incoming`."""
        return self.path.name

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            with contextlib.suppress(OSError):  # the fsync before it said what there is to say
                os.close(fd)

    def drop(self) -> None:
        """Remove it; the recorder still has what it held."""
        self.close()
        durable.unlink(self.path)


class Spool:
    """The folders of `spool/`; used by all threads of the agent."""

    def __init__(self, root: Path, *, reserve_bytes: int) -> None:
        self.incoming = root / "incoming"
        self.footage = root / "footage"
        self.blobs = root / "blobs"
        self.quarantine = root / "quarantine"
        self.requests = root / "requests"
        self.reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._promised: dict[Path, int] = {}  # space of parts that this file system could not allocate beforehand

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self.incoming, self.footage, self.blobs, self.quarantine, self.requests):
            durable.make_folders(folder)

    def footage_path(self, digest: Digest) -> Path:
        """Return where the copy of these bytes lies or would lie."""
        return self.footage / digest.hex

    def blob_path(self, digest: Digest) -> Path:
        """Return where this small blob lies or would lie."""
        return self.blobs / digest.hex

    def has_footage(self, digest: Digest, size_bytes: int) -> bool:
        """Say whether a copy of that size lies here under its digest."""
        try:
            return self.footage_path(digest).stat().st_size == size_bytes
        except FileNotFoundError:
            return False

    def free_bytes(self) -> int:
        """Return the space that may be filled, the reserve and promised space taken off; may be negative."""
        with self._lock:
            return self._free_bytes()

    def new_part(self, key: str, size_bytes: int) -> Part:
        """Make a part with room for `size_bytes`; `key` begins its name.

        Raises:
            NoRoomError: the spool's free space beyond the reserve is less; nothing was made.
        """
        path = self.incoming / f"{key}-{secrets.token_hex(4)}.part"
        with self._lock:
            self._refuse_if_full(size_bytes)
            part = Part(path, self._create(path, size_bytes))
            try:
                self._take_room(part, size_bytes)
            except BaseException:
                part.close()
                path.unlink()  # nothing was in it: no need for this to last
                raise
        return part

    def reopen_part(self, name: str, *, keep_bytes: int, size_bytes: int) -> Part | None:
        """Open a part again with what is known to be on the medium, or return None if it has less than that.

        Raises:
            NoRoomError: there is no room for the rest.
            SpoolWriteError, SessionFailedError: as the disk says.
        """
        path = self.incoming / name
        try:
            part = Part(path, os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.failure(error, needed_bytes=size_bytes - keep_bytes) from error
        try:
            if os.fstat(part.fd).st_size < keep_bytes:
                part.close()
                return None
            os.ftruncate(part.fd, keep_bytes)
            with self._lock:
                self._refuse_if_full(size_bytes - keep_bytes)
                self._take_room(part, size_bytes)
        except OSError as error:
            part.close()
            raise self.failure(error, needed_bytes=size_bytes - keep_bytes) from error
        except NoRoomError:
            part.close()
            raise
        return part

    def settle(self, part: Part) -> None:
        """Note that a part has all its bytes, or is gone: it needs no promised space any more."""
        with self._lock:
            self._promised.pop(part.path, None)

    def place_all(self, parts: Iterable[tuple[Path, Digest]]) -> None:
        """Give finished, fsynced parts their names in `footage`; after return they are there for good.

        Raises:
            NoRoomError, SpoolWriteError: as the disk says; each part has either name.
        """
        moves = [(path, self.footage_path(digest)) for path, digest in parts]
        if not moves:
            return
        try:
            durable.rename_all(moves)
        except OSError as error:
            raise self.failure(error, needed_bytes=1) from error

    def failure(self, error: OSError, *, needed_bytes: int) -> NoRoomError | SpoolWriteError:
        """Return what an error of our own disk means.

        Raises:
            SessionFailedError: nothing of the disk.
        """
        refuse_if_exhausted(error)
        if error.errno in _FULL:
            free = self._free_bytes()
            return NoRoomError(needed_bytes=needed_bytes, free_bytes=free, reserve_bytes=self.reserve_bytes)
        return SpoolWriteError(f"{self.incoming.parent}: {error.strerror}; check the station's disk")

    def place_blobs(self, blobs: Iterable[bytes]) -> list[Digest]:
        """Put small blobs under their digests; after return they are there for good.

        Raises:
            NoRoomError, SpoolWriteError: as the disk says.
        """
        try:
            return self._place_blobs(blobs)
        except OSError as error:
            raise self.failure(error, needed_bytes=1) from error

    def _place_blobs(self, blobs: Iterable[bytes]) -> list[Digest]:
        digests: list[Digest] = []
        moves: list[tuple[Path, Path]] = []
        for data in blobs:
            digest = Digest(hashlib.sha256(data).digest())
            is_twice = digest in digests  # thousands of photos have the same probe
            digests.append(digest)
            if is_twice:
                continue
            part = self.incoming / f"blob-{secrets.token_hex(8)}.part"
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                durable.write_all(fd, data)
                durable.sync_file(fd)
            finally:
                os.close(fd)
            moves.append((part, self.blob_path(digest)))
        if moves:
            durable.rename_all(moves)
        return digests

    def place_of(self, digest: Digest) -> str:
        """Return the folder from which these bytes are handed over: the same bytes can be a file and a small blob."""
        return "footage" if self.footage_path(digest).exists() else "blobs"

    def drop_doubles(self, digests: Iterable[Digest]) -> None:
        """Remove small blobs that lie among the footage too (the chunk list of an empty file is an empty file)."""
        for digest in digests:
            if self.footage_path(digest).exists() and self.blob_path(digest).exists():
                durable.unlink(self.blob_path(digest))

    def set_aside(self, digest: Digest) -> Path | None:
        """Move a damaged copy into quarantine for good, or return None if there is none."""
        target = self.quarantine / f"{digest.hex}-{secrets.token_hex(4)}"
        try:
            durable.rename(self.footage_path(digest), target)
        except FileNotFoundError:
            return None
        return target

    def parts(self) -> Iterator[Path]:
        """Yield everything that lies in `incoming`."""
        yield from sorted(self.incoming.iterdir())

    def _free_bytes(self) -> int:
        space = os.statvfs(self.incoming)
        return space.f_bavail * space.f_frsize - self.reserve_bytes - sum(self._promised.values())

    def _refuse_if_full(self, needed_bytes: int) -> None:
        free = self._free_bytes()
        if free < needed_bytes:
            raise NoRoomError(needed_bytes=needed_bytes, free_bytes=free, reserve_bytes=self.reserve_bytes)

    def _create(self, path: Path, size_bytes: int) -> int:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self.failure(error, needed_bytes=size_bytes) from error

    def _take_room(self, part: Part, size_bytes: int) -> None:
        """Have the file system set the space aside, so that a copy once begun is not stopped by another's bytes."""
        if size_bytes <= _SMALL_BYTES:
            return  # written in one go: whether there is room shows at once
        # KEEP_SIZE: a part is never longer than what was written into it
        if _LIBC.fallocate(part.fd, _FALLOC_FL_KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(size_bytes)) == 0:
            return
        number = ctypes.get_errno()
        if number in _FULL:
            raise NoRoomError(needed_bytes=size_bytes, free_bytes=self._free_bytes(), reserve_bytes=self.reserve_bytes)
        self._promised[part.path] = size_bytes  # this file system cannot set space aside; our own sum does
