"""What is known of an item comes from a station that pulled it; the word of any other is logged and changes nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_of_custody.event import Subject
from evidence_model.canonical import Json
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.ids import AssetId, RecorderId, asset_id_of
from evidence_model.messages import BlobRef, BlobRole
from tests.fakes.centre_home import Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation

FILM = Digest(hashlib.sha256(b"film").digest())
ASSET = asset_id_of(recorder=RecorderId("rec-1"), raw_path=b"DCIM/0001.MP4", size_bytes=4, digest=FILM)
SUBJECT = Subject(f"asset/{ASSET}", FILM.raw)


@pytest.fixture
def mine() -> FakeStation:
    return FakeStation()


@pytest.fixture
def other() -> FakeStation:
    return FakeStation("station-2", seed=4)


@pytest.fixture
def centre(tmp_path: Path, mine: FakeStation, other: FakeStation) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", mine, other), trust_of(mine, other)) as centre:
        yield centre


def reread(station: FakeStation, codec: str) -> bytes:
    return station.says(EventKind.FOOTAGE_REREAD, {"media": {"codec": codec}}, subject=SUBJECT, asset=ASSET)


def media(centre: Centre) -> str:
    return str(centre.catalogue.db.execute("select media from item").fetchone()["media"])


def freed_count(centre: Centre) -> int:
    return int(centre.catalogue.db.execute("select count(*) from freed").fetchone()[0])


def odd(centre: Centre) -> list[str]:
    rows = centre.book._db.execute("select code from centre_finding where cleared_unix_ms is null")
    return [row["code"] for row in rows]


def test_a_station_that_never_pulled_a_file_changes_nothing_of_it(
    centre: Centre, mine: FakeStation, other: FakeStation
) -> None:
    centre.take(mine, [mine.pulls(b"film"), reread(mine, "h264")])
    step = centre.take(other, [reread(other, "none")])
    assert step.logged_count == 1
    assert media(centre) == '{"codec":"h264"}'
    assert odd(centre) == ["STO-023"]
    centre.take(other, [other.says(EventKind.RECORDER_FREED, subject=SUBJECT, asset=ASSET)])
    assert freed_count(centre) == 0
    assert odd(centre) == ["STO-023"] * 2


def test_the_station_that_pulled_it_may_speak_of_it_and_free_it(centre: Centre, mine: FakeStation) -> None:
    centre.take(mine, [mine.pulls(b"film"), reread(mine, "h264"), reread(mine, "h265")])
    centre.take(mine, [mine.says(EventKind.RECORDER_FREED, subject=SUBJECT, asset=ASSET)])
    assert media(centre) == '{"codec":"h265"}'
    assert freed_count(centre) == 1
    assert odd(centre) == []


def test_of_two_stations_that_pulled_it_the_first_is_believed_and_the_second_until_then(
    centre: Centre, mine: FakeStation, other: FakeStation
) -> None:
    centre.take(mine, [mine.pulls(b"film")])
    centre.take(other, [other.pulls(b"film"), reread(other, "second")])
    assert media(centre) == '{"codec":"second"}'
    centre.take(mine, [reread(mine, "first")])
    centre.take(other, [reread(other, "second again")])
    assert media(centre) == '{"codec":"first"}'
    centre.take(other, [other.says(EventKind.RECORDER_FREED, subject=SUBJECT, asset=ASSET)])
    assert freed_count(centre) == 1
    assert odd(centre) == []


def test_another_file_under_the_id_of_an_item_is_told_and_changes_nothing(
    centre: Centre, mine: FakeStation, other: FakeStation
) -> None:
    centre.take(mine, [mine.pulls(b"film")])
    lie = Digest(hashlib.sha256(b"lie").digest())
    body: dict[str, Json] = {"recorder": "rec-1", "path_hex": "41", "size_bytes": "3", "locked": True}
    blobs = [BlobRef(BlobRole.FOOTAGE, lie, 3)]
    raw = other.says(
        EventKind.FOOTAGE_PULLED, body, subject=Subject("asset/x", lie.raw), asset=AssetId(ASSET), blobs=blobs
    )
    centre.take(other, [raw, reread(other, "lie")])
    item = centre.catalogue.db.execute("select digest, locked, station from item").fetchone()
    assert tuple(item) == (FILM.raw, 0, mine.id)
    assert media(centre) == "{}"
    assert odd(centre) == ["STO-160", "STO-022", "STO-023"]
