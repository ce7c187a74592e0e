"""The store as the product runs it: a process of its own and a real broker, with a station beside it."""

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self

from chain_of_custody.receipt import VerifiedReceipt, parse_receipt, verify_receipt
from evidence_model.topics import Channel, station_topic
from host_io.broker import Broker
from host_io.broker_access import broker_address, client_id, station_account
from host_io.config import BrokerConfig, HomePaths
from host_io.mqtt import MqttLink
from tests.brokers import wait_for
from tests.fakes.centre_home import CENTRE, LOG, SITE
from tests.fakes.fake_station import FakeStation

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def broker_of(paths: HomePaths, *stations: FakeStation) -> Iterator[Broker]:
    """Run the broker of a home."""
    with Broker(paths, site=SITE, stations=[each.id for each in stations]) as broker:
        yield broker


def start_store(paths: HomePaths, *before: str) -> subprocess.Popen[bytes]:
    """Start the store, through another program's arguments if any are given; it may not be ready yet."""
    command = [sys.executable, "-m", *(before or ("evidence_store",)), "--home", str(paths.root)]
    with (paths.run / "store.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def wait_ready(store: subprocess.Popen[bytes], paths: HomePaths) -> str:
    """Wait until the store is ready, and return its URL."""
    said = paths.run / "store.json"
    wait_for(lambda: said.exists() or store.poll() is not None, what="store.json")
    assert store.poll() is None, (paths.run / "store.log").read_text()
    return str(json.loads(said.read_text())["url"])


@contextlib.contextmanager
def running_store(paths: HomePaths) -> Iterator[subprocess.Popen[bytes]]:
    """Run the store for the block; it must stop cleanly, and within ten seconds."""
    (paths.run / "store.json").unlink(missing_ok=True)
    store = start_store(paths)
    try:
        wait_ready(store, paths)
        yield store
    finally:
        if store.poll() is None:
            store.terminate()
            assert store.wait(10) == 0, (paths.run / "store.log").read_text()[-3000:]


class StationLink:
    """A station's line to the centre: sends until every receipt is there, and verifies each."""

    def __init__(self, paths: HomePaths, station: FakeStation) -> None:
        self.paths = paths
        self.station = station
        self._lock = threading.Lock()
        self._receipts: dict[bytes, bytes] = {}
        account = station_account(paths, station.id)
        self._link = MqttLink(
            address=lambda: broker_address(paths, BrokerConfig()),
            account=account,
            client_id=client_id(account, SITE),
            subscriptions=[station_topic(SITE, station.id, Channel.RECEIPTS)],
            on_message=self._hear,
        )

    def __enter__(self) -> Self:
        self._link.start()
        assert self._link.wait_connected(20), self._link.problem
        return self

    def __exit__(self, *_: object) -> None:
        self._link.stop()

    def send(self, raws: Sequence[bytes]) -> None:
        """Send envelopes once; whether anybody hears them is not known."""
        topic = station_topic(SITE, self.station.id, Channel.EVENTS)
        on_their_way: deque[Future[None]] = deque()
        for raw in raws:
            while self._link.room == 0 and on_their_way:
                on_their_way.popleft().result(20)
            on_their_way.append(self._link.publish(topic, self.station.wire(raw)))
        for acknowledged in on_their_way:
            acknowledged.result(20)

    def hand_over(self, content: bytes) -> None:
        """Put bytes where a link would, unless they lie there or in the vault."""
        name = hashlib.sha256(content).hexdigest()
        target = self.paths.vault / "incoming" / f"{name}.handed"
        if (self.paths.vault / "sha256" / name[:2] / name[2:4] / name).exists() or target.exists():
            return
        part = target.with_name(f".{name}.part")
        part.write_bytes(content)
        part.rename(target)

    def receipts(self) -> dict[bytes, VerifiedReceipt]:
        """Return the receipts that came so far, by envelope hash, each verified."""
        with self._lock:
            known = dict(self._receipts)
        return {
            event: verify_receipt(
                raw,
                centre_key=CENTRE.public_key,
                log_key=LOG.public_key,
                event=event,
                leaf=self.station.leaf_hash(self.station.said[event]),
            )
            for event, raw in known.items()
        }

    def has(self, raws: Sequence[bytes]) -> bool:
        """Say whether every one of these has its receipt."""
        with self._lock:
            return all(hashlib.sha256(raw).digest() in self._receipts for raw in raws)

    def wait_receipts(self, raws: Sequence[bytes], *, seconds: float = 30.0) -> None:
        """Send, and send again every second, until all have their receipts."""
        resend = [0.0]

        def all_there() -> bool:
            if not self.has(raws):
                resend[0] -= 0.01
                if resend[0] <= 0:
                    self.send([raw for raw in raws if not self.has([raw])])
                    resend[0] = 1.0
            return self.has(raws)

        wait_for(all_there, seconds=seconds, what="a receipt for every event")

    def _hear(self, _topic: str, payload: bytes) -> None:
        with self._lock:
            self._receipts[parse_receipt(payload).event] = payload
