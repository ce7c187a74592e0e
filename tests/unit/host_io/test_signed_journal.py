"""One signer's chain: gapless, signed, together with the state it speaks of, and receipts noted once."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.envelope import parse_envelope, to_wire, verify_envelope
from chain_of_custody.errors import EventRejectedError
from chain_of_custody.event import Subject, parse_event
from chain_of_custody.leaf import leaf_from_parts, verify_leaf
from chain_of_custody.receipt import verify_receipt
from chain_of_custody.signatures import verifier_for
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from host_io import sqlite
from host_io.signed_journal import JournalNotOursError, NewFact, SignedJournal, raw_note
from tests.fakes.centre import FakeCentre
from tests.fakes.manual_clock import ManualClock
from tests.homes import CENTRE, STATION, Home, make_home
from tests.spooling import Spooling


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def spooling(home: Home) -> Iterator[Spooling]:
    with Spooling(home, clock=ManualClock()) as spooling:
        yield spooling


def fact(spooling: Spooling, **changed: object) -> NewFact:
    parts: dict[str, object] = {
        "kind": EventKind.PREFLIGHT_DONE,
        "subject": Subject("recorder/rec-1", hashlib.sha256(b"rec-1").digest()),
        "body": {},
        "actor": spooling.actor,
    }
    return NewFact(**{**parts, **changed})  # type: ignore[arg-type]


def test_each_envelope_is_signed_and_names_the_one_before(home: Home, spooling: Spooling) -> None:
    events = spooling.note(3)
    prev = GENESIS_PREV
    for number, event in enumerate(events, start=1):
        envelope = parse_envelope(event.raw)
        verify_envelope(envelope, [verifier_for(home.station.public_key)])
        view = parse_event(envelope)
        assert (view.source.seq, view.source.prev, view.event_id) == (number, prev, event.event_id)
        leaf = leaf_from_parts(envelope.checksum, event.leaf_signature, home.station.public_key)
        verify_leaf(leaf, public_key=home.station.public_key)
        prev = event.hash


def test_each_item_has_a_chain_of_its_own(spooling: Spooling) -> None:
    first, other = spooling.pull(b"one", name="1"), spooling.pull(b"two", name="2")
    again = spooling.reread(first)
    views = [parse_event(parse_envelope(event.raw)) for event in (first, other, again)]
    assert [view.asset.seq for view in views if view.asset] == [1, 1, 2]
    assert views[2].asset is not None
    assert views[2].asset.prev == first.hash


def test_what_is_said_and_what_is_done_become_true_together_or_not_at_all(spooling: Spooling) -> None:
    def speak_and_fail() -> None:
        with sqlite.transaction(spooling.db):
            spooling.journal.append(fact(spooling))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        speak_and_fail()
    assert spooling.journal.count_waiting() == 0
    [event] = spooling.note()
    assert event.seq == 1


def test_a_fact_that_does_not_fit_leaves_no_gap(spooling: Spooling) -> None:
    with pytest.raises((EventRejectedError, RefusedError)):
        spooling.journal.append(fact(spooling, body={"text": "x" * 70_000}))
    with pytest.raises((EventRejectedError, RefusedError)):
        spooling.journal.append(fact(spooling, body={"float": 1.5}))
    assert [event.seq for event in spooling.note(2)] == [1, 2]


def test_writers_in_many_threads_make_one_gapless_chain(home: Home) -> None:
    def speak() -> None:
        with Spooling(home) as own:
            for _ in range(20):
                own.note()

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Spooling(home) as spooling:
        prev = GENESIS_PREV
        for number, event in enumerate(spooling.journal.waiting(limit=1000), start=1):
            view = parse_event(parse_envelope(event.raw))
            assert (view.source.seq, view.source.prev) == (number, prev)
            prev = event.hash
        assert number == 80


def test_what_waits_is_read_in_order_with_its_blobs_and_without_refused_ones(spooling: Spooling) -> None:
    pulled = spooling.pull(b"bytes")
    spooling.note(3)
    spooling.db.execute("update envelope set refused = 'STO-001' where seq = 3")
    assert [event.seq for event in spooling.journal.waiting()] == [1, 2, 4]
    assert [event.seq for event in spooling.journal.waiting(after_seq=1, limit=1)] == [2]
    found = spooling.journal.find(pulled.hash)
    assert found == pulled
    assert spooling.journal.find(b"\0" * 32) is None
    assert spooling.journal.count_waiting() == 4


def test_a_receipt_is_noted_once_with_the_head_it_proves_and_becomes_the_next_beacon(
    home: Home, spooling: Spooling
) -> None:
    [event] = spooling.note()
    centre = FakeCentre(home)
    centre.take_in([to_wire(event.raw, event.leaf_signature)])
    raw = centre.receipt_of(event.hash)
    leaf = leaf_from_parts(parse_envelope(event.raw).checksum, event.leaf_signature, home.station.public_key)
    receipt = verify_receipt(
        raw,
        centre_key=home.centre.public_key,
        log_key=home.log.public_key,
        event=event.hash,
        leaf=leaf.hash(),
    )
    assert not spooling.journal.is_receipted(1)
    assert spooling.journal.receipt_verified(1, raw, receipt) is True
    assert spooling.journal.receipt_verified(1, raw, receipt) is False
    assert spooling.journal.is_receipted(1)
    assert spooling.journal.remembered() == receipt.head
    assert raw_note(raw) == centre.note
    [after] = spooling.note()
    beacon = parse_event(parse_envelope(after.raw)).time.beacon
    assert beacon is not None
    assert (beacon.size, beacon.root) == (receipt.head.size, receipt.head.root)


def test_nothing_is_signed_into_the_journal_of_another_signer(home: Home, spooling: Spooling) -> None:
    spooling.note(2)
    for source, signer in ((STATION, home.station), (CENTRE, home.centre)):
        with contextlib.ExitStack() as stack:
            if source == CENTRE:  # station.db lies where centre.db should
                stack.enter_context(pytest.raises(JournalNotOursError, match=STATION))
            SignedJournal(spooling.db, signer=signer, source=source, clock=ManualClock())
    assert spooling.db.execute("select count(*) from envelope").fetchone()[0] == 2
