"""A small centre that works: it verifies, sequences with the real proofs and gives true receipts over a real broker.

In memory but for the vault's files. It passes the same contract as the store (tests/contract/test_centre.py) and does
not survive a restart; for tests of the station's side it can be told to hold its tongue.
"""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from chain_of_custody.chain import GENESIS, ChainHead, LinkPlace, place
from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from chain_of_custody.envelope import envelope_checksum, envelope_hash, from_wire, parse_envelope, verify_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.leaf import leaf_from_parts, verify_leaf
from chain_of_custody.receipt import make_receipt
from chain_of_custody.refusal import make_refusal
from chain_of_custody.sequence import SequencePlan, sequence
from chain_of_custody.signatures import verifier_for
from chain_of_custody.tiles import Bundle, Tile
from evidence_model.errors import EvidockError, RefusedError
from evidence_model.ids import SourceId
from evidence_model.messages import BlobRef, blobs_of
from evidence_model.topics import Channel, checkpoints_topic, every_station, parse_station_topic, station_topic
from host_io.broker_access import Account, BrokerAddress, client_id
from host_io.mqtt import LinkState, MqttLink
from tests.homes import STATION, Home

Key = tuple[SourceId, int]
_NOBODY = Account("nobody", "")


class FakeCentre:
    """The centre of one home; `link` is its own."""

    def __init__(
        self,
        home: Home,
        address: Callable[[], BrokerAddress] = lambda: BrokerAddress("127.0.0.1", 1),
        account: Account = _NOBODY,
    ) -> None:
        self.home = home
        self.link = MqttLink(
            address=address,
            account=account,
            client_id=client_id(account, home.config.site),
            subscriptions=[every_station(home.config.site, Channel.EVENTS)],
            on_message=self._hear,
            on_state=self._greet,
            in_flight=5000,
        )
        self.lock = threading.RLock()
        self.silent = False
        self.heads: dict[SourceId, ChainHead] = {}
        self.parked: dict[Key, bytes] = {}
        self.index_of: dict[bytes, int] = {}
        self.envelopes: list[bytes] = []
        self.leaves: list[bytes] = []
        self.waiting: dict[bytes, tuple[SourceId, tuple[BlobRef, ...]]] = {}
        self.verified_at: dict[bytes, datetime | None] = {}
        self.refused: list[tuple[bytes, str]] = []
        self.heard_count = 0
        self._files: dict[str, bytes] = {}
        self._signed: Checkpoint | None = None
        self._note = b""
        self._plan: SequencePlan | None = None
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="fake-centre", daemon=True)
        self._queue: list[tuple[SourceId, bytes]] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.link.start()
        self._poller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.link.stop()
        self._poller.join(5)

    @property
    def size(self) -> int:
        """Entries in the log."""
        return len(self.leaves)

    @property
    def note(self) -> bytes:
        """The newest signed checkpoint."""
        return self._note

    def path_of(self, digest_hex: str) -> Path:
        """Where the vault has these bytes."""
        return self.home.paths.vault / "sha256" / digest_hex[:2] / digest_hex[2:4] / digest_hex

    def take_in(self, messages: Iterable[bytes], *, station: SourceId = STATION) -> None:
        """Work on messages at once, without a broker."""
        with self.lock:
            fresh: list[bytes] = []
            for message in messages:
                self._take(station, message, fresh, [])
            if fresh:
                self._log(fresh)
            self._adopt()

    def receipt_of(self, event: bytes, *, note: bytes | None = None) -> bytes:
        """Return the receipt of a logged envelope under the newest checkpoint."""
        assert self._plan is not None
        index = self.index_of[event]
        return make_receipt(
            event=event,
            leaf=_leaf_hash(self.leaves[index]),
            index=index,
            inclusion_proof=self._plan.inclusion_proof(index),
            checkpoint=note or self._note,
            blob_verified_at=self.verified_at[event],
            signer=self.home.centre,
        )

    def _hear(self, topic: str, payload: bytes) -> None:
        with self._news:
            self.heard_count += 1
            self._queue.append((parse_station_topic(topic).station, payload))
            self._news.notify()

    def _greet(self, state: LinkState) -> None:
        if state is LinkState.UP and self._note and not self.silent:
            self.link.publish(checkpoints_topic(self.home.config.site), self._note)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            with self._news:
                self._news.wait_for(lambda: self._queue, 0.02)
                if not self.link.connected:  # an answer would be lost
                    self._news.wait(0.02)
                    continue
                batch, self._queue = self._queue[:500], self._queue[500:]
            if self.silent:
                continue
            with self.lock:
                to_answer: list[tuple[SourceId, bytes]] = []
                fresh: list[bytes] = []
                for station, message in batch:
                    self._take(station, message, fresh, to_answer)
                if fresh:
                    self._log(fresh)
                to_answer += self._adopt()
                for station, event in to_answer:
                    if event in self.verified_at:
                        self._say(station, Channel.RECEIPTS, self.receipt_of(event))

    def _take(
        self, station: SourceId, message: bytes, fresh: list[bytes], to_answer: list[tuple[SourceId, bytes]]
    ) -> None:
        try:
            raw, leaf_signature = from_wire(message)
        except RefusedError:
            return  # nobody to answer: the hash of what was meant is not known
        event = envelope_hash(raw)
        if event in self.index_of:
            to_answer.append((station, event))
            return
        try:
            trusted = self.home.trust.station(station)
            if trusted is None:
                raise RefusedError(f"{station} is not enrolled")
            envelope = parse_envelope(raw)
            verify_envelope(envelope, [verifier_for(trusted.key)])
            view = parse_event(envelope)
            leaf = leaf_from_parts(envelope_checksum(raw), leaf_signature, trusted.key)
            verify_leaf(leaf, public_key=trusted.key)
            if view.source.id != station:
                raise RefusedError(f"an event of {view.source.id} on the topic of {station}")
            where = place(self.heads.get(station, GENESIS), seq=view.source.seq, prev=view.source.prev)
            if where is LinkPlace.AHEAD:
                self.parked[station, view.source.seq] = message
                return
            if where is not LinkPlace.NEXT:
                raise RefusedError(f"seq {view.source.seq} does not continue the chain: {where.value}")
        except EvidockError as error:
            self.refused.append((event, error.code))
            refusal = make_refusal(event=event, code=error.code, text=str(error), signer=self.home.centre)
            self._say(station, Channel.ALERTS, refusal)
            return
        self.index_of[event] = len(self.leaves)
        self.leaves.append(leaf.to_bytes())
        self.envelopes.append(raw)
        fresh.append(leaf.to_bytes())
        self.heads[station] = ChainHead(view.source.seq, event)
        self.waiting[event] = (station, blobs_of(view.body))
        parked = self.parked.pop((station, view.source.seq + 1), None)
        if parked is not None:
            self._take(station, parked, fresh, to_answer)

    def _log(self, fresh: Iterable[bytes]) -> None:
        plan = sequence(
            log_key=self.home.log.public_key,
            signed=self._signed,
            leaves=list(fresh),
            read_tile=self._read,
            read_bundle=self._read,
        )
        self._note = sign_checkpoint(plan.checkpoint, self.home.log)
        self._files.update({write.path: write.data for write in plan.writes})
        self._signed = open_checkpoint(self._note, log_key=self.home.log.public_key)
        self._plan = plan
        self.link.publish(checkpoints_topic(self.home.config.site), self._note)

    def _adopt(self) -> list[tuple[SourceId, bytes]]:
        """Take in what was handed over; return the events that wait for no bytes any more."""
        done = []
        for event, (station, blobs) in list(self.waiting.items()):
            if all(self._holds(blob) for blob in blobs):
                del self.waiting[event]
                self.verified_at[event] = datetime.now(UTC).replace(microsecond=0) if blobs else None
                done.append((station, event))
        return done

    def _holds(self, blob: BlobRef) -> bool:
        final = self.path_of(blob.digest.hex)
        if final.exists():
            return True
        handed = self.home.paths.vault / "incoming" / f"{blob.digest.hex}.handed"
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if hashlib.sha256(handed.read_bytes()).digest() != blob.digest.raw:
                handed.unlink()
                return False
            final.parent.mkdir(parents=True, exist_ok=True)
            handed.rename(final)
            return True
        return False

    def _read(self, place_of: Tile | Bundle) -> bytes:
        return self._files[place_of.path]

    def _say(self, station: SourceId, channel: Channel, payload: bytes) -> None:
        self.link.publish(station_topic(self.home.config.site, station, channel), payload)


def _leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()
