"""One stay of a recorder in a dock, from "something is there" to "everything on it is sealed".

identify → list → say what lay on it (`recorder.docked`) → pre-flight → pull → wait until the copies are read again →
say what is missing. Each step's outcome is committed before the next begins; a docking that was cut off anywhere is
simply done again, and finds most of its work done. Nothing here refuses footage except a profile that says that its
maker's dock is the only way (design.md, promise 2).
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from edge_agent.codes import DAMAGED_COPY, OF_A_LISTING
from edge_agent.continuity import OF_CONTINUITY, discontinuities, namesakes, shown_by
from edge_agent.copying import CopyLane
from edge_agent.errors import NoRoomError, OwnFolderError, SessionFailedError
from edge_agent.facts import file_subject, footage_missing, preflight_done, recorder_docked
from edge_agent.free import cure
from edge_agent.gaps import say_gaps
from edge_agent.identify import Identity, conflicts, identify, require_pullable
from edge_agent.journal import Desk
from edge_agent.listing import ListedFile, Listing, list_volume, listing_blob, pull_order
from edge_agent.one_file import FileCopier, Job
from edge_agent.ports import Patience, SourceVolume
from edge_agent.preflight import check
from edge_agent.preflight_facts import facts_for_preflight
from edge_agent.progress import Progress, ProgressBoard
from edge_agent.pull import Left, Puller, PullOutcome, unfinished
from edge_agent.seal import Sealed, Sealer
from edge_agent.session_book import SessionResult, SessionRow
from edge_agent.source import VolumeFiles
from edge_agent.station import Station
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import VolumeFacts, gather_facts
from evidence_model.errors import EvidockError, UnavailableError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, SessionId
from evidence_model.instants import unix_ms
from evidence_model.known import Known, Unknown
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.states import SessionState
from host_io import logs

_LOG = logging.getLogger("edge_agent.session")
_REREAD_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Docking:
    """What is docked where, and what is known of it from outside."""

    session_id: SessionId
    place: Path
    port_path: str | None = None
    udev: Mapping[str, str] = field(default_factory=dict)
    recorder: RecorderId | None = None  # given by a person
    open_files: Callable[[VolumeRoot], SourceVolume] = VolumeFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was found when the recorder came."""

    docked_at: datetime
    looked_mono: float
    facts: VolumeFacts
    identity: Identity
    listing: Listing

    @property
    def to_pull(self) -> list[ListedFile]:
        """Return the files that are taken."""
        return [file for file in self.listing.files if file.pulled]


class Session:
    """Does one docking; `run` is called once, from a thread of its own."""

    def __init__(
        self,
        station: Station,
        docking: Docking,
        *,
        patience: Patience,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._station = station
        self._docking = docking
        self._patience = patience
        self._clock = station.clock
        self._board = ProgressBoard(
            station.paths.run / "progress", docking.session_id, clock=station.clock, on_progress=on_progress
        )
        self._row = SessionRow(
            session_id=docking.session_id,
            place=bytes(docking.place),
            port_path=docking.port_path,
            started_unix_ms=unix_ms(station.clock.now()),
        )
        self._sealed: set[AssetId] = set()
        self._lost: list[ListedFile] = []
        self._listed_of: dict[AssetId, ListedFile] = {}

    def run(self) -> SessionResult:
        """Do the docking and return how it ended; what went wrong is in the result, not raised."""
        started = self._clock.mono()
        with self._station.journal.desk() as desk:
            self._write(desk)
            try:
                self._dock(desk)
            except NoRoomError as error:
                self._end(desk, SessionState.WAITING, error)
            except UnavailableError as error:  # something outside is missing: it goes on at the next try
                self._end(desk, SessionState.INTERRUPTED, error)
            except EvidockError as error:
                self._end(desk, SessionState.FAILED, error)
            except Exception as error:  # noqa: BLE001 - one docking must not take the others with it
                _LOG.exception("session.failed", extra={"fields": {"session": self._docking.session_id}})
                self._end(desk, SessionState.FAILED, SessionFailedError(f"{type(error).__name__}: {error}"))
            result = desk.sessions.result(self._docking.session_id)
        if result is None:
            raise AssertionError("a docking that was ended has a result")
        logs.event(
            _LOG,
            "session.ended",
            session=result.session_id,
            recorder=result.recorder_id,
            state=result.state.value,
            code=result.problem,
            file_count=len(result.files),
            size_bytes=result.bytes_pulled,
            took_ms=round((self._clock.mono() - started) * 1000),
        )
        return result

    def _dock(self, desk: Desk) -> None:
        self._refuse_own_folder()
        with VolumeRoot.open(self._docking.place) as volume, contextlib.ExitStack() as stack:
            seen = self._look(volume, stack)
            self._say_docked(desk, seen)
            self._say_preflight(desk, volume, seen)
            require_pullable(seen.identity)
            if seen.listing.complete:
                present = [file.raw_path for file in seen.listing.files]
                cure(self._station, desk, seen.identity.recorder_id, present, session_id=self._docking.session_id)
            self._say_missing(desk, seen)
            outcome = self._pull(desk, self._docking.open_files(volume), seen)
            say_gaps(
                desk,
                seen.listing,
                seen.identity.profile,
                station=self._station.journal.station,
                recorder_id=seen.identity.recorder_id,
                session_id=self._docking.session_id,
            )
        self._row.findings += [each for each in outcome.findings if each not in self._row.findings]
        code = unfinished(outcome.left.values())
        if code is not None:
            self._row.problem = code
            self._row.problem_text = f"{len(outcome.left)} files are left; they are taken at the next docking"
        self._end(desk, SessionState.PULLED if code is None else SessionState.WAITING, None)

    def _refuse_own_folder(self) -> None:
        place, home = self._docking.place.resolve(), self._station.paths.root.resolve()
        if home.is_relative_to(place) or place.is_relative_to(self._station.paths.spool.resolve()):
            raise OwnFolderError(str(place))

    def _look(self, volume: VolumeRoot, stack: contextlib.ExitStack) -> _Seen:
        """Identify the recorder, be its only docking until `stack` is left, and list what lies on it."""
        docked_at = self._clock.now()
        facts = gather_facts(volume, self._station.profiles, udev=self._docking.udev)
        identity = identify(
            facts, self._station.profiles, opt_in=self._station.opted_in, operator_id=self._docking.recorder
        )
        stack.enter_context(self._station.dockings.turn(identity.recorder_id, self._patience))
        listing = list_volume(volume, identity.profile)
        return _Seen(
            docked_at=docked_at,
            looked_mono=self._clock.mono(),
            facts=facts,
            identity=identity,
            listing=listing,
        )

    def _say_docked(self, desk: Desk, seen: _Seen) -> None:
        """Sign what lay on the recorder as it came; committed before a byte of footage is read."""
        data = listing_blob(seen.listing.files)
        identity = seen.identity
        last = desk.sessions.shown(identity.recorder_id)
        previous, before = last or (None, None)
        shown = shown_by(identity, seen.listing)
        known = desk.sessions.seen_identities()
        findings = (
            *identity.findings,
            *discontinuities(identity, before, shown),
            *conflicts(identity, known),
            *namesakes(identity, known),
            *seen.listing.findings,
        )
        self._board.recorder_id = identity.recorder_id
        self._board.files_total = len(seen.to_pull)
        self._board.bytes_total = sum(file.size_bytes for file in seen.to_pull)
        row = replace(
            self._row,
            findings=list(findings),
            recorder_id=identity.recorder_id,
            stamp_meaning=seen.facts.stamp_meaning,
            file_count=self._board.files_total,
            byte_count=self._board.bytes_total,
            state=SessionState.PULLING,
        )
        (digest,) = self._station.spool.place_blobs([data])
        # if power fails here: a blob that no record names, removed at start
        with desk.transaction():
            desk.sessions.meet(identity)
            together = before.then(shown) if before is not None else shown
            desk.sessions.show(identity.recorder_id, self._docking.session_id, together)
            desk.items.note_blob(
                digest, len(data), place=self._station.spool.place_of(digest), at_unix_ms=unix_ms(seen.docked_at)
            )
            self._note_findings(desk, seen, findings)
            event = desk.say(
                recorder_docked(
                    identity,
                    seen.listing,
                    BlobRef(BlobRole.LISTING, digest, len(data)),
                    station=self._station.journal.station,
                    session_id=self._docking.session_id,
                    docked_at=seen.docked_at,
                    port_path=self._port(seen.facts),
                    clock_offset_ms=Unknown("the clock of a disk cannot be read"),
                    findings=findings,
                    previous=previous if previous != self._docking.session_id else None,
                    counter=shown.counter,
                )
            )
            row.docked_seq = event.seq
            desk.sessions.write(row)
            desk.sessions.drop_old_lists(identity.recorder_id)
        self._row = row
        self._board.change(SessionState.PULLING)

    def _note_findings(self, desk: Desk, seen: _Seen, findings: Sequence[Finding]) -> None:
        """Keep for people what was found; what a listing of this recorder does not show any more is mended."""
        below = f"{seen.identity.recorder_id}/"
        listed = set()
        for finding in findings:
            if finding.code in OF_A_LISTING:
                finding = replace(finding, subject=f"{below}{finding.subject}")  # noqa: PLW2901 - as people find it
                listed.add(finding.subject)
            desk.find(finding)
        for code in OF_CONTINUITY:
            if not any(finding.code == code for finding in findings):
                desk.cure(code, seen.identity.recorder_id)
        for code in OF_A_LISTING if seen.listing.complete else ():
            desk.cure_all_but(code, listed, below=below)

    def _say_preflight(self, desk: Desk, volume: VolumeRoot, seen: _Seen) -> None:
        thresholds = self._station.pack.preflight
        preflight = check(
            facts_for_preflight(
                seen.identity,
                seen.facts,
                seen.listing,
                volume.usage(),
                thresholds,
                docked_at=seen.docked_at,
                pending=desk.items.unpulled(seen.identity.recorder_id, seen.to_pull),
            ),
            thresholds,
        )
        row = replace(self._row, verdict=preflight.verdict.value)
        with desk.transaction():
            event = desk.say(
                preflight_done(
                    preflight,
                    station=self._station.journal.station,
                    session_id=self._docking.session_id,
                    recorder_id=seen.identity.recorder_id,
                )
            )
            row.preflight_seq = event.seq
            desk.sessions.write(row)
        self._row = row

    def _say_missing(self, desk: Desk, seen: _Seen) -> None:
        """Say which files, seen at an earlier docking, went away before they were copied; then await today's."""
        recorder_id = seen.identity.recorder_id
        present = {file.raw_path for file in seen.listing.files}
        with desk.transaction():
            for awaited in desk.items.awaited(recorder_id) if seen.listing.complete else ():
                if awaited.raw_path in present:
                    continue
                event = desk.say(
                    footage_missing(
                        station=self._station.journal.station,
                        session_id=self._docking.session_id,
                        recorder_id=recorder_id,
                        raw_path=awaited.raw_path,
                        size_bytes=awaited.stamp.size_bytes,
                        mtime_ns=awaited.stamp.mtime_ns,
                        reason="seen at an earlier docking, gone from the recorder before it was copied",
                    )
                )
                desk.items.said_missing(recorder_id, awaited.raw_path, seq=event.seq)
            desk.items.await_files(
                recorder_id, self._docking.session_id, desk.items.unpulled(recorder_id, seen.to_pull)
            )

    def _pull(self, desk: Desk, volume: SourceVolume, seen: _Seen) -> PullOutcome:
        station, settings = self._station, self._station.settings
        job = Job(
            recorder_id=seen.identity.recorder_id,
            session_id=self._docking.session_id,
            profile=seen.identity.profile,
        )
        sealer = Sealer(
            station.journal,
            station.spool,
            job.session_id,
            on_sealed=self._on_sealed,
            patience=self._patience,
            on_waiting=self._show_sealing_waits,
            room_look_seconds=settings.pull.room_look_seconds if settings.pull.wait_for_room else None,
        )
        began = self._clock.mono()
        try:
            with CopyLane() as lane:
                copier = FileCopier(
                    job,
                    volume=volume,
                    spool=station.spool,
                    desk=desk,
                    lane=lane,
                    clock=self._clock,
                    patience=self._patience,
                    checkpoint_seconds=settings.pull.checkpoint_seconds,
                    with_sm3=station.makes_sm3(desk),
                )
                puller = Puller(
                    job,
                    volume=volume,
                    spool=station.spool,
                    desk=desk,
                    copier=copier,
                    sealer=sealer,
                    turns=station.turns,
                    board=self._board,
                    station=station.journal.station,
                    clock=self._clock,
                    patience=self._patience,
                    settings=settings.pull,
                    on_waiting=lambda code: self._show_waiting(desk, code),
                )
                outcome = puller.pull(pull_order(seen.listing.files), looked_mono=seen.looked_mono)
                sealer.flush()
                self._row.pull_ms = round((self._clock.mono() - began) * 1000)
                for _ in range(settings.anew_rounds):
                    if not (again := [*self._take_lost(), *self._damaged()]):
                        break
                    more = puller.pull(again, looked_mono=seen.looked_mono)
                    sealer.flush()
                    outcome.findings += more.findings
                    outcome.left |= more.left
                else:
                    self._leave_to_people(job, outcome)
            sealer.finish()
        except BaseException:
            with contextlib.suppress(EvidockError):
                sealer.finish()  # what was copied whole before an interruption is sealed all the same
            raise
        return outcome

    def _on_sealed(self, sealed: Sealed) -> None:
        """Called by the sealer's thread after its commit."""
        if sealed.lost:
            self._lost.append(sealed.listed)
            return
        self._listed_of[sealed.asset_id] = sealed.listed
        self._row.pulled_byte_count += sealed.size_bytes
        if sealed.to_reread:
            self._sealed.add(sealed.asset_id)
            self._station.rereader.put(sealed.asset_id)

    def _leave_to_people(self, job: Job, outcome: PullOutcome) -> None:
        """Note which copies are still not right: pulling them ever again would only wear out the disk, and fill it."""
        outcome.left |= {file.raw_path: Left.NO_ROOM for file in self._take_lost()}
        for file in self._damaged():
            outcome.left[file.raw_path] = Left.DAMAGED
            subject = file_subject(job.recorder_id, file.raw_path)
            outcome.findings.append(Finding(DAMAGED_COPY, Severity.DAMAGE, subject))

    def _take_lost(self) -> list[ListedFile]:
        lost, self._lost = self._lost, []
        return lost

    def _damaged(self) -> Sequence[ListedFile]:
        """Wait until the copies of this docking were read again; return the files whose copy was not right."""
        deadline = self._clock.mono() + self._station.settings.reread_seconds
        while not self._station.rereader.wait_for(set(self._sealed), seconds=_REREAD_LOOK_SECONDS):
            self._board.show()
            if self._patience.is_set() or self._clock.mono() >= deadline:
                return ()  # all is sealed; what was not read again yet is read after the next start
        return [self._listed_of[each] for each in self._station.rereader.take_damaged(set(self._sealed))]

    def _show_waiting(self, desk: Desk, code: str | None) -> None:
        """Keep in station.db that the session waits for something, so that people see it there too."""
        self._row.state = SessionState.WAITING if code else SessionState.PULLING
        self._row.problem = code
        self._row.problem_text = str(code) if code == NoRoomError.code else None
        self._write(desk)

    def _show_sealing_waits(self, code: str | None) -> None:
        """Show in the view alone, called by the sealer's thread, that the disk is full: station.db may be so, too."""
        self._board.change(SessionState.WAITING if code else SessionState.PULLING, waiting_for=code)

    def _port(self, facts: VolumeFacts) -> "Known[str] | Unknown":
        return Known(self._docking.port_path) if self._docking.port_path else facts.port_path

    def _end(self, desk: Desk, state: SessionState, error: EvidockError | None) -> None:
        self._row.state = state
        if error is not None:
            self._row.problem = error.code
            self._row.problem_text = str(error)
        elif state is SessionState.PULLED:
            self._row.problem = self._row.problem_text = None
        self._row.ended_unix_ms = unix_ms(self._clock.now())
        self._write(desk)
        self._board.change(state, waiting_for=self._row.problem)

    def _write(self, desk: Desk) -> None:
        with desk.transaction():
            desk.sessions.write(self._row)
