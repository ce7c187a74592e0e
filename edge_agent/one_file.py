"""Copies one file of a recorder into a part of the spool: whole, resumed, or around what cannot be read.

Nothing is said here. What comes out is a whole copy that its sealer makes durable, or the reason why there is none yet.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edge_agent.both_digests import BothDigests
from edge_agent.copying import CopyEnd, CopyLane
from edge_agent.errors import NoRoomError, refuse_if_exhausted
from edge_agent.facts import Pulled
from edge_agent.holes import CarefulReader
from edge_agent.item_book import KnownItem, PartialCopy
from edge_agent.journal import Desk
from edge_agent.listing import ListedFile
from edge_agent.ports import Patience, SourceFile, SourceVolume
from edge_agent.profile import Profile
from edge_agent.settle import Stamp
from edge_agent.spool import Part, Spool
from evidence_model.canonical import canonical_bytes
from evidence_model.digests import CHUNK_BYTES, Digest
from evidence_model.ids import RecorderId, SessionId
from evidence_model.instants import Clock
from host_io import durable

KEEP_FROM_BYTES: Final = 4 << 20  # a shorter copy that was cut off is quicker copied again than proved


class ChangedWhileReadError(Exception):
    """Size or stamp of the file changed while it was read: what was copied is of no state it ever had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Whose files are copied, and for which docking."""

    recorder_id: RecorderId
    session_id: SessionId
    profile: Profile


@dataclass(slots=True)
class _Begun:
    """A copy under way."""

    part: Part
    hasher: BothDigests
    start_bytes: int = 0
    resumed_at: tuple[int, ...] = ()
    position: int = 0
    saved_mono: float = 0.0


class FileCopier:
    """Copies files of one recorder one after the other; used by the session's thread."""

    def __init__(
        self,
        job: Job,
        *,
        volume: SourceVolume,
        spool: Spool,
        desk: Desk,
        lane: CopyLane,
        clock: Clock,
        patience: Patience,
        checkpoint_seconds: float,
        with_sm3: bool = False,
    ) -> None:
        self._with_sm3 = with_sm3
        self._job = job
        self._volume = volume
        self._spool = spool
        self._desk = desk
        self._lane = lane
        self._clock = clock
        self._patience = patience
        self._checkpoint_seconds = checkpoint_seconds

    def looks_like(self, item: KnownItem, file: ListedFile, *, most_bad_seconds: float) -> bool:
        """Return whether a file's first and last MiB are those of an item with the same path, size and stamp.

        Raises:
            PutOffError: bad spots took more than `most_bad_seconds`.
            OSError: it cannot be read; VolumeGoneError: the recorder went away.
        """
        source = self._volume.open_source(file.raw_path)
        try:
            reader = self._careful(source, file.size_bytes, most_bad_seconds)
            head = _digest_at(reader, 0, min(CHUNK_BYTES, file.size_bytes))
            tail_from = max(file.size_bytes - CHUNK_BYTES, 0)
            tail = head if not tail_from else _digest_at(reader, tail_from, file.size_bytes - tail_from)
            return not reader.map.holes and head == item.head_digest and tail == item.tail_digest
        finally:
            source.close()

    def copy(
        self, file: ListedFile, *, on_block: Callable[[int], None], most_bad_seconds: float
    ) -> tuple[Pulled, Part]:
        """Copy a file to its end as it is now and return what is to be sealed.

        Raises:
            PutOffError: bad spots took more than `most_bad_seconds`; what was copied is kept as far as it is worth.
            ChangedWhileReadError: it is not (any more) the file that was listed; nothing is kept.
            NoRoomError: the spool is full; what was copied is kept as far as it is worth.
            VolumeGoneError, StopRequestedError: the same.
            SpoolWriteError: our own disk failed; nothing is kept.
            SessionFailedError: this machine has no descriptors or memory left.
            UnsafePathError, OSError: the file cannot be opened.
        """
        source = self._volume.open_source(file.raw_path)
        try:
            before = _stamp(source)
            if before != Stamp(file.size_bytes, file.mtime_ns):
                raise ChangedWhileReadError
            begun = self._begin(file, source, most_bad_seconds)
            reader = self._careful(source, file.size_bytes, most_bad_seconds)
            end = self._run(file, begun, reader, on_block)
            try:
                after = _stamp(source)
            except OSError:
                self._put_by(file, begun, reader)
                raise
            if after != before:
                self.forget(begun.part)
                raise ChangedWhileReadError
        finally:
            source.close()
        try:
            head, tail = _ends(begun.part, end)
        except OSError as error:
            self.forget(begun.part)
            raise self._spool.failure(error, needed_bytes=0) from error
        pulled = Pulled(
            recorder_id=self._job.recorder_id,
            session_id=self._job.session_id,
            listed=file,
            profile=self._job.profile,
            size_bytes=end.size_bytes,
            digest=end.digest,
            sm3=begun.hasher.sm3(),
            head_digest=head,
            tail_digest=tail,
            holes=reader.map,
            resumed_at=begun.resumed_at,
        )
        return pulled, begun.part

    def forget(self, part: Part) -> None:
        """Remove a copy that is of no use."""
        self._spool.settle(part)
        with contextlib.suppress(OSError):  # a part that no row names is removed at start
            part.drop()
        # if power fails here: a row whose part is gone; forgotten at start
        with self._desk.transaction():
            self._desk.items.forget_partial(part.name)

    def _run(self, file: ListedFile, begun: _Begun, reader: CarefulReader, on_block: Callable[[int], None]) -> CopyEnd:
        def moved_to(position: int) -> None:
            begun.position = position
            if self._clock.mono() - begun.saved_mono >= self._checkpoint_seconds and not reader.map.holes:
                self._save(file, begun)
            on_block(position)

        begun.position = begun.start_bytes
        begun.saved_mono = self._clock.mono()
        try:
            return self._lane.run(
                reader.read_at, begun.part.fd, start_bytes=begun.start_bytes, hasher=begun.hasher, on_block=moved_to
            )
        except OSError as error:  # the reader turns the recorder's errors into holes or VolumeGoneError: this is ours
            failure = self._spool.failure(error, needed_bytes=file.size_bytes - begun.position)
            if isinstance(failure, NoRoomError):
                self._put_by(file, begun, reader)
            else:
                self.forget(begun.part)
            raise failure from error
        except BaseException:
            self._put_by(file, begun, reader)
            raise

    def _begin(self, file: ListedFile, source: SourceFile, most_bad_seconds: float) -> _Begun:
        stamp = Stamp(file.size_bytes, file.mtime_ns)
        kept = self._desk.items.partial(self._job.recorder_id, file.raw_path, stamp)
        if kept is not None and (begun := self._resume(file, source, kept, most_bad_seconds)) is not None:
            return begun
        part = self._spool.new_part(_part_key(self._job.recorder_id, file), file.size_bytes)
        return _Begun(part, BothDigests(with_sm3=self._with_sm3))

    def _resume(
        self, file: ListedFile, source: SourceFile, kept: PartialCopy, most_bad_seconds: float
    ) -> _Begun | None:
        """Go on with a copy that was cut off, if the file is proved to be the same; else void it.

        Size and stamp are the same already; the first MiB, and the last one before the place where the copy goes on,
        must read the same on the recorder as on our disk. Our part is digested again from the medium, and must give
        back what came from the recorder then: the middle of it is compared with nothing else.
        """
        part = self._spool.reopen_part(kept.part_name, keep_bytes=kept.synced_bytes, size_bytes=file.size_bytes)
        if part is None:
            with self._desk.transaction():
                self._desk.items.forget_partial(kept.part_name)
            return None
        begun = _Begun(part, BothDigests(with_sm3=self._with_sm3), start_bytes=kept.synced_bytes)
        try:
            reader = self._careful(source, file.size_bytes, most_bad_seconds)
            tail_from = max(kept.synced_bytes - CHUNK_BYTES, 0)
            ends = ((0, min(CHUNK_BYTES, kept.synced_bytes)), (tail_from, kept.synced_bytes - tail_from))
            theirs = [_digest_at(reader, offset, size) for offset, size in ends]
            if reader.map.holes or self._ends_of_kept(begun, kept, ends) != theirs:
                self.forget(part)
                return None
        except BaseException:
            self._spool.settle(part)
            part.close()  # its row and bytes stay for the next docking
            raise
        begun.resumed_at = (kept.synced_bytes,)
        return begun

    def _ends_of_kept(self, begun: _Begun, kept: PartialCopy, ends: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Digest our part anew and return the digests of its ends; None if our disk does not give it back."""
        try:
            digests = [hashlib.sha256(_pread(begun.part.fd, size, offset)).digest() for offset, size in ends]
            for block in durable.read_from_medium(begun.part.path):
                begun.hasher.update(block)
        except OSError as error:
            refuse_if_exhausted(error)
            return None
        return digests if begun.hasher.digest() == kept.synced_digest else None

    def _save(self, file: ListedFile, begun: _Begun) -> None:
        """Note how far the copy is: bytes first, record last."""
        durable.sync_file(begun.part.fd)
        copy = PartialCopy(
            part_name=begun.part.name,
            synced_bytes=begun.position,
            synced_digest=self._lane.digest_so_far(begun.hasher),
        )
        with self._desk.transaction():
            self._desk.items.keep_partial(
                self._job.recorder_id, file.raw_path, Stamp(file.size_bytes, file.mtime_ns), copy
            )
        begun.saved_mono = self._clock.mono()

    def _put_by(self, file: ListedFile, begun: _Begun, reader: CarefulReader) -> None:
        """Keep what was copied for the next docking, if it is worth proving; a copy with holes is begun anew."""
        if begun.position < KEEP_FROM_BYTES or reader.map.holes:
            self.forget(begun.part)
            return
        try:
            os.ftruncate(begun.part.fd, begun.position)  # gives back the room that was set aside for the rest
            self._save(file, begun)
        except OSError:
            self.forget(begun.part)
        finally:
            self._spool.settle(begun.part)
            begun.part.close()

    def _careful(self, source: SourceFile, size_bytes: int, most_bad_seconds: float) -> CarefulReader:
        return CarefulReader(
            source,
            self._volume,
            size_bytes=size_bytes,
            patience=self._patience,
            clock=self._clock,
            most_bad_seconds=most_bad_seconds,
        )


def restamped(file: ListedFile, stamp: Stamp) -> ListedFile:
    """Return a listed file as a newer look shows it."""
    return replace(file, size_bytes=stamp.size_bytes, mtime_ns=stamp.mtime_ns, allocated_bytes=stamp.size_bytes)


def _stamp(source: SourceFile) -> Stamp:
    status = source.status()
    return Stamp(status.st_size, status.st_mtime_ns)


def _digest_at(reader: CarefulReader, offset: int, size_bytes: int) -> bytes:
    view = memoryview(bytearray(size_bytes))
    return hashlib.sha256(view[: reader.read_at(view, offset)]).digest()


def _ends(part: Part, end: CopyEnd) -> tuple[bytes, bytes]:
    """Return the digests of the first and the last MiB of the copy, by which the file is known again."""
    if end.size_bytes <= CHUNK_BYTES:
        return end.digest.raw, end.digest.raw
    head = hashlib.sha256(_pread(part.fd, CHUNK_BYTES, 0)).digest()
    return head, hashlib.sha256(_pread(part.fd, CHUNK_BYTES, end.size_bytes - CHUNK_BYTES)).digest()


def _pread(fd: int, size_bytes: int, offset: int) -> bytes:
    """Read all of a stretch that our part is known to have."""
    pieces = []
    while size_bytes and (piece := os.pread(fd, size_bytes, offset)):
        pieces.append(piece)
        size_bytes -= len(piece)
        offset += len(piece)
    return b"".join(pieces)


def _part_key(recorder_id: RecorderId, file: ListedFile) -> str:
    identity = canonical_bytes({"path": file.raw_path.hex(), "recorder": recorder_id})
    return Digest(hashlib.sha256(identity).digest()).hex[:24]
