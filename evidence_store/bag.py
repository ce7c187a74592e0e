"""Writes a BagIt bag (RFC 8493, version 1.0, SHA-256) so that it is there whole or not at all.

It grows in a hidden folder beside its place, `.<name>.evidock-part`. When everything in it is on the medium and was
read back from there, the folder gets its name: there are sticks that forget what they took. Whatever dies before that
leaves the hidden folder, which the next try empties. The four text files are written here and not by the library
bagit.py (docs/adr/0007-own-bag-files.md); the tests have bagit.py read them.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from evidence_store.errors import PackageInWorkError, PackageMediumError
from evidence_store.fsck_vault import RECEIVED_IS_MISSING, UNREADABLE, VAULT_FILE_ALTERED
from evidence_store.vault import place_in
from host_io import durable

_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_SYNC_BYTES = 64 << 20  # a long copy goes at the disk's pace and leaves the page cache behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class BagFigures:
    """What a bag's payload is made of, and the digests of the two files that name everything."""

    file_count: int
    payload_bytes: int
    manifest: Digest
    tagmanifest: Digest


@contextlib.contextmanager
def bag_in_work(target: Path) -> Iterator["Bag"]:
    """Give an empty bag that `Bag.publish` puts at `target`; one that is not published is taken away.

    Raises:
        PackageInWorkError: somebody else writes one for the same place now.
    """
    part = target.with_name(f".{target.name}.evidock-part")
    part.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock(fd, part)
        for left in part.iterdir():  # by an export that died
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        bag = Bag(part, target)
        try:
            yield bag
        except (Exception, KeyboardInterrupt):
            shutil.rmtree(part, ignore_errors=True)
            raise
        if not bag.is_published:
            shutil.rmtree(part)
    finally:
        os.close(fd)


class Bag:
    """A bag that grows; names are those under `data/`."""

    def __init__(self, part: Path, target: Path) -> None:
        self._part = part
        self._target = target
        self._digests: dict[str, str] = {}  # path in the bag → what was written there
        self._payload_bytes = 0
        self.is_published = False

    def put(self, name: str, data: bytes) -> None:
        """Add a small file."""
        self._write(f"data/{name}", data)
        self._payload_bytes += len(data)

    def copy(self, name: str, source: Path, digest: Digest, *, on_bytes: Callable[[int], None]) -> Finding | None:
        """Add a copy of a vault's file; if its medium does not give the digest, say why and add nothing.

        Raises:
            OSError: the copy cannot be written.
        """
        target = self._place(f"data/{name}")
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            copied = _copy(source, fd, on_bytes)
            durable.sync_file(fd)
            durable.forget_cached(fd)
            size_bytes = os.fstat(fd).st_size
        finally:
            os.close(fd)
        finding = _finding(copied, source, digest)
        if finding is None:
            self._digests[f"data/{name}"] = digest.hex
            self._payload_bytes += size_bytes
        else:
            target.unlink()
        return finding

    def publish(
        self,
        info: Mapping[str, str],
        sign: Callable[[BagFigures], Mapping[str, bytes]],
        *,
        on_bytes: Callable[[int], None],
    ) -> BagFigures:
        """Write the bag's own files and those that `sign` makes of its figures, and put it in its place for good.

        Raises:
            PackageMediumError: the medium does not give back what was written; nothing is in its place.
        """
        manifest = _lines(self._digests)
        file_count = len(self._digests)
        oxum = {"Payload-Oxum": f"{self._payload_bytes}.{file_count}"}
        tags = {
            "bag-info.txt": "".join(
                f"{label}: {value}\n" for label, value in sorted({**info, **oxum}.items())
            ).encode(),
            "bagit.txt": _DECLARATION,
            "manifest-sha256.txt": manifest,
        }
        tagmanifest = _lines({name: hashlib.sha256(data).hexdigest() for name, data in tags.items()})
        figures = BagFigures(
            file_count=file_count,
            payload_bytes=self._payload_bytes,
            manifest=Digest(hashlib.sha256(manifest).digest()),
            tagmanifest=Digest(hashlib.sha256(tagmanifest).digest()),
        )
        for name, data in {**tags, "tagmanifest-sha256.txt": tagmanifest, **sign(figures)}.items():
            self._write(name, data)
        durable.sync_file_system(self._part)
        self._read_back(on_bytes)
        # Power fails here: the hidden folder is whole, has no name that anybody takes for a package, and is made anew.
        durable.rename(self._part, self._target)
        # Power fails here: the package is there for good.
        self.is_published = True
        return figures

    def _write(self, name: str, data: bytes) -> None:
        fd = os.open(self._place(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            durable.write_all(fd, data)
        finally:
            os.close(fd)
        self._digests[name] = hashlib.sha256(data).hexdigest()

    def _read_back(self, on_bytes: Callable[[int], None]) -> None:
        """Return if the medium gives back every file as it was written."""
        for name, expected in self._digests.items():
            digest = hashlib.sha256()
            try:
                for block in durable.read_from_medium(self._part / name):
                    digest.update(block)
                    on_bytes(len(block))
            except OSError as error:
                raise PackageMediumError(f"{self._part / name}: {error.strerror}") from error
            if digest.hexdigest() != expected:
                raise PackageMediumError(f"{self._part / name}: it reads {digest.hexdigest()}, {expected} was written")

    def _place(self, name: str) -> Path:
        place = self._part / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _lock(fd: int, part: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PackageInWorkError(f"{part}: another export writes here; wait until it is done") from None
    except OSError:
        return  # a file system without locks
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(fd), part.lstat()):
            return
    raise PackageInWorkError(f"{part}: another export was done with it just now; see whether the package is there")


def _copy(source: Path, fd: int, on_bytes: Callable[[int], None]) -> Digest | OSError:
    """Copy all that can be read, and return its digest, or why reading ended."""
    digest, unsynced = hashlib.sha256(), 0
    blocks = durable.read_from_medium(source)
    while True:
        try:
            block = next(blocks, None)
        except OSError as error:
            return error
        if block is None:
            return Digest(digest.digest())
        digest.update(block)
        durable.write_all(fd, block)
        unsynced += len(block)
        if unsynced >= _SYNC_BYTES:
            durable.sync_file(fd)
            durable.forget_cached(fd)
            unsynced = 0
        on_bytes(len(block))


def _finding(copied: Digest | OSError, source: Path, digest: Digest) -> Finding | None:
    subject = str(place_in(Path("vault"), digest))
    match copied:
        case FileNotFoundError():
            return Finding(RECEIVED_IS_MISSING, Severity.DAMAGE, subject)
        case OSError():
            return Finding(UNREADABLE, Severity.DAMAGE, subject, {"error": copied.strerror or str(copied)})
        case Digest():
            if copied == digest:
                return None
            size = str(source.stat().st_size)
            return Finding(VAULT_FILE_ALTERED, Severity.DAMAGE, subject, {"found": copied.hex, "size_bytes": size})


def _lines(digests: Mapping[str, str]) -> bytes:
    """Return a manifest; no name here has a sign that RFC 8493 wants encoded, nor one that sha256sum escapes."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
