"""A spool copy goes only when nobody can need it: every receipt there, every item re-read, under the journal's lock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from host_io import sqlite
from host_io.clock import SystemClock
from host_io.signed_journal import SignedEvent
from ingest_daemon.ledger import Ledger
from ingest_daemon.spool_removal import SpoolRemoval
from tests.homes import Home, make_home
from tests.spooling import Spooling

CONTENT = b"footage" * 100


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def spooling(home: Home) -> Iterator[Spooling]:
    with Spooling(home) as spooling:
        yield spooling


@pytest.fixture
def removal(home: Home) -> Iterator[SpoolRemoval]:
    with Ledger(home.paths, SystemClock()) as ledger:
        yield SpoolRemoval(ledger, home.paths, SystemClock())


def receipt(spooling: Spooling, *events: SignedEvent) -> list[int]:
    """Note receipts without asking what they say; that is tested elsewhere."""
    with sqlite.transaction(spooling.db):
        for event in events:
            spooling.db.execute(
                "update envelope set receipt = x'00', receipted_unix_ms = 1, log_index = seq where seq = ?",
                (event.seq,),
            )
    return [event.seq for event in events]


def copy_of(spooling: Spooling, event: SignedEvent) -> Path:
    return spooling.path("footage", event.blobs[0].digest)


def test_a_copy_stays_until_the_receipt_and_the_reread_and_its_receipt_are_there(
    spooling: Spooling, removal: SpoolRemoval
) -> None:
    pulled = spooling.pull(CONTENT)
    copy = copy_of(spooling, pulled)
    assert removal.scan() == 0
    assert removal.after_receipts(receipt(spooling, pulled)) == 0  # not yet read again by the agent
    reread = spooling.reread(pulled)
    assert removal.after_receipts([pulled.seq]) == 0  # that it was read again is not receipted
    assert copy.exists()
    assert removal.after_receipts(receipt(spooling, reread)) == 2  # the chunk list goes with it
    assert not copy.exists()
    assert list((spooling.home.paths.spool / "blobs").iterdir()) == []


def test_a_copy_whose_own_event_has_no_receipt_stays_whatever_came_after_it(
    spooling: Spooling, removal: SpoolRemoval
) -> None:
    pulled = spooling.pull(CONTENT)
    removal.after_receipts(receipt(spooling, spooling.reread(pulled)))
    removal.scan()
    assert copy_of(spooling, pulled).exists()
    removal.after_receipts(receipt(spooling, pulled))
    assert not copy_of(spooling, pulled).exists()


def test_equal_bytes_of_two_items_stay_until_both_are_done(spooling: Spooling, removal: SpoolRemoval) -> None:
    first = spooling.pull(CONTENT, name="A.MP4")
    second = spooling.pull(CONTENT, name="B.MP4")
    receipt(spooling, first, spooling.reread(first))
    assert removal.scan() == 0 or copy_of(spooling, first).exists()
    receipt(spooling, second)
    assert copy_of(spooling, first).exists()
    removal.scan()
    assert copy_of(spooling, first).exists()
    reread = spooling.reread(second)
    removal.after_receipts(receipt(spooling, reread))
    assert not copy_of(spooling, first).exists()


def test_bytes_that_no_envelope_names_are_left_alone(spooling: Spooling, removal: SpoolRemoval) -> None:
    digest = spooling.place("footage", b"just placed, not yet sealed")
    (spooling.home.paths.spool / "footage" / "not-a-digest").write_text("whatever")
    assert removal.scan() == 0
    assert spooling.path("footage", digest).exists()


def test_a_copy_that_came_back_goes_again(spooling: Spooling, removal: SpoolRemoval) -> None:
    pulled = spooling.pull(CONTENT)
    receipt(spooling, pulled, spooling.reread(pulled))
    assert removal.scan() == 2
    spooling.place("footage", CONTENT)
    assert removal.scan() == 1


def test_a_removal_that_was_cut_off_before_its_note_is_noted_the_next_time(
    spooling: Spooling, removal: SpoolRemoval
) -> None:
    pulled = spooling.pull(CONTENT)
    reread = spooling.reread(pulled)
    copy_of(spooling, pulled).unlink()
    assert removal.after_receipts(receipt(spooling, pulled, reread)) == 1
    row = spooling.db.execute(
        "select removed_unix_ms from hand_over where digest = ?", (pulled.blobs[0].digest.raw,)
    ).fetchone()
    assert row["removed_unix_ms"] is not None


def test_the_copy_is_not_taken_while_the_agent_commits_an_item_that_needs_it(
    home: Home, spooling: Spooling, removal: SpoolRemoval
) -> None:
    """The agent looks for its copy under the journal's writing lock; so does whoever takes copies away."""
    pulled = spooling.pull(CONTENT)
    receipt(spooling, pulled, spooling.reread(pulled))
    with Ledger(home.paths, SystemClock()) as impatient:
        impatient.db.execute("pragma busy_timeout = 50")
        with spooling.home.paths.station_db.open(), sqlite.transaction(spooling.db):
            with pytest.raises(Exception, match="locked"):
                SpoolRemoval(impatient, home.paths, SystemClock()).scan()
            assert copy_of(spooling, pulled).exists()
    assert removal.scan() == 2
