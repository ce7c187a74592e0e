"""A running store takes a new station from trust.json, and nothing that would make it another centre."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chain_of_custody.signatures import Ed25519Signer
from evidence_model.ids import SourceId
from evidence_store.trust_reloader import TrustReloader
from host_io.trust import Trust, TrustedKey, write_trust
from tests.fakes.centre_home import Centre, centre_at, make_centre_home, receipts_of, refusals_of, trust_of
from tests.fakes.fake_station import FakeStation

STATION, NEW = FakeStation(), FakeStation("station-2", seed=4)
OTHER_KEY = Ed25519Signer.from_seed(b"x" * 32).public_key
TRUST = trust_of(STATION, NEW)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", STATION), trust_of(STATION)) as centre:
        yield centre


@pytest.fixture
def reloader(centre: Centre) -> TrustReloader:
    return TrustReloader(centre.paths.trust, centre.sequencer, centre.book)


def told(centre: Centre) -> list[str]:
    rows = centre.book._db.execute("select code from centre_finding where cleared_unix_ms is null")
    return [row["code"] for row in rows]


def test_a_new_station_is_trusted_at_once(centre: Centre, reloader: TrustReloader) -> None:
    station = FakeStation("station-2", seed=4)
    raw = station.says()
    assert [code for _, code, _ in refusals_of(centre.take(station, [raw]))] == ["STO-011"]
    centre.book.clear("STO-011", "station/station-2")
    write_trust(centre.paths.trust, TRUST)
    reloader.look()
    assert len(receipts_of(centre.take(station, [raw]), station)) == 1
    assert told(centre) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(TRUST, site=SourceId("site-2")),
        replace(TRUST, log_key=OTHER_KEY),
        replace(TRUST, centre=TrustedKey(SourceId("centre"), OTHER_KEY)),
        replace(TRUST, centre=TrustedKey(SourceId("centre-2"), TRUST.centre.key)),
    ],
    ids=["site", "log", "centre key", "centre name"],
)
def test_a_trust_file_of_another_centre_is_told_and_not_used(
    centre: Centre, reloader: TrustReloader, other: Trust
) -> None:
    write_trust(centre.paths.trust, other)
    reloader.look()
    reloader.look()
    assert centre.sequencer.trusted == trust_of(STATION)
    assert told(centre) == ["STO-093"]
    write_trust(centre.paths.trust, TRUST)
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
    assert centre.sequencer.trusted == trust_of(STATION)
    write_trust(centre.paths.trust, TRUST)
    TrustReloader(centre.paths.trust, centre.sequencer, centre.book)  # mended while the store was stopped
    assert told(centre) == []
