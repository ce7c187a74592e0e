"""What is gone from a home as a whole is named, whatever stands in its place; and what may be gone is not."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence_model.findings import Severity
from evidence_store.fsck import HomeVerification, verify_home_summary
from host_io.config import HomePaths, Role
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.workstation_home import ON_ITS_WAY, Station, make_workstation_home

DAMAGED = 5
HELD = (
    "centre.db",
    "evidock.toml",
    "keys/centre.key",
    "keys/log.key",
    "keys/station-station-1.key",
    "log",
    "log/checkpoint",
    "log/envelopes",
    "log/envelopes/*",
    "log/envelopes/*/*.dsse.json",
    "log/signed",
    "log/tile",
    "log/tile/0",
    "log/tile/0/000.p",
    "log/tile/0/000.p/11",
    "log/tile/entries",
    "log/tile/entries/000.p",
    "log/tile/entries/000.p/11",
    "spool",
    "spool/footage",
    f"spool/footage/{hashlib.sha256(ON_ITS_WAY).hexdigest()}",
    "station.db",
    "trust.json",
    "vault",
    "vault/sha256",
    "vault/sha256/*",
    "vault/sha256/*/*/*",
)
MAY_GO = ("catalogue.db", "log/stage", "log/tile/0/000.p/3", "run", "vault/quarantine")


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def empty(path: Path) -> None:
    if path.is_dir():
        remove(path)
        path.mkdir()
    else:
        path.chmod(0o600)
        path.write_bytes(b"")


def swap(path: Path) -> None:
    """A folder for a file, a file for a folder."""
    was_folder = path.is_dir()
    remove(path)
    if was_folder:
        path.write_bytes(b"x")
    else:
        path.mkdir()


def loop(path: Path) -> None:
    remove(path)
    path.symlink_to(path)


def fifo(path: Path) -> None:
    remove(path)
    os.mkfifo(path)


CHANGES = (remove, empty, swap, loop, fifo)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> HomePaths:
    return make_workstation_home(tmp_path_factory.mktemp("whole") / "home", FakeStation())


def copy_of(home: HomePaths, root: Path) -> HomePaths:
    shutil.copytree(home.root, root)
    return HomePaths(root)


def place_in(home: HomePaths, pattern: str) -> Path:
    """Return the largest file, or the first folder, that the pattern names (one film is empty by nature)."""
    return max(sorted(home.root.glob(pattern)), key=lambda path: path.stat().st_size if path.is_file() else 0)


def damage(result: HomeVerification) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in result.findings if each.severity is Severity.DAMAGE}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("pattern", HELD)
def test_whatever_takes_the_place_of_what_a_home_must_hold_is_damage(
    whole: HomePaths, tmp_path: Path, pattern: str, change: Callable[[Path], None]
) -> None:
    home = copy_of(whole, tmp_path / "home")
    change(place_in(home, pattern))
    result = verify_home_summary(home, workers=1)
    assert result.exit_code == DAMAGED, result.as_json()


@pytest.mark.parametrize("pattern", MAY_GO)
def test_what_a_home_makes_again_may_be_gone(whole: HomePaths, tmp_path: Path, pattern: str) -> None:
    home = copy_of(whole, tmp_path / "home")
    remove(place_in(home, pattern))
    assert damage(verify_home_summary(home, workers=1)) == set()


def test_a_whole_home_and_its_copy_are_whole(whole: HomePaths, tmp_path: Path) -> None:
    assert verify_home_summary(whole, workers=1).findings == []
    home = copy_of(whole, tmp_path / "home")
    shutil.rmtree(home.keys)  # a copy without its secrets
    result = verify_home_summary(home, workers=1)
    assert [(each.code, each.severity) for each in result.findings] == [("STO-073", Severity.NOTE)]


@pytest.mark.parametrize(
    ("names", "finding"),
    [
        (("log",), ("STO-079", "log")),
        (("log/*",), ("STO-001", "log/signed")),
        (("log/*", "centre.db*", "station.db*"), ("STO-001", "log/signed")),
        (("log/*", "centre.db*", "catalogue.db*", "vault/sha256/*"), ("STO-001", "log/signed")),
        (("vault",), ("STO-079", "vault")),
        (("station.db*",), ("STO-079", "station.db")),
        (("station.db*", "log/*", "centre.db*", "catalogue.db*", "vault/sha256/*"), ("STO-079", "station.db")),
        (("centre.db*",), ("STO-079", "centre.db")),
        (("centre.db*", "log/*", "catalogue.db*"), ("STO-079", "centre.db")),
        (("evidock.toml", "vault"), ("STO-079", "vault")),
    ],
    ids=str,
)
def test_what_is_gone_as_a_whole_is_named(
    whole: HomePaths, tmp_path: Path, names: tuple[str, ...], finding: tuple[str, str]
) -> None:
    home = copy_of(whole, tmp_path / "home")
    for path in [path for name in names for path in home.root.glob(name)]:
        remove(path)
    assert finding in damage(verify_home_summary(home, workers=1))


def test_bytes_that_came_to_a_vault_that_is_gone_are_named_too(whole: HomePaths, tmp_path: Path) -> None:
    home = copy_of(whole, tmp_path / "home")
    count = sum(path.is_file() for path in (home.vault / "sha256").rglob("*"))
    remove(home.vault)
    assert verify_home_summary(home, workers=1).counts["STO-061"] == count


@pytest.mark.parametrize("role", Role)
def test_a_fresh_home_has_no_findings(tmp_path: Path, role: Role) -> None:
    home = make_centre_home(tmp_path / "home", FakeStation(), role=role)
    assert verify_home_summary(home).findings == []
    if role.stores:
        with centre_at(home, trust_of(FakeStation())):
            pass
        assert damage(verify_home_summary(home)) == set()


def test_a_station_that_has_no_centre_yet_is_not_at_fault_and_one_that_lost_it_is(
    whole: HomePaths, tmp_path: Path
) -> None:
    home = make_centre_home(tmp_path / "new", FakeStation(), role=Role.STATION)
    home.trust.unlink()
    station = Station(home, FakeStation())
    station.pull(b"A.MP4", b"film")
    station.db.close()
    result = verify_home_summary(home)
    assert [(each.code, each.severity) for each in result.findings] == [("HOST-040", Severity.NOTE)]
    (next((home.spool / "footage").iterdir())).write_bytes(b"altered")
    assert result.exit_code == 0
    assert {code for code, _ in damage(verify_home_summary(home))} == {"STO-069"}
    old = copy_of(whole, tmp_path / "old")
    old.config.write_text('[home]\nrole = "station"\n', encoding="utf-8")
    for path in (old.trust, old.log, old.vault):
        remove(path)
    assert ("HOST-040", "trust.json") in damage(verify_home_summary(old))


def test_one_database_in_the_place_of_the_other_is_called_by_its_name_and_not_written_to(
    whole: HomePaths, tmp_path: Path
) -> None:
    home = copy_of(whole, tmp_path / "home")
    for suffix in ("-wal", "-shm"):
        for path in (home.centre_db, home.station_db):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    for wrong, right, whose in (
        (home.centre_db, home.station_db, "station-1"),
        (home.station_db, home.centre_db, "centre"),
    ):
        own, data = wrong.read_bytes(), right.read_bytes()
        wrong.write_bytes(data)
        result = verify_home_summary(home, workers=1)
        [finding] = [each for each in result.findings if each.subject == wrong.name]
        assert (finding.code, finding.severity) == ("STO-066", Severity.DAMAGE)
        assert f"the database of {whose}" in finding.details["why"]
        assert wrong.read_bytes() == data
        wrong.write_bytes(own)
    assert damage(verify_home_summary(home, workers=1)) == set()
