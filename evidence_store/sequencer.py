"""The one thread that appends to the log: messages and verified blobs in, receipts and refusals out.

One step: note what the vault verified → examine and admit messages → the centre signs what it has to say itself (its
own chain in centre.db, committed) → one batch into the ledger (durable) → catalogue → receipts. Whatever dies between
two of these, the next start finds it: signed but unlogged events of the centre are sequenced again, the catalogue
catches up with the log, stations send again what has no receipt.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.envelope import parse_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.leaf import leaf_from_parts
from chain_of_custody.receipt import VerifiedReceipt
from chain_of_custody.signatures import Signer
from chain_of_custody.time_stamp import Stamp
from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.topics import Channel
from evidence_store.catalogue import BODY_MAKES_NO_SENSE, Catalogue, KnownEvent
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.centre_book import CentreBook
from evidence_store.cosigning import Ask
from evidence_store.erased_bodies import ErasedBodies
from evidence_store.errors import BlobDamagedError, CentreJournalLostError, TrustSetBackError, VaultReadError
from evidence_store.examination import Batch, Examination
from evidence_store.ledger import Ledger
from evidence_store.log_reader import LogReader
from evidence_store.own_facts import changes_of, key_enrolled, keys_of, store_received
from evidence_store.quorum_desk import QuorumDesk, WitnessMessage
from evidence_store.receipts import Answer, ReceiptDesk
from evidence_store.receive import Accepted, Admission, Examined, Keyring, Refused, Repeated
from evidence_store.stage import LogEntry
from evidence_store.vault import Adopted, Rejected, Vault
from host_io import logs
from host_io.signed_journal import NewFact, SignedJournal
from host_io.trust import Trust

_LOG = logging.getLogger(__name__)
_CATCH_UP_EVENTS = 1000
_OWN_BATCH = 500


@dataclass(slots=True)
class Step:
    """What one step brought about, for the service to send."""

    answers: list[Answer] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    logged_count: int = 0
    receipt_count: int = 0
    new_note: bytes | None = None
    look_into_incoming: bool = False  # an event names bytes that are not in the vault


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencerParts:
    """What a sequencer works with; its thread alone uses all of it but the vault and the executor."""

    ledger: Ledger
    reader: LogReader
    catalogue: Catalogue
    book: CentreBook
    journal: SignedJournal
    vault: Vault
    signer: Signer
    executor: Executor
    mono: Callable[[], float]


class Sequencer:
    """Appends to the log; see the module's text for the order of a step."""

    def __init__(self, parts: SequencerParts, trust: Trust) -> None:
        self._parts = parts
        self._trust = trust
        self.applied_size = 0  # how far the catalogue has come; other threads may read it
        self._keyring = Keyring.of(trust)
        self._examination = Examination(parts.catalogue, parts.executor)
        self._stamped_at: datetime | None = None
        self._desk = ReceiptDesk(parts.catalogue, parts.signer)
        self._quorum = QuorumDesk(parts.ledger, parts.book, trust.witnesses, mono=parts.mono)
        self._admission = Admission(
            head_of=parts.catalogue.head_of, is_logged=lambda event: parts.catalogue.find(event) is not None
        )

    def open(self) -> None:
        """Finish what an earlier run began, and enrol the keys that the log does not know yet.

        Raises:
            CentreJournalLostError: the centre's own journal is behind what it said in the log.
            TrustSetBackError: an older trust document came back; what was revoked meanwhile would count again.
        """
        if (newest := self._parts.book.newest_trust()) > self._trust.number:
            raise TrustSetBackError(f"trust.json is number {self._trust.number}; the log went by {newest} already")
        self._catch_up()
        self._check_own_chain()
        self._note_own_late()
        self._log_own()
        found = {digest for digest in self._parts.catalogue.awaited_blobs() if self._is_held(digest)}
        if found:
            logs.event(_LOG, "vault.found", count=len(found))
        self._say_received(None)
        self._enrol()
        self._log_own()

    @property
    def trusted(self) -> Trust:
        """Return the trust file it goes by."""
        return self._trust

    def trust(self, trust: Trust) -> None:
        """Go on with the next trust document; with the next step the log knows of it and of its keys."""
        self._trust = trust
        self._keyring = Keyring.of(trust)
        if trust.witnesses != self._quorum.policy:
            parts = self._parts
            parts.ledger.await_witnesses(trust.witnesses.needs_witnesses)
            self._quorum = QuorumDesk(parts.ledger, parts.book, trust.witnesses, mono=parts.mono)
        self._enrol()

    def parked_count(self) -> int:
        """Return how many events wait for earlier ones of their station."""
        return self._admission.parked_count()

    def begin(self, messages: Sequence[tuple[str, bytes]]) -> Batch:
        """Begin to look at messages (topic, payload), while an earlier batch may still be on its way into the log."""
        return self._examination.begin(messages, self._keyring)

    def step(self, messages: Sequence[tuple[str, bytes]], results: Sequence[Adopted | Rejected] = ()) -> Step:
        """Take in messages and what the vault found, and return what is to be sent; see `finish`."""
        return self.finish(self.begin(messages), results)

    def finish(
        self,
        batch: Batch,
        results: Sequence[Adopted | Rejected] = (),
        cosigned: Sequence[WitnessMessage] = (),
    ) -> Step:
        """Log a batch and what the centre has to say about what the vault found; return what is to be sent.

        `cosigned` are witnesses' answers: when they bring a checkpoint to its quorum it is shown, and the receipts that
        waited for it go out.

        Raises:
            UnavailableError: the disk is full; nothing of this step is receipted, the stations will send it again.
            DamageError: the log contradicts itself; nothing was signed.
        """
        try:
            return self._finish(batch, results, cosigned)
        except BaseException:
            self._admission.roll_back()
            raise

    def _finish(self, batch: Batch, results: Sequence[Adopted | Rejected], cosigned: Sequence[WitnessMessage]) -> Step:
        step = Step()
        self._parts.ledger.mend()
        self._catch_up()
        due = self._take_results(results, step)
        due.update((event.index, event) for event in batch.known)
        accepted = self._admit(batch, due, step)
        logged = self._append(accepted, step)
        due.update((event.index, event) for event in logged)
        found = {digest for event in logged for digest in self._look_for_blobs(event, step)}
        if self._say_received_of(found):
            self._append([], step)
        for message in cosigned:
            step.new_note = self._quorum.hear(message) or step.new_note
        for log, events in self._quorum.receiptable(due.values()):
            for event, receipt in self._desk.receipts(events, log):
                step.answers.append(Answer(event.source, Channel.RECEIPTS, receipt))
                step.receipt_count += 1
        step.asks = self._quorum.asks()
        return step

    def _catch_up(self) -> None:
        """Apply to the catalogue what the log has more; usually nothing."""
        catalogue, size = self._parts.catalogue, self._parts.ledger.size
        start = catalogue.applied_size
        if start == size:
            self.applied_size = size
            return
        bodies = ErasedBodies(self._trust.centre.id)
        events = bodies.read(self._parts.reader, start, size)
        while part := list(itertools.islice(events, _CATCH_UP_EVENTS)):
            catalogue.apply(part, without=bodies.lost.values())
        self.applied_size = size
        logs.event(_LOG, "catalogue.caught_up", applied_from=start, size=size)

    # Bytes -----------------------------------------------------------------------------------------------------------

    def _take_results(self, results: Iterable[Adopted | Rejected], step: Step) -> dict[int, KnownEvent]:
        """Note what the vault found out; return the events that may have their receipt now."""
        due: dict[int, KnownEvent] = {}
        for result in results:
            waiting = self._parts.catalogue.waiting_for(result.digest)
            if isinstance(result, Adopted):
                self._parts.catalogue.blob_verified(result)
                for code in (BlobDamagedError.code, VaultReadError.code):
                    self._parts.book.clear(code, f"sha256/{result.digest.hex}")
                self._say_received(result.digest)
                due.update((event.index, event) for event in waiting)
                continue
            details = {"found": result.found, "quarantined": result.quarantined.name}
            subject = f"sha256/{result.digest.hex}"
            self._parts.book.note(Finding(BlobDamagedError.code, Severity.FAULT, subject, details))
            for event in waiting:
                text = f"the bytes handed over for sha256 {result.digest.hex} are {result.found}; hand them over again"
                self._answer(Refused(BlobDamagedError.code, text, event.source, event.hash), step)
        return due

    def _is_held(self, digest: Digest) -> bool:
        held = self._parts.vault.held(digest)
        if held is not None:
            self._parts.catalogue.blob_verified(held)
        return held is not None

    def _look_for_blobs(self, event: KnownEvent, step: Step) -> list[Digest]:
        """Return which blobs of a new event are in the vault (bytes may come before the event that names them)."""
        found = []
        for need in self._parts.catalogue.blobs_of(event.index):
            if need.verified_at is not None or self._is_held(need.ref.digest):
                found.append(need.ref.digest)
            else:
                step.look_into_incoming = True
        return found

    # Messages --------------------------------------------------------------------------------------------------------

    def _admit(self, batch: Batch, due: dict[int, KnownEvent], step: Step) -> list[Examined]:
        """Return the events that follow in their chains; repeated ones are added to `due`."""
        accepted = []
        for examined in batch.results():
            if isinstance(examined, Refused):
                self._refuse(examined, step)
                continue
            if (refused := self._keyring.refusal(examined)) is not None:
                self._refuse(refused, step)
                continue
            for verdict in self._admission.admit(examined):
                if isinstance(verdict, Accepted):
                    accepted.append(verdict.examined)
                elif isinstance(verdict, Refused):
                    self._refuse(verdict, step)
                elif isinstance(verdict, Repeated) and (known := self._parts.catalogue.find(verdict.hash)):
                    due[known.index] = known
        return accepted

    def _refuse(self, refused: Refused, step: Step) -> None:
        subject = f"station/{refused.station}" if refused.station else "topic"
        logs.event(_LOG, "message.refused", level=logging.WARNING, code=refused.code, subject=subject, why=refused.text)
        self._parts.book.note(Finding(refused.code, Severity.FAULT, subject))
        if refused.evidence is not None:
            self._parts.book.keep_evidence(refused.evidence, refused.code)
        self._answer(refused, step)

    def _answer(self, refused: Refused, step: Step) -> None:
        answer = self._desk.refusal(refused)
        if answer is not None:
            step.answers.append(answer)

    # The log ---------------------------------------------------------------------------------------------------------

    def _append(self, accepted: Sequence[Examined], step: Step) -> list[KnownEvent]:
        """Log what the centre has signed and what was accepted; return the accepted ones with their places."""
        batch = [*self._own_unlogged(), *accepted]
        if not batch:
            return []
        appended = self._parts.ledger.append([each.entry for each in batch])
        # Power fails here: the events are in the log for good; the catalogue catches up at the next start.
        events = [
            LoggedEvent(index, each.hash, each.view) for index, each in enumerate(batch, start=appended.first_index)
        ]
        for finding in self._parts.catalogue.apply(events):
            self._parts.book.note(finding)
        self.applied_size = events[-1].index + 1
        self._admission.commit()
        own_count = len(batch) - len(accepted)
        self._note_own([(_known(event), event.view.source.seq) for event in events[:own_count]])
        step.logged_count += len(batch)
        if not self._quorum.policy.needs_witnesses:
            step.new_note = appended.note
        return [_known(event) for event in events[own_count:]]

    def _check_own_chain(self) -> None:
        head = self._parts.catalogue.head_of(self._trust.centre.id)
        if head is None:
            return
        own = self._parts.journal.find(head.envelope_hash)
        if own is None or own.seq != head.seq:
            raise CentreJournalLostError(
                f"centre.db does not hold event {head.seq} of {self._trust.centre.id}, which is in the log; restore it"
            )

    def _log_own(self) -> None:
        while self._append([], step := Step()) or step.logged_count:
            continue

    def _own_unlogged(self) -> list[Examined]:
        head = self._parts.catalogue.head_of(self._trust.centre.id)
        signed = self._parts.journal.waiting(after_seq=head.seq if head else 0, limit=_OWN_BATCH)
        result = []
        for event in signed:
            envelope = parse_envelope(event.raw)
            leaf = leaf_from_parts(envelope.checksum, event.leaf_signature, self._parts.signer.public_key)
            result.append(Examined(event.hash, parse_event(envelope), LogEntry(event.raw, leaf.to_bytes())))
        return result

    def _note_own(self, events: Sequence[tuple[KnownEvent, int]]) -> None:
        """Note in the centre's journal where its events stand; the head it remembers guards against a set-back log."""
        if not events:
            return
        log = self._parts.ledger.newest()
        checkpoint = open_checkpoint(log.note, log_key=self._trust.log_key)
        seq_of = {event.index: seq for event, seq in events}
        with self._parts.book.transaction():
            for event, receipt in self._desk.receipts([event for event, _ in events], log):
                verified = VerifiedReceipt(
                    event=event.hash,
                    leaf=log.leaf_hash(event.index),
                    index=event.index,
                    head=log.head,
                    checkpoint=checkpoint,
                    blob_verified_at=None,
                )
                self._parts.journal.receipt_verified(seq_of[event.index], receipt, verified)
            self._parts.book.forget_heads_below(log.head.size)

    def _note_own_late(self) -> None:
        """Note those that were logged right before the last run ended."""
        while waiting := list(self._parts.journal.waiting(limit=_OWN_BATCH)):
            logged = [(known, event.seq) for event in waiting if (known := self._parts.catalogue.find(event.hash))]
            if not logged:
                return
            self._note_own(logged)

    # What the centre says --------------------------------------------------------------------------------------------

    def say(self, fact: NewFact) -> None:
        """Sign something of the centre's own; it is logged with the next step."""
        self._parts.journal.append(fact)

    def heard_stamp(self, stamp: Stamp) -> None:
        """Remember a time stamp for the beacons of what the centre signs from now on, unless a younger one is known."""
        if self._stamped_at is None or stamp.at >= self._stamped_at:
            self._stamped_at = stamp.at
            self._parts.journal.remember_stamp(stamp.token)

    def newest_stamp(self) -> bytes | None:
        """Return the hash of the newest time stamp, if there is any."""
        return self._parts.journal.remembered_stamp()

    def _say_received_of(self, digests: Iterable[Digest]) -> bool:
        said = False
        for digest in digests:
            said = self._say_received(digest) or said
        return said

    def _say_received(self, digest: Digest | None) -> bool:
        """Sign `store.received` for items whose bytes are in the vault, once an item; False if there was nothing."""
        kind = EventKind.STORE_RECEIVED.value
        items = [
            item
            for item in self._parts.catalogue.unsaid_items(digest)
            if not self._parts.book.has_said(kind, item.asset_id)
        ]
        if items:
            with self._parts.book.transaction():
                for item in items:
                    try:
                        self._parts.journal.append(store_received(item, self._trust.centre.id))
                    except RefusedError as error:  # what its station says of it fits into no event of ours
                        details = {"error": str(error)[:200]}
                        subject = f"asset/{item.asset_id}"
                        self._parts.book.note(Finding(BODY_MAKES_NO_SENSE, Severity.FAULT, subject, details))
            # Power fails here: they are signed for good and logged after the next start.
        return bool(items)

    def _enrol(self) -> None:
        known = {(role, name, key) for role, name, key in self._parts.catalogue.enrolled_keys()}
        with self._parts.book.transaction():
            for role, name, key in keys_of(self._trust):
                fact = key_enrolled(role, name, key, self._trust)
                if (role, name, fact.subject.sha256.hex()) not in known:
                    self._parts.journal.append(fact)
            for fact in changes_of(self._trust):
                if fact.subject.sha256 not in self._parts.book.subjects_of(fact.kind.value):
                    self._parts.journal.append(fact)


def _known(event: LoggedEvent) -> KnownEvent:
    view = event.view
    return KnownEvent(event.index, event.hash, view.source.id, view.kind, view.asset.id if view.asset else None)
