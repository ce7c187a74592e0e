"""Looks at a batch of messages beside the one that is being logged: signatures are checked on all cores.

What is in the log already is told apart first, by the hash of its envelope: its receipt is all that it needs.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from evidence_model.topics import StationAddress
from evidence_store.catalogue import Catalogue, KnownEvent
from evidence_store.errors import MessageRefusedError, WrongTopicError
from evidence_store.receive import Examined, Keyring, Refused, address_of, envelope_hash_of, examine

_LOG = logging.getLogger(__name__)
_SHARES = 2
_Message = tuple[StationAddress, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are being looked at."""

    known: list[KnownEvent] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    shares: list["Future[list[Examined | Refused]]"] = field(default_factory=list)

    def results(self) -> Iterator[Examined | Refused]:
        """Yield what came of each message that is not known, in the order of arrival; waits for the examiners."""
        yield from self.refused
        yield from itertools.chain.from_iterable(share.result() for share in self.shares)


class Examination:
    """Begins to look at batches; used by the sequencer's thread, works on the executor's."""

    def __init__(self, catalogue: Catalogue, executor: Executor) -> None:
        self._catalogue = catalogue
        self._executor = executor

    def begin(self, messages: Sequence[tuple[str, bytes]], keyring: Keyring) -> Batch:
        """Tell apart what is known, and let the examiners look at the rest."""
        batch = Batch()
        fresh: dict[_Message, None] = {}
        for topic, payload in messages:
            address = address_of(topic, keyring.site)
            if isinstance(address, Refused):
                batch.refused.append(address)
                continue
            event = envelope_hash_of(payload)
            known = self._catalogue.find(event) if event is not None else None
            if known is None:
                fresh[address, payload] = None  # the same message twice is looked at once
            elif known.source == address.station:
                batch.known.append(known)
            else:
                text = f"an event of {known.source} on the topic of {address.station}"
                batch.refused.append(Refused(WrongTopicError.code, text, address.station, event))
        waiting = list(fresh)
        size = max(1, -(-len(waiting) // _SHARES))
        for at in range(0, len(waiting), size):
            batch.shares.append(self._executor.submit(_examine, waiting[at : at + size], keyring))
        return batch


def _examine(messages: Sequence[_Message], keyring: Keyring) -> list[Examined | Refused]:
    results: list[Examined | Refused] = []
    for address, message in messages:
        try:
            results.append(examine(address, message, keyring))
        except Exception:  # noqa: BLE001 - whatever a message does to our code, the next one is read
            _LOG.exception("message.unreadable")
            results.append(Refused(MessageRefusedError.code, "this message cannot be read", address.station))
    return results
