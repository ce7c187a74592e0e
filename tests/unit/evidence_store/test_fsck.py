"""Whatever changes in a home is named, by file or item, with its code; what is whole is called whole."""

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evidence_model.digests import Digest
from evidence_model.findings import Severity, catalogue
from evidence_store.centre_book import Moment, moments, open_centre_db
from evidence_store.fsck import verify_home, verify_home_summary
from evidence_store.log_folder import LogFolder
from evidence_store.rebuild import rebuild
from evidence_store.vault import place_in
from host_io.config import HomePaths, Role
from host_io.trust import read_trust
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.fakes.workstation_home import FILMS, ON_ITS_WAY, Station, make_workstation_home
from tests.trusts import put_trust


@pytest.fixture
def key() -> FakeStation:
    return FakeStation()


@pytest.fixture
def home(tmp_path: Path, key: FakeStation) -> HomePaths:
    """A workstation's home on which everything happened: docked, pulled, received, receipted, and one on its way."""
    return make_workstation_home(tmp_path / "home", key)


def found(paths: HomePaths) -> dict[str, set[str]]:
    """Return code → subjects of everything that is damage."""
    result: dict[str, set[str]] = {}
    for finding in verify_home(paths, workers=2):
        if finding.severity is Severity.DAMAGE:
            result.setdefault(finding.code, set()).add(finding.subject)
    return result


def flip(path: Path, place: int) -> None:
    """Change one bit of a file that nobody should write to."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 0x10
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_whole_home_has_no_findings_and_is_not_changed_by_the_check(home: HomePaths) -> None:
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    result = verify_home_summary(home, workers=2)
    assert result.findings == []
    assert (result.exit_code, result.events) == (0, 3 + 5 + 3)
    assert result.files == 4 + 4  # vault and spool
    after = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file() and path in before}
    assert {path.name for path in before if before[path] != after[path]} <= {"centre.db", "centre.db-wal"}
    with contextlib.closing(open_centre_db(home)) as db:
        assert Moment.VERIFICATION in moments(db)


Place = Callable[[HomePaths], Iterator[Path]]
KINDS: dict[str, tuple[Place, str]] = {
    "vault file": (lambda home: (path for path in (home.vault / "sha256").rglob("*") if path.is_file()), "STO-060"),
    "envelope": (lambda home: LogFolder(home.log).envelope_names(), "COC-121"),
    "tile": (lambda home: (home.log / "tile" / "0").rglob("*[0-9]"), "COC-10"),
    "bundle": (lambda home: (home.log / "tile" / "entries").rglob("*[0-9]"), "COC-10"),
    "checkpoint": (lambda home: iter([home.log / "checkpoint"]), "STO-063"),
    "signed": (lambda home: iter([home.log / "signed"]), "STO-007"),
    "trust": (lambda home: iter([home.trust]), ""),
    "root": (lambda home: home.trust_roots.iterdir(), "HOST-043"),
    "key": (lambda home: home.keys.glob("*.key"), "STO-0"),
    "spool file": (lambda home: (home.spool / "footage").iterdir(), "STO-069"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_bit_in_any_file_is_damage_and_the_file_is_named(home: HomePaths, kind: str) -> None:
    place, code = KINDS[kind]
    files = sorted(path for path in place(home) if path.is_file() and path.stat().st_size)
    assert files
    for number, path in enumerate(files):
        data = path.read_bytes()
        for at in (0, len(data) // 3 + number, len(data) - 1):
            flip(path, at)
            damage = found(home)
            path.write_bytes(data)
            named = {subject for subjects in damage.values() for subject in subjects}
            assert any(each.startswith(code) for each in damage), (path.name, at, damage)
            told = str(path.relative_to(home.root)).removeprefix("log/tile/")
            words = {path.name, told, f"tile/{told}", "trust.json", "checkpoint"}
            entries = {subject for subject in named if subject.startswith("entry ")}
            assert named & words or any(told in subject for subject in named) or entries, (path, at, damage)
    assert found(home) == {}


def test_every_byte_of_the_trust_file_counts(home: HomePaths) -> None:
    data = home.trust.read_bytes()
    for at in range(0, len(data), 5):
        flip(home.trust, at)
        assert "trust.json" in {subject for subjects in found(home).values() for subject in subjects}, at
        home.trust.write_bytes(data)


def test_another_key_for_a_known_name_is_damage_and_a_new_station_is_not(home: HomePaths, key: FakeStation) -> None:
    newcomer, impostor = FakeStation("station-2", seed=7), FakeStation(key.id, seed=8)
    put_trust(home, trust_of(key, newcomer))
    result = verify_home_summary(home)
    assert [(finding.code, finding.severity) for finding in result.findings] == [("STO-065", Severity.NOTE)]
    for path in home.keys.glob("*.key"):
        path.unlink()  # a copy of the home without its secrets
    assert found(home) == {}
    put_trust(home, trust_of(impostor))
    assert found(home)["STO-065"] == {"trust.json"}
    assert read_trust(home.trust) == trust_of(impostor)


def test_a_vault_file_that_is_gone_is_damage_and_its_item_is_named(home: HomePaths) -> None:
    digest = hashlib.sha256(FILMS[b"DCIM/0001.MP4"]).hexdigest()
    (home.vault / "sha256" / digest[:2] / digest[2:4] / digest).unlink()
    [finding] = [each for each in verify_home(home) if each.severity is Severity.DAMAGE]
    assert (finding.code, finding.subject) == ("STO-061", f"vault/sha256/{digest}")
    assert finding.details["names"] == "DCIM/0001.MP4"


def test_a_listing_that_is_gone_is_damage_while_the_catalogue_knows_it_and_a_fault_when_nobody_does(
    home: HomePaths,
) -> None:
    home.config.write_text('[home]\nrole = "centre"\n', encoding="utf-8")  # receipts lie at the stations
    for path in home.root.glob("station.db*"):
        path.unlink()
    shutil.rmtree(home.spool)
    clock = ManualClock()
    assert verify_home_summary(home, clock=clock).findings == []
    with contextlib.closing(sqlite3.connect(home.catalogue_db)) as db:
        listing = Digest(db.execute("select listing from dock").fetchone()[0])
    path = place_in(home.vault, listing)
    path.unlink()
    assert found(home) == {"STO-061": {f"vault/sha256/{listing.hex}"}}
    rebuild(home)
    assert verify_home_summary(home, clock=clock).exit_code == 0  # announced, and it may be on its way
    clock.advance(25 * 3600)
    result = verify_home_summary(home, clock=clock)
    on_its_way = hashlib.sha256(ON_ITS_WAY).hexdigest()
    assert {(each.code, each.severity, each.subject) for each in result.findings} == {
        ("STO-051", Severity.FAULT, f"vault/sha256/{name}") for name in (listing.hex, on_its_way)
    }


def test_a_truncated_and_a_longer_vault_file_are_damage(home: HomePaths) -> None:
    digest = hashlib.sha256(FILMS[b"DCIM/0002.MP4"]).hexdigest()
    path = home.vault / "sha256" / digest[:2] / digest[2:4] / digest
    path.chmod(0o600)
    for content in (FILMS[b"DCIM/0002.MP4"][:-1], FILMS[b"DCIM/0002.MP4"] + b"x"):
        path.write_bytes(content)
        assert found(home) == {"STO-060": {str(path.relative_to(home.root))}}


def test_files_that_do_not_belong_are_found(home: HomePaths) -> None:
    stray = hashlib.sha256(b"stray").hexdigest()
    folder = home.vault / "sha256" / stray[:2] / stray[2:4]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / stray).write_bytes(b"stray")
    (folder / "notes.txt").write_bytes(b"x")
    (home.log / "extra").write_bytes(b"x")
    (home.vault / "quarantine" / "x.is.y").write_bytes(b"x")
    result = verify_home_summary(home)
    told = {(finding.code, finding.severity.value, finding.subject) for finding in result.findings}
    assert told == {
        ("STO-062", "note", f"vault/sha256/{stray[:2]}/{stray[2:4]}/{stray}"),
        ("STO-062", "fault", f"vault/sha256/{stray[:2]}/{stray[2:4]}/notes.txt"),
        ("STO-074", "fault", "log/extra"),
        ("STO-077", "note", "vault/quarantine/x.is.y"),
    }
    assert result.exit_code == 1
    assert all(finding.code in catalogue() for finding in result.findings)


CUT_OUT = "cast(substr(raw, 1, 50) || x'00' || substr(raw, 52) as blob)"
OTHER_INDEX = """cast(replace(cast(receipt as text), '"index":"4"', '"index":"5"') as blob)"""
ROWS: list[tuple[str, str, str]] = [
    ("envelope.raw", f"update envelope set raw = {CUT_OUT} where seq = 2", "STO-067"),  # noqa: S608
    ("envelope.kind", "update envelope set kind = 'footage.gap' where seq = 2", "STO-067"),
    ("leaf_signature", "update envelope set leaf_signature = zeroblob(64) where seq = 2", "STO-067"),
    ("envelope gone", "delete from envelope where seq = 4", "STO-067"),
    ("receipt", f"update envelope set receipt = {OTHER_INDEX} where seq = 2", "STO-068"),  # noqa: S608
    ("log_index", "update envelope set log_index = 7 where seq = 2", "STO-075"),
    ("blob", "update envelope_blob set size_bytes = 1 where seq = 2", "STO-075"),
    ("item", "update item set size_bytes = size_bytes + 1 where pulled_seq = 2", "STO-075"),
    ("item path", "update item set raw_path = x'41' where pulled_seq = 2", "STO-075"),
    ("item gone", "delete from item where pulled_seq = 2", "STO-075"),
    ("item of another event", "update item set pulled_seq = 1 where pulled_seq = 2", "STO-075"),
    (
        "spool blob gone",
        "delete from spool_blob where digest = (select digest from item where pulled_seq = 5)",
        "STO-075",
    ),
    ("head", "update checkpoint_seen set root = zeroblob(32)", "STO-075"),
]


@pytest.mark.parametrize(("change", "code"), [each[1:] for each in ROWS], ids=[each[0] for each in ROWS])
def test_a_changed_row_of_the_stations_database_is_damage(home: HomePaths, change: str, code: str) -> None:
    with contextlib.closing(sqlite3.connect(home.station_db)) as db:  # foreign keys are off, as for anybody with a tool
        assert db.execute(change).rowcount
        db.commit()
    damage = found(home)
    assert code in damage, damage
    assert any(subject.startswith("station.db/") for subject in damage[code])


def test_a_database_that_is_no_database_is_damage(home: HomePaths) -> None:
    for path in (home.station_db, home.centre_db):
        data = path.read_bytes()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(b"\0" * 5000)
        assert path.name in found(home)["STO-066"]
        path.write_bytes(data)


def test_a_missing_spool_file_that_was_never_handed_over_is_damage(home: HomePaths) -> None:
    path = home.spool / "footage" / hashlib.sha256(ON_ITS_WAY).hexdigest()
    path.unlink()
    assert found(home) == {"STO-070": {str(path.relative_to(home.root))}}


def test_a_catalogue_that_differs_is_only_a_note(home: HomePaths) -> None:
    for suffix in ("-wal", "-shm"):
        home.catalogue_db.with_name(f"catalogue.db{suffix}").unlink(missing_ok=True)
    for content in (b"", b"garbage" * 999):
        home.catalogue_db.write_bytes(content)
        result = verify_home_summary(home)
        assert [finding.code for finding in result.findings] == ["STO-072"]
        assert result.exit_code == 0


CATALOGUE_ROWS = [
    ("item", "update item set size_bytes = size_bytes + 1 where size_bytes > 9000"),
    ("item", "update item set recording_place = 7 where size_bytes > 9000"),
    ("item", "delete from item where size_bytes > 9000"),
    ("item", "update item set received_index = null where size_bytes > 9000"),
    ("tag", "insert into tag values ('" + "0" * 32 + "', 'case', 'A-2', 3)"),
    ("mark", "insert into mark values ('" + "0" * 32 + "', 'secret', 1, 3)"),
    ("event", "update event set wall_unix_ms = wall_unix_ms + 1 where log_index = 4"),
    ("event_blob", "delete from event_blob where log_index = 4"),
    ("source", "update source set seq = seq - 1 where source = 'station-1'"),
    ("enrolled_key", "delete from enrolled_key where role = 'station'"),
    ("blob", "delete from blob where verified_unix_ms is null"),
    ("blob", "update blob set size_bytes = 3 where verified_unix_ms is null"),
    ("recording", "delete from recording where size_bytes > 9000"),
    ("dock", "update dock set file_count = 77"),
    ("dock_entry", "delete from dock_entry"),
]


@pytest.mark.parametrize(("table", "change"), CATALOGUE_ROWS)
def test_a_row_of_the_catalogue_that_was_altered_is_found_and_cured_by_rebuild(
    home: HomePaths, table: str, change: str
) -> None:
    with contextlib.closing(sqlite3.connect(home.catalogue_db)) as db:
        assert db.execute(change).rowcount
        db.commit()
    result = verify_home_summary(home, workers=1)
    told = [(finding.code, finding.severity, finding.details["table"]) for finding in result.findings]
    assert ("STO-072", Severity.FAULT, table) in told
    assert result.exit_code == 1
    rebuild(home)
    assert verify_home_summary(home, workers=1).findings == []


def test_a_catalogue_that_is_behind_log_and_vault_is_at_no_fault(home: HomePaths) -> None:
    with contextlib.closing(sqlite3.connect(home.catalogue_db)) as db:
        db.execute("insert into stale_recorder select distinct recorder_id from item where true on conflict do nothing")
        db.execute("update item set recording_id = null, recording_place = null")
        db.execute("delete from recording")
        db.execute("delete from dock_entry")
        db.execute("update dock set is_read = 0")
        db.execute("update blob set verified_unix_ms = null where digest in (select listing from dock)")
        db.commit()
    assert verify_home_summary(home, workers=1).findings == []


def test_a_log_set_back_is_found_by_those_who_saw_it_larger(home: HomePaths, key: FakeStation) -> None:
    old = {path: path.read_bytes() for path in (home.log / "signed", home.log / "checkpoint")}
    with centre_at(home, trust_of(key)) as centre:
        station = FakeStation("station-2", seed=7)
        centre.sequencer.trust(trust_of(key, station))
        centre.take(station, [station.says()])
        centre.ledger.settle()
    put_trust(home, trust_of(key, station))
    assert found(home) == {}
    for path, data in old.items():
        path.write_bytes(data)
    assert "log/signed" in found(home)["STO-002"]


def test_a_home_that_was_cut_off_is_not_damaged(home: HomePaths, key: FakeStation) -> None:
    other = FakeStation("station-2", seed=7)
    put_trust(home, trust_of(key, other))
    with centre_at(home, trust_of(key, other)) as centre:
        old = (home.log / "checkpoint").read_bytes()
        centre.take(other, [other.says() for _ in range(3)])
    newest = sorted((home.log / "tile").rglob("14"))  # size 11 + the new key + 3 events... torn below
    for path in (*sorted((home.log / "tile").rglob("*/15")), *newest):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1])
    newest_note = (home.log / "signed").read_bytes()
    for public in (old, b"", newest_note[:50], bytes(len(newest_note))):  # its rename was lost, or its bytes were
        (home.log / "checkpoint").write_bytes(public)
        result = verify_home_summary(home)
        assert {finding.code for finding in result.findings} == {"STO-078"}
        assert result.exit_code == 0
    (home.log / "checkpoint").write_bytes(newest_note[:-2] + b"x\n")
    assert found(home) == {"STO-063": {"log/checkpoint"}}


def test_a_stations_home_without_a_centre_is_verified_too(tmp_path: Path, key: FakeStation) -> None:
    paths = make_centre_home(tmp_path / "station", key, role=Role.STATION)
    station = Station(paths, key)
    station.pull(b"A.MP4", b"film")
    station.db.close()
    result = verify_home_summary(paths)
    assert (result.findings, result.files) == ([], 1)
    path = next((paths.spool / "footage").iterdir())
    flip(path, 1)
    assert found(paths) == {"STO-069": {str(path.relative_to(paths.root))}}


def test_progress_ends_where_everything_is_hashed(home: HomePaths) -> None:
    big = os.urandom(20 << 20)
    digest = hashlib.sha256(big).hexdigest()
    folder = home.vault / "sha256" / digest[:2] / digest[2:4]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest).write_bytes(big)
    said: list[tuple[int, int]] = []
    list(verify_home(home, progress=lambda done, total: said.append((done, total))))
    assert said
    assert all(done <= total for done, total in said)
