"""A centre with witnesses: nothing is receipted for good without them, and an administrator cannot talk them round."""

import hashlib
import shutil
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import verify_cosignatures
from chain_of_custody.envelope import envelope_hash
from chain_of_custody.witness_wire import Answer as WitnessAnswer
from chain_of_custody.witness_wire import WitnessReply, parse_reply
from evidence_model.findings import Severity
from evidence_store.centre_book import open_findings
from evidence_store.cosigning import ASK_AGAIN_SECONDS, ROUND_SECONDS
from evidence_store.fsck import verify_home
from evidence_store.quorum_desk import PATIENCE_SECONDS, WitnessMessage
from evidence_store.rebuild import rebuild
from host_io.config import HomePaths
from tests.fakes.centre_home import LOG, Centre, centre_at, trust_of
from tests.fakes.council import NAMES, WitnessedPlace
from tests.fakes.fake_station import FakeStation


@pytest.fixture
def place(tmp_path: Path) -> WitnessedPlace:
    return WitnessedPlace(tmp_path)


def _open_codes(centre: Centre) -> list[str]:
    return [finding.code for finding in open_findings(centre.book._db)]


def _faults(paths: HomePaths) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in verify_home(paths) if each.severity is not Severity.NOTE]


def test_receipts_wait_for_the_quorum_and_come_under_a_cosigned_checkpoint(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        raws, step = place.says(centre, 3)
        assert place.believed(step) == {}
        step = place.council.sit(centre, step)
        assert place.believed(step) == dict.fromkeys(map(envelope_hash, raws), centre.ledger.size)
        note = (place.paths.log / "checkpoint").read_bytes()
        assert note == step.new_note
        assert open_checkpoint(note, log_key=LOG.public_key).size == centre.ledger.size
        witnesses = place.trust.witnesses
        cosigners = verify_cosignatures(note, [each.key for each in witnesses.witnesses])
        assert witnesses.is_met_by([each.key_id for each in cosigners])
        assert _open_codes(centre) == []
        centre.ledger.settle()
    assert _faults(place.paths) == []


def test_two_of_three_are_enough_and_one_is_not(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.away = {"w2"}
        _, step = place.says(centre)
        assert set(place.believed(place.council.sit(centre, step)).values()) == {centre.ledger.size}
        shown = (place.paths.log / "checkpoint").read_bytes()
        place.council.away = {"w2", "w3"}
        _, step = place.says(centre)
        assert place.believed(place.council.sit(centre, step)) == {}
        assert (place.paths.log / "checkpoint").read_bytes() == shown


def test_without_a_quorum_footage_is_received_and_the_receipt_says_what_it_awaits(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.away = set(NAMES)
        raws, step = place.says(centre)
        place.council.sit(centre, step)
        place.clock.advance(PATIENCE_SECONDS + 1)
        step = centre.sequencer.step([])
        assert place.believed(step) == {envelope_hash(raws[0]): -1}
        assert _open_codes(centre) == ["STO-095"]
        place.council.away = set()
        place.clock.advance(ASK_AGAIN_SECONDS + 1)
        place.council.sit(centre, centre.sequencer.step([]))
        assert _open_codes(centre) == []
        step = centre.take(place.station, raws)  # the station asks again
        assert place.believed(step) == {envelope_hash(raws[0]): centre.ledger.size}


def test_while_a_round_runs_the_log_goes_on_and_the_next_round_covers_it(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        first, step = place.says(centre)
        late = place.council.answers(step.asks)
        more = [place.says(centre) for _ in range(5)]
        assert [ask for _, each in more for ask in each.asks] == []  # nobody is asked twice at once
        step = centre.sequencer.finish(centre.sequencer.begin([]), [], late)
        assert set(place.believed(step)) == {envelope_hash(first[0])}
        step = place.council.sit(centre, step)
        assert set(place.believed(step)) == {envelope_hash(raws[0]) for raws, _ in [(first, None), *more]}


def test_what_comes_late_twice_or_from_nobody_changes_nothing(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        _, step = place.says(centre)
        messages = place.council.answers(step.asks)
        strangers = [WitnessMessage("w9", messages[0].payload), WitnessMessage("w2", messages[0].payload)]
        nothing = centre.sequencer.finish(centre.sequencer.begin([]), [], [messages[0], *strangers, messages[0]])
        assert nothing.new_note is None
        step = centre.sequencer.finish(centre.sequencer.begin([]), [], messages * 3)
        assert step.new_note is not None
        again = centre.sequencer.finish(centre.sequencer.begin([]), [], messages * 3)
        assert (again.new_note, again.receipt_count) == (None, 0)


@pytest.mark.parametrize(
    "payload", [b"", b"\xff" * 40, b"{}", b"x" * 20_000], ids=["empty", "not text", "no members", "huge"]
)
def test_a_malformed_answer_is_told_once_and_the_others_are_enough(place: WitnessedPlace, payload: bytes) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        _, step = place.says(centre)
        messages = [WitnessMessage("w1", payload)] * 50 + place.council.answers(step.asks)[1:]
        step = centre.sequencer.finish(centre.sequencer.begin([]), [], messages)
        assert step.new_note is not None
        assert _open_codes(centre) == ["STO-096"]


def test_a_cosignature_over_something_else_does_not_count(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        _, before = place.says(centre)
        old = {each.name: parse_reply(each.payload).body for each in place.council.answers(before.asks)}
        place.clock.advance(ROUND_SECONDS + 1)
        _, step = place.says(centre)
        forged = []
        for ask in step.asks:
            reply = WitnessReply(hashlib.sha256(ask.body).digest(), WitnessAnswer.COSIGNED, old[ask.witness.name])
            forged.append(WitnessMessage(ask.witness.name, reply.to_bytes()))
        step = centre.sequencer.finish(centre.sequencer.begin([]), [], forged)
        assert step.new_note is None
        assert _open_codes(centre).count("STO-096") == 3


def test_attack_09_a_log_set_back_is_told_by_the_witnesses(place: WitnessedPlace, tmp_path: Path) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre)[1])
        centre.ledger.settle()
    shutil.copytree(place.paths.root, tmp_path / "yesterday")
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre, 2)[1])
    restored = HomePaths(tmp_path / "yesterday")
    with centre_at(restored, place.trust, clock=place.clock) as centre:
        shown = (restored.log / "checkpoint").read_bytes()
        step = place.council.sit(centre, centre.sequencer.step([]))
        assert step.new_note is None
        assert (restored.log / "checkpoint").read_bytes() == shown
        assert _open_codes(centre) == ["STO-096"] * 3


def test_attack_10_of_two_histories_at_most_one_gets_the_quorum(place: WitnessedPlace, tmp_path: Path) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre)[1])
        centre.ledger.settle()
    shutil.copytree(place.paths.root, tmp_path / "other")
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.away = {"w3"}
        assert place.council.sit(centre, place.says(centre)[1]).new_note is not None
    with centre_at(HomePaths(tmp_path / "other"), place.trust, clock=place.clock) as centre:
        place.council.away = set()
        centre.sequencer.trust(trust_of(place.station, FakeStation("station-2", seed=4)))  # another history
        centre.sequencer.trust(place.council.trusting(trust_of(place.station, FakeStation("station-2", seed=4))))
        step = place.council.sit(centre, centre.sequencer.step([]))
        assert step.new_note is None


@pytest.mark.parametrize("answer", [WitnessAnswer.INCONSISTENT, WitnessAnswer.UNKNOWN_LOG])
def test_a_refusal_is_told_and_the_witness_rests(place: WitnessedPlace, answer: WitnessAnswer) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.away = {"w1", "w2"}
        _, step = place.says(centre)
        request = next(ask for ask in step.asks if ask.witness.name == "w1")
        reply = WitnessReply(hashlib.sha256(request.body).digest(), answer, "no\n")
        centre.sequencer.finish(centre.sequencer.begin([]), [], [WitnessMessage("w1", reply.to_bytes())])
        assert _open_codes(centre) == ["STO-096"]
        place.clock.advance(ASK_AGAIN_SECONDS + 1)
        assert {ask.witness.name for ask in centre.sequencer.step([]).asks} == {"w2", "w3"}


@pytest.mark.parametrize("place_of", ["cosignature", "root", "log signature"])
def test_a_shown_checkpoint_that_is_altered_is_found(place: WitnessedPlace, place_of: str) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre)[1])
        centre.ledger.settle()
    assert _faults(place.paths) == []
    path = place.paths.log / "checkpoint"
    lines = path.read_text().split("\n")
    at = {"root": 2, "log signature": 4, "cosignature": 5}[place_of]
    lines[at] = lines[at][:-6] + ("A" if lines[at][-6] != "A" else "B") + lines[at][-5:]
    path.chmod(0o644)
    path.write_text("\n".join(lines))
    assert {subject for _, subject in _faults(place.paths)} == {"log/checkpoint"}


def test_rebuild_shows_nothing_that_no_witness_saw(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre)[1])
        centre.ledger.settle()
    shown = (place.paths.log / "checkpoint").read_bytes()
    rebuild(place.paths, place.clock)
    assert (place.paths.log / "checkpoint").read_bytes() == shown
    assert _faults(place.paths) == []


def test_entries_that_no_witness_saw_are_a_note_not_damage(place: WitnessedPlace) -> None:
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        place.council.sit(centre, place.says(centre)[1])
        place.council.away = set(NAMES)
        place.says(centre)
        centre.ledger.settle()
    assert _faults(place.paths) == []
    assert [each.code for each in verify_home(place.paths)] == ["STO-095"]
