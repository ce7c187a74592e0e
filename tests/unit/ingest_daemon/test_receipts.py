"""What the station believes of the centre: each way to be wrong is refused, beside its honest twin."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import to_wire
from chain_of_custody.leaf import make_leaf
from chain_of_custody.receipt import make_receipt, parse_receipt
from chain_of_custody.refusal import make_refusal
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.witness_policy import Group, WitnessPolicy
from evidence_model.ids import SourceId
from host_io.signed_journal import SignedEvent
from host_io.trust import station_witness, witness_name
from ingest_daemon.errors import NotTrustedError
from ingest_daemon.ledger import Ledger
from ingest_daemon.receipts import ReceiptDesk
from tests.fakes.centre import FakeCentre
from tests.fakes.manual_clock import ManualClock
from tests.homes import CENTRE, SITE, STATION, Home, make_home
from tests.spooling import Spooling
from tests.trusts import first_trust, with_witnesses

STRANGER = Ed25519Signer.from_seed(b"s" * 32)


@dataclass(slots=True)
class Bench:
    """A station with a desk, and a centre across the table."""

    home: Home
    spooling: Spooling
    centre: FakeCentre
    ledger: Ledger
    clock: ManualClock
    desk: ReceiptDesk

    def logged(self, *events: SignedEvent) -> list[bytes]:
        """Let the centre log events; return their receipts under its newest checkpoint."""
        self.centre.take_in(to_wire(event.raw, event.leaf_signature) for event in events)
        return [self.centre.receipt_of(event.hash) for event in events]

    def anew(self) -> None:
        """Let the station's program start again."""
        self.desk = ReceiptDesk(self.ledger, trust=self.home.trust, station=STATION, clock=self.clock)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    home = make_home(tmp_path)
    clock = ManualClock()
    with Spooling(home) as spooling, Ledger(home.paths, clock) as ledger:
        desk = ReceiptDesk(ledger, trust=home.trust, station=STATION, clock=clock)
        yield Bench(home, spooling, FakeCentre(home), ledger, clock, desk)


def forged(bench: Bench, honest: bytes, **changed: object) -> bytes:
    """Return the honest receipt with something changed, signed by the centre unless another signer is given."""
    receipt = parse_receipt(honest)
    parts: dict[str, object] = {
        "event": receipt.event,
        "leaf": receipt.leaf,
        "index": receipt.index,
        "inclusion_proof": receipt.inclusion_proof,
        "checkpoint": receipt.checkpoint,
        "blob_verified_at": receipt.blob_verified_at,
        "signer": bench.home.centre,
    }
    return make_receipt(**{**parts, **changed})  # type: ignore[arg-type]


def test_an_honest_receipt_is_noted_with_its_place_and_the_head_of_the_log(bench: Bench) -> None:
    [receipt] = bench.logged(*bench.spooling.note())
    heard = bench.desk.receipts([receipt])
    assert heard.receipted == [1]
    assert heard.is_sign_of_life
    row = bench.ledger.db.execute("select receipt, log_index from envelope where seq = 1").fetchone()
    assert (row["receipt"], row["log_index"]) == (receipt, 0)
    assert bench.ledger.journal.remembered() is not None
    assert bench.spooling.findings() == []


def test_five_times_and_out_of_order_is_the_same_as_once(bench: Bench) -> None:
    receipts = []
    for count in (3, 1, 5):
        receipts += bench.logged(*bench.spooling.note(count))
    messages = receipts * 5
    random.Random(7).shuffle(messages)
    noted = [seq for message in messages for seq in bench.desk.receipts([message]).receipted]
    # What came after a newer head was seen is asked for again, and comes under the newest.
    for event in list(bench.ledger.journal.waiting()):
        noted += bench.desk.receipts([bench.centre.receipt_of(event.hash)] * 5).receipted
    assert sorted(noted) == list(range(1, 10))
    assert bench.spooling.findings() == []


def test_receipts_in_one_batch_are_noted_together(bench: Bench) -> None:
    receipts = bench.logged(*bench.spooling.note(4))
    assert bench.desk.receipts([*receipts, *receipts]).receipted == [1, 2, 3, 4]


def test_a_receipt_signed_by_a_stranger_is_not_believed(bench: Bench) -> None:
    [honest] = bench.logged(*bench.spooling.note())
    heard = bench.desk.receipts([forged(bench, honest, signer=STRANGER)])
    assert (heard.receipted, heard.not_believed, heard.is_sign_of_life) == ([], 1, False)
    assert bench.spooling.findings() == ["ING-005"]
    assert bench.desk.receipts([honest]).receipted == [1]


def test_a_receipt_for_another_event_does_not_pass_for_this_one(bench: Bench) -> None:
    first, second = bench.spooling.note(2)
    honest_first, honest_second = bench.logged(first, second)
    replayed = forged(bench, honest_first, event=second.hash)
    assert bench.desk.receipts([replayed]).receipted == []
    other_leaf = forged(bench, honest_second, leaf=make_leaf(second.raw, STRANGER).hash())
    assert bench.desk.receipts([other_leaf]).receipted == []
    assert bench.desk.receipts([honest_first, honest_second]).receipted == [1, 2]


def test_a_receipt_of_another_stations_event_is_not_ours(bench: Bench) -> None:
    [honest] = bench.logged(*bench.spooling.note())
    assert bench.desk.receipts([forged(bench, honest, event=b"\x07" * 32)]).not_believed == 1


def test_a_checkpoint_by_another_log_key_is_not_believed(bench: Bench) -> None:
    [honest] = bench.logged(*bench.spooling.note())
    other = make_home(bench.home.paths.root / "other")
    other_log = FakeCentre(other)
    other_log.home = Home(other.paths, other.config, bench.home.trust, other.station, bench.home.centre, other.log)
    event = bench.ledger.journal.find(parse_receipt(honest).event)
    assert event is not None
    other_log.take_in([to_wire(event.raw, event.leaf_signature)])
    assert bench.desk.receipts([other_log.receipt_of(event.hash)]).receipted == []
    assert bench.desk.checkpoint(other_log.note) is False
    assert bench.desk.receipts([honest]).receipted == [1]


def test_a_proof_one_hash_short_or_at_another_index_proves_nothing(bench: Bench) -> None:
    events = bench.spooling.note(4)
    honest = bench.logged(*events)[2]
    proof = parse_receipt(honest).inclusion_proof
    for wrong in (
        forged(bench, honest, inclusion_proof=proof[:-1]),
        forged(bench, honest, inclusion_proof=(*proof[:-1], b"\x01" * 32)),
        forged(bench, honest, index=1),
        b"{}",
        b"\xff\x00",
        honest[:-1],
        b'{"event":"' + events[2].hash.hex().encode() + b'"}',
    ):
        assert bench.desk.receipts([wrong]).receipted == []
    assert bench.desk.receipts([honest]).receipted == [3]


def test_a_receipt_for_footage_must_say_that_the_bytes_were_read_back(bench: Bench) -> None:
    event = bench.spooling.pull(b"footage")
    bench.centre.path_of(event.blobs[0].digest.hex).parent.mkdir(parents=True)
    bench.centre.path_of(event.blobs[0].digest.hex).write_bytes(b"footage")
    [honest] = bench.logged(event)
    assert parse_receipt(honest).blob_verified_at is not None
    assert bench.desk.receipts([forged(bench, honest, blob_verified_at=None)]).receipted == []
    assert bench.desk.receipts([honest]).receipted == [event.seq]


def test_a_late_receipt_from_an_older_log_is_asked_for_again_and_is_no_finding(bench: Bench) -> None:
    [old] = bench.logged(*bench.spooling.note())
    newer = bench.logged(*bench.spooling.note(3))
    bench.desk.receipts(newer)
    heard = bench.desk.receipts([old])
    assert (heard.receipted, heard.ask_again) == ([], [1])
    assert bench.spooling.findings() == []
    event = next(bench.ledger.journal.waiting())
    assert bench.desk.receipts([bench.centre.receipt_of(event.hash)]).receipted == [1]


def test_a_log_that_keeps_showing_less_than_it_showed_is_found_and_never_believed(bench: Bench) -> None:
    first = bench.spooling.note(5)
    bench.desk.receipts(bench.logged(*first))
    set_back = FakeCentre(bench.home)  # restored from a copy that knows nothing of them
    later = bench.spooling.note(2)
    set_back.heads = dict(bench.centre.heads)
    set_back.take_in(to_wire(event.raw, event.leaf_signature) for event in later)
    bench.anew()
    for _ in range(6):
        heard = bench.desk.receipts([set_back.receipt_of(later[0].hash)])
        assert (heard.receipted, heard.ask_again) == ([], [later[0].seq])
        assert bench.desk.checkpoint(set_back.note) is False
        bench.clock.advance(8)
    assert bench.spooling.findings() == ["ING-004"]


def test_two_trees_of_one_size_end_all_belief_until_a_person_has_looked(bench: Bench) -> None:
    [first, second] = bench.spooling.note(2)
    [honest] = bench.logged(first)
    bench.desk.receipts([honest])
    fork = FakeCentre(bench.home)
    fork.heads = dict(bench.centre.heads)
    fork.take_in([to_wire(second.raw, second.leaf_signature)])
    assert fork.size == bench.centre.size
    assert bench.desk.receipts([fork.receipt_of(second.hash)]).receipted == []
    assert bench.spooling.findings() == ["ING-003"]
    [honest_second] = bench.logged(second)
    assert bench.desk.receipts([honest_second]).receipted == []
    bench.ledger.cure("ING-003", "site/site-1")
    assert bench.desk.receipts([honest_second]).receipted == [2]


def test_a_fork_shows_in_a_checkpoint_alone(bench: Bench) -> None:
    first, second = bench.spooling.note(2)
    bench.logged(first)
    assert bench.desk.checkpoint(bench.centre.note) is True
    assert bench.desk.checkpoint(bench.centre.note) is True  # once more is nothing new
    fork = FakeCentre(bench.home)
    fork.heads = dict(bench.centre.heads)
    fork.take_in([to_wire(second.raw, second.leaf_signature)])
    assert bench.desk.checkpoint(fork.note) is False
    assert bench.spooling.findings() == ["ING-003"]


def test_one_event_at_two_places_of_the_log_is_found(bench: Bench) -> None:
    [event] = bench.spooling.note()
    [honest] = bench.logged(event)
    assert bench.desk.receipts([honest]).receipted == [1]
    twice = FakeCentre(bench.home)
    filler = bench.spooling.note(2)
    twice.heads = dict(bench.centre.heads)
    twice.take_in(to_wire(each.raw, each.leaf_signature) for each in filler)
    twice.heads = {}
    twice.take_in([to_wire(event.raw, event.leaf_signature)])
    heard = bench.desk.receipts([twice.receipt_of(event.hash)])
    assert (heard.receipted, heard.not_believed) == ([], 1)
    assert "ING-007" in bench.spooling.findings()


def test_a_newer_checkpoint_is_remembered_for_the_next_event(bench: Bench) -> None:
    bench.logged(*bench.spooling.note(3))
    bench.desk.checkpoint(bench.centre.note)
    head = bench.ledger.journal.remembered()
    assert head is not None
    assert head.size == 3
    assert bench.desk.checkpoint(b"no note at all") is False


def test_a_refusal_is_shown_and_asked_again_and_a_receipt_lifts_it(bench: Bench) -> None:
    event = bench.spooling.pull(b"footage")
    bench.ledger.note_handed_over(bench.ledger.to_hand_over(after_seq=0, limit=9))
    refusal = make_refusal(event=event.hash, code="STO-012", text="key unknown", signer=bench.home.centre)
    heard = bench.desk.refusal(refusal)
    assert heard.refused == [event.seq]
    assert [blob.seq for blob in bench.ledger.lacking_for(event.seq)] == [event.seq]  # handed over again
    assert bench.spooling.findings() == ["ING-006"]
    assert [out.seq for out in bench.ledger.outgoing(after_seq=0, limit=9)] == [event.seq]
    path = bench.centre.path_of(event.blobs[0].digest.hex)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"footage")
    assert bench.desk.receipts(bench.logged(event)).receipted == [event.seq]
    assert bench.spooling.findings() == []
    row = bench.ledger.db.execute("select refused from envelope where seq = ?", (event.seq,)).fetchone()
    assert row["refused"] is None


def test_a_refusal_that_is_not_the_centres_or_comes_too_late_changes_nothing(bench: Bench) -> None:
    [event] = bench.spooling.note()
    stranger = make_refusal(event=event.hash, code="STO-012", text="", signer=STRANGER)
    assert bench.desk.refusal(stranger).not_believed == 1
    assert bench.spooling.findings() == ["ING-005"]
    bench.desk.receipts(bench.logged(event))
    late = make_refusal(event=event.hash, code="STO-012", text="", signer=bench.home.centre)
    assert bench.desk.refusal(late).refused == []
    assert bench.spooling.findings() == ["ING-005"]


def test_a_flood_of_forgeries_is_one_finding(bench: Bench) -> None:
    for number in range(200):
        bench.desk.receipts([b'{"event":"%064x"}' % number])
    count = bench.ledger.db.execute("select count(*) from station_finding").fetchone()[0]
    assert count == 1


def test_a_station_that_trust_does_not_name_says_so_at_once(bench: Bench) -> None:
    nobody = first_trust(SITE, bench.home.log, (CENTRE, bench.home.centre))
    with pytest.raises(NotTrustedError, match=STATION):
        ReceiptDesk(bench.ledger, trust=nobody, station=STATION, clock=bench.clock)


def test_a_receipt_dated_in_the_future_is_still_a_receipt(bench: Bench) -> None:
    """The centre's clock is its own affair: what counts is the proof."""
    event = bench.spooling.pull(b"x")
    bench.centre.path_of(event.blobs[0].digest.hex).parent.mkdir(parents=True)
    bench.centre.path_of(event.blobs[0].digest.hex).write_bytes(b"x")
    [honest] = bench.logged(event)
    future = forged(bench, honest, blob_verified_at=datetime(2039, 1, 1, tzinfo=UTC))
    assert bench.desk.receipts([future]).receipted == [event.seq]


def _witnessed(bench: Bench, *names: str, quorum: int) -> dict[str, Ed25519Signer]:
    """Let the site need the cosignatures of so many of these."""
    signers = {name: Ed25519Signer.from_seed(name.encode().ljust(32)) for name in names}
    witnesses = tuple(station_witness(SITE, SourceId(name), key.public_key) for name, key in signers.items())
    policy = WitnessPolicy(witnesses=witnesses, groups=(Group("some", quorum, names),), quorum="some")
    trust = with_witnesses(bench.home.trust, policy)
    bench.desk = ReceiptDesk(bench.ledger, trust=trust, station=STATION, clock=bench.clock)
    return signers


def _cosigned(bench: Bench, honest: bytes, signers: dict[str, Ed25519Signer]) -> bytes:
    """Return the receipt under its checkpoint with cosignatures."""
    note = parse_receipt(honest).checkpoint
    checkpoint = open_checkpoint(note, log_key=bench.home.trust.log_key)
    for name, signer in signers.items():
        line = cosign(checkpoint, signer=signer, name=witness_name(SITE, SourceId(name)), at=bench.clock.now())
        note = add_signature(note, line)
    return forged(bench, honest, checkpoint=note)


def test_attack_50_a_receipt_without_the_quorum_is_not_noted_and_asked_for_again(bench: Bench) -> None:
    signers = _witnessed(bench, "w1", "w2", "w3", quorum=2)
    [honest] = bench.logged(*bench.spooling.note())
    for receipt in (honest, _cosigned(bench, honest, {"w1": signers["w1"]})):
        heard = bench.desk.receipts([receipt])
        assert (heard.unwitnessed, heard.receipted, heard.not_believed) == ([1], [], 0)
        assert heard.is_sign_of_life
    assert bench.ledger.db.execute("select count(*) from envelope where receipt is not null").fetchone()[0] == 0
    two = {name: signers[name] for name in ("w1", "w3")}
    assert bench.desk.receipts([_cosigned(bench, honest, two)]).receipted == [1]
    assert bench.spooling.findings() == []


def test_attacks_11_and_12_the_stolen_keys_of_log_and_centre_are_not_enough(bench: Bench) -> None:
    signers = _witnessed(bench, "w1", "w2", quorum=2)
    [honest] = bench.logged(*bench.spooling.note())
    thief = _cosigned(bench, honest, {"w1": signers["w1"], "w2": STRANGER})
    assert bench.desk.receipts([thief]).receipted == []
    assert bench.desk.receipts([_cosigned(bench, honest, signers)]).receipted == [1]
