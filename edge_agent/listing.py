"""What lies on a docked volume: every file seen, nothing followed, nothing believed too early.

Names are raw bytes. Links, FIFOs, sockets and devices are never opened; each is a finding, as is every folder that
could not be read, so that what is missing from the listing is said in it. The signed listing is the station's statement
of what the recorder held when it came (`recorder.docked`); the daily reconciliation starts from it.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from edge_agent.errors import refuse_if_exhausted
from edge_agent.profile import FileKind, Profile
from edge_agent.volume import UnsafePathError, VolumeRoot
from evidence_model.canonical import canonical_bytes
from evidence_model.findings import Finding, Severity
from evidence_model.known import Known
from evidence_model.names import display_name
from evidence_model.recording import NameFields
from evidence_model.wall_time import MalformedWallTimeError, WallTime

MAX_FINDINGS = 1_000
_BLOCK_BYTES = 512  # st_blocks counts these, whatever the file system's own block is


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One regular file as the volume shows it; numbers are raw, nothing is corrected."""

    raw_path: bytes
    size_bytes: int
    mtime_ns: int
    allocated_bytes: int
    locked: bool
    kind: FileKind
    fields: NameFields = field(default_factory=NameFields)

    @property
    def pulled(self) -> bool:
        """Return whether the agent takes this file."""
        return self.kind is not FileKind.SIDE

    @property
    def is_footage(self) -> bool:
        """Return whether it counts as footage; an empty file is kept and shown but is none (recorders.md case 12)."""
        return self.kind is FileKind.FOOTAGE and self.size_bytes > 0

    @property
    def is_sparse(self) -> bool:
        """Return whether the medium holds less than the size says: the rest are holes."""
        return self.allocated_bytes < self.size_bytes

    @property
    def newest_key(self) -> str:
        """Return the recorder's own time for ordering: its name's, else the file system's raw stamp."""
        if isinstance(self.fields.stamp, Known):
            return self.fields.stamp.value.text
        try:
            return WallTime.of_naive_unix_ns(self.mtime_ns).text
        except MalformedWallTimeError:
            return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingLimits:
    """Against volumes made to exhaust the station; far beyond what any recorder holds."""

    depth: int = 128
    path_bytes: int = 8 << 10  # twice what a program can name in one call; more would not fit into an event
    entries: int = 250_000
    waiting_path_bytes: int = 32 << 20  # names of folders found and not yet gone into


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All files and findings of one look at a volume; `complete` is False when something could not be listed."""

    files: tuple[ListedFile, ...]
    findings: tuple[Finding, ...]
    complete: bool


def list_volume(volume: VolumeRoot, profile: Profile, *, limits: ListingLimits | None = None) -> Listing:
    """Look at the whole volume once.

    Raises:
        VolumeGoneError: the device went away; an empty or shortened listing is never returned instead.
    """
    files: list[ListedFile] = []
    findings: list[Finding] = []
    surplus, complete = 0, True
    for entry in walk(volume, profile, limits=limits):
        if isinstance(entry, ListedFile):
            files.append(entry)
            continue
        complete = complete and entry.severity is Severity.NOTE
        if len(findings) < MAX_FINDINGS:
            findings.append(entry)
        else:
            surplus += 1
    if surplus:
        findings.append(Finding("EDGE-206", Severity.FAULT, str(volume.path), {"count": str(surplus)}))
    return Listing(files=tuple(files), findings=tuple(findings), complete=complete)


def walk(
    volume: VolumeRoot, profile: Profile, *, limits: ListingLimits | None = None
) -> Iterator[ListedFile | Finding]:
    """Yield every regular file below the root, and a finding for everything that was not gone into.

    Memory grows with the number of folders waiting, not with the number of files. Folders are opened one at a time
    from the root, so no depth exhausts descriptors.

    Raises:
        VolumeGoneError: a folder came out empty, or the walk ended, and the device is no longer there.
    """
    bounds = limits or ListingLimits()
    waiting: list[bytes] = [b""]
    count, waiting_bytes = 0, 0
    while waiting:
        folder = waiting.pop()
        waiting_bytes -= len(folder)
        found_any = False
        try:
            with volume.folder(folder) as fd:
                for name in _names(fd):
                    found_any = True
                    count += 1
                    if count > bounds.entries:
                        yield Finding(
                            "EDGE-204", Severity.FAULT, display_name(folder), {"entries": str(bounds.entries)}
                        )
                        volume.check_present()
                        return
                    raw_path = folder + b"/" + name if folder else name
                    if len(raw_path) > bounds.path_bytes:
                        yield _not_listed("EDGE-203", raw_path, f"a path of more than {bounds.path_bytes} bytes")
                        continue
                    entry = _look_at(volume, profile, raw_path, fd, name)
                    if isinstance(entry, bytes):
                        if entry.count(b"/") + 1 > bounds.depth:
                            yield _not_listed("EDGE-203", raw_path, f"more than {bounds.depth} folders deep")
                        elif waiting_bytes + len(entry) > bounds.waiting_path_bytes:
                            yield _not_listed("EDGE-204", raw_path, "too many folders")
                        else:
                            waiting.append(entry)
                            waiting_bytes += len(entry)
                    else:
                        yield entry
        except (OSError, UnsafePathError) as error:
            if isinstance(error, OSError):
                refuse_if_exhausted(error)
            volume.check_present()
            reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else "changed while read"
            yield _not_listed("EDGE-205", folder, reason)
        if not found_any:
            volume.check_present()
    volume.check_present()


def pull_order(files: Iterable[ListedFile]) -> list[ListedFile]:
    """Return what is to be pulled, most urgent first: locked, newest footage, unknown files, then the small rest.

    Side files are left out. The order is total, so it is the same after every restart.
    """
    ranks = {FileKind.FOOTAGE: 1, FileKind.UNKNOWN: 2, FileKind.AUDIO: 3, FileKind.PHOTO: 3, FileKind.LOG: 4}
    chosen = sorted((file for file in files if file.pulled), key=attrgetter("raw_path"))
    chosen.sort(key=attrgetter("newest_key"), reverse=True)
    chosen.sort(key=lambda file: 0 if file.locked else ranks[file.kind])
    return chosen


def still_growing(before: ListedFile, after: ListedFile) -> bool:
    """Return whether a file changed between two looks: it is being recorded and waits (recorders.md case 13)."""
    return (before.size_bytes, before.mtime_ns) != (after.size_bytes, after.mtime_ns)


def listing_blob(files: Iterable[ListedFile]) -> bytes:
    r"""Return the listing as canonical JSON objects, one a line, sorted by raw path; the same files, the same bytes."""
    return b"".join(
        canonical_bytes(
            {
                "allocated_bytes": str(file.allocated_bytes),
                "kind": file.kind.value,
                "locked": file.locked,
                "mtime_ns": str(file.mtime_ns),
                "path": display_name(file.raw_path),
                "path_hex": file.raw_path.hex(),
                "size_bytes": str(file.size_bytes),
            }
        )
        + b"\n"
        for file in sorted(files, key=attrgetter("raw_path"))
    )


def listed_file(volume: VolumeRoot, profile: Profile, raw_path: bytes, status: os.stat_result) -> ListedFile:
    """Return one file as the listing has it, from a `stat` of it; for a second look before and after copying."""
    fields = profile.fields_of(raw_path)
    read_only_bit = volume.write_bit_tells and not status.st_mode & stat.S_IWUSR
    return ListedFile(
        raw_path=raw_path,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        allocated_bytes=status.st_blocks * _BLOCK_BYTES,
        locked=profile.is_locked(raw_path, fields, read_only_bit=read_only_bit),
        kind=profile.kind_of(raw_path),
        fields=fields,
    )


def _names(fd: int) -> Iterator[bytes]:
    # os.scandir(fd) would decode names with the locale; the folder's own path in /proc keeps them bytes
    with os.scandir(b"/proc/self/fd/%d" % fd) as entries:
        for entry in entries:
            yield entry.name


def _look_at(
    volume: VolumeRoot, profile: Profile, raw_path: bytes, fd: int, name: bytes
) -> ListedFile | Finding | bytes:
    """Return a file, a finding, or the raw path of a folder to go into."""
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        return _not_listed("EDGE-205", raw_path, error.strerror or "unreadable")
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return listed_file(volume, profile, raw_path, status)
    if stat.S_ISDIR(mode):
        if status.st_dev != volume.device:
            return _not_listed("EDGE-210", raw_path, "another file system is mounted there")
        return raw_path
    if stat.S_ISLNK(mode):
        return Finding("EDGE-201", Severity.NOTE, display_name(raw_path), {"path_hex": raw_path.hex()})
    return Finding(
        "EDGE-202", Severity.NOTE, display_name(raw_path), {"path_hex": raw_path.hex(), "type": _special(mode)}
    )


def _not_listed(code: str, raw_path: bytes, why: str) -> Finding:
    return Finding(code, Severity.FAULT, display_name(raw_path) or "/", {"path_hex": raw_path.hex(), "why": why})


def _special(mode: int) -> str:
    for test, text in (
        (stat.S_ISFIFO, "fifo"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISBLK, "block device"),
        (stat.S_ISCHR, "character device"),
    ):
        if test(mode):
            return text
    return "special"
