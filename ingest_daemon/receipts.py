"""What the centre says to us: receipts, refusals, checkpoints. Believed only with the right signatures and proofs.

A message may come five times, late, out of order, or from a forger; what is noted is the same each time. A receipt is
noted in one transaction with the log head that it proves. A log that shows a smaller size than before is not believed,
but one old message late on its way is no finding: the centre is asked again, and if it keeps to the smaller size for
half a minute, somebody has set the log back. Once a log was seen with two trees of one size, no receipt of it is
believed any more until a person has looked.
"""

import contextlib
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.errors import LogForkedError, LogShrunkError, ReceiptMismatchError, ReceiptUnwitnessedError
from chain_of_custody.leaf import leaf_from_parts
from chain_of_custody.receipt import VerifiedReceipt, check_head, verify_receipt
from chain_of_custody.refusal import verify_refusal
from chain_of_custody.tree import TreeHead
from evidence_model.errors import EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.messages import read_stamp_message
from host_io.logs import event
from host_io.trust import Trust
from ingest_daemon.errors import BytesNotVerifiedError, NotTrustedError
from ingest_daemon.ledger import Ledger

_LOG = logging.getLogger(__name__)
_EVENT = re.compile(rb'"event":"([0-9a-f]{64})"')
_HEADS_KEPT = 1000
_SHRUNK_TIMES = 3
_SHRUNK_SECONDS = 30.0

FORKED = "ING-003"
SHRUNK = "ING-004"
NOT_BELIEVED = "ING-005"
REFUSED = "ING-006"
LOGGED_TWICE = "ING-007"


@dataclass(slots=True)
class Heard:
    """What some messages of the centre came to."""

    receipted: list[int] = field(default_factory=list)
    """Numbers of envelopes that now have a receipt, those that had one before left out."""
    ask_again: list[int] = field(default_factory=list)
    """Their receipt was from an older log than we know."""
    unwitnessed: list[int] = field(default_factory=list)
    """Their receipt is right but for the witnesses, whom it awaits."""
    refused: list[int] = field(default_factory=list)
    not_believed: int = 0
    is_sign_of_life: bool = False
    """Something of it was signed by our centre or our log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addressed:
    """A receipt, with the envelope that it says it is about."""

    seq: int
    event: bytes
    leaf: bytes
    log_index: int | None
    has_blobs: bool
    is_noted: bool


class ReceiptDesk:
    """Checks and notes what comes from the centre; used by one thread."""

    def __init__(self, ledger: Ledger, *, trust: Trust, station: SourceId, clock: Clock) -> None:
        own = trust.station(station)
        if own is None:
            raise NotTrustedError(f"trust.json does not name {station}; run `evidock init`, or enrol this station")
        self._ledger = ledger
        self._trust = trust
        self._own_key = own.key
        self._station = station
        self._clock = clock
        self._heads = _known_heads(ledger)
        self._shrunk_count = 0
        self._shrunk_since = 0.0

    def receipts(self, messages: Sequence[bytes]) -> Heard:
        """Verify receipts, and note all good ones in one transaction; after return they are noted for good."""
        heard = Heard()
        if self._ledger.stands(FORKED):
            heard.not_believed = len(messages)
            return heard
        verified: list[tuple[int, bytes, VerifiedReceipt]] = []
        for message in dict.fromkeys(messages):
            self._read_receipt(message, verified, heard)
        with self._ledger.transaction():
            for seq, message, receipt in verified:
                if self._ledger.journal.receipt_verified(seq, message, receipt):
                    heard.receipted.append(seq)
                    self._ledger.cure(REFUSED, f"event/{seq}")
        return heard

    def checkpoint(self, note: bytes) -> bool:
        """Remember a checkpoint if it is new, for good; False if it cannot be believed."""
        try:
            head = open_checkpoint(note, log_key=self._trust.log_key).head()
            self._check(head)
        except LogShrunkError:
            self._seen_shrunk(head)
            return False
        except LogForkedError as error:
            self._forked(error)
            return False
        except RefusedError as error:
            self._not_believed("checkpoint", error)
            return False
        if head.size > 0 and head.size not in self._heads:
            self._ledger.journal.remember(head, note)
            self._remember(head)
        return True

    def stamp(self, message: bytes) -> None:
        """Remember the time stamp that the centre says was made, for the beacons of what is signed from now on.

        Whoever says it need not be believed: a made-up hash is no stamp's, and proves nothing of any event.
        """
        with contextlib.suppress(RefusedError):
            self._ledger.journal.remember_stamp(read_stamp_message(message))

    def refusal(self, message: bytes) -> Heard:
        """Note that the centre refuses an event; footage and envelope stay, and it is asked again later."""
        heard = Heard(is_sign_of_life=True)
        try:
            refusal = verify_refusal(message, centre_key=self._trust.centre.key)
        except RefusedError as error:
            self._not_believed("refusal", error)
            return Heard(not_believed=1)
        with self._ledger.transaction():
            seq = self._ledger.refuse(refusal.event, refusal.code)
            if seq is not None:
                details = {"code": refusal.code, "text": refusal.text}
                self._ledger.find(Finding(REFUSED, Severity.FAULT, f"event/{seq}", details))
                self._ledger.forget_hand_over(seq)
                heard.refused.append(seq)
        event(_LOG, "event.refused", level=logging.WARNING, seq=seq, code=refusal.code)
        return heard

    def _read_receipt(self, message: bytes, verified: list[tuple[int, bytes, VerifiedReceipt]], heard: Heard) -> None:
        about = self._addressed(message)
        if about is None:
            heard.not_believed += 1
            return
        if about.is_noted:
            return
        try:
            receipt = verify_receipt(
                message,
                centre_key=self._trust.centre.key,
                log_key=self._trust.log_key,
                event=about.event,
                leaf=about.leaf,
                witnesses=self._trust.witnesses,
            )
            if about.has_blobs and receipt.blob_verified_at is None:
                raise BytesNotVerifiedError(
                    f"event {about.seq} names bytes, and the receipt does not say they were read"
                )
            self._check(receipt.head)
        except ReceiptUnwitnessedError:
            heard.is_sign_of_life = True
            heard.unwitnessed.append(about.seq)
        except LogShrunkError:
            self._seen_shrunk(receipt.head)
            if about.log_index is None:
                heard.ask_again.append(about.seq)
        except LogForkedError as error:
            self._forked(error)
            heard.not_believed += 1
        except RefusedError as error:
            self._not_believed("receipt", error)
            heard.not_believed += 1
        else:
            heard.is_sign_of_life = True
            self._shrunk_count = 0
            self._remember(receipt.head)
            if self._has_another_place(about, receipt):
                heard.not_believed += 1
            elif about.log_index is None:
                verified.append((about.seq, message, receipt))

    def _addressed(self, message: bytes) -> _Addressed | None:
        """Find the envelope that a receipt names; only a search key, nothing is believed of it yet."""
        named = _EVENT.search(message)
        row = None
        if named is not None:
            row = self._ledger.db.execute(
                "select seq, hash, leaf_signature, log_index, receipt is ? as is_noted,"
                " exists (select 1 from envelope_blob as b where b.seq = envelope.seq) as has_blobs"
                " from envelope where hash = ?",
                (message, bytes.fromhex(named[1].decode())),
            ).fetchone()
        if row is None:
            self._not_believed("receipt", ReceiptMismatchError("about no event of this station"))
            return None
        leaf = leaf_from_parts(hashlib.sha256(row["hash"]).digest(), row["leaf_signature"], self._own_key)
        return _Addressed(
            seq=row["seq"],
            event=row["hash"],
            leaf=leaf.hash(),
            log_index=row["log_index"],
            has_blobs=bool(row["has_blobs"]),
            is_noted=bool(row["is_noted"]),
        )

    def _has_another_place(self, about: _Addressed, receipt: VerifiedReceipt) -> bool:
        """Say whether this event is proved twice in the log, or another of ours at this index: a doubled log entry."""
        row = self._ledger.db.execute(
            "select seq from envelope where log_index = ? and seq <> ?", (receipt.index, about.seq)
        ).fetchone()
        if row is None and about.log_index in {None, receipt.index}:
            return False
        details = {"index": str(receipt.index), "noted_index": str(about.log_index), "seq": str(about.seq)}
        self._ledger.find(Finding(LOGGED_TWICE, Severity.DAMAGE, f"log/{receipt.index}", details))
        return True

    def _check(self, head: TreeHead) -> None:
        largest = max(self._heads, default=0)
        known = [TreeHead(size, self._heads[size]) for size in {head.size, largest} if size in self._heads]
        check_head(head, known)

    def _remember(self, head: TreeHead) -> None:
        self._heads[head.size] = head.root
        while len(self._heads) > _HEADS_KEPT:
            del self._heads[min(self._heads)]

    def _seen_shrunk(self, head: TreeHead) -> None:
        now = self._clock.mono()
        if self._shrunk_count == 0:
            self._shrunk_since = now
        self._shrunk_count += 1
        if self._shrunk_count >= _SHRUNK_TIMES and now - self._shrunk_since >= _SHRUNK_SECONDS:
            details = {"seen": str(max(self._heads)), "shown": str(head.size)}
            self._ledger.find(Finding(SHRUNK, Severity.DAMAGE, f"site/{self._trust.site}", details))

    def _forked(self, error: LogForkedError) -> None:
        details = {"reason": str(error)[:500]}
        self._ledger.find(Finding(FORKED, Severity.DAMAGE, f"site/{self._trust.site}", details))
        event(_LOG, "log.forked", level=logging.ERROR, code=error.code, reason=str(error))

    def _not_believed(self, what: str, error: EvidockError) -> None:
        """Tell people once, not once a message: whoever floods us with forgeries fills no disk."""
        details = {"what": what, "code": error.code}
        self._ledger.find(Finding(NOT_BELIEVED, Severity.FAULT, f"station/{self._station}", details))
        event(_LOG, "message.not_believed", level=logging.WARNING, what=what, code=error.code, reason=str(error)[:300])


def _known_heads(ledger: Ledger) -> dict[int, bytes]:
    rows = ledger.db.execute("select size, root from checkpoint_seen order by size desc limit ?", (_HEADS_KEPT,))
    return {row["size"]: row["root"] for row in rows}
