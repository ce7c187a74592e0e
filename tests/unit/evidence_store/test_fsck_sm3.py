"""`verify` holds a file against the SM3 that its station signed beside SHA-256."""

import hashlib
from pathlib import Path

from evidence_model.findings import Severity
from evidence_store.fsck import verify_home
from host_io.config import HomePaths
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation

RIGHT, WRONG, PLAIN = b"film with the right SM3" * 99, b"film with a wrong one" * 99, b"film with none" * 99


def sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def home_with(root: Path, films: dict[bytes, bytes | None]) -> HomePaths:
    station = FakeStation()
    paths = make_centre_home(root, station)
    with centre_at(paths, trust_of(station)) as centre:
        for number, (content, digest) in enumerate(films.items()):
            station.sm3_of = None if digest is None else {content: digest}.__getitem__
            centre.take(station, [station.pulls(content, path=b"%d.MP4" % number)])
            centre.hand_over(content)
            centre.adopt_all()
    return paths


def test_a_right_sm3_is_right_and_none_is_none(tmp_path: Path) -> None:
    paths = home_with(tmp_path / "home", {RIGHT: sm3(RIGHT), PLAIN: None})
    assert [each for each in verify_home(paths) if each.severity is not Severity.NOTE] == []


def test_a_wrong_sm3_is_named_with_its_file(tmp_path: Path) -> None:
    paths = home_with(tmp_path / "home", {RIGHT: sm3(RIGHT), WRONG: sm3(RIGHT), PLAIN: None})
    wrong = [each for each in verify_home(paths) if each.severity is not Severity.NOTE]
    assert [(each.code, Path(each.subject).name) for each in wrong] == [("HOST-059", hashlib.sha256(WRONG).hexdigest())]
    assert wrong[0].details["found"] == sm3(WRONG).hex()
