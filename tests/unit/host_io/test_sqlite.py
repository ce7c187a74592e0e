"""A transaction is all or nothing; a damaged file is told from one that is only out of reach."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host_io import sqlite
from host_io.sqlite import DatabaseDamagedError, DatabaseUnavailableError, Durability

SCHEMA = """
create table if not exists thing (name text primary key check (name <> '')) strict; -- a comment; with a semicolon
create trigger if not exists quiet after insert on thing begin select 1; end;
"""


def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    return sqlite.connect(path, schema=SCHEMA, durability=Durability.COMMIT_IS_FOR_GOOD, read_only=read_only)


def names(db: sqlite3.Connection) -> list[str]:
    return [row["name"] for row in db.execute("select name from thing order by name")]


def test_truth_is_synced_at_every_commit_and_read_beside_a_writer(tmp_path: Path) -> None:
    db = opened(tmp_path / "db")
    assert db.execute("pragma synchronous").fetchone()[0] == 2  # FULL
    assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
    assert db.execute("pragma foreign_keys").fetchone()[0] == 1
    reader = opened(tmp_path / "db", read_only=True)
    with sqlite.transaction(db):
        db.execute("insert into thing values ('a')")
        assert names(reader) == []
    assert names(reader) == ["a"]
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("insert into thing values ('b')")
    db.close()
    reader.close()


def test_a_failing_block_leaves_nothing_and_an_inner_one_joins_the_outer(tmp_path: Path) -> None:
    db = opened(tmp_path / "db")

    def write_and_fail() -> None:
        with sqlite.transaction(db):
            with sqlite.transaction(db):
                db.execute("insert into thing values ('inner')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert names(db) == []
    with sqlite.transaction(db):
        db.execute("insert into thing values ('b')")
    assert names(db) == ["b"]
    db.close()


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    for name in ("a", "b"):
        db = opened(tmp_path / "db")
        db.execute("insert into thing values (?)", (name,))
        db.close()
    db = opened(tmp_path / "db")
    assert names(db) == ["a", "b"]
    db.close()


def test_what_is_no_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseDamagedError, match="restore"):
        opened(tmp_path / "db")


def test_what_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        opened(tmp_path / "nowhere" / "db")
    with pytest.raises(DatabaseUnavailableError):
        opened(tmp_path / "missing", read_only=True)


def test_programs_that_make_the_database_at_the_same_moment_all_get_there(tmp_path: Path) -> None:
    """At a home's first start the agent and the ingest daemon open station.db within the same millisecond."""
    together = threading.Barrier(6)

    def open_it(path: Path) -> str:
        together.wait()
        db = sqlite.connect(path, schema=SCHEMA, durability=Durability.COMMIT_IS_FOR_GOOD)
        mode = str(db.execute("PRAGMA journal_mode").fetchone()[0])
        db.close()
        return mode

    with ThreadPoolExecutor(6) as pool:
        for attempt in range(40):
            path = tmp_path / f"{attempt}.db"
            assert set(pool.map(open_it, [path] * 6)) == {"wal"}
