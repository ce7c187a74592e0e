"""What a station may expect of a centre, the store as well as the small fake: log first, bytes second, never twice."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.envelope import to_wire
from chain_of_custody.leaf import make_leaf
from chain_of_custody.receipt import VerifiedReceipt, parse_receipt, verify_receipt
from chain_of_custody.refusal import Refusal, verify_refusal
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.tree import TreeHead
from evidence_model.topics import Channel, checkpoints_topic, station_topic
from host_io.broker import Broker
from host_io.broker_access import centre_account, station_account
from host_io.mqtt import MqttLink
from host_io.signed_journal import SignedEvent
from tests.brokers import wait_for
from tests.fakes.centre import FakeCentre
from tests.homes import SITE, STATION, Home, make_home
from tests.spooling import Spooling

ROOT = Path(__file__).parents[2]
EVENTS = station_topic(SITE, STATION, Channel.EVENTS)
Running = Callable[[Home, Broker], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def fake_centre(home: Home, broker: Broker) -> Iterator[object]:
    with FakeCentre(home, lambda: broker.address, centre_account(home.paths)) as centre:
        assert centre.link.wait_connected(20)
        yield centre


@contextlib.contextmanager
def the_store(home: Home, _broker: Broker) -> Iterator[object]:
    """Run the store as the product does, in a process of its own."""
    with (home.paths.run / "store.log").open("wb") as log:
        store = subprocess.Popen(
            [sys.executable, "-m", "evidence_store", "--home", str(home.paths.root)], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        said = home.paths.run / "store.json"
        wait_for(lambda: said.exists() or store.poll() is not None, what="store.json")
        assert store.poll() is None, (home.paths.run / "store.log").read_text()
        url = json.loads(said.read_text())["url"]
        assert url.startswith("http://127.0.0.1:")
        # A station sends again what has no receipt; the one of these tests says everything once, so it is heard first.
        wait_for(lambda: _health(url)["link"] == "up", what="the store's link")
        yield store
    finally:
        store.terminate()
        assert store.wait(15) == 0


def _health(url: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:  # noqa: S310 - our own, on loopback
        found: dict[str, str] = json.load(answer)
    return found


class Station:
    """A station's side of the table: says what a test wants said, and gathers the answers."""

    def __init__(self, home: Home, broker: Broker, spooling: Spooling) -> None:
        self.home = home
        self.spooling = spooling
        self._lock = threading.Lock()
        self._receipts: list[bytes] = []
        self._alerts: list[bytes] = []
        self._checkpoints: list[bytes] = []
        self._boxes = {
            station_topic(SITE, STATION, Channel.RECEIPTS): self._receipts,
            station_topic(SITE, STATION, Channel.ALERTS): self._alerts,
            checkpoints_topic(SITE): self._checkpoints,
        }
        self.link = MqttLink(
            address=lambda: broker.address,
            account=station_account(home.paths, STATION),
            client_id="station",
            subscriptions=list(self._boxes),
            on_message=self._hear,
        )

    def __enter__(self) -> Self:
        self.link.start()
        assert self.link.wait_connected(20), self.link.problem
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()

    def say(self, *events: SignedEvent) -> None:
        for event in events:
            self.send(to_wire(event.raw, event.leaf_signature))

    def send(self, message: bytes) -> None:
        self.link.publish(EVENTS, message).result(20)

    def receipts(self, event: SignedEvent) -> list[VerifiedReceipt]:
        """Return every receipt for an event so far; one that does not verify fails the test."""
        with self._lock:
            messages = [each for each in self._receipts if parse_receipt(each).event == event.hash]
        leaf = make_leaf(event.raw, self.home.station).hash()
        return [
            verify_receipt(
                each,
                centre_key=self.home.centre.public_key,
                log_key=self.home.log.public_key,
                event=event.hash,
                leaf=leaf,
            )
            for each in messages
        ]

    def receipt(self, event: SignedEvent) -> VerifiedReceipt:
        """Wait for the receipt of an event."""
        wait_for(lambda: self.receipts(event), what=f"a receipt for event {event.seq}")
        return self.receipts(event)[-1]

    def refusals(self) -> list[Refusal]:
        with self._lock:
            return [verify_refusal(each, centre_key=self.home.centre.public_key) for each in self._alerts]

    def heads(self) -> list[TreeHead]:
        with self._lock:
            return [open_checkpoint(each, log_key=self.home.log.public_key).head() for each in self._checkpoints]

    def hand_over(self, content: bytes, *, as_if: bytes | None = None) -> None:
        """Put bytes where a link would; `as_if`: under the digest of other bytes."""
        name = hashlib.sha256(content if as_if is None else as_if).hexdigest()
        part = self.home.paths.vault / "incoming" / f".{name}.part"
        part.write_bytes(content)
        part.rename(part.with_name(f"{name}.handed"))

    def _hear(self, topic: str, payload: bytes) -> None:
        with self._lock:
            self._boxes[topic].append(payload)


@pytest.fixture(params=[fake_centre, the_store])
def running(request: pytest.FixtureRequest) -> Running:
    chosen: Running = request.param
    return chosen


@pytest.fixture
def station(tmp_path: Path, running: Running) -> Iterator[Station]:
    home = make_home(tmp_path)
    with (
        Broker(home.paths, site=SITE, stations=(STATION,)) as broker,
        running(home, broker),
        Spooling(home) as spooling,
        Station(home, broker, spooling) as station,
    ):
        yield station


def test_an_event_gets_a_receipt_that_verifies(station: Station) -> None:
    [event] = station.spooling.note()
    station.say(event)
    receipt = station.receipt(event)
    assert receipt.blob_verified_at is None
    assert receipt.index < receipt.head.size


def test_a_repeated_event_gets_its_receipt_again_and_no_second_place(station: Station) -> None:
    [event, other] = station.spooling.note(2)
    station.say(event)
    first = station.receipt(event)
    station.say(event, event, event, other, event)
    station.receipt(other)
    wait_for(lambda: len(station.receipts(event)) >= 3, what="the receipt again")
    assert {each.index for each in station.receipts(event)} == {first.index}


def test_a_repeated_event_is_answered_under_the_newest_checkpoint(station: Station) -> None:
    first, *others = station.spooling.note(4)
    station.say(first)
    station.receipt(first)
    station.say(*others)
    newest = station.receipt(others[-1]).head
    count = len(station.receipts(first))
    station.say(first)
    wait_for(lambda: len(station.receipts(first)) > count)
    assert station.receipts(first)[-1].head.size >= newest.size


def test_events_out_of_order_enter_the_log_in_their_order(station: Station) -> None:
    events = station.spooling.note(6)
    station.say(*reversed(events))
    for event in events:  # what was parked and dropped is sent again, as a station does
        station.say(event)
    places = [station.receipt(event).index for event in events]
    assert places == sorted(places)


def test_footage_gets_no_receipt_before_its_bytes_and_holds_up_nobody(station: Station) -> None:
    footage, empty = station.spooling.pull(b"footage" * 1000), station.spooling.pull(b"", name="EMPTY.MP4")
    [after] = station.spooling.note()
    station.say(footage, empty, after)
    station.receipt(after)
    assert station.receipts(footage) == []
    station.hand_over(b"footage" * 1000)
    station.hand_over(b"")
    assert station.receipt(footage).blob_verified_at is not None
    assert station.receipt(empty).blob_verified_at is not None
    assert station.receipt(footage).index < station.receipt(after).index
    name = hashlib.sha256(b"footage" * 1000).hexdigest()
    held = station.home.paths.vault / "sha256" / name[:2] / name[2:4] / name
    assert held.read_bytes() == b"footage" * 1000


def test_bytes_may_come_before_their_event(station: Station) -> None:
    station.hand_over(b"early")
    event = station.spooling.pull(b"early")
    station.say(event)
    assert station.receipt(event).blob_verified_at is not None


def test_wrong_bytes_get_no_receipt_and_the_right_ones_afterwards_do(station: Station) -> None:
    event = station.spooling.pull(b"right")
    station.say(event)
    station.hand_over(b"wrong", as_if=b"right")
    incoming = station.home.paths.vault / "incoming"
    wait_for(lambda: not list(incoming.glob("*.handed")), what="the wrong bytes to be taken away")
    assert station.receipts(event) == []
    station.hand_over(b"right")
    assert station.receipt(event).blob_verified_at is not None


def test_what_is_forged_broken_or_too_large_is_refused_and_service_goes_on(station: Station) -> None:
    forged, *honest = station.spooling.note(3)
    message = to_wire(forged.raw, forged.leaf_signature)
    stranger = Ed25519Signer.from_seed(b"s" * 32)
    flipped = bytearray(message)
    flipped[200] ^= 1
    for bad in (
        b"",
        b"{}",
        message[:-20],
        bytes(flipped),
        b"\xff" * 1000,
        message[:-1] + b" " * 100_000 + b"}",
        os.urandom(900_000),
        to_wire(forged.raw, stranger.sign(b"something else")),
    ):
        station.send(bad)
    assert station.receipts(forged) == []
    station.say(forged, *honest)
    for event in (forged, *honest):
        station.receipt(event)


def test_another_event_under_a_number_that_was_used_is_refused_with_a_signed_word(
    station: Station, tmp_path: Path
) -> None:
    [event] = station.spooling.note()
    station.say(event)
    station.receipt(event)
    twin = make_home(tmp_path / "twin")
    (twin.paths.keys / f"station-{STATION}.key").write_bytes(
        (station.home.paths.keys / f"station-{STATION}.key").read_bytes()
    )
    with Spooling(make_home(twin.paths.root)) as other:
        [rival] = other.note()
    assert rival.seq == event.seq
    assert rival.hash != event.hash
    station.say(rival)
    wait_for(lambda: [each.event for each in station.refusals()] == [rival.hash], what="the refusal")
    assert station.receipts(rival) == []
    [next_one] = station.spooling.note()
    station.say(next_one)
    station.receipt(next_one)


def test_an_event_of_a_stranger_is_refused(station: Station, tmp_path: Path) -> None:
    with Spooling(make_home(tmp_path / "stranger")) as stranger:
        [event] = stranger.note()
    station.say(event)
    [own] = station.spooling.note()
    station.say(own)
    station.receipt(own)
    assert station.receipts(event) == []


def test_the_log_only_grows(station: Station) -> None:
    remembered: list[TreeHead] = []
    for event in station.spooling.note(5):
        station.say(event)
        head = station.receipt(event).head
        assert not remembered or head.size > remembered[-1].size
        remembered.append(head)
    wait_for(lambda: remembered[-1] in station.heads(), what="the checkpoint on its topic")
