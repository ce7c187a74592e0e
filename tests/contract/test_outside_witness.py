"""Witnesses over HTTP: the same answers as over MQTT, and whoever misbehaves has simply not answered."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chain_of_custody.witness_policy import Witness, WitnessPolicy
from chain_of_custody.witness_wire import Answer, cosignature_lines_of, last_size_of, parse_reply
from evidence_store.cosigning import Ask
from evidence_store.outside_witnesses import OutsideWitnesses
from evidence_store.quorum_desk import WitnessMessage
from ingest_daemon.witnessing import open_witness
from tests.fakes.centre_home import centre_at
from tests.fakes.council import WitnessedPlace
from tests.fakes.http_witness import HttpWitness, Reply
from tests.fakes.manual_clock import ManualClock
from tests.trusts import with_witnesses
from tests.witnessing import STATION, request_for, witness_home


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[tuple[Witness, HttpWitness]]:
    paths, trust = witness_home(tmp_path / "home")
    with HttpWitness(open_witness(paths, trust, STATION, clock=ManualClock())).serving() as server:
        yield replace(trust.witnesses.witnesses[0], url=server.url), server


@contextlib.contextmanager
def asking(timeout_seconds: float = 20) -> "Iterator[tuple[OutsideWitnesses, queue.SimpleQueue[WitnessMessage]]]":
    answers: queue.SimpleQueue[WitnessMessage] = queue.SimpleQueue()
    outside = OutsideWitnesses(on_answer=answers.put, timeout_seconds=timeout_seconds)
    try:
        yield outside, answers
    finally:
        outside.stop()


def test_growth_is_cosigned_over_http(seat: tuple[Witness, HttpWitness]) -> None:
    witness, _ = seat
    with asking() as (outside, answers):
        outside.ask(Ask(witness, request_for(0, 7)))
        message = answers.get(timeout=20)
        assert message.name == STATION
        reply = parse_reply(message.payload)
        assert reply.answer is Answer.COSIGNED
        assert [line.name for line in cosignature_lines_of(reply)] == [witness.key.name]
        outside.ask(Ask(witness, request_for(3, 20)))
        reply = parse_reply(answers.get(timeout=20).payload)
        assert (reply.answer, last_size_of(reply)) == (Answer.OTHER_OLD_SIZE, 7)


@pytest.mark.parametrize(
    "instead",
    [
        lambda _: (500, b"broken\n"),
        lambda _: (302, b""),
        lambda _: (204, b""),
        lambda _: (200, b"\xff\xfe"),
    ],
    ids=["500", "a redirect", "204", "not text"],
)
def test_what_is_no_answer_is_none(seat: tuple[Witness, HttpWitness], instead: Callable[[bytes], Reply]) -> None:
    honest, server = seat
    with HttpWitness(instead=instead).serving() as broken, asking() as (outside, answers):
        outside.ask(Ask(replace(honest, name="broken", url=broken.url), request_for(0, 7)))
        outside.ask(Ask(honest, request_for(0, 7)))
        assert answers.get(timeout=20).name == STATION
        outside.stop()
        outside._pool.shutdown(wait=True)
        assert answers.empty()
        assert (broken.asked_count, server.asked_count) == (1, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/w", "file:///etc/passwd", "gopher://x", "http://["])
def test_an_address_where_nobody_is_costs_nothing(seat: tuple[Witness, HttpWitness], url: str) -> None:
    honest, _ = seat
    with asking() as (outside, answers):
        outside.ask(Ask(replace(honest, name="away", url=url), request_for(0, 7)))
        outside.ask(Ask(honest, request_for(0, 7)))
        assert answers.get(timeout=20).name == STATION


def test_a_witness_that_thinks_long_is_asked_once_and_holds_nobody_up(seat: tuple[Witness, HttpWitness]) -> None:
    honest, _ = seat
    release = threading.Event()

    def slow(_body: bytes) -> Reply:
        release.wait(20)
        return 500, b""

    with HttpWitness(instead=slow).serving() as server, asking() as (outside, answers):
        for _ in range(5):
            outside.ask(Ask(replace(honest, name="slow", url=server.url), request_for(0, 7)))
        outside.ask(Ask(honest, request_for(0, 7)))
        assert answers.get(timeout=20).name == STATION
        assert server.asked_count <= 1
        release.set()


def test_a_huge_answer_is_read_no_further_than_it_may_be_long(seat: tuple[Witness, HttpWitness]) -> None:
    honest, _ = seat
    huge = HttpWitness(instead=lambda _: (200, b"x" * 10_000_000))
    with huge.serving() as server, asking() as (outside, answers):
        outside.ask(Ask(replace(honest, url=server.url), request_for(0, 7)))
        assert len(answers.get(timeout=20).payload) < 20_000


def test_a_checkpoint_that_needs_an_outside_body_is_shown_when_it_has_cosigned(tmp_path: Path) -> None:
    place = WitnessedPlace(tmp_path)
    with contextlib.ExitStack() as stack:
        (w1, *_), policy = place.trust.witnesses.witnesses, place.trust.witnesses
        server = stack.enter_context(HttpWitness(place.council.witnesses["w1"]).serving())
        outside, answers = stack.enter_context(asking())
        named = WitnessPolicy(witnesses=(replace(w1, url=server.url), *policy.witnesses[1:]), quorum="w1")
        trust = with_witnesses(place.trust, named)
        with centre_at(place.paths, trust, clock=place.clock) as centre:
            raws, step = place.says(centre)
            for ask in step.asks:
                if ask.witness.url:
                    outside.ask(ask)
            while not place.believed(step, trust=trust):
                message = answers.get(timeout=20)
                step = centre.sequencer.finish(centre.sequencer.begin([]), [], [message])
                for ask in step.asks:
                    if ask.witness.url:
                        outside.ask(ask)
            assert len(place.believed(step, trust=trust)) == len(raws)
            assert set(place.believed(step, trust=trust).values()) == {centre.ledger.size}
