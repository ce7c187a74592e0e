"""The main loop: reads the journal, publishes what the schedule says, and hears from the threads what became of it.

Truth is the journal; a touched `spool/wake`, the link and the centre's answers are hints that make it look sooner. All
state of this loop is made anew from the journal at each start, so it may be killed at any moment.
"""

import contextlib
import json
import logging
import os
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, Protocol

from chain_of_custody.witness import Refusal
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from evidence_model.topics import Channel, station_topic
from host_io.broker_access import broker_address, client_id, station_account
from host_io.config import HomeConfig, HomePaths
from host_io.logs import event
from host_io.mqtt import LinkState, MqttLink, PublishRefusedError
from host_io.notify import Notifier
from host_io.trust import Trust, read_trust
from host_io.witness_state import WitnessStateLostError
from ingest_daemon.alerts import LINK_REFUSED, SUSPECT, UNWITNESSED, WAITING, waiting_finding
from ingest_daemon.errors import told
from ingest_daemon.hand_over import HandOver
from ingest_daemon.hand_over_queue import HandOverQueue
from ingest_daemon.inbox import Inbox
from ingest_daemon.ledger import Ledger, Outgoing
from ingest_daemon.receipts import Heard
from ingest_daemon.schedule import Pace, Schedule
from ingest_daemon.tidy import Tidy
from ingest_daemon.watch import wake_hints
from ingest_daemon.witnessing import WitnessDesk, open_witness

_LOG = logging.getLogger(__name__)
_SCAN_SECONDS: Final = 2.0
_FULL_SCAN_SECONDS: Final = 60.0
_RESEND_LOOK_SECONDS: Final = 0.1
_SILENCE_SECONDS: Final = 30.0
_SHRUNK_WAIT_SECONDS: Final = 3.0
_UNWITNESSED_WAIT_SECONDS: Final = 10.0
_REFUSED_WAIT_SECONDS: Final = 600.0
_IN_FLIGHT: Final = 1000
_BATCH: Final = 200
_BLOBS_A_LOOK: Final = 1000
_JOIN_SECONDS: Final = 1.5


class _Part(Protocol):
    """A thread of the daemon."""

    def start(self) -> None: ...

    def stop(self, *, timeout_seconds: float) -> None: ...


class IngestService:
    """One station's ingest daemon; `run` returns when `stop` is set."""

    def __init__(
        self, paths: HomePaths, config: HomeConfig, *, clock: Clock, notifier: Notifier, pace: Pace | None = None
    ) -> None:
        self._paths = paths
        self._config = config
        self._clock = clock
        self._notifier = notifier
        self._station = config.station.id
        self._subject = f"station/{self._station}"
        self._events = station_topic(config.site, self._station, Channel.EVENTS)
        self._asked = station_topic(config.site, self._station, Channel.WITNESS)
        self._answered = station_topic(config.site, self._station, Channel.COSIGNATURES)
        self._witness: WitnessDesk | None = None
        self._pace = pace or Pace()
        self._mail: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._fatal: BaseException | None = None
        self._starved = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; `wake` makes the loop see that at once.

        Raises:
            NotTrustedError, TrustDamagedError, TrustMissingError, KeyMissingError, KeyOpenToOthersError: at the start.
            DatabaseDamagedError, DatabaseUnavailableError: station.db cannot be used.
        """
        trust = read_trust(self._paths.trust)
        account = station_account(self._paths, self._station)
        self._inbox = Inbox(
            paths=self._paths,
            trust=trust,
            site=self._config.site,
            station=self._station,
            clock=self._clock,
            on_heard=lambda heard: self._mail.put(partial(self._heard, heard)),
            on_fatal=self._fail,
        )
        self._link = MqttLink(
            address=partial(broker_address, self._paths, self._config.broker),
            account=account,
            client_id=client_id(account, self._config.site),
            subscriptions=(*self._inbox.topics, self._asked),
            on_message=self._sort,
            on_state=lambda state: self._mail.put(partial(self._link_turned, state)),
            presence_topic=station_topic(self._config.site, self._station, Channel.STATUS),
            in_flight=_IN_FLIGHT,
        )
        self._blobs = HandOverQueue(self._clock.mono)
        self._tidy = Tidy(paths=self._paths, clock=self._clock, on_fatal=self._fail)
        hand_over = HandOver(
            paths=self._paths,
            config=self._config,
            clock=self._clock,
            queue=self._blobs,
            on_complete=lambda seqs: self._mail.put(partial(self._bytes_are_there, seqs)),
            on_fatal=self._fail,
        )
        with Ledger(self._paths, self._clock) as ledger:
            self._ledger = ledger
            self._schedule = Schedule(self._pace, heard_to=ledger.heard_to(), jitter=_jitter)
            self._shown: dict[str, dict[str, str]] = {
                code: {} for code, _ in ledger.open_findings((WAITING, LINK_REFUSED, UNWITNESSED))
            }
            self._witness = self._open_witness(trust)
            self._begin()
            parts: list[_Part] = [self._inbox, self._tidy, hand_over, self._link]
            if self._witness is not None:
                parts.insert(0, self._witness)
            for part in parts:
                part.start()
            try:
                with wake_hints(self._paths, self._hint):
                    self._notifier.ready()
                    self._turn(stop)
            except (sqlite3.Error, OSError) as error:
                self._fatal = error
            finally:
                self._notifier.stopping()
                for part in reversed(parts):
                    part.stop(timeout_seconds=_JOIN_SECONDS)
        if self._fatal is not None:
            raise told(self._fatal)

    def wake(self) -> None:
        """Let the loop look at once; for signal handlers and threads."""
        self._mail.put(_nothing)

    def _open_witness(self, trust: Trust) -> WitnessDesk | None:
        """Return this station's witness, if it is to be one; the footage goes on with or without it."""
        try:
            witness = open_witness(
                self._paths,
                trust,
                self._station,
                clock=self._clock,
                on_suspect=lambda refusal: self._mail.put(partial(self._suspected, refusal)),
            )
        except WitnessStateLostError as error:
            event(_LOG, "witness.lost", level=logging.ERROR, code=error.code, problem=str(error))
            self._ledger.find(Finding(error.code, Severity.DAMAGE, self._subject))
            return None
        self._ledger.cure(WitnessStateLostError.code, self._subject)
        if witness is None:
            return None
        return WitnessDesk(witness, send=partial(self._link.publish, self._answered))

    def _sort(self, topic: str, payload: bytes) -> None:
        """On the link's thread: give a message to who reads it."""
        if topic != self._asked:
            self._inbox.put(topic, payload)
        elif self._witness is not None:
            self._witness.put(payload)

    def _suspected(self, refusal: Refusal) -> None:
        details = {"status": str(refusal.why.value), "cosigned_size": str(refusal.last_size)}
        self._ledger.find(Finding(SUSPECT, Severity.DAMAGE, f"site/{self._config.site}", details))

    def _begin(self) -> None:
        now = self._clock.mono()
        self._more = True
        self._read_to = 0
        self._blobs_read_to = 0
        self._all_blobs_due = True
        self._heard_at = now
        self._refused_since: float | None = None
        self._scan_at = self._full_scan_at = self._resend_at = now
        self._told = ""

    def _turn(self, stop: threading.Event) -> None:
        while not stop.is_set() and self._fatal is None:
            now = self._clock.mono()
            if now >= self._scan_at:
                self._scan(now)
            self._read_blobs()
            self._publish(now)
            self._work_off_mail(self._patience())

    def _patience(self) -> float:
        """Return how long nothing needs to be done if no mail comes."""
        until = min(self._scan_at, self._resend_at) if self._link.connected else self._scan_at
        return max(0.0, until - self._clock.mono())

    def _work_off_mail(self, timeout_seconds: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._mail.get(timeout=timeout_seconds)()
            while True:
                self._mail.get_nowait()()

    # What the loop does by itself

    def _scan(self, now: float) -> None:
        self._scan_at = now + _SCAN_SECONDS
        self._more = True
        if now >= self._full_scan_at:
            self._full_scan_at = now + _FULL_SCAN_SECONDS
            self._blobs_read_to = 0  # a copy may have been replaced
            self._all_blobs_due = True
            for seq in self._ledger.known_and_complete(heard_to=self._schedule.heard_to, limit=_BLOBS_A_LOOK):
                self._schedule.bytes_are_there(seq, now)
        self._look_after(now)

    def _read_blobs(self) -> None:
        """Offer the blobs of new envelopes to the lanes, link or no link."""
        while self._more or self._all_blobs_due:
            blobs = self._ledger.to_hand_over(after_seq=self._blobs_read_to, limit=_BLOBS_A_LOOK)
            self._blobs.offer(blobs)
            if len(blobs) < _BLOBS_A_LOOK:
                self._all_blobs_due = False
                self._blobs_read_to = blobs[-1].seq if blobs else self._blobs_read_to
                return
            self._blobs_read_to = blobs[-1].seq - 1  # its other blobs may stand on the next page

    def _publish(self, now: float) -> None:
        if not self._link.connected:
            return
        if now >= self._resend_at:
            for outgoing in self._ledger.outgoing_again(self._schedule.due(now, limit=self._link.room)):
                self._send(outgoing, now)
            self._resend_at = max(now + _RESEND_LOOK_SECONDS, self._schedule.next_due() or now + _FULL_SCAN_SECONDS)
        while self._more:
            room = min(self._schedule.room(), self._link.room, _BATCH)
            if room == 0:
                self._starved = True
                return
            page = self._ledger.outgoing(after_seq=self._read_to, limit=room)
            for outgoing in page:
                self._read_to = outgoing.seq
                if self._schedule.needs_sending(outgoing.seq, bytes_are_there=outgoing.bytes_are_there):
                    self._send(outgoing, now)
            self._more = len(page) == room

    def _send(self, outgoing: Outgoing, now: float) -> None:
        self._schedule.published(outgoing.seq, now, bytes_are_there=outgoing.bytes_are_there)
        self._look_for_resends(now + self._pace.first_wait_seconds)
        future = self._link.publish(self._events, outgoing.message)
        future.add_done_callback(partial(self._acknowledged, outgoing.seq))

    def _acknowledged(self, seq: int, future: "Future[None]") -> None:
        """On the network thread: only a hint that there is room, or that this message did not go out."""
        error = future.exception()
        if error is not None:
            self._mail.put(partial(self._not_sent, seq, error))
        elif self._starved:
            self._starved = False
            self._mail.put(_nothing)

    def _look_after(self, now: float) -> None:
        backlog = self._ledger.backlog()
        finding = waiting_finding(backlog, station=self._station, now=self._clock.now())
        if finding is None:
            self._cure(WAITING)
        else:
            self._show(finding)
        if self._refused_since is not None and now - self._refused_since > _SILENCE_SECONDS:
            details = {"reason": self._link.problem[:300]}
            self._show(Finding(LINK_REFUSED, Severity.FAULT, self._subject, details))
        state: dict[str, object] = {
            "pid": os.getpid(),
            "link": self._link.state.value,
            "problem": self._link.problem,
            "waiting": backlog.count,
            "on_their_way": self._schedule.on_their_way,
            "blobs": len(self._blobs),
        }
        self._tell(state)
        self._notifier.alive()

    def _tell(self, state: dict[str, object]) -> None:
        """Say how it stands in run/ingest.json and to systemd, when it has changed."""
        text = json.dumps(state)
        if text == self._told:
            return
        self._told = text
        part = self._paths.run / ".ingest.json.part"
        with contextlib.suppress(OSError):
            part.write_text(text)
            part.replace(self._paths.run / "ingest.json")
        self._notifier.status(f"link {state['link']}, {state['waiting']} waiting, {state['blobs']} blobs")

    # What the threads tell the loop

    def _hint(self) -> None:
        self._mail.put(self._look_for_more)

    def _look_for_more(self) -> None:
        self._more = True

    def _look_for_resends(self, at: float) -> None:
        self._resend_at = min(self._resend_at, at)

    def _link_turned(self, state: LinkState) -> None:
        now = self._clock.mono()
        if state is LinkState.UP:
            self._centre_may_be_back(now)
            self._more = True
            self._cure(LINK_REFUSED)
        self._refused_since = now if state is LinkState.REFUSED else None

    def _heard(self, heard: Heard) -> None:
        now = self._clock.mono()
        if heard.is_sign_of_life:
            if now - self._heard_at > _SILENCE_SECONDS:
                self._centre_may_be_back(now)
            self._heard_at = now
        for seq in heard.receipted:
            self._schedule.receipted(seq, now)
        for seq in heard.ask_again:
            self._schedule.ask_again(seq, now, seconds=_SHRUNK_WAIT_SECONDS)
            self._look_for_resends(now + _SHRUNK_WAIT_SECONDS)
        for seq in heard.unwitnessed:
            self._schedule.ask_again(seq, now, seconds=_UNWITNESSED_WAIT_SECONDS)
            self._look_for_resends(now + _UNWITNESSED_WAIT_SECONDS)
        if heard.unwitnessed:
            self._show(Finding(UNWITNESSED, Severity.FAULT, self._subject))
        elif heard.receipted:
            self._cure(UNWITNESSED)
        for seq in heard.refused:
            self._schedule.ask_again(seq, now, seconds=_REFUSED_WAIT_SECONDS)
            self._blobs.offer(self._ledger.lacking_for(seq))
        if heard.receipted:
            self._more = True
            self._tidy.receipted(heard.receipted)
            event(_LOG, "receipts.verified", count=len(heard.receipted), heard_to=self._schedule.heard_to)

    def _bytes_are_there(self, seqs: Sequence[int]) -> None:
        now = self._clock.mono()
        for seq in seqs:
            self._schedule.bytes_are_there(seq, now)
        self._look_for_resends(now + self._pace.first_wait_seconds)

    def _centre_may_be_back(self, now: float) -> None:
        self._schedule.centre_may_be_back(now)
        self._blobs.hurry()
        self._look_for_resends(now)

    def _not_sent(self, seq: int, error: BaseException) -> None:
        self._schedule.not_published(seq)
        self._read_to = min(self._read_to, seq - 1)
        if isinstance(error, PublishRefusedError):
            details = {"reason": str(error)[:300]}
            self._show(Finding(LINK_REFUSED, Severity.FAULT, self._subject, details))
        else:
            self._more = True

    def _show(self, finding: Finding) -> None:
        if self._shown.get(finding.code) != dict(finding.details):
            self._shown[finding.code] = dict(finding.details)
            self._ledger.find(finding)

    def _cure(self, code: str) -> None:
        if self._shown.pop(code, None) is not None:
            self._ledger.cure(code, self._subject)

    def _fail(self, error: BaseException) -> None:
        """From any thread: end the daemon with this error."""
        self._fatal = self._fatal or error
        self._mail.put(_nothing)


def _nothing() -> None:
    """Mail that only wakes the loop."""


def _jitter() -> float:
    return secrets.SystemRandom().uniform(0.8, 1.2)
