"""Which receipts may go out under which checkpoint, where checkpoints wait for their witnesses.

An event gets its receipt under the newest checkpoint that is shown. What is logged after it waits for the next one; if
that does not come, it gets a receipt that says so by itself: its checkpoint bears no quorum, the station keeps its
copies and asks again, nothing is freed, and people are told who is missing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chain_of_custody.errors import WitnessReplyRejectedError
from chain_of_custody.witness_policy import WitnessPolicy
from chain_of_custody.witness_wire import Answer, parse_reply
from evidence_model.findings import Finding, Severity
from evidence_store.catalogue import KnownEvent
from evidence_store.centre_book import CentreBook
from evidence_store.cosigning import Ask, Cosigning, Dissent
from evidence_store.errors import LogFullError
from evidence_store.ledger import Ledger, PublicLog

WITNESSES_MISSING: Final = "STO-095"
WITNESS_DISSENTS: Final = "STO-096"
PATIENCE_SECONDS: Final = 5.0
_MOST_WAITING: Final = 100_000  # what is dropped is sent again by its station
_WORSE: Final = frozenset({Answer.OTHER_OLD_SIZE, Answer.INCONSISTENT})  # it knows another history than ours


@dataclass(frozen=True, slots=True)
class WitnessMessage:
    """An answer, and by whom it says it is; only the cosignature in it proves that."""

    name: str
    payload: bytes


class QuorumDesk:
    """The witnesses' side of one sequencer; used by its thread."""

    def __init__(self, ledger: Ledger, book: CentreBook, policy: WitnessPolicy, *, mono: Callable[[], float]) -> None:
        self._ledger = ledger
        self._book = book
        self._mono = mono
        self._cosigning = Cosigning(policy, mono, self._dissents)
        self._waiting: dict[int, tuple[KnownEvent, float]] = {}  # by place in the log, since when
        self._unshown: bytes | None = None
        self._told: tuple[str, ...] | None = None  # of an earlier run something may still be told

    @property
    def policy(self) -> WitnessPolicy:
        """Return the policy it goes by."""
        return self._cosigning.policy

    def asks(self) -> list[Ask]:
        """Return what is to be sent to witnesses now."""
        self._show()  # if the disk had no room for it before
        return list(self._cosigning.asks(self._ledger.newest())) if self.policy.needs_witnesses else []

    def hear(self, message: WitnessMessage) -> bytes | None:
        """Take a witness's answer; return the checkpoint if it is shown now."""
        try:
            note = self._cosigning.hear(message.name, parse_reply(message.payload))
        except WitnessReplyRejectedError:
            self._dissents(Dissent(message.name, Answer.MALFORMED, ""))
            return None
        self._unshown = note or self._unshown
        return self._show()

    def _show(self) -> bytes | None:
        note = self._unshown
        if note is None:
            return None
        try:
            self._ledger.publish(note)
        except LogFullError:
            return None  # tried again with the next step
        self._unshown = None
        self._tell(())
        return note

    def receiptable(self, events: Iterable[KnownEvent]) -> Iterator[tuple[PublicLog, Sequence[KnownEvent]]]:
        """Yield which of these, and of those that waited, get their receipt now, and under which checkpoint."""
        if not self.policy.needs_witnesses:
            yield self._ledger.newest(), tuple(events)
            return
        now = self._mono()
        for event in events:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.setdefault(event.index, (event, now))
        public = self._ledger.public()
        if public is not None:
            yield public, self._take(lambda event, _: event.index < public.head.size)
        overdue = self._take(lambda _, since: now - since > PATIENCE_SECONDS)
        if overdue:
            self._tell(self._cosigning.missing())
            yield self._ledger.newest(), overdue

    def _take(self, wanted: Callable[[KnownEvent, float], bool]) -> Sequence[KnownEvent]:
        taken = [event for event, since in self._waiting.values() if wanted(event, since)]
        for event in taken:
            del self._waiting[event.index]
        return taken

    def _tell(self, missing: Sequence[str]) -> None:
        """Say who is missing, or that nobody is any more."""
        if tuple(missing) == self._told:
            return
        self._told = tuple(missing)
        self._book.clear(WITNESSES_MISSING, "log")
        if missing:
            details = {"quorum": self.policy.quorum, "missing": ", ".join(missing)[:300]}
            self._book.note(Finding(WITNESSES_MISSING, Severity.FAULT, "log", details))

    def _dissents(self, dissent: Dissent) -> None:
        severity = Severity.DAMAGE if dissent.answer in _WORSE else Severity.FAULT
        details = {"status": str(dissent.answer.value), "text": dissent.text}
        self._book.note(Finding(WITNESS_DISSENTS, severity, f"witness/{dissent.witness}"[:200], details))
