"""A station cosigns what grows, remembers it before it says so, and never goes back: on a real disk."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_of_custody.cosignature import add_signature, verify_cosignatures
from chain_of_custody.witness import Refusal
from chain_of_custody.witness_wire import Answer, WitnessReply, cosignature_lines_of, last_size_of, parse_reply
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import KeyOpenToOthersError
from host_io.trust import Trust, witness_key_path
from host_io.witness_state import WitnessStateLostError, make_witness, witness_state
from ingest_daemon.witnessing import Witness, WitnessDesk, open_witness
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.manual_clock import ManualClock
from tests.witnessing import FORK, LOG, STATION, note_of, request_for, witness_home

Place = tuple[HomePaths, Trust]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return witness_home(tmp_path / "home")


def _open(place: Place) -> Witness:
    witness = open_witness(*place, STATION, clock=ManualClock())
    assert witness is not None
    return witness


def _is_cosigned(reply: WitnessReply, place: Place, note: bytes) -> bool:
    """Say whether the quorum of the site's policy is met by this answer."""
    assert reply.answer is Answer.COSIGNED
    (line,) = cosignature_lines_of(reply)
    found = verify_cosignatures(add_signature(note, line), [each.key for each in place[1].witnesses.witnesses])
    return place[1].witnesses.is_met_by([each.key_id for each in found])


def test_growth_is_cosigned_and_remembered_over_a_restart(place: Place) -> None:
    witness = _open(place)
    assert _is_cosigned(witness.answer(request_for(0, 7)), place, note_of(7))
    assert _is_cosigned(witness.answer(request_for(7, 20)), place, note_of(20))
    again = _open(place)
    assert _is_cosigned(again.answer(request_for(20, 20)), place, note_of(20))
    assert _is_cosigned(again.answer(request_for(20, 33)), place, note_of(33))


def test_attack_09_yesterday_s_log_gets_no_cosignature_after_a_restart(place: Place) -> None:
    _open(place).answer(request_for(0, 33))
    reply = _open(place).answer(request_for(7, 20))
    assert (reply.answer, last_size_of(reply)) == (Answer.OTHER_OLD_SIZE, 33)


def test_attack_10_a_fork_is_refused_kept_once_and_told(place: Place) -> None:
    told: list[Refusal] = []
    witness = open_witness(*place, STATION, clock=ManualClock(), on_suspect=told.append)
    assert witness is not None
    witness.answer(request_for(0, 30))
    request = request_for(30, 40, tree=FORK)
    for _ in range(3):
        assert witness.answer(request).answer is Answer.INCONSISTENT
    (kept,) = (place[0].root / "witness" / "suspect").iterdir()
    assert kept.read_bytes() == request
    assert [each.last_size for each in told] == [30, 30, 30]
    assert _is_cosigned(witness.answer(request_for(30, 40)), place, note_of(40))


def test_a_flood_of_suspect_requests_fills_no_disk(place: Place) -> None:
    witness = _open(place)
    witness.answer(request_for(0, 30))
    for number in range(130):
        witness.answer(request_for(30, 40, proof=(number.to_bytes(32, "big"),)))
    assert sum(1 for _ in (place[0].root / "witness" / "suspect").iterdir()) == 100


@pytest.mark.parametrize("damage", ["gone", "cut", "of another log"])
def test_attack_13_a_witness_that_lost_its_record_signs_nothing_any_more(place: Place, damage: str) -> None:
    _open(place).answer(request_for(0, 30))
    path = witness_state(place[0], STATION).path
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "cut" else path.read_bytes().replace(b"sigsum", b"sogsum"))
    with pytest.raises(WitnessStateLostError, match="retire"):
        _open(place)
    make_witness(place[0], STATION)  # init, run again, does not mend it either
    with pytest.raises(WitnessStateLostError):
        _open(place)


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("at", [1, 2, 3])
def test_attack_14_power_cut_around_the_record_never_leads_back(place: Place, at: int, when: When) -> None:
    _open(place).answer(request_for(0, 7))
    with Steps(at=at, when=when) as steps:
        try:
            _open(place).answer(request_for(7, 20))
        except PowerCutError:
            assert steps.stopped_at
    witness = _open(place)
    reply = witness.answer(request_for(7, 20))
    if reply.answer is Answer.OTHER_OLD_SIZE:  # it was remembered: the centre learns that, and asks for it again
        assert last_size_of(reply) == 20
        reply = witness.answer(request_for(20, 20))
    assert _is_cosigned(reply, place, note_of(20))
    assert _open(place).answer(request_for(7, 13)).answer is Answer.OTHER_OLD_SIZE


def test_nothing_is_cosigned_that_the_disk_did_not_take(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = _open(place)

    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_file", full)
        with pytest.raises(OSError, match="No space"):
            witness.answer(request_for(0, 7))
    assert _is_cosigned(witness.answer(request_for(0, 3)), place, note_of(3))


def test_who_is_not_named_in_the_policy_is_no_witness(tmp_path: Path) -> None:
    paths, trust = witness_home(tmp_path / "home", is_witness=False)
    assert open_witness(paths, trust, STATION, clock=ManualClock()) is None
    named = witness_home(tmp_path / "other")[1]
    assert open_witness(paths, named, STATION, clock=ManualClock()) is None  # the key of somebody else


def test_a_key_that_others_can_read_is_not_used(place: Place) -> None:
    witness_key_path(place[0], STATION).chmod(0o644)
    with pytest.raises(KeyOpenToOthersError):
        _open(place)


def test_init_run_again_keeps_key_and_record(place: Place) -> None:
    _open(place).answer(request_for(0, 7))
    before = witness_state(place[0], STATION).last(log_key=LOG.public_key)
    assert make_witness(place[0], STATION).public_key == place[1].witnesses.witnesses[0].key.public_key
    assert witness_state(place[0], STATION).last(log_key=LOG.public_key) == before


@pytest.fixture
def desk(place: Place) -> Iterator[tuple[WitnessDesk, list[WitnessReply], threading.Semaphore]]:
    replies: list[WitnessReply] = []
    arrived = threading.Semaphore(0)

    def send(message: bytes) -> None:
        replies.append(parse_reply(message))
        arrived.release()

    desk = WitnessDesk(_open(place), send=send)
    desk.start()
    yield desk, replies, arrived
    desk.stop(timeout_seconds=5)


def test_the_desk_answers_in_order_whatever_it_is_sent(
    desk: tuple[WitnessDesk, list[WitnessReply], threading.Semaphore],
) -> None:
    thread, replies, arrived = desk
    for request in (b"\xff", request_for(0, 20), request_for(0, 7), request_for(20, 33)):
        thread.put(request)
    for _ in range(4):
        assert arrived.acquire(timeout=20)
    assert [each.answer for each in replies] == [
        Answer.MALFORMED,
        Answer.COSIGNED,
        Answer.OTHER_OLD_SIZE,
        Answer.COSIGNED,
    ]
