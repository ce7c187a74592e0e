"""`evidock store fixity`: how far the vault was read again, reading it now, and asking a store that runs."""

import contextlib
from pathlib import Path

import pytest

from evidence_store.catalogue import open_catalogue_db
from host_io.config import HomePaths
from tests.brokers import wait_for
from tests.fakes.fixity_home import FILMS, FixityHome
from tests.fakes.running_store import broker_of, running_store
from tests.unit.operator_cli.cli import Called, evidock


@pytest.fixture
def home(tmp_path: Path) -> FixityHome:
    home = FixityHome(tmp_path)
    home.fill()
    return home


def call(home: FixityHome, *words: str) -> Called:
    return evidock("--home", str(home.root / "home"), "store", "fixity", *words)


def test_it_shows_what_is_read_and_what_is_left(home: FixityHome) -> None:
    seen = call(home, "--json").document
    assert (seen["files"], seen["checked"], seen["left"], seen["late"]) == (3, 0, 3, 0)
    assert seen["due"] >= 1
    assert call(home, "--now", "--limit", "2").code == 0
    seen = call(home, "--json").document
    assert (seen["checked"], seen["left"]) == (2, 1)
    people = call(home, "--lang", "en")
    assert people.code == 0
    assert "2 of 3 files" in people.out


def test_reading_it_now_is_signed_and_logged_at_the_next_start(home: FixityHome) -> None:
    done = call(home, "--now", "--json")
    assert (done.code, done.document["files"], done.document["findings"]) == (0, 3, [])
    with home.opened() as (centre, _, _):
        kinds = [row[0] for row in centre.catalogue.db.execute("select kind from event")]
    assert kinds.count("fixity.checked") == 1


def test_damage_is_exit_five_and_with_a_replica_a_fault_and_mended(home: FixityHome) -> None:
    home.change(home.path(FILMS[2]), lambda data: data[:-1])
    done = call(home, "--now", "--json")
    assert (done.code, [each["code"] for each in done.document["findings"]]) == (5, ["STO-060"])
    config = home.root / "home" / "evidock.toml"
    config.write_text(f'{config.read_text()}replica = "{home.replica}"\n', encoding="utf-8")
    done = call(home, "--now")
    assert done.code == 1
    assert "STO-165" in done.out
    assert home.path(FILMS[2]).read_bytes() == FILMS[2]
    assert "STO-165" in evidock("--home", str(home.root / "home"), "status").out


def test_a_store_that_runs_is_asked_and_does_it(home: FixityHome) -> None:
    paths = HomePaths(home.root / "home")
    with broker_of(paths, home.station), running_store(paths):
        asked = call(home, "--now", "--json")
        assert (asked.code, asked.document) == (0, {"asked": True})

        def is_done() -> bool:
            with contextlib.closing(open_catalogue_db(paths.catalogue_db, read_only=True)) as db:
                row = db.execute("select count(*) from event where kind = 'fixity.checked'").fetchone()
            return bool(row[0] >= 1 and call(home, "--json").document["left"] == 0)

        wait_for(is_done, what="the store to read its vault")
        assert call(home, "--json").document["asked"] is False


def test_a_station_has_no_vault_to_read(tmp_path: Path) -> None:
    evidock("--home", str(tmp_path / "s"), "init", "--role", "station")
    assert evidock("--home", str(tmp_path / "s"), "store", "fixity").code == 2
