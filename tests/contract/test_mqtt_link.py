"""One contract of `MqttLink` over every broker that we promise: nats-server 3.1.1, mosquitto 3.1.1 and 5."""

import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from evidence_model.topics import Channel, every_station, station_topic
from host_io.broker_access import Account, BrokerAddress
from host_io.mqtt import LinkBusyError, LinkDownError, LinkState, MqttLink, PublishRefusedError
from tests.brokers import BROKERS, OTHER_STATION, SITE, STATION, BrokerUnderTest, NatsBroker, running, wait_for

EVENTS = station_topic(SITE, STATION, Channel.EVENTS)
STATUS = station_topic(SITE, STATION, Channel.STATUS)
ALL_EVENTS = every_station(SITE, Channel.EVENTS)


class Inbox:
    """Gathers what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()

    def __call__(self, topic: str, payload: bytes) -> None:
        with self.lock:
            self.messages.append((topic, payload))

    def payloads(self) -> list[bytes]:
        with self.lock:
            return [payload for _, payload in self.messages]


@pytest.fixture(params=list(BROKERS))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerUnderTest]:
    with running(BROKERS[request.param](tmp_path)) as started:
        yield started


def centre_link(broker: BrokerUnderTest, inbox: Inbox, *topics: str) -> MqttLink:
    return MqttLink(
        address=broker.address,
        account=broker.centre(),
        client_id="centre",
        subscriptions=topics or (ALL_EVENTS,),
        on_message=inbox,
    )


def station_link(broker: BrokerUnderTest, *, account: Account | None = None, in_flight: int = 1000) -> MqttLink:
    return MqttLink(
        address=broker.address,
        account=account or broker.station(),
        client_id="station",
        presence_topic=STATUS,
        in_flight=in_flight,
    )


def up(link: MqttLink) -> MqttLink:
    assert link.wait_connected(20), link.problem
    return link


def all_acknowledged(futures: list["Future[None]"]) -> None:
    for future in futures:
        future.result(20)


def test_a_message_arrives_with_topic_and_bytes_even_of_60_kib(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    large = bytes(range(256)) * 240
    with centre_link(broker, inbox) as centre, station_link(broker) as station:
        up(centre)
        all_acknowledged([up(station).publish(EVENTS, b"\x00small"), station.publish(EVENTS, large)])
        wait_for(lambda: len(inbox.messages) >= 2)
    assert set(inbox.messages) == {(EVENTS, b"\x00small"), (EVENTS, large)}


def test_what_is_published_while_the_subscriber_is_away_comes_when_it_is_back(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    with centre_link(broker, inbox) as centre:
        up(centre)
    sent = [b"%d" % number for number in range(300)]
    with station_link(broker) as station:
        up(station)
        all_acknowledged([station.publish(EVENTS, payload) for payload in sent])
    with centre_link(broker, inbox):
        wait_for(lambda: len(set(inbox.payloads())) == len(sent))


def test_what_waited_for_us_can_be_answered_the_moment_it_comes(broker: BrokerUnderTest) -> None:
    answers = station_topic(SITE, STATION, Channel.RECEIPTS)
    inbox, outcomes = Inbox(), queue.Queue[Future[None]]()
    with centre_link(broker, Inbox()) as centre:
        up(centre)
    with station_link(broker) as station:
        all_acknowledged([up(station).publish(EVENTS, b"%d" % number) for number in range(50)])
    hearing = MqttLink(
        address=broker.address,
        account=broker.station(),
        client_id="hearing",
        subscriptions=[answers],
        on_message=inbox,
    )
    with hearing:
        up(hearing)
        answering = MqttLink(
            address=broker.address,
            account=broker.centre(),
            client_id="centre",
            subscriptions=(ALL_EVENTS,),
            on_message=lambda _topic, payload: outcomes.put(answering.publish(answers, payload)),
        )
        with answering:
            for _ in range(50):
                outcomes.get(timeout=20).result(20)
            wait_for(lambda: len(set(inbox.payloads())) == 50)


def test_the_link_comes_back_by_itself_after_kill_9_of_the_broker(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    with centre_link(broker, inbox) as centre, station_link(broker) as station:
        up(centre)
        all_acknowledged([up(station).publish(EVENTS, b"before")])
        broker.send(signal.SIGKILL)
        assert station.wait_state(LinkState.DOWN, 20)
        assert centre.wait_state(LinkState.DOWN, 20)
        broker.start()
        up(centre)
        all_acknowledged([up(station).publish(EVENTS, b"after")])
        wait_for(lambda: b"after" in inbox.payloads())


def test_what_the_embedded_broker_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    inbox = Inbox()
    sent = [b"%d" % number for number in range(500)]
    with running(NatsBroker(tmp_path)) as broker:
        with centre_link(broker, inbox) as centre:
            up(centre)
        with station_link(broker) as station:
            all_acknowledged([up(station).publish(EVENTS, payload) for payload in sent])
            broker.send(signal.SIGKILL)
        broker.start()
        with centre_link(broker, inbox):
            wait_for(lambda: len(set(inbox.payloads())) == len(sent))


def test_a_forbidden_topic_is_dropped_and_the_link_stays_up(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    with centre_link(broker, inbox) as centre, station_link(broker) as station:
        up(centre)
        up(station)
        forbidden = station.publish(station_topic(SITE, OTHER_STATION, Channel.EVENTS), b"as another station")
        if broker.says_no_to_publishers:
            with pytest.raises(PublishRefusedError):
                forbidden.result(20)
        else:
            forbidden.result(20)
        station.publish(EVENTS, b"my own").result(20)
        wait_for(lambda: b"my own" in inbox.payloads())
        assert station.connected
    assert b"as another station" not in inbox.payloads()


def test_a_station_hears_nothing_that_is_meant_for_another(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    ours, theirs = (station_topic(SITE, each, Channel.RECEIPTS) for each in (STATION, OTHER_STATION))
    curious = MqttLink(
        address=broker.address,
        account=broker.station(),
        client_id="station",
        subscriptions=(theirs, ours),
        on_message=inbox,
    )
    with centre_link(broker, Inbox()) as centre, curious:
        up(centre)
        up(curious)
        all_acknowledged([centre.publish(theirs, b"theirs"), centre.publish(ours, b"ours")])
        wait_for(lambda: b"ours" in inbox.payloads())
    assert b"theirs" not in inbox.payloads()


def test_an_exception_in_the_handler_is_counted_and_does_not_deafen_the_link(broker: BrokerUnderTest) -> None:
    inbox = Inbox()

    def handler(topic: str, payload: bytes) -> None:
        if payload == b"bad":
            raise ValueError("cannot read this")
        inbox(topic, payload)

    link = MqttLink(
        address=broker.address,
        account=broker.centre(),
        client_id="centre",
        subscriptions=(ALL_EVENTS,),
        on_message=handler,
    )
    with link, station_link(broker) as station:
        up(link)
        up(station)
        all_acknowledged([station.publish(EVENTS, payload) for payload in (b"bad", b"good")])
        wait_for(lambda: b"good" in inbox.payloads())
        assert link.handler_failures >= 1
        assert link.connected


def test_a_wrong_password_is_told_as_a_refusal(broker: BrokerUnderTest) -> None:
    with station_link(broker, account=Account(broker.station().user, "wrong")) as link:
        assert link.wait_state(LinkState.REFUSED, 20)
        assert "refuses" in link.problem
        assert "wrong" not in link.problem


def test_presence_says_online_then_offline_after_a_cut_and_after_a_clean_stop(broker: BrokerUnderTest) -> None:
    inbox = Inbox()
    with centre_link(broker, inbox, every_station(SITE, Channel.STATUS)) as centre:
        up(centre)
        with station_link(broker) as station:
            up(station)
            wait_for(lambda: inbox.payloads() == [b"online"])
            connection = station._connection
            assert connection is not None
            connection.abort()
            wait_for(lambda: inbox.payloads()[:3] == [b"online", b"offline", b"online"])
        wait_for(lambda: inbox.payloads()[-1] == b"offline")


def test_publishing_while_down_fails_at_once_and_keeps_nothing(broker: BrokerUnderTest) -> None:
    with station_link(broker) as station:
        up(station)
        broker.send(signal.SIGKILL)
        assert station.wait_state(LinkState.DOWN, 20)
        with pytest.raises(LinkDownError):
            station.publish(EVENTS, b"lost").result(0)
        assert station.room == 0
        broker.start()
        up(station)


def test_a_frozen_broker_bounds_what_waits_and_does_not_hold_up_the_stop(broker: BrokerUnderTest) -> None:
    station = station_link(broker, in_flight=10)
    with station:
        up(station)
        wait_for(lambda: station.room == 10)  # its presence was acknowledged
        broker.send(signal.SIGSTOP)
        waiting = [station.publish(EVENTS, b"x" * 60_000) for _ in range(10)]
        with pytest.raises(LinkBusyError):
            station.publish(EVENTS, b"one too many").result(0)
        station.stop(timeout_seconds=0.5)
        for future in waiting:
            with pytest.raises(LinkDownError):
                future.result(0)
    broker.send(signal.SIGCONT)


def test_the_link_follows_the_broker_to_another_port(tmp_path: Path) -> None:
    first, second = NatsBroker(tmp_path / "a"), NatsBroker(tmp_path / "b")
    now: list[BrokerUnderTest] = [first]

    def where_it_is_now() -> BrokerAddress:
        return now[0].address()

    link = MqttLink(address=where_it_is_now, account=Account("centre", "c"), client_id="centre")
    for each in (first, second):
        (each.paths.keys).mkdir(parents=True)
        secret = each.paths.keys / "mqtt-centre.secret"
        secret.write_text("c\n")
        secret.chmod(0o600)
    with running(first), running(second), link:
        up(link)
        now[0] = second
        first.send(signal.SIGKILL)
        assert link.wait_state(LinkState.DOWN, 20)
        up(link)
