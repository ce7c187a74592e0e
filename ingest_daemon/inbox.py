"""The thread that reads what the centre says: many receipts in one transaction, at most a moment late.

The link's network thread only puts messages into a bounded queue; if we can't keep up, it waits, and the broker with
it. A message that is lost here is no loss: the envelope stays without a receipt and is sent again.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

from chain_of_custody.receipt import MAX_RECEIPT_BYTES
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.topics import Channel, checkpoints_topic, stamps_topic, station_topic
from host_io.config import HomePaths
from host_io.trust import Trust
from ingest_daemon.ledger import Ledger
from ingest_daemon.receipts import Heard, ReceiptDesk

_QUEUE_LENGTH: Final = 4096
_BATCH: Final = 512
_GATHER_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 1.0
_WAIT_FOR_ROOM_SECONDS: Final = 20.0
_HEADS_KEPT: Final = 1000
_TIDY_SECONDS: Final = 3600.0


class Inbox:
    """`put` is the link's message handler; `on_heard` is told what the messages came to, from this thread."""

    def __init__(
        self,
        *,
        paths: HomePaths,
        trust: Trust,
        site: SourceId,
        station: SourceId,
        clock: Clock,
        on_heard: Callable[[Heard], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._paths = paths
        self._trust = trust
        self._station = station
        self._clock = clock
        self._on_heard = on_heard
        self._on_fatal = on_fatal
        self._receipts = station_topic(site, station, Channel.RECEIPTS)
        self._alerts = station_topic(site, station, Channel.ALERTS)
        self._checkpoints = checkpoints_topic(site)
        self._stamps = stamps_topic(site)
        self._messages: queue.Queue[tuple[str, bytes]] = queue.Queue(_QUEUE_LENGTH)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    @property
    def topics(self) -> tuple[str, ...]:
        """Return what to subscribe to."""
        return self._receipts, self._alerts, self._checkpoints, self._stamps

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; waits for room, so that the broker is held back rather than our memory filled.

        Raises:
            queue.Full: there was no room for long; the message is dropped, which loses nothing.
        """
        # What is longer than any receipt is not believed for that; thousands of them, whole, would be our memory.
        self._messages.put((topic, payload[: MAX_RECEIPT_BYTES + 1]), timeout=_WAIT_FOR_ROOM_SECONDS)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        """End after the batch in hand."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._messages.put_nowait(("", b""))  # wakes it; on no topic of ours
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            with Ledger(self._paths, self._clock) as ledger:
                desk = ReceiptDesk(ledger, trust=self._trust, station=self._station, clock=self._clock)
                tidy_at = self._clock.mono()
                while not self._stopping.is_set():
                    if batch := self._gather():
                        self._on_heard(self._read(desk, batch))
                    if self._clock.mono() >= tidy_at:
                        ledger.forget_old_heads(_HEADS_KEPT)
                        tidy_at = self._clock.mono() + _TIDY_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever it is, the main loop decides
            self._on_fatal(error)

    def _gather(self) -> list[tuple[str, bytes]]:
        """Return the messages of the next moment; none if none comes."""
        batch: list[tuple[str, bytes]] = []
        try:
            batch.append(self._messages.get(timeout=_LOOK_SECONDS))
            until = time.monotonic() + _GATHER_SECONDS
            while len(batch) < _BATCH:
                batch.append(self._messages.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            pass
        return batch

    def _read(self, desk: ReceiptDesk, batch: list[tuple[str, bytes]]) -> Heard:
        heard = desk.receipts([payload for topic, payload in batch if topic == self._receipts])
        for topic, payload in batch:
            if topic == self._alerts:
                refusal = desk.refusal(payload)
                heard.refused += refusal.refused
                heard.not_believed += refusal.not_believed
                heard.is_sign_of_life |= refusal.is_sign_of_life
            elif topic == self._checkpoints:
                heard.is_sign_of_life |= desk.checkpoint(payload)
            elif topic == self._stamps:
                desk.stamp(payload)
        return heard
