"""What the centre answers: receipts under the newest checkpoint, and refusals; each signed by the centre's key."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chain_of_custody.receipt import make_receipt
from chain_of_custody.refusal import make_refusal
from chain_of_custody.signatures import Signer
from evidence_model.ids import SourceId
from evidence_model.topics import Channel
from evidence_store.catalogue import Catalogue, KnownEvent
from evidence_store.ledger import PublicLog
from evidence_store.receive import Refused


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed message to a station; losing it costs a repetition, never an event."""

    station: SourceId
    channel: Channel
    payload: bytes


class ReceiptDesk:
    """Makes receipts for events that are in the log and whose blobs are all verified."""

    def __init__(self, catalogue: Catalogue, signer: Signer) -> None:
        self._catalogue = catalogue
        self._signer = signer

    def receipts(self, events: Iterable[KnownEvent], log: PublicLog) -> Iterator[tuple[KnownEvent, bytes]]:
        """Yield the receipt of each event that may have one now; the others wait for their blobs."""
        for event in events:
            needs = self._catalogue.blobs_of(event.index)
            verified = [need.verified_at for need in needs if need.verified_at is not None]
            if len(verified) < len(needs):
                continue
            yield event, self._receipt(event, log, max(verified, default=None))

    def refusal(self, refused: Refused) -> Answer | None:
        """Return the signed 'no' to an event, or None if the message cannot be pinned to one."""
        if refused.station is None or refused.event is None:
            return None
        payload = make_refusal(event=refused.event, code=refused.code, text=refused.text, signer=self._signer)
        return Answer(refused.station, Channel.ALERTS, payload)

    def _receipt(self, event: KnownEvent, log: PublicLog, verified_at: datetime | None) -> bytes:
        return make_receipt(
            event=event.hash,
            leaf=log.leaf_hash(event.index),
            index=event.index,
            inclusion_proof=log.inclusion_proof(event.index),
            checkpoint=log.note,
            blob_verified_at=verified_at,
            signer=self._signer,
        )
