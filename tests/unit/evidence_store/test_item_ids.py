"""An item's id follows from recorder, raw path, size and digest; another one is told and stops nothing."""

import hashlib
from pathlib import Path

import pytest

from chain_of_custody.event import Subject
from evidence_model.canonical import Json
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.ids import AssetId, RecorderId, asset_id_of
from evidence_model.messages import BlobRef, BlobRole
from evidence_store.centre_book import open_findings
from evidence_store.fsck import verify_home
from host_io.config import HomePaths
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation

FILM = Digest(hashlib.sha256(b"ab").digest())
HONEST: dict[str, Json] = {"recorder": "rec-1", "path_hex": "41", "size_bytes": "2"}
ASSET = asset_id_of(recorder=RecorderId("rec-1"), raw_path=b"A", size_bytes=2, digest=FILM)


def found(paths: HomePaths, body: dict[str, Json], asset: AssetId | None) -> tuple[list[str], list[str]]:
    """Return the codes of what the store finds odd about a file, and of what verifying the home finds."""
    station = FakeStation()
    with centre_at(make_centre_home(paths.root, station), trust_of(station)) as centre:
        subject = Subject("asset/x", FILM.raw)
        blobs = [BlobRef(BlobRole.FOOTAGE, FILM, 2)]
        step = centre.take(
            station, [station.says(EventKind.FOOTAGE_PULLED, body, subject=subject, asset=asset, blobs=blobs)]
        )
        assert step.logged_count == 1  # promise 2: it is never refused for that
        odd = [finding.code for finding in open_findings(centre.book._db)]
    return odd, [finding.code for finding in verify_home(paths) if finding.code.startswith("STO-16")]


def test_the_id_that_follows_from_the_file_is_right(tmp_path: Path) -> None:
    assert found(HomePaths(tmp_path / "home"), HONEST, ASSET) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"recorder": "rec-2"},
        {"path_hex": "42"},
        {"size_bytes": "3"},
        {"size_bytes": "02"},
        {"recorder": None},
        {"path_hex": "4"},
    ],
)
def test_an_id_that_does_not_follow_is_told_by_the_store_and_by_verify(tmp_path: Path, change: dict[str, Json]) -> None:
    assert found(HomePaths(tmp_path / "home"), {**HONEST, **change}, ASSET) == (["STO-160"], ["STO-160"])


def test_a_file_without_an_id_is_told(tmp_path: Path) -> None:
    assert found(HomePaths(tmp_path / "home"), HONEST, None) == (["STO-160"], ["STO-160"])


def test_another_id_is_told(tmp_path: Path) -> None:
    assert found(HomePaths(tmp_path / "home"), HONEST, AssetId("ab" * 16)) == (["STO-160"], ["STO-160"])
