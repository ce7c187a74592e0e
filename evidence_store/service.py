"""One centre at work: the link brings messages, the sequencer logs them, the vault and the uploads work beside it.

The main thread is the sequencer. Messages wait in a bounded queue; when it is full the broker is held back. Answers
that cannot be sent now are dropped: a station sends again what has no receipt, and gets it then.
"""

import contextlib
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from chain_of_custody.envelope import MAX_WIRE_BYTES
from evidence_model.errors import EvidockError, RefusedError, UnavailableError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.messages import stamp_message
from evidence_model.topics import Channel, checkpoints_topic, parse_station_topic, stamps_topic, station_topic
from evidence_store.catalogue import Catalogue
from evidence_store.catalogue_chores import do_one_chore
from evidence_store.centre_book import CentreBook, Moment
from evidence_store.cosigning import Ask
from evidence_store.errors import LogFullError, VaultFullError
from evidence_store.examination import Batch
from evidence_store.fixity_events import FixityReport
from evidence_store.ledger import Ledger
from evidence_store.quorum_desk import WitnessMessage
from evidence_store.receipts import Answer
from evidence_store.reconcile import Reconciliation, reconciliation_done
from evidence_store.sealing import Sealing, log_sealed
from evidence_store.sequencer import Sequencer, Step
from evidence_store.time_desk import Stamped, authority_subject
from evidence_store.uploads import Uploads
from evidence_store.vault import Adopted, Rejected, Vault
from evidence_store.vault_worker import VaultWorker
from host_io import logs
from host_io.notify import Notifier

_LOG = logging.getLogger(__name__)
BATCH_MESSAGES = 512
QUEUE_MESSAGES = 8192
_PUT_SECONDS = 20.0
_WAIT_SECONDS = 1.0
_STOP_SECONDS = 2.0
_SENDING_PAUSE_SECONDS = 0.002
_MOMENT_SECONDS = 5.0
_CHORE_SHARE = 4  # under load a chore may take one part of its time in so many
_MAX_ANSWERS = 100_000

_STAMP_AGAIN_SECONDS = 300.0
Item: TypeAlias = (
    "tuple[str, bytes] | WitnessMessage | Adopted | Rejected | Finding"
    " | Reconciliation | FixityReport | Stamped | Sealing"
)


class Link(Protocol):
    """What the service needs of the MQTT link."""

    @property
    def connected(self) -> bool:
        """Whether anybody can hear us now."""
        ...

    @property
    def room(self) -> int:
        """How many messages may be published now."""
        ...

    def publish(self, topic: str, payload: bytes) -> object:
        """Send a message; whether it arrives is not promised."""
        ...


class Inbox:
    """Everything that reaches the sequencer, in the order of arrival."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Item] = queue.Queue(QUEUE_MESSAGES)
        self.dropped_count = 0

    def message(self, topic: str, payload: bytes) -> None:
        """Take a message of a station; holds the broker back while the queue is full, and drops it after a while."""
        try:
            # What is longer than any event is refused for that; thousands of them, whole, would be our memory.
            self._queue.put(_sorted(topic, payload[: MAX_WIRE_BYTES + 1]), timeout=_PUT_SECONDS)
        except queue.Full:
            self.dropped_count += 1  # the station still holds it

    def put(self, item: Item) -> None:
        """Take what this program itself found out; never dropped."""
        self._queue.put(item)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing waits."""
        return self._queue.empty()

    def take(self, *, wait_seconds: float) -> list[Item]:
        """Return what is there, at least one thing unless nothing came in time."""
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._queue.get(timeout=wait_seconds))
            while len(items) < BATCH_MESSAGES:
                items.append(self._queue.get_nowait())
        return items


def _sorted(topic: str, payload: bytes) -> Item:
    """Return a witness's answer as such; all else is an event, or is refused as one."""
    try:
        address = parse_station_topic(topic)
    except (RefusedError, ValueError):
        return topic, payload
    return WitnessMessage(address.station, payload) if address.channel is Channel.COSIGNATURES else (topic, payload)


class Outlet:
    """Signed answers on their way to the link, as many at a time as it has room for."""

    def __init__(self, link: Link, site: SourceId, *, ask_outside: Callable[[Ask], None]) -> None:
        self._link = link
        self._ask_outside = ask_outside
        self._site = site
        self._waiting: deque[Answer] = deque(maxlen=_MAX_ANSWERS)

    def add(self, answers: list[Answer]) -> None:
        """Take answers; the oldest are dropped when far too many wait."""
        self._waiting.extend(answers)

    @property
    def is_up(self) -> bool:
        """Say whether stations can hear us."""
        return self._link.connected

    def flush(self) -> bool:
        """Send what the link has room for; True if something still waits. While it is down, answers are dropped."""
        if not self._link.connected:
            self._waiting.clear()  # stations ask again when we are back, and get an answer under a newer checkpoint
        room = self._link.room
        while self._waiting and room > 0:
            answer = self._waiting.popleft()
            self._link.publish(station_topic(self._site, answer.station, answer.channel), answer.payload)
            room -= 1
        return bool(self._waiting)

    def ask(self, ask: Ask) -> None:
        """Send a request to a witness; what is lost is asked again."""
        if ask.witness.url:
            self._ask_outside(ask)
        elif self._link.room > 0:
            topic = station_topic(self._site, SourceId(ask.witness.name), Channel.WITNESS)
            self._link.publish(topic, ask.body)

    def stamp(self, token: bytes) -> None:
        """Tell everybody of the newest time stamp; a station that is away hears of it when it is told again."""
        if self._link.room > 0:
            self._link.publish(stamps_topic(self._site), stamp_message(token))

    def checkpoint(self, note: bytes) -> None:
        """Tell everybody the newest checkpoint: for stations also the sign that the centre is there."""
        if self._link.room > 0:
            self._link.publish(checkpoints_topic(self._site), note)


class StoreService:
    """The loop of the store; everything it uses is built and handed in by `main`."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        ledger: Ledger,
        catalogue: Catalogue,
        book: CentreBook,
        vault: Vault,
        uploads: Uploads,
        inbox: Inbox,
        outlet: Outlet,
        clock: Clock,
        notifier: Notifier,
        reload_trust: Callable[[], None],
    ) -> None:
        self._sequencer = sequencer
        self._ledger = ledger
        self._catalogue = catalogue
        self._book = book
        self._vault = vault
        self._uploads = uploads
        self._inbox = inbox
        self._outlet = outlet
        self._clock = clock
        self._notifier = notifier
        self._reload_trust = reload_trust
        self.worker = VaultWorker(vault, clock, on_result=inbox.put, on_finding=inbox.put)
        self._again: list[Item] = []  # what the vault found out while the disk was full
        self._next: tuple[list[Item], Batch] | None = None  # being looked at while the one before is logged
        self._greet = threading.Event()
        self._pause = threading.Event()  # never set: waiting on it is a pause
        self._logged_count = 0
        self._receipt_count = 0
        self._problem = ""
        self._is_vault_full = False
        self._chore_after = 0.0
        self._receipt_noted_at = 0.0
        self._stamp_again_at = float("-inf")
        self._unnoted_receipts = 0

    def greet(self) -> None:
        """Publish the newest checkpoint soon, because the link has come up."""
        self._greet.set()

    def report(self) -> dict[str, str]:
        """Return what `/healthz` says to everybody: the code of a problem, not the paths in its text."""
        return {
            "status": "waiting" if self._problem else "ok",
            "problem": self._problem,
            "link": "up" if self._outlet.is_up else "down",
            "logged": str(self._logged_count),
            "receipts": str(self._receipt_count),
        }

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; then what has come already is worked off, for a moment at most.

        Raises:
            DamageError: the log contradicts itself; nothing more is signed.
        """
        with contextlib.suppress(sqlite3.Error):  # the disk may be full
            self._book.clear_about("log")  # an earlier run's trouble: the log is open, and its keys have signed
        self.worker.start()
        is_busy = False
        try:
            while not stop.is_set():
                self._notifier.alive()
                is_busy = self._turn(wait_seconds=0.0 if is_busy else _WAIT_SECONDS)
            # The broker has our word for what waits here and keeps none of it: stations would ask in vain for a while.
            until = self._clock.mono() + _STOP_SECONDS
            while (self._next is not None or not self._inbox.is_empty) and self._clock.mono() < until:
                self._turn(wait_seconds=0.0)
        finally:
            self.worker.stop()

    def _turn(self, *, wait_seconds: float) -> bool:
        """Do what is there to do; True if there is more at once."""
        items, batch = self._next or self._gather(wait_seconds)
        self._next = None if self._inbox.is_empty else self._gather(0.0)
        step = self._take(items, batch)
        self._outlet.add(step.answers)
        if step.new_note is not None or self._greet.is_set():
            self._greet.clear()
            self._stamp_again_at = float("-inf")
            public = self._ledger.public()
            if public is not None:
                self._outlet.checkpoint(public.note)
        self._tell_of_stamp()
        for ask in step.asks:
            self._outlet.ask(ask)
        is_sending = self._outlet.flush()
        if step.look_into_incoming:
            self.worker.wake()
        has_chores = self._spend_spare_time(is_loaded=len(items) > 1)
        if is_sending and not items:
            self._pause.wait(_SENDING_PAUSE_SECONDS)  # for acknowledgements, which make room for more
        return bool(items) or self._next is not None or is_sending or has_chores

    def _tell_of_stamp(self) -> None:
        """Say again now and then which the newest time stamp is, and at once when there is a newer one."""
        if self._clock.mono() < self._stamp_again_at:
            return
        self._stamp_again_at = self._clock.mono() + _STAMP_AGAIN_SECONDS
        token = self._sequencer.newest_stamp()
        if token is not None:
            self._outlet.stamp(token)

    def _gather(self, wait_seconds: float) -> tuple[list[Item], Batch]:
        items = self._again + self._inbox.take(wait_seconds=wait_seconds)
        self._again = []
        return items, self._sequencer.begin([item for item in items if isinstance(item, tuple)])

    def _take(self, items: list[Item], batch: Batch) -> Step:
        """Let the sequencer take one batch; what the disk has no room for is with its station and comes again."""
        try:
            self._reload_trust()
            for item in items:
                self._take_note(item)
            step = self._sequencer.finish(
                batch,
                [item for item in items if isinstance(item, Adopted | Rejected)],
                [item for item in items if isinstance(item, WitnessMessage)],
            )
        except (UnavailableError, sqlite3.OperationalError, OSError) as error:
            self._stumble(error)
            self._again += [item for item in items if isinstance(item, Adopted | Rejected)]
            self._pause.wait(_WAIT_SECONDS)
            return Step()
        if self._problem:
            logs.event(_LOG, "store.recovered")
            self._book.clear_about("log")
            self._problem = ""
        self._logged_count += step.logged_count
        self._receipt_count += step.receipt_count
        self._unnoted_receipts += step.receipt_count
        return step

    def _take_note(self, item: Item) -> None:
        match item:
            case Finding():
                self._is_vault_full = self._is_vault_full or item.code == VaultFullError.code
                self._book.note(item)
            case Rejected():
                self._uploads.refused(item.digest)
            case Reconciliation():
                trust = self._sequencer.trusted
                self._sequencer.say(reconciliation_done(item, site=trust.site, centre=trust.centre.id))
                self._book.happened(Moment.RECONCILIATION)
            case FixityReport():
                item.say(self._sequencer.say, self._book)
            case Stamped():
                for code in item.cured:
                    self._book.clear(code, authority_subject(item.stamp.authority))
                self._sequencer.heard_stamp(item.stamp)
                if item.is_new:
                    self._book.happened(Moment.STAMP)
                self._stamp_again_at = float("-inf")
            case Sealing():
                self._sequencer.say(log_sealed(item, self._sequencer.trusted.centre.id))
            case _:
                return

    def _stumble(self, error: Exception) -> None:
        """Say once that something is missing (room, a token); the work goes on when it is there again."""
        code = error.code if isinstance(error, EvidockError) else LogFullError.code
        if not self._problem:
            logs.event(_LOG, "store.waiting", level=logging.ERROR, code=code, problem=str(error))
            self._notifier.status(str(error))
        if code != self._problem:
            with contextlib.suppress(sqlite3.Error):  # the same disk may hold the book
                self._book.clear_about("log")
                self._book.note(Finding(code, Severity.FAULT, "log"))
        self._problem = code

    def _spend_spare_time(self, *, is_loaded: bool) -> bool:
        """Do one chore if there is time; True if there is more to do at once."""
        started = self._clock.mono()
        if is_loaded and started < self._chore_after:
            return True
        try:
            if self._unnoted_receipts and started - self._receipt_noted_at > _MOMENT_SECONDS:
                self._book.happened(Moment.RECEIPT)
                self._receipt_noted_at, self._unnoted_receipts = started, 0
            if self._is_vault_full and self._vault.has_room():
                self._book.clear(VaultFullError.code, str(self._vault.root))
                self._is_vault_full = False
            worked = do_one_chore(self._catalogue, self._vault, on_finding=self._book.note)
        except (sqlite3.OperationalError, OSError) as error:
            self._stumble(error)
            return False
        now = self._clock.mono()
        self._chore_after = now + (now - started) * _CHORE_SHARE
        return worked
