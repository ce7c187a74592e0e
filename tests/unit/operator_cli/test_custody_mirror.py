"""`evidock custody mirror`: an auditor's command, without a home; what it confirmed goes into a package."""

from pathlib import Path

import pytest

from host_io.config import HomePaths
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import Docking, flip, recording_of
from tests.unit.operator_cli.cli import evidock

FILM = b"film" * 1000


@pytest.fixture
def home(tmp_path: Path) -> tuple[HomePaths, str]:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        film = Docking(centre, station).pull(FILM)
        centre.seal()
        centre.ledger.settle()
    return paths, recording_of(film)


def mirror(paths: HomePaths, folder: Path, *more: str) -> tuple[str, ...]:
    return ("custody", "mirror", str(folder), "--from", str(paths.log), "--trust", str(paths.trust), *more)


def test_an_auditor_mirrors_confirms_and_the_package_says_so(home: tuple[HomePaths, str], tmp_path: Path) -> None:
    paths, film = home
    key = ("--key", str(tmp_path / "mirror.key"), "--name", "court.example/mirror")
    done = evidock(*mirror(paths, tmp_path / "mirror", *key), "--json")
    assert done.code == 0, done.err
    assert (done.document["ok"], done.document["cosigned"], done.document["seals"]) == (True, True, 1)
    assert done.document["vkey"].startswith("court.example/mirror+")
    people = evidock(*mirror(paths, tmp_path / "mirror", *key), "--lang", "zh")
    assert (people.code, done.document["vkey"] in people.out) == (0, True)
    note = ("--mirrored", str(tmp_path / "mirror" / "checkpoint"))
    out = ("--home", str(paths.root), "custody", "export", "--recording", film, "--out", str(tmp_path / "out"))
    assert evidock(*out, *note).code == 0
    assert (tmp_path / "out" / "data" / "proofs" / "checkpoint-mirrored").exists()
    assert evidock("verify", str(tmp_path / "out"), "--trust", str(paths.trust)).code == 0


def test_damage_is_exit_five_and_wrong_words_are_two(home: tuple[HomePaths, str], tmp_path: Path) -> None:
    paths, _ = home
    assert evidock(*mirror(paths, tmp_path / "mirror", "--name", "x")).code == 2
    assert evidock("custody", "export", "--out", str(tmp_path / "out")).code == 2
    flip(next(paths.log.glob("envelopes/*/*")))
    told = evidock(*mirror(paths, tmp_path / "mirror"), "--json")
    assert (told.code, told.document["ok"], told.document["vkey"]) == (5, False, None)
    assert (
        evidock("custody", "mirror", str(tmp_path / "m"), "--from", str(tmp_path), "--trust", str(paths.trust)).code
        != 0
    )
