"""What is forged, replayed, cut, too large or out of order is refused with a code; what is honest is logged once."""

from collections.abc import Iterable

import pytest

from chain_of_custody.chain import ChainHead
from chain_of_custody.envelope import envelope_hash, to_wire
from chain_of_custody.signatures import Ed25519Signer
from evidence_model.ids import SourceId
from evidence_model.topics import Channel, StationAddress, station_topic
from evidence_store.receive import (
    MAX_PARKED_EVENTS,
    Accepted,
    Admission,
    Examined,
    Keyring,
    Parked,
    Refused,
    Repeated,
    Verdict,
    address_of,
    envelope_hash_of,
    examine,
)
from tests.fakes.fake_station import FakeStation
from tests.trusts import first_trust

SITE = SourceId("site-1")
A, B = SourceId("station-a"), SourceId("station-b")


def station(name: SourceId, seed: int) -> FakeStation:
    return FakeStation(name, seed=seed)


def keyring(*stations: FakeStation) -> Keyring:
    return Keyring.of(
        first_trust(
            SITE,
            Ed25519Signer.from_seed(b"l" * 32),
            ("centre", Ed25519Signer.from_seed(b"c" * 32)),
            [(each.id, each.signer) for each in stations],
        )
    )


def events_of(name: SourceId) -> StationAddress:
    return StationAddress(SITE, name, Channel.EVENTS)


def code_of(result: Examined | Refused) -> str:
    return result.code if isinstance(result, Refused) else "ok"


def test_an_honest_message_is_examined_to_its_exact_bytes() -> None:
    a = station(A, 3)
    raw = a.says()
    result = examine(events_of(A), a.wire(raw), keyring(a))
    assert isinstance(result, Examined)
    assert (result.entry.raw, result.entry.leaf, result.hash) == (raw, a.leaf(raw), envelope_hash(raw))


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        ("forged payload", "COC-012"),
        ("wrong key", "STO-012"),
        ("key of another station", "STO-012"),
        ("not enrolled", "STO-011"),
        ("replayed by another station", "STO-010"),
        ("leaf signature of another event", "STO-013"),
        ("truncated", "COC-014"),
        ("oversized", "COC-011"),
        ("empty", "COC-014"),
        ("a bare envelope", "COC-014"),
        ("a key twice", "COC-010"),
        ("another payload type", "COC-072"),
    ],
)
def test_what_is_not_honest_is_refused_with_its_code(attack: str, code: str) -> None:  # noqa: C901 - one case each
    a, b = station(A, 3), station(B, 4)
    raw = a.says()
    honest = a.wire(raw)
    address, message, keys = events_of(A), honest, keyring(a, b)
    match attack:
        case "forged payload":
            other = a.says()
            signature = raw[raw.index(b'"signatures"') :]
            message = a.wire(other[: other.index(b'"signatures"')] + signature)
        case "wrong key":
            message = FakeStation(A, seed=9).wire(FakeStation(A, seed=9).says())
        case "key of another station":
            impostor = FakeStation(A, seed=4)
            message = impostor.wire(impostor.says())
        case "not enrolled":
            keys = keyring(b)
        case "replayed by another station":
            address = events_of(B)
        case "leaf signature of another event":
            message = to_wire(raw, bytes.fromhex(a.wire(a.says())[-130:-2].decode()))
        case "truncated":
            message = honest[: len(honest) // 2]
        case "oversized":
            message = honest[:20] + b"A" * 70_000 + honest[20:]
        case "empty":
            message = b""
        case "a bare envelope":
            message = raw
        case "a key twice":
            message = b'{"payload":"",' + honest[1:]
        case "another payload type":
            message = honest.replace(b"application/vnd.in-toto+json", b"application/x")
    assert code_of(examine(address, message, keys)) == code
    assert code_of(examine(events_of(A), honest, keyring(a, b))) == "ok"


def test_every_single_byte_counts() -> None:
    a = station(A, 3)
    message = a.wire(a.says())
    keys = keyring(a)
    for place in range(0, len(message), 7):
        changed = bytearray(message)
        changed[place] ^= 0x04
        assert code_of(examine(events_of(A), bytes(changed), keys)) != "ok", place


@pytest.mark.parametrize(
    "topic", ["evidock/v1/site-2/stations/station-a/events", "x", "evidock/v1/site-1/stations/+/events"]
)
def test_a_topic_that_is_not_a_stations_events_is_refused(topic: str) -> None:
    assert isinstance(address_of(topic, SITE), Refused)
    assert address_of(station_topic(SITE, A, Channel.EVENTS), SITE) == events_of(A)
    assert isinstance(address_of(station_topic(SITE, A, Channel.ALERTS), SITE), Refused)


class Log:
    """What the catalogue tells an admission."""

    def __init__(self) -> None:
        self.heads: dict[SourceId, ChainHead] = {}
        self.hashes: set[bytes] = set()
        self.admission = Admission(head_of=self.heads.get, is_logged=self.hashes.__contains__)

    def take(self, events: Iterable[Examined]) -> list[Verdict]:
        verdicts = [verdict for event in events for verdict in self.admission.admit(event)]
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                source = verdict.examined.view.source
                self.heads[source.id] = ChainHead(source.seq, verdict.examined.hash)
                self.hashes.add(verdict.examined.hash)
        self.admission.commit()
        return verdicts


def examined(a: FakeStation, count: int) -> list[Examined]:
    keys = keyring(a)
    result = [examine(events_of(a.id), a.wire(a.says()), keys) for _ in range(count)]
    return [each for each in result if isinstance(each, Examined)]


def accepted_seqs(verdicts: Iterable[Verdict]) -> list[int]:
    return [verdict.examined.view.source.seq for verdict in verdicts if isinstance(verdict, Accepted)]


def test_five_deliveries_of_each_message_out_of_order_give_each_event_once_in_order() -> None:
    events = examined(station(A, 3), 20)
    log = Log()
    order = [events[(place * 7) % 20] for place in range(100)]
    verdicts = log.take(order[:30]) + log.take(order[30:])
    assert accepted_seqs(verdicts) == list(range(1, 21))
    assert all(isinstance(each, Accepted | Repeated | Parked) for each in verdicts)
    assert all(isinstance(each, Repeated) for each in log.take(events))


def test_another_event_with_the_same_number_is_refused_and_kept_as_evidence() -> None:
    honest, double = station(A, 3), station(A, 3)
    double.now_at = double.now_at.replace(year=2025)
    log = Log()
    log.take(examined(honest, 3))
    forked = examined(double, 3)
    verdicts = log.take(forked)
    assert [verdict.code for verdict in verdicts if isinstance(verdict, Refused)] == ["STO-014"] * 3
    assert all(isinstance(verdict, Refused) and verdict.evidence for verdict in verdicts)
    broken = log.take(examined(double, 1))  # number 4 of the other history
    assert [verdict.code for verdict in broken if isinstance(verdict, Refused)] == ["STO-015"]
    assert accepted_seqs(log.take(examined(honest, 1))) == [4]


def test_what_was_accepted_but_not_logged_is_accepted_again() -> None:
    events = examined(station(A, 3), 3)
    log = Log()
    assert accepted_seqs(verdict for event in events for verdict in log.admission.admit(event)) == [1, 2, 3]
    log.admission.roll_back()  # the disk was full
    assert accepted_seqs(log.take(events)) == [1, 2, 3]


def test_parking_is_bounded_and_what_does_not_fit_comes_with_the_next_sending() -> None:
    events = examined(station(A, 3), 20)
    log = Log()
    log.take(events[2:])
    assert log.admission.parked_count() == 18
    many = Log()
    parking = many.admission
    list(parking.admit(events[5]))
    store = parking._parked[A]
    for number in range(MAX_PARKED_EVENTS + 100):
        store.by_seq[1000 + number] = events[7]
        store.size_bytes += len(events[7].entry.raw)
    store.put(events[6])
    assert len(store.by_seq) == MAX_PARKED_EVENTS
    assert {6, 7} <= set(store.by_seq)


def test_stations_do_not_wait_for_each_other() -> None:
    a, b = examined(station(A, 3), 3), examined(station(B, 4), 3)
    log = Log()
    log.take([a[2], b[0], a[1], b[1]])
    assert log.heads == {B: ChainHead(2, b[1].hash)}
    assert accepted_seqs(log.take([a[0]])) == [1, 2, 3]


def test_the_hash_of_a_message_is_that_of_its_envelope() -> None:
    a = station(A, 3)
    raw = a.says()
    assert envelope_hash_of(a.wire(raw)) == envelope_hash(raw)
    assert envelope_hash_of(b"x") is None
