"""Uploads on disk: a growing file and a small record beside it that says how many of its bytes are there for good.

`vault/uploads/<id>.part` holds the bytes, `<id>.json` the record. What the record says is on the medium: the bytes are
fsynced before the record is replaced. After a crash the file is cut to what the record says. When the last byte is
there, the file moves to `vault/incoming/`, where the vault reads it back; the record stays until it expires, so that a
client that missed the last answer learns that it is done.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Self

from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId, source_id
from evidence_model.instants import Clock, parse_instant, wire_instant
from evidence_store.vault import Vault
from host_io import durable

_ID = re.compile(r"[0-9a-f]{32}")
LIFE = timedelta(days=7)  # a slow line may need days; each piece that arrives counts anew
DONE_LIFE = timedelta(hours=24)
FLUSH_BYTES = 64 << 20
MAX_OPEN_A_STATION = 256  # each takes two inodes; a station works on two at a time
_END_SECONDS = 5.0  # within these whoever wrote the last byte has left
READ_AT_ONCE_BYTES = 1 << 30  # as much as is read while its sender waits for an answer


class UploadState(Enum):
    """What is durably true of an upload."""

    GROWING = "growing"
    DONE = "done"  # every byte arrived; the vault has it or reads it back
    GONE = "gone"  # terminated, expired, or its bytes were not those of its digest


class UploadGoneError(RefusedError):
    """There is no such upload, or no more."""

    code = "STO-034"


class UploadOffsetError(RefusedError):
    """The piece does not begin where the upload stands."""

    code = "STO-035"


class UploadTooLongError(RefusedError):
    """More bytes came than were announced; those that were announced are kept."""

    code = "STO-036"


class UploadChecksumError(RefusedError):
    """The piece is not what its checksum says; it is not kept."""

    code = "STO-037"


class UploadBusyError(RefusedError):
    """Another request writes to this upload."""

    code = "STO-038"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The record of an upload, as it is on the medium."""

    id: str
    station: SourceId
    digest: Digest
    length_bytes: int
    offset_bytes: int
    state: UploadState
    expires_at: datetime


class Uploads:
    """All uploads of a vault; methods may be called from several threads."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._writing: set[str] = set()
        self._open: dict[str, SourceId] = {}  # those that grow

    def open(self) -> None:
        """Cut every file to what its record says, and finish what was finished but not moved."""
        for record in self._records():
            if record.state is UploadState.GROWING:
                self._open[record.id] = record.station
                self._cut(record)
                if record.offset_bytes == record.length_bytes:
                    self._finish(record)

    def create(self, *, station: SourceId, digest: Digest, length_bytes: int) -> Upload:
        """Begin an upload, for good; one of bytes that the vault holds already, or of none, is done at once.

        The vault's bytes are read for that, not only their name: what is damaged there is to be sent again.
        """
        upload = Upload(
            id=secrets.token_hex(16),
            station=station,
            digest=digest,
            length_bytes=length_bytes,
            offset_bytes=0,
            state=UploadState.GROWING,
            expires_at=self._clock.now() + LIFE,
        )
        held = self._vault.held(digest)
        if held is not None and held.size_bytes == length_bytes <= READ_AT_ONCE_BYTES and self._vault.is_sound(digest):
            upload = replace(upload, offset_bytes=length_bytes, state=UploadState.DONE)
            self._write(upload)
            return upload
        self._make_place(station)
        durable.write_file(self._part(upload.id), b"")
        self._write(upload)
        return self._finish(upload) if not length_bytes else upload

    def find(self, upload_id: str, station: SourceId) -> Upload:
        """Return an upload of this station.

        Raises:
            UploadGoneError: there is none of this id, it is another station's, or it is over.
        """
        upload = self._read(upload_id)
        if upload is None or upload.station != station:
            raise UploadGoneError("there is no such upload; create one")
        if upload.state is UploadState.GONE or upload.expires_at <= self._clock.now():
            raise UploadGoneError("this upload is over; create a new one")
        return upload

    @contextlib.contextmanager
    def append(self, upload: Upload, *, offset_bytes: int, sha256: bytes | None) -> Iterator["Piece"]:
        """Give a piece of an upload to write to; what was written is kept for good when the block is left.

        With a checksum it is kept only if it fits; without, also what came before a cut connection is kept.

        Raises:
            UploadOffsetError: the upload stands elsewhere.
            UploadBusyError: somebody else writes to it.
            UploadChecksumError: when the block is left.
        """
        with self._claimed(upload.id):
            current = self._read(upload.id)
            if current is None or current.state is not UploadState.GROWING or current.offset_bytes != offset_bytes:
                at = "its end" if current is None else current.offset_bytes
                raise UploadOffsetError(f"the upload stands at {at}, not at {offset_bytes}")
            with Piece(self, current, sha256) as piece:
                yield piece

    def terminate(self, upload: Upload) -> None:
        """End an upload and remove what came of it.

        Raises:
            UploadBusyError: somebody writes to it, who would bring it back.
        """
        with self._claimed(upload.id):
            self._end(upload)

    def refused(self, digest: Digest) -> None:
        """The bytes that came under this digest were not its own: whoever asks is to begin again."""
        for upload in self._records():
            if upload.digest == digest and upload.offset_bytes == upload.length_bytes:
                with contextlib.suppress(UploadBusyError), self._claimed(upload.id, wait_seconds=_END_SECONDS):
                    ended = self._read(upload.id)  # whoever wrote its last byte has said now that it is done
                    if ended is not None and ended.state is UploadState.DONE:
                        self._end(ended)

    def expire(self) -> int:
        """Remove what expired; return how many records went."""
        count = 0
        for upload in self._records():
            if upload.expires_at > self._clock.now():
                continue
            if upload.state is UploadState.GROWING:
                with contextlib.suppress(UploadBusyError):
                    self.terminate(upload)  # first gone, later forgotten
            else:
                self._part(upload.id).unlink(missing_ok=True)
                self._record(upload.id).unlink(missing_ok=True)
                count += 1
        return count

    def note_progress(self, upload: Upload, offset_bytes: int) -> Upload:
        """Say for good that so many bytes are there (they are on the medium); the last one ends the upload."""
        grown = replace(upload, offset_bytes=offset_bytes, expires_at=self._clock.now() + LIFE)
        self._write(grown)
        # Power fails here: the upload goes on from this offset.
        return self._finish(grown) if offset_bytes == upload.length_bytes else grown

    def part(self, upload: Upload) -> Path:
        """Return the file that grows."""
        return self._part(upload.id)

    @contextlib.contextmanager
    def _claimed(self, upload_id: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Keep everybody else from writing to an upload while the block runs."""
        with self._freed:
            if not self._freed.wait_for(lambda: upload_id not in self._writing, wait_seconds):
                raise UploadBusyError("another request writes to this upload; ask again for its offset")
            self._writing.add(upload_id)
        try:
            yield
        finally:
            with self._freed:
                self._writing.discard(upload_id)
                self._freed.notify_all()

    def _end(self, upload: Upload) -> None:
        self._write(replace(upload, state=UploadState.GONE, expires_at=self._clock.now() + DONE_LIFE))
        self._part(upload.id).unlink(missing_ok=True)

    def _make_place(self, station: SourceId) -> None:
        """Let the uploads of a station that nothing came to for longest go, so that it can have only so many."""
        with self._lock:
            mine = [upload_id for upload_id, owner in self._open.items() if owner == station]
        too_many = len(mine) + 1 - MAX_OPEN_A_STATION
        if too_many > 0:
            records = [upload for upload_id in mine if (upload := self._read(upload_id)) is not None]
            for upload in sorted(records, key=lambda upload: upload.expires_at)[:too_many]:
                with contextlib.suppress(UploadBusyError):
                    self.terminate(upload)

    def _finish(self, upload: Upload) -> Upload:
        """Hand the bytes to the vault, then say that the upload is done; repeated after a crash between the two."""
        target = self._vault.incoming / f"{upload.digest.hex}.{upload.id}.uploaded"
        with contextlib.suppress(FileNotFoundError):  # it moved before the crash
            durable.rename(self._part(upload.id), target)
        done = replace(upload, state=UploadState.DONE, expires_at=self._clock.now() + DONE_LIFE)
        self._write(done)
        return done

    def _cut(self, upload: Upload) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self._part(upload.id), upload.offset_bytes)

    def _part(self, upload_id: str) -> Path:
        return self._vault.uploads / f"{upload_id}.part"

    def _record(self, upload_id: str) -> Path:
        return self._vault.uploads / f"{upload_id}.json"

    def _write(self, upload: Upload) -> None:
        members = {
            "digest": upload.digest.hex,
            "expires_at": wire_instant(upload.expires_at),
            "length_bytes": str(upload.length_bytes),
            "offset_bytes": str(upload.offset_bytes),
            "state": upload.state.value,
            "station": upload.station,
        }
        durable.write_file(self._record(upload.id), json.dumps(members).encode())
        with self._lock:
            self._open.pop(upload.id, None)
            if upload.state is UploadState.GROWING:
                self._open[upload.id] = upload.station

    def _read(self, upload_id: str) -> Upload | None:
        if not _ID.fullmatch(upload_id):
            return None
        try:
            members = json.loads(self._record(upload_id).read_bytes())
            return Upload(
                id=upload_id,
                station=source_id(members["station"]),
                digest=Digest.parse(members["digest"]),
                length_bytes=int(members["length_bytes"]),
                offset_bytes=int(members["offset_bytes"]),
                state=UploadState(members["state"]),
                expires_at=parse_instant(members["expires_at"]),
            )
        except (FileNotFoundError, KeyError, TypeError, ValueError, RefusedError):
            return None  # an unreadable record is no record: the client begins again

    def _records(self) -> Iterator[Upload]:
        for path in sorted(self._vault.uploads.glob("*.json")):
            upload = self._read(path.stem)
            if upload is not None:
                yield upload


class Piece:
    """One stretch of bytes being written; at most `FLUSH_BYTES` of it are ever at risk."""

    def __init__(self, uploads: Uploads, upload: Upload, sha256: bytes | None) -> None:
        self.upload = upload
        self._uploads = uploads
        self._expected = sha256
        self._digest = hashlib.sha256()
        self._start = upload.offset_bytes
        self._at = upload.offset_bytes
        self._fd = -1

    def __enter__(self) -> Self:
        self._fd = os.open(self._uploads.part(self.upload), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.lseek(self._fd, self._start, os.SEEK_SET)
        return self

    def write(self, data: bytes) -> None:
        """Write the next bytes; never more of the medium than was announced is used.

        Raises:
            UploadTooLongError: these bytes go beyond the end; none of them is written.
        """
        if self._at + len(data) > self.upload.length_bytes:
            raise UploadTooLongError(f"more than the {self.upload.length_bytes} bytes that were announced")
        durable.write_all(self._fd, data)
        self._at += len(data)
        if self._expected is not None:
            self._digest.update(data)
        elif self._at - self.upload.offset_bytes >= FLUSH_BYTES and self._at < self.upload.length_bytes:
            durable.sync_file(self._fd)
            self.upload = self._uploads.note_progress(self.upload, self._at)

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        is_whole = self._expected is None or (kind is None and self._digest.digest() == self._expected)
        kept = self._at if is_whole else self.upload.offset_bytes
        try:
            os.ftruncate(self._fd, kept)
            if kept > self.upload.offset_bytes:
                durable.sync_file(self._fd)
                # Power fails here: the record still says the old offset, and the file is cut to it.
                self.upload = self._uploads.note_progress(self.upload, kept)
        finally:
            os.close(self._fd)
        if not is_whole and kind is None:
            raise UploadChecksumError("the piece is not what its checksum says; send it again")
