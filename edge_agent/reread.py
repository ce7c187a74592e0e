"""Reads spool copies again from the medium, past the page cache: does our disk give back what was written?

Runs in the background while the next files are copied, at the lowest priority. The whole digest must come out equal;
the digests of every MiB are made here, the media are looked into, and all of it is said as `footage.reread`. A copy
that reads differently is set aside and the file is pulled anew while the recorder still has it.
"""

import contextlib
import errno
import hashlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from chain_of_custody.errors import EnvelopeRejectedError, EventRejectedError
from edge_agent.codes import DAMAGED_COPY
from edge_agent.facts import TOO_LONG, MediaSaid, Reread, file_subject, footage_reread
from edge_agent.fair import FairTurns
from edge_agent.inspection import Inspect
from edge_agent.item_book import KnownItem
from edge_agent.journal import AgentJournal, Desk
from edge_agent.listing import ListedFile
from edge_agent.ports import Patience
from edge_agent.profile_reader import ProfileSet
from edge_agent.spool import Spool
from evidence_model.canonical import Json
from evidence_model.digests import CHUNK_BYTES, Digest, chunk_list_text
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId
from evidence_model.instants import unix_ms
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.recording import NameFields
from host_io import durable, logs
from host_io.signed_journal import SignedEvent

_MOST_FILES: Final = 64
_MOST_BYTES: Final = 64 << 20  # of one batch: what was read is said soon after
_MAKE_WAY_CHUNKS: Final = 16
_FAST_BYTES_PER_SECOND: Final = 256 << 20  # no recorder behind USB is as fast; such a source competes for our own disk
_MAKE_WAY_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.5
TRY_AGAIN_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 5.0
# What says that the medium does not give the bytes back. Anything else (no descriptor or memory left, no permission)
# is ours, and says nothing about the copy.
_OF_THE_MEDIUM: Final = frozenset({errno.EIO, errno.EREMOTEIO, errno.EBADMSG, errno.EUCLEAN, errno.ENODATA})
_LOG = logging.getLogger("edge_agent.reread")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Right:
    """A copy that reads as it was written."""

    item: KnownItem
    said: MediaSaid
    fields: NameFields
    profile_id: str
    chunks: bytes


class _EndedError(Exception):
    """The program ends; what was not read again yet is read after the next start."""


class Rereader:
    """The re-reading threads of one agent; `put` from any thread."""

    def __init__(
        self,
        journal: AgentJournal,
        spool: Spool,
        profiles: ProfileSet,
        turns: FairTurns,
        *,
        inspect: Inspect,
        workers: int = 2,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._profiles = profiles
        self._turns = turns
        self._inspect = inspect
        self._changed = threading.Condition()
        self._waiting: deque[AssetId] = deque()
        self._open: set[AssetId] = set()  # waiting or being read
        self._later: deque[tuple[float, AssetId]] = deque()  # when to try again what could not be looked at
        self._damaged: set[AssetId] = set()
        self._closing = False
        self._running = workers
        self._threads = [
            threading.Thread(target=self._run, name=f"reread-{number}", daemon=True) for number in range(workers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self, *, timeout_seconds: float = 5.0) -> None:
        """End after the copies in hand; what is left is read after the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_seconds)

    def put(self, asset_id: AssetId) -> None:
        """Have an item's spool copy read again soon; asking twice is asking once."""
        with self._changed:
            if asset_id not in self._open:
                self._open.add(asset_id)
                self._waiting.append(asset_id)
                self._changed.notify_all()

    def put_left_over(self, desk: Desk) -> None:
        """Have everything read again that a stop of the program left over."""
        for asset_id in desk.items.to_reread():
            item = desk.items.find(asset_id)
            if item is not None and self._spool.has_footage(item.digest, item.size_bytes):
                self.put(asset_id)

    def wait_for(self, asset_ids: set[AssetId], *, seconds: float) -> bool:
        """Wait until none of these is to be read any more; False if that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running or not (asset_ids & self._open), seconds)

    def drain(self, patience: Patience) -> None:
        """Wait until nothing is left to be read again, or told to stop."""
        while not patience.is_set():
            with self._changed:
                if self._changed.wait_for(lambda: not self._running or not self._open, _LOOK_SECONDS):
                    return

    def take_damaged(self, asset_ids: set[AssetId]) -> set[AssetId]:
        """Return which of these read differently and were set aside, once."""
        with self._changed:
            found = self._damaged & asset_ids
            self._damaged -= found
        return found

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # copying and people come first
        try:
            while not self._closing:
                try:
                    self._read_on()
                except Exception:  # noqa: BLE001 - a database that cannot be read now; nobody else does this work
                    _LOG.exception("reread.stopped")
                    with self._changed:
                        self._changed.wait_for(lambda: self._closing, _PAUSE_SECONDS)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _read_on(self) -> None:
        with self._journal.desk() as desk, ThreadPoolExecutor(1, thread_name_prefix="chunks") as helper:
            while batch := self._next_batch(desk):
                try:
                    self._read_one_by_one_if_need_be(desk, batch, helper)
                except _EndedError:
                    return
                finally:
                    with self._changed:
                        self._open -= {item.asset_id for item in batch}
                        self._changed.notify_all()

    def _read_one_by_one_if_need_be(self, desk: Desk, batch: Sequence[KnownItem], helper: ThreadPoolExecutor) -> None:
        """Read a batch; if that fails (a full disk, a mistake of ours), each alone: none takes others with it."""
        try:
            self._read_batch(desk, batch, helper)
        except _EndedError:
            raise
        except Exception:  # noqa: BLE001 - one bad copy must not end the re-reading of all others
            _LOG.exception("reread.failed", extra={"fields": {"assets": [item.asset_id for item in batch][:5]}})
            if len(batch) > 1:
                for item in batch:
                    self._read_one_by_one_if_need_be(desk, [item], helper)
            else:  # what fails alone, too, is read again a while later, or after the next start or docking
                due_mono = self._journal.clock.mono() + TRY_AGAIN_SECONDS
                with self._changed:
                    self._later.append((due_mono, batch[0].asset_id))

    def _next_batch(self, desk: Desk) -> list[KnownItem]:
        """Wait for work and take some; empty when it is time to end."""
        batch: list[KnownItem] = []
        total_bytes = 0
        while not batch:
            self._put_due()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or bool(self._waiting), _LOOK_SECONDS if self._later else None
                )
                if self._closing:
                    return []
                taken = [self._waiting.popleft() for _ in range(min(_MOST_FILES, len(self._waiting)))]
            try:
                found = [desk.items.find(asset_id) for asset_id in taken]
            except BaseException:
                with self._changed:
                    self._waiting.extendleft(reversed(taken))
                raise
            for place, (asset_id, item) in enumerate(zip(taken, found, strict=True)):
                if item is not None and item.reread_seq is None:
                    batch.append(item)
                    total_bytes += item.size_bytes
                else:
                    self._close_one(asset_id)
                if total_bytes >= _MOST_BYTES:
                    with self._changed:
                        self._waiting.extendleft(reversed(taken[place + 1 :]))
                        self._changed.notify_all()
                    break
        return batch

    def _put_due(self) -> None:
        now_mono = self._journal.clock.mono()
        with self._changed:
            while self._later and self._later[0][0] <= now_mono:
                self.put(self._later.popleft()[1])

    def _close_one(self, asset_id: AssetId) -> None:
        with self._changed:
            self._open.discard(asset_id)
            self._changed.notify_all()

    def _read_batch(self, desk: Desk, batch: Sequence[KnownItem], helper: ThreadPoolExecutor) -> None:
        right = []
        for item in batch:
            path = self._spool.footage_path(item.digest)
            try:
                digest, chunks = read_again(path, helper, make_way=self._make_way)
            except FileNotFoundError:
                continue  # set aside or taken away meanwhile; what that means was said by whoever did it
            except OSError as error:
                if error.errno not in _OF_THE_MEDIUM:
                    raise
                self._set_aside(desk, item, f"unreadable: {error.strerror}")
                continue
            if digest != item.digest:
                self._set_aside(desk, item, f"reads {digest.short}")
                continue
            right.append(self._look_into(desk, item, path, chunks))
        if right:
            self._say(desk, right)

    def _make_way(self) -> None:
        """Wait while copies run so fast that the disk is what limits them; they end sooner than they are caught up."""
        with self._changed:
            while not self._closing and self._turns.bytes_per_second > _FAST_BYTES_PER_SECOND:
                self._changed.wait(_MAKE_WAY_SECONDS)
            if self._closing:
                raise _EndedError

    def _look_into(self, desk: Desk, item: KnownItem, path: Path, chunks: bytes) -> _Right:
        profile = self._profiles.known_or_generic(desk.sessions.profile_of(item.recorder_id))
        docked_at, meaning = desk.sessions.begun(item.session_id)
        listed = ListedFile(
            raw_path=item.raw_path,
            size_bytes=item.size_bytes,
            mtime_ns=item.mtime_ns,
            allocated_bytes=item.size_bytes,
            locked=item.locked,
            kind=item.kind,
            fields=profile.fields_of(item.raw_path),
        )
        said = self._inspect(path, listed, profile, meaning, docked_at)
        return _Right(item=item, said=said, fields=listed.fields, profile_id=profile.id, chunks=chunks)

    def _say(self, desk: Desk, right: Sequence[_Right]) -> None:
        blobs = [blob for one in right for blob in (one.chunks, one.said.probe)]
        digests = self._spool.place_blobs(blobs)
        # if power fails here: blobs that no record names; removed at start, the copies are read again
        with desk.transaction():
            now = unix_ms(self._journal.clock.now())
            for digest, blob in zip(digests, blobs, strict=True):
                desk.items.note_blob(digest, len(blob), place=self._spool.place_of(digest), at_unix_ms=now)
            for place, one in enumerate(right):
                chunks, probe = digests[2 * place], digests[2 * place + 1]
                fields: dict[str, Json] = one.fields.as_body()
                reread = Reread(
                    asset_id=one.item.asset_id,
                    recorder_id=one.item.recorder_id,
                    raw_path=one.item.raw_path,
                    size_bytes=one.item.size_bytes,
                    digest=one.item.digest,
                    said=one.said,
                    profile=self._profiles.get(one.profile_id),
                    fields=fields,
                    chunks=BlobRef(BlobRole.CHUNKS, chunks, len(one.chunks)),
                    probe=BlobRef(BlobRole.PROBE, probe, len(one.said.probe)),
                )
                event = self._say_one(desk, reread)
                desk.items.was_reread(one.item.asset_id, seq=event.seq)
                for finding in one.said.findings:
                    subject = file_subject(one.item.recorder_id, one.item.raw_path)
                    desk.find(Finding(finding.code, finding.severity, subject, finding.details))
                desk.cure(DAMAGED_COPY, file_subject(one.item.recorder_id, one.item.raw_path))
        self._spool.drop_doubles(digests)

    def _say_one(self, desk: Desk, reread: Reread) -> SignedEvent:
        """Sign one copy's re-reading; media that say too much of themselves are cut in the event, not in the blob."""
        try:
            return desk.say(footage_reread(reread, station=self._journal.station))
        except (EventRejectedError, EnvelopeRejectedError):
            said = replace(reread.said, media=TOO_LONG, witnesses=TOO_LONG)
            return desk.say(footage_reread(replace(reread, said=said), station=self._journal.station))

    def _set_aside(self, desk: Desk, item: KnownItem, why: str) -> None:
        """Quarantine a copy that our disk does not give back as it was written, and tell people."""
        kept = self._spool.set_aside(item.digest)
        details = {"asset": item.asset_id, "expected": item.digest.short, "found": why}
        if kept is not None:
            details["quarantine"] = kept.name
        subject = file_subject(item.recorder_id, item.raw_path)
        with desk.transaction():
            desk.find(Finding(DAMAGED_COPY, Severity.DAMAGE, subject, details))
        logs.event(_LOG, "reread.damaged", level=logging.ERROR, code=DAMAGED_COPY, asset=item.asset_id, found=why)
        with self._changed:
            self._damaged.add(item.asset_id)


def read_again(
    path: Path, helper: ThreadPoolExecutor, *, make_way: Callable[[], None] = lambda: None
) -> tuple[Digest, bytes]:
    """Return the whole digest and the chunk list blob of a file, read past the page cache.

    The two digests are made on two threads: with the interpreter's lock let go, they take the time of one. `make_way`
    is called every few MiB and may wait.
    """
    whole = hashlib.sha256()
    chunks = bytearray()
    for count, block in enumerate(durable.read_from_medium(path, block_bytes=CHUNK_BYTES)):
        if not count % _MAKE_WAY_CHUNKS:
            make_way()
        chunk = helper.submit(_sha256, block)
        whole.update(block)
        chunks += chunk.result()
    return Digest(whole.digest()), chunk_list_text(bytes(chunks))


def _sha256(data: memoryview) -> bytes:
    return hashlib.sha256(data).digest()
