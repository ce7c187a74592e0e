"""The loop around the sequencer: nothing is lost in it while the disk is full, the link is down or the clock jumps."""

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import pytest

from chain_of_custody.envelope import MAX_WIRE_BYTES, envelope_hash
from chain_of_custody.receipt import parse_receipt
from evidence_model.findings import Finding
from evidence_model.topics import Channel, station_topic
from evidence_store import service as service_module
from evidence_store.centre_book import Moment
from evidence_store.cosigning import Ask
from evidence_store.housekeeping import RECONCILE_EVERY, Housekeeper, reconcile_request
from evidence_store.receive import Refused
from evidence_store.reconcile import Reconciliation
from evidence_store.service import Inbox, Outlet, StoreService
from evidence_store.uploads import Uploads
from host_io import durable
from host_io.notify import Notifier
from tests.brokers import wait_for
from tests.fakes.centre_home import SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock


class Line:
    """A link whose other end is this test."""

    def __init__(self) -> None:
        self.connected = True
        self.room = 1000
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes) -> Future[None]:
        self.sent.append((topic, payload))
        return Future()

    def receipts(self, station: FakeStation) -> set[bytes]:
        topic = station_topic(SITE, station.id, Channel.RECEIPTS)
        return {parse_receipt(payload).event for where, payload in list(self.sent) if where == topic}


class Running:
    """A store service in a thread of its own."""

    def __init__(self, centre: Centre) -> None:
        self.centre, self.line, self.inbox = centre, Line(), Inbox()
        self.clock = ManualClock()
        self.stop = threading.Event()
        self.asked: list[Ask] = []
        self.service = StoreService(
            sequencer=centre.sequencer,
            ledger=centre.ledger,
            catalogue=centre.catalogue,
            book=centre.book,
            vault=centre.vault,
            uploads=Uploads(centre.vault, self.clock),
            inbox=self.inbox,
            outlet=Outlet(self.line, SITE, ask_outside=self.asked.append),
            clock=self.clock,
            notifier=Notifier({}),
            reload_trust=lambda: None,
        )
        self.thread = threading.Thread(target=self.service.run, args=(self.stop,))

    def say(self, station: FakeStation, raw: bytes) -> None:
        self.inbox.message(station_topic(SITE, station.id, Channel.EVENTS), station.wire(raw))


@pytest.fixture
def station() -> FakeStation:
    return FakeStation()


@pytest.fixture
def running(tmp_path: Path, station: FakeStation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(service_module, "_WAIT_SECONDS", 0.02)
    with centre_at(make_centre_home(tmp_path / "home", station), trust_of(station)) as centre:
        running = Running(centre)
        running.thread.start()
        yield running
        running.stop.set()
        running.thread.join(10)
        assert not running.thread.is_alive()


def test_a_message_becomes_a_receipt_and_the_newest_checkpoint_is_told(running: Running, station: FakeStation) -> None:
    raw = station.says()
    running.say(station, raw)
    wait_for(lambda: envelope_hash(raw) in running.line.receipts(station), what="a receipt")
    assert running.line.sent[0][0] == f"evidock/v1/{SITE}/checkpoints"
    running.line.sent.clear()
    running.service.greet()
    wait_for(lambda: running.line.sent, what="a checkpoint")
    assert running.line.sent == [(f"evidock/v1/{SITE}/checkpoints", running.centre.ledger.note)]


def test_what_the_vault_found_while_the_disk_was_full_is_not_forgotten(
    running: Running, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = station.pulls(b"film")
    running.say(station, raw)
    wait_for(lambda: running.service.report()["logged"] == "1", what="the event in the log")
    tried = threading.Event()
    original = durable.write_file

    def full(path: Path, data: bytes, *, mode: int = 0o600) -> None:
        if path.parent.name == "stage":
            tried.set()
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(path, data, mode=mode)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_file", full)
        running.centre.hand_over(b"film")
        running.service.worker.wake()
        assert tried.wait(20)
        wait_for(lambda: running.service.report()["status"] == "waiting", what="a word on it")
        assert running.line.receipts(station) == set()
        assert str(running.centre.paths.root) not in str(running.service.report())  # anybody may ask
        assert running.service.report()["problem"].startswith("STO-")
    wait_for(lambda: envelope_hash(raw) in running.line.receipts(station), what="the receipt")
    assert running.service.report()["status"] == "ok"


def test_what_came_before_a_stop_is_logged_and_answered(
    tmp_path: Path, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with centre_at(make_centre_home(tmp_path / "home", station), trust_of(station)) as centre:
        running = Running(centre)
        raws = [station.says() for _ in range(2 * service_module.BATCH_MESSAGES)]
        for raw in raws:
            running.say(station, raw)
        running.stop.set()
        running.service.run(running.stop)
        assert running.service.report()["logged"] == str(len(raws))
        assert len(running.line.receipts(station)) >= running.line.room

        monkeypatch.setattr(service_module, "_STOP_SECONDS", 0.0)  # who floods us does not keep us from stopping
        running = Running(centre)
        running.say(station, station.says())
        running.stop.set()
        running.service.run(running.stop)
        assert running.service.report()["logged"] == "0"


def test_while_the_link_is_down_answers_are_dropped_and_given_again_on_asking(
    running: Running, station: FakeStation
) -> None:
    running.line.connected, running.line.room = False, 0
    raw = station.says()
    running.say(station, raw)
    wait_for(lambda: running.service.report()["logged"] == "1", what="the event in the log")
    assert running.service.report()["link"] == "down"
    running.line.connected, running.line.room = True, 1000
    assert running.line.receipts(station) == set()
    running.say(station, raw)
    wait_for(lambda: envelope_hash(raw) in running.line.receipts(station), what="the receipt")
    assert running.centre.sequencer.applied_size == 4


def test_answers_go_out_only_as_fast_as_the_link_takes_them(running: Running, station: FakeStation) -> None:
    running.line.room = 7
    raws = [station.says() for _ in range(100)]
    for raw in raws:
        running.say(station, raw)
    wait_for(lambda: running.line.receipts(station) == set(map(envelope_hash, raws)), what="all receipts")


def keeper_of(centre: Centre, clock: ManualClock, results: list[Reconciliation]) -> Housekeeper:
    findings: list[Finding] = []
    return Housekeeper(
        centre.paths,
        ledger=centre.ledger,
        uploads=Uploads(centre.vault, clock),
        clock=clock,
        centre=centre.sequencer.trusted.centre.id,
        applied_size=lambda: centre.sequencer.applied_size,
        seal_every=timedelta(),
        on_reconciled=results.append,
        on_sealed=lambda _: None,
        on_finding=findings.append,
    )


def test_reconciliation_is_daily_on_demand_and_not_set_off_by_a_jumping_clock(
    tmp_path: Path, station: FakeStation
) -> None:
    clock, results = ManualClock(), list[Reconciliation]()
    with centre_at(make_centre_home(tmp_path / "home", station), trust_of(station), clock=clock) as centre:
        keeper = keeper_of(centre, clock, results)

        def look() -> int:
            clock.advance(61)
            if keeper._is_due():
                keeper._reconcile()
                centre.book.happened(Moment.RECONCILIATION)
            return len(results)

        assert look() == 1
        assert look() == 1
        clock.set_wall(clock.now() - timedelta(hours=1))  # a set-back hour makes it due once, not every minute
        assert look() == 1
        clock.advance(3600)
        counts = [look() for _ in range(5)]
        assert counts[-1] <= 2
        clock.advance(RECONCILE_EVERY.total_seconds())
        assert look() == counts[-1] + 1
        request = reconcile_request(centre.paths)
        request.parent.mkdir(parents=True, exist_ok=True)
        request.touch()
        assert look() == counts[-1] + 2
        assert not request.exists()


def test_a_message_longer_than_any_event_is_refused_and_does_not_fill_the_memory(
    running: Running, station: FakeStation
) -> None:
    topic = station_topic(SITE, station.id, Channel.EVENTS)
    inbox = Inbox()
    inbox.message(topic, b"{" * (1 << 20))
    [(_, kept)] = [item for item in inbox.take(wait_seconds=0) if isinstance(item, tuple)]
    assert len(kept) == MAX_WIRE_BYTES + 1
    [refused] = running.centre.sequencer.begin([(topic, kept)]).results()
    assert isinstance(refused, Refused)
    assert refused.code == "COC-011"
    running.inbox.message(topic, b"{" * (1 << 20))
    raw = station.says(body={"text": "x" * 40_000})
    running.say(station, raw)
    wait_for(lambda: envelope_hash(raw) in running.line.receipts(station), what="a receipt for a long event")


def test_a_full_queue_drops_what_its_station_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "QUEUE_MESSAGES", 3)
    monkeypatch.setattr(service_module, "_PUT_SECONDS", 0.01)
    inbox = Inbox()
    for number in range(5):
        inbox.message("t", b"%d" % number)
    assert inbox.dropped_count == 2
    assert inbox.take(wait_seconds=0) == [("t", b"0"), ("t", b"1"), ("t", b"2")]
