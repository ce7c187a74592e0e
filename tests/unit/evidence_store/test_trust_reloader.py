"""A running store takes the next trust document if its roots signed it, and never becomes another centre."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.trust_entries import PersonRole, SourceRole, TrustedLog, TrustedPerson
from evidence_model.findings import Severity
from evidence_model.ids import SourceId
from evidence_model.topics import Channel, station_topic
from evidence_store.errors import TrustSetBackError
from evidence_store.fsck import verify_home
from evidence_store.trust_reloader import TrustReloader
from host_io.trust import Trust, trust_bytes
from tests.fakes.centre_home import SITE, Centre, centre_at, make_centre_home, receipts_of, refusals_of, trust_of
from tests.fakes.fake_station import FakeStation
from tests.trusts import ROOT, next_trust, put_trust, source

STATION, NEW = FakeStation(), FakeStation("station-2", seed=4)
OTHER = Ed25519Signer.from_seed(b"x" * 32)
FIRST = trust_of(STATION)
TRUST = next_trust(FIRST, sources=(*FIRST.sources, source(SITE, NEW.id, NEW.signer)))


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", STATION), FIRST) as centre:
        yield centre


@pytest.fixture
def reloader(centre: Centre) -> TrustReloader:
    return TrustReloader(centre.paths, centre.sequencer, centre.book)


def told(centre: Centre) -> list[str]:
    rows = centre.book._db.execute("select code from centre_finding where cleared_unix_ms is null")
    return [row["code"] for row in rows]


def said(centre: Centre) -> list[tuple[str, str]]:
    """Return kind and subject of what the log holds of the centre about keys."""
    size = centre.ledger.size
    events = [event.view for event in centre.sequencer._parts.reader.events(0, size)]
    return [(each.kind, each.subject.name) for each in events if each.kind.startswith(("key.", "trust."))]


def test_a_new_station_is_trusted_at_once_and_the_log_knows_by_which_document(
    centre: Centre, reloader: TrustReloader
) -> None:
    station = FakeStation("station-2", seed=4)
    raw = station.says()
    assert [code for _, code, _ in refusals_of(centre.take(station, [raw]))] == ["STO-011"]
    centre.book.clear("STO-011", "station/station-2")
    put_trust(centre.paths, TRUST)
    reloader.look()
    assert len(receipts_of(centre.take(station, [raw]), station)) == 1
    assert told(centre) == []
    assert said(centre)[-2:] == [("key.enrolled", f"key/{station.signer.key_id}"), ("trust.changed", "trust/2")]


def revoked(until: int) -> Trust:
    """Return the document in which the station's key counts before a place alone."""
    closed = (replace(each, until=until) if each.id == STATION.id else each for each in FIRST.sources)
    return next_trust(FIRST, sources=tuple(closed), since=until)


def test_a_revoked_station_is_refused_at_once_whatever_time_it_claims(centre: Centre, reloader: TrustReloader) -> None:
    station = FakeStation()
    first, second = station.says(), station.says()  # both say the same hour, long before the revocation
    assert len(receipts_of(centre.take(station, [first]), station)) == 1
    size = centre.ledger.size
    put_trust(centre.paths, revoked(size))
    reloader.look()
    assert [code for _, code, _ in refusals_of(centre.take(station, [second]))] == ["STO-140"]
    assert said(centre)[-2:] == [("key.revoked", f"key/{STATION.signer.key_id}"), ("trust.changed", "trust/2")]
    logged = centre.sequencer._parts.reader.events(size, centre.ledger.size)
    assert [event.view.source.id for event in logged] == ["centre", "centre"]


def test_what_was_examined_before_the_revocation_is_not_logged_after_it(
    centre: Centre, reloader: TrustReloader
) -> None:
    station = FakeStation()
    topic = station_topic(SITE, station.id, Channel.EVENTS)
    begun = centre.sequencer.begin([(topic, station.wire(station.says()))])
    put_trust(centre.paths, revoked(1))
    reloader.look()
    assert [code for _, code, _ in refusals_of(centre.sequencer.finish(begun))] == ["STO-140"]


@pytest.mark.parametrize(
    "other",
    [
        replace(TRUST, site=SourceId("site-2"), sources=()),
        replace(TRUST, logs=(TrustedLog(key=OTHER.public_key),)),
        replace(TRUST, sources=(source(SITE, "centre", OTHER, role=SourceRole.CENTRE), *TRUST.sources[1:])),
    ],
    ids=["site", "log", "centre key"],
)
def test_a_trust_file_of_another_centre_is_told_and_not_used(
    centre: Centre, reloader: TrustReloader, other: Trust
) -> None:
    if other.site != SITE:
        site = str(other.site)
        other = replace(other, sources=(source(site, "centre", OTHER, role=SourceRole.CENTRE),))
    put_trust(centre.paths, other)
    reloader.look()
    reloader.look()
    assert centre.sequencer.trusted == FIRST
    assert told(centre) == ["STO-093"]
    put_trust(centre.paths, TRUST)
    reloader.look()
    assert centre.sequencer.trusted == TRUST
    assert told(centre) == []


PERSON = TrustedPerson(id="P001234", key=OTHER.public_key, roles=(PersonRole.OFFICER,))
FORGED = {
    "enrolled by the centre alone": lambda home: put_trust(home, TRUST, OTHER),
    "an older one comes back": lambda home: put_trust(home, replace(FIRST, people=(PERSON,))),
    "a number is left out": lambda home: put_trust(home, replace(TRUST, number=3, previous=TRUST.hash)),
    "of another history": lambda home: put_trust(home, replace(TRUST, previous=bytes(32))),
    "not signed at all": lambda home: home.trust.write_bytes(trust_bytes(TRUST)),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_document_that_may_not_follow_is_told_and_the_one_before_it_stays(
    centre: Centre, reloader: TrustReloader, forge: object
) -> None:
    assert callable(forge)
    forge(centre.paths)
    reloader.look()
    assert centre.sequencer.trusted == FIRST
    assert told(centre) == ["HOST-043"]
    put_trust(centre.paths, TRUST, ROOT)
    reloader.look()
    assert centre.sequencer.trusted == TRUST
    assert told(centre) == []


def test_a_trust_file_that_is_lost_or_damaged_is_told_once_and_the_known_keys_go_on(
    centre: Centre, reloader: TrustReloader
) -> None:
    whole = centre.paths.trust.read_bytes()
    centre.paths.trust.write_bytes(whole[:-20])
    reloader.look()
    assert told(centre) == ["HOST-041"]
    centre.paths.trust.unlink()
    reloader.look()
    assert told(centre) == ["HOST-040"]
    assert centre.sequencer.trusted == FIRST
    put_trust(centre.paths, TRUST)
    TrustReloader(centre.paths, centre.sequencer, centre.book)  # mended while the store was stopped
    assert told(centre) == []


def test_44_an_old_document_that_comes_back_while_the_store_is_stopped_is_damage(tmp_path: Path) -> None:
    paths = make_centre_home(tmp_path / "home", STATION)
    first = paths.trust.read_bytes()
    with centre_at(paths, FIRST) as centre:
        reloader = TrustReloader(paths, centre.sequencer, centre.book)
        put_trust(paths, revoked(2))
        reloader.look()
        centre.sequencer.step([])
        centre.ledger.settle()
    assert [each.code for each in verify_home(paths) if each.severity is Severity.DAMAGE] == []
    with centre_at(paths, revoked(2)):
        pass  # the honest twin: it goes on
    paths.trust.write_bytes(first)
    with pytest.raises(TrustSetBackError), centre_at(paths, FIRST):
        pass
    assert [each.code for each in verify_home(paths) if each.severity is Severity.DAMAGE] == ["STO-141"]
