"""Makes finished copies durable and says so: fsync, rename, fsync the folder, then one transaction for all of them.

A session copies the next file while its sealer waits for the disk, and whatever is finished by then is sealed together:
one big file at a time, or dozens of small ones with one commit. The order of durable writes is in
docs/design/life-of-a-recording.md; nothing is said before its bytes lie there for good.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.codes import LOST_COPY, OF_ONE_FILE, UNCLAIMED_COPY
from edge_agent.errors import NoRoomError
from edge_agent.facts import Pulled, file_subject, footage_pulled
from edge_agent.item_book import KnownItem
from edge_agent.journal import AgentJournal, Desk
from edge_agent.listing import ListedFile
from edge_agent.ports import Patience
from edge_agent.settle import storable_ns
from edge_agent.spool import Part, Spool
from evidence_model.ids import AssetId, SessionId
from evidence_model.instants import unix_ms
from host_io import durable
from host_io.sqlite import DatabaseUnavailableError

MOST_AT_ONCE: Final = 64
_QUEUE_LENGTH: Final = 96  # finished copies waiting for the disk; each holds an open file


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A whole copy, not yet on the medium."""

    pulled: Pulled
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class MetAgain:
    """A file of which an earlier docking brought the bytes."""

    listed: ListedFile
    asset_id: AssetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What became of a finished copy; told after the commit."""

    listed: ListedFile
    asset_id: AssetId
    size_bytes: int
    to_reread: bool
    lost: bool = False  # the name was taken away before the commit: copy it again


@dataclass(slots=True)
class _Plan:
    """How far a copy is on its way; another try goes on from here."""

    copied: Copied
    synced: bool = False
    place: bool = True
    lost: bool = False  # the medium would not take it: copied again when there is room


class Sealer:
    """The sealing thread of one session; `put` from the session's thread, `finish` at its end."""

    def __init__(
        self,
        journal: AgentJournal,
        spool: Spool,
        session_id: SessionId,
        *,
        on_sealed: Callable[[Sealed], None],
        patience: Patience,
        room_look_seconds: float | None,
        on_waiting: Callable[[str | None], None] = lambda _code: None,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._session_id = session_id
        self._on_sealed = on_sealed
        self._patience = patience
        self._on_waiting = on_waiting
        self._room_look_seconds = room_look_seconds  # between two tries on a full disk; None: one try
        self._queue: queue.Queue[Copied | MetAgain | None] = queue.Queue(_QUEUE_LENGTH)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"seal-{session_id[:8]}", daemon=True)
        self._thread.start()

    def put(self, entry: Copied | MetAgain) -> None:
        """Hand over a finished copy; waits when the disk is far behind, or full.

        Raises:
            SpoolWriteError: our disk failed earlier; this and what was handed over since is dropped.
            NoRoomError, DatabaseUnavailableError: it is full, and nobody waits (any more) until it is not; the same.
        """
        if self._failure is not None:
            self._drop_all([entry])
        self._raise_failure()
        self._queue.put(entry)

    def flush(self) -> None:
        """Return when everything handed over is sealed.

        Raises:
            SpoolWriteError, NoRoomError, DatabaseUnavailableError: as `put`.
        """
        self._queue.join()
        self._raise_failure()

    def finish(self) -> None:
        """Seal what is left and end the thread; safe to call twice.

        Raises:
            SpoolWriteError, NoRoomError, DatabaseUnavailableError: as `put`.
        """
        self._queue.put(None)
        self._thread.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        """Seal until told to end; after a failure, which the session's thread raises, drop what still comes."""
        with contextlib.ExitStack() as stack:
            desk: Desk | None = None
            try:
                desk = stack.enter_context(self._journal.desk())
            except BaseException as error:  # noqa: BLE001 - the session's thread raises it
                self._failure = error
            ended = False
            while not ended:
                batch, taken, ended = self._next_batch()
                try:
                    if batch and desk is not None and self._failure is None:
                        self._seal_when_there_is_room(desk, batch)
                except BaseException as error:  # noqa: BLE001 - the same
                    self._failure = error
                finally:
                    if self._failure is not None:
                        self._drop_all(batch)
                    for _ in range(taken):
                        self._queue.task_done()

    def _next_batch(self) -> tuple[list[Copied | MetAgain], int, bool]:
        """Wait for one entry, then take what else is ready."""
        batch: list[Copied | MetAgain] = []
        taken = 0
        entry = self._queue.get()
        while True:
            taken += 1
            if entry is None:
                return batch, taken, True
            batch.append(entry)
            if len(batch) >= MOST_AT_ONCE:
                return batch, taken, False
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return batch, taken, False

    def _seal_when_there_is_room(self, desk: Desk, batch: Sequence[Copied | MetAgain]) -> None:
        """Seal a batch; on a full disk, again and again: meanwhile the queue fills, and then copying waits, too."""
        plans = [_Plan(entry) for entry in batch if isinstance(entry, Copied)]
        while True:
            try:
                self._seal(desk, batch, plans)
            except (NoRoomError, DatabaseUnavailableError) as error:
                if self._room_look_seconds is None or self._wait_for_room(error.code):
                    raise
            else:
                return

    def _wait_for_room(self, code: str) -> bool:
        """Wait until it is time to try again, and let people see for what; True when told to stop."""
        self._on_waiting(code)
        told = self._patience.wait(self._room_look_seconds or 0.0)
        self._on_waiting(None)
        return told

    def _seal(self, desk: Desk, batch: Sequence[Copied | MetAgain], plans: Sequence[_Plan]) -> None:
        for plan in plans:
            if not plan.synced:
                self._put_on_medium(plan)
                known = desk.items.find(plan.copied.pulled.asset_id)
                plan.place = not plan.lost and (known is None or not is_safe(known, self._spool))
        # if power fails here: whole parts that nobody names; removed at start, the recorder still has the files
        self._spool.place_all([(plan.copied.part.path, plan.copied.pulled.digest) for plan in plans if plan.place])
        # if power fails here: whole copies under their digests that no record names; the next pull takes the name again
        with desk.transaction():
            done = [self._record(desk, plan) for plan in plans]
            done += [self._record_met_again(desk, entry) for entry in batch if isinstance(entry, MetAgain)]
        # if power fails here: all is said; the wake file is only a hint
        self._spool.drop_doubles(plan.copied.pulled.digest for plan in plans)
        for plan in plans:
            self._spool.settle(plan.copied.part)
            if not plan.place:
                with contextlib.suppress(OSError):  # a part that no row names is removed at start
                    plan.copied.part.drop()
        for sealed in done:
            self._on_sealed(sealed)

    def _put_on_medium(self, plan: _Plan) -> None:
        """Make a part durable; fsync is never tried again: after a failed one nobody knows what the medium has."""
        try:
            durable.sync_file(plan.copied.part.fd)
        except OSError as error:
            failure = self._spool.failure(error, needed_bytes=1)
            if self._room_look_seconds is None or not isinstance(failure, NoRoomError):
                raise failure from error
            plan.lost = True
            self._wait_for_room(failure.code)
        plan.synced = True
        plan.copied.part.close()

    def _drop_all(self, batch: Sequence[Copied | MetAgain]) -> None:
        for entry in batch:
            if isinstance(entry, Copied):
                self._spool.settle(entry.part)
                with contextlib.suppress(BaseException):  # a stop in the middle of it leaves a part that nobody names
                    entry.part.drop()

    def _record(self, desk: Desk, plan: _Plan) -> Sealed:
        pulled = plan.copied.pulled
        known = desk.items.find(pulled.asset_id)
        # the ingest daemon takes spool copies away inside its own transactions, so within ours this stays as it is
        there = self._spool.has_footage(pulled.digest, pulled.size_bytes)
        desk.items.forget_partial(plan.copied.part.name)
        if plan.lost or (not there and (known is None or not known.receipted)):
            return Sealed(listed=pulled.listed, asset_id=pulled.asset_id, size_bytes=0, to_reread=False, lost=True)
        now = unix_ms(self._journal.clock.now())
        if plan.place and there:
            desk.items.note_blob(pulled.digest, pulled.size_bytes, place="footage", at_unix_ms=now)
            desk.cure(LOST_COPY, pulled.asset_id)
            desk.cure(UNCLAIMED_COPY, pulled.digest.hex)
        if known is None:
            event = desk.say(footage_pulled(pulled, station=self._journal.station))
            desk.items.add(pulled, pulled_seq=event.seq, at_unix_ms=now)
        elif known.mtime_ns != storable_ns(pulled.listed.mtime_ns):
            desk.items.restamp(pulled.asset_id, mtime_ns=pulled.listed.mtime_ns)
        if known is not None and not pulled.findings:
            desk.items.proved_whole(pulled.asset_id)
        desk.items.came(pulled.recorder_id, pulled.listed.raw_path)
        desk.items.note_in_session(self._session_id, pulled.asset_id, is_new=known is None)
        if not pulled.findings:
            for code in OF_ONE_FILE:
                desk.cure(code, file_subject(pulled.recorder_id, pulled.listed.raw_path))
        for finding in pulled.findings:
            desk.find(finding)
        return Sealed(
            listed=pulled.listed,
            asset_id=pulled.asset_id,
            size_bytes=pulled.size_bytes,
            to_reread=there and (known is None or known.reread_seq is None),
        )

    def _record_met_again(self, desk: Desk, entry: MetAgain) -> Sealed:
        item = desk.items.find(entry.asset_id)
        desk.items.note_in_session(self._session_id, entry.asset_id, is_new=False)
        return Sealed(
            listed=entry.listed,
            asset_id=entry.asset_id,
            size_bytes=0,
            # a stop may have left it to be read again
            to_reread=item is not None
            and item.reread_seq is None
            and self._spool.has_footage(item.digest, item.size_bytes),
        )


def is_safe(item: KnownItem, spool: Spool) -> bool:
    """Return whether an item's bytes are in the spool, or at the store by a receipt that this station verified.

    A copy that was set aside before it read right once is made again all the same: until then the recorder keeps it.
    """
    return (item.receipted and item.reread_seq is not None) or spool.has_footage(item.digest, item.size_bytes)
