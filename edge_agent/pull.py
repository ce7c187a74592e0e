"""Takes all files of a docked recorder, most urgent first; what cannot be taken now waits and blocks nothing.

A file is skipped when its bytes are safe from an earlier docking, waits while it grows or while the spool is full, and
is left with a finding when it cannot be read. Whatever happens to one file, the next one is tried.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Final

from edge_agent.codes import DAMAGED_COPY, STILL_GROWS, UNREADABLE_FILE, VANISHED
from edge_agent.errors import NoRoomError, StopRequestedError, refuse_if_exhausted
from edge_agent.facts import file_subject, footage_missing
from edge_agent.fair import FairTurns, Turn
from edge_agent.holes import GONE, MOST_BAD_SECONDS, RETRY_PAUSES, PutOffError
from edge_agent.item_book import KnownItem
from edge_agent.journal import Desk
from edge_agent.listing import ListedFile
from edge_agent.one_file import ChangedWhileReadError, FileCopier, Job, restamped
from edge_agent.ports import Patience, SourceVolume
from edge_agent.progress import ProgressBoard
from edge_agent.seal import Copied, MetAgain, Sealer, is_safe
from edge_agent.settle import Look, Settled, SettleRule, Stamp, compare, is_old
from edge_agent.spool import Spool
from edge_agent.volume import UnsafePathError, VolumeGoneError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.names import display_name
from evidence_model.states import SessionState

_LONGEST_NAP_SECONDS: Final = 1.0
_SHORTEST_NAP_SECONDS: Final = 0.05  # ten thousand files that wait are due at ten thousand moments


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSettings:
    """How patient pulling is."""

    settle: SettleRule = field(default_factory=SettleRule)
    checkpoint_seconds: float = 10.0  # a copy that takes longer is made durable so far, so often
    room_look_seconds: float = 2.0  # between two looks whether the spool has room again
    wait_for_room: bool = True  # False: end the session with state WAITING instead


class Left(Enum):
    """Why a file was not taken at this docking."""

    GROWS = "grows"
    NO_ROOM = "no-room"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    DAMAGED = "damaged"  # our disk does not keep it, however often it is copied


@dataclass(slots=True, kw_only=True)
class PullOutcome:
    """What became of the files that were to be pulled."""

    pulled_bytes: int = 0
    left: dict[bytes, Left] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Candidate:
    file: ListedFile
    look: Look
    look_count: int = 1
    due_mono: float = 0.0
    waits_for: str = ""  # code
    failures: int = 0
    most_bad_seconds: float = MOST_BAD_SECONDS


class Puller:
    """Pulls the files of one docking; used by the session's thread."""

    def __init__(
        self,
        job: Job,
        *,
        volume: SourceVolume,
        spool: Spool,
        desk: Desk,
        copier: FileCopier,
        sealer: Sealer,
        turns: FairTurns,
        board: ProgressBoard,
        station: SourceId,
        clock: Clock,
        patience: Patience,
        settings: PullSettings,
        on_waiting: Callable[[str | None], None] = lambda _code: None,
    ) -> None:
        self._on_waiting = on_waiting
        self._waiting_for: str | None = None
        self._job = job
        self._volume = volume
        self._spool = spool
        self._desk = desk
        self._copier = copier
        self._sealer = sealer
        self._turns = turns
        self._board = board
        self._station = station
        self._clock = clock
        self._patience = patience
        self._settings = settings
        self._outcome = PullOutcome()
        self._last: deque[_Candidate] = deque()  # hardly readable: when nothing else is to be had

    def pull(self, files: Sequence[ListedFile], *, looked_mono: float) -> PullOutcome:
        """Take what can be taken; `looked_mono` is when the files were listed.

        Raises:
            VolumeGoneError: the recorder went away; finished files are safe, the copy under way is kept.
            StopRequestedError: told to stop; the same.
            SpoolWriteError: our own disk fails.
        """
        self._outcome = PullOutcome()
        ready = deque(_Candidate(file, Look(stamp=_stamp_of(file), mono=looked_mono)) for file in files)
        waiting: list[_Candidate] = []
        self._last.clear()
        while ready or waiting or self._last:
            if not ready and not (waiting and self._wait(ready, waiting)):
                if not self._last:
                    break
                ready.append(self._last.popleft())
            while ready:
                candidate = ready.popleft()
                if self._try(candidate):
                    waiting.append(candidate)
        for candidate in waiting:
            self._outcome.left[candidate.file.raw_path] = Left.NO_ROOM
        return self._outcome

    def _wait(self, ready: "deque[_Candidate]", waiting: list[_Candidate]) -> bool:
        """Move what is due to `ready`, waiting for the first if need be; False if nobody is to be waited for."""
        if not self._settings.wait_for_room and all(each.waits_for == NoRoomError.code for each in waiting):
            return False
        while (first_mono := min(each.due_mono for each in waiting)) > self._clock.mono():
            codes = {each.waits_for for each in waiting}
            self._show_waiting(NoRoomError.code if NoRoomError.code in codes else min(codes))
            self._volume.check_present()
            nap = first_mono - self._clock.mono()
            self._stop_if_told(self._patience.wait(min(max(nap, _SHORTEST_NAP_SECONDS), _LONGEST_NAP_SECONDS)))
        now_mono = self._clock.mono()
        ready.extend(each for each in waiting if each.due_mono <= now_mono)
        waiting[:] = [each for each in waiting if each.due_mono > now_mono]
        return True

    def _try(self, candidate: _Candidate) -> bool:
        """Try one file; True if it has to wait."""
        self._stop_if_told(self._patience.is_set())
        try:
            if not self._is_quiet(candidate):
                return self._look_again_later(candidate)
            item = self._safe_item(candidate)
            if item is None or item.flawed:
                self._copy(candidate, flawed=item)
            else:
                self._sealer.put(MetAgain(listed=candidate.file, asset_id=item.asset_id))
                self._board.finish_file(candidate.file.size_bytes)
        except PutOffError:
            self._board.give_up_file()
            candidate.most_bad_seconds = math.inf
            self._last.append(candidate)
        except ChangedWhileReadError:
            self._board.give_up_file()
            candidate.look = Look(stamp=self._stamp_now(candidate.file), mono=self._clock.mono())
            return self._look_again_later(candidate, changed=True)
        except NoRoomError:
            self._board.give_up_file()
            candidate.waits_for = NoRoomError.code
            candidate.due_mono = self._clock.mono() + self._settings.room_look_seconds
            return True
        except UnsafePathError as error:
            self._leave(candidate.file, Left.UNREADABLE, UNREADABLE_FILE, str(error))
        except FileNotFoundError:
            self._volume.check_present()
            self._leave(candidate.file, Left.VANISHED, VANISHED, "gone before it was read")
        except OSError as error:
            return self._try_again_or_leave(candidate, error)
        return False

    def _try_again_or_leave(self, candidate: _Candidate, error: OSError) -> bool:
        """A file that could not be opened is tried three times: a loose contact often mends."""
        refuse_if_exhausted(error)
        self._volume.check_present()
        if error.errno in GONE:
            raise VolumeGoneError(self._volume.place, f"the device does not answer ({error.strerror})") from error
        if candidate.failures < len(RETRY_PAUSES):
            candidate.due_mono = self._clock.mono() + RETRY_PAUSES[candidate.failures]
            candidate.failures += 1
            candidate.waits_for = UNREADABLE_FILE
            return True
        self._leave(candidate.file, Left.UNREADABLE, UNREADABLE_FILE, error.strerror or "cannot be read")
        return False

    def _is_quiet(self, candidate: _Candidate) -> bool:
        """Look at the file (again); True if it may be taken, else `candidate` holds the newest look."""
        now = Look(stamp=self._stamp_now(candidate.file), mono=self._clock.mono())
        settled = compare(candidate.look, now, self._settings.settle)
        if settled is Settled.CHANGED:
            candidate.look = now
            candidate.file = restamped(candidate.file, now.stamp)
            candidate.look_count += 1
            return False
        return settled is Settled.YES or is_old(now.stamp, now=self._clock.now(), rule=self._settings.settle)

    def _look_again_later(self, candidate: _Candidate, *, changed: bool = False) -> bool:
        if changed:
            candidate.look_count += 1
            candidate.file = restamped(candidate.file, candidate.look.stamp)
        if candidate.look_count > self._settings.settle.most_looks:
            self._outcome.left[candidate.file.raw_path] = Left.GROWS
            self._find(STILL_GROWS, Severity.FAULT, candidate.file, {"looks": str(candidate.look_count)})
            return False
        candidate.due_mono = candidate.look.mono + self._settings.settle.quiet_seconds
        candidate.waits_for = STILL_GROWS
        return True

    def _safe_item(self, candidate: _Candidate) -> KnownItem | None:
        """Return the item of an earlier docking that this file is, if its bytes are safe (case 10: never by name).

        One with holes is returned only where there is no better one.
        """
        file, most_bad_seconds = candidate.file, candidate.most_bad_seconds
        items = self._desk.items.known(self._job.recorder_id, file.raw_path, _stamp_of(file))
        for item in sorted(items, key=attrgetter("flawed")):
            if is_safe(item, self._spool) and self._copier.looks_like(item, file, most_bad_seconds=most_bad_seconds):
                return item
        return None

    def _copy(self, candidate: _Candidate, *, flawed: KnownItem | None) -> None:
        """Copy a file; a copy that is no better than the `flawed` one of an earlier docking is not kept beside it."""
        file = candidate.file
        with self._turns.turn(self._patience) as turn:
            self._show_copying()
            self._board.begin_file(display_name(file.raw_path))
            pulled, part = self._copier.copy(
                file, on_block=self._on_block(turn), most_bad_seconds=candidate.most_bad_seconds
            )
        if flawed is not None and pulled.findings:
            self._copier.forget(part)
            self._sealer.put(MetAgain(listed=file, asset_id=flawed.asset_id))
        else:
            self._outcome.findings += pulled.findings
            self._outcome.pulled_bytes += pulled.size_bytes
            self._sealer.put(Copied(pulled=pulled, part=part))
        self._board.finish_file(file.size_bytes)

    def _show_waiting(self, code: str) -> None:
        if self._waiting_for != code:
            self._waiting_for = code
            self._on_waiting(code)
        self._board.change(SessionState.WAITING, waiting_for=code)

    def _show_copying(self) -> None:
        if self._waiting_for is not None:
            self._waiting_for = None
            self._on_waiting(None)
            self._board.change(SessionState.PULLING)

    def _on_block(self, turn: Turn) -> Callable[[int], None]:
        def moved_to(position: int) -> None:
            turn.moved_to(position)
            self._board.moved_to(position)
            self._stop_if_told(self._patience.is_set())

        return moved_to

    def _leave(self, file: ListedFile, why: Left, code: str, reason: str) -> None:
        """Give a file up for this docking, for people and in the log."""
        self._board.give_up_file()
        self._outcome.left[file.raw_path] = why
        self._find(code, Severity.FAULT, file, {"why": reason})
        with self._desk.transaction():
            if self._desk.items.is_said_missing(self._job.recorder_id, file.raw_path):
                return
            event = self._desk.say(
                footage_missing(
                    station=self._station,
                    session_id=self._job.session_id,
                    recorder_id=self._job.recorder_id,
                    raw_path=file.raw_path,
                    size_bytes=file.size_bytes,
                    mtime_ns=file.mtime_ns,
                    reason=f"{why.value}: {reason}",
                )
            )
            self._desk.items.said_missing(self._job.recorder_id, file.raw_path, seq=event.seq)

    def _find(self, code: str, severity: Severity, file: ListedFile, details: dict[str, str]) -> None:
        finding = Finding(code, severity, file_subject(self._job.recorder_id, file.raw_path), details)
        self._outcome.findings.append(finding)
        with self._desk.transaction():
            self._desk.find(finding)

    def _stamp_now(self, file: ListedFile) -> Stamp:
        status = self._volume.stat_file(file.raw_path)
        return Stamp(status.st_size, status.st_mtime_ns)

    def _stop_if_told(self, told: bool) -> None:
        if told:
            raise StopRequestedError("told to stop; finished files are sealed, the copy under way is kept")


def unfinished(left: Iterable[Left]) -> str | None:
    """Return the code of what a session still waits for, the most telling one; None if nothing."""
    reasons = set(left)
    if Left.DAMAGED in reasons:
        return DAMAGED_COPY  # first: no try of our own changes it
    if Left.NO_ROOM in reasons:
        return NoRoomError.code
    return STILL_GROWS if Left.GROWS in reasons else None


def _stamp_of(file: ListedFile) -> Stamp:
    return Stamp(file.size_bytes, file.mtime_ns)
