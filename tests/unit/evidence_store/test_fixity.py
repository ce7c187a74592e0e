"""The vault is read again: what rots is named and restored from the replica, and nothing is ever thrown away."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chain_of_custody.envelope import parse_envelope
from evidence_model.findings import Finding, Severity
from evidence_store.centre_book import open_findings
from evidence_store.fixity import Fixity
from evidence_store.fixity_book import fixity_db_path, open_fixity_db
from evidence_store.fsck import verify_home
from evidence_store.vault import StoppedError
from host_io.config import HomePaths
from tests.fakes.centre_home import Centre
from tests.fakes.fixity_home import FILMS, FixityHome, digest_of

BIG = FILMS[2]


@pytest.fixture
def home(tmp_path: Path) -> FixityHome:
    home = FixityHome(tmp_path)
    home.fill()
    return home


def findings(home: FixityHome) -> dict[str, Finding]:
    """Return what stands, by code."""
    with home.opened() as (centre, _, _):
        return {finding.code: finding for finding in open_findings(centre.book._db)}


def events(home: FixityHome) -> list[dict[str, object]]:
    """Return asset and body of every `fixity.checked` in the log."""
    with home.opened() as (centre, _, _):
        return _events(centre)


def _events(centre: Centre) -> list[dict[str, object]]:
    rows = centre.catalogue.db.execute(
        "select hash, asset_id from event where kind = 'fixity.checked' order by log_index"
    ).fetchall()
    found = []
    for row in rows:
        own = centre.journal.find(row["hash"])
        assert own is not None
        body = json.loads(parse_envelope(own.raw).payload)["predicate"]["body"]
        found.append({"asset": row["asset_id"], **body})
    return found


def quarantined(home: FixityHome) -> list[str]:
    return sorted(path.name for path in (home.vault / "quarantine").iterdir())


def test_a_sound_vault_is_one_event_with_its_list_and_no_finding(home: FixityHome) -> None:
    home.read_all()
    (event,) = events(home)
    assert event["files"] == sorted(digest_of(film).hex for film in FILMS)
    told = {name: event[name] for name in ("checked", "sound", "altered", "missing", "unreadable", "restored")}
    assert told == {"checked": "3", "sound": "3", "altered": "0", "missing": "0", "unreadable": "0", "restored": "0"}
    assert event["asset"] is None
    assert findings(home) == {}


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _as_link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1_000_000] ^= 1
    _write(path, bytes(data))


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped": (_flip, "STO-060"),
    "truncated": (lambda path: os.truncate(path, 1_000_000), "STO-060"),
    "grown": (lambda path: _write(path, path.read_bytes() + b"\0"), "STO-060"),
    "emptied": (lambda path: _write(path, b""), "STO-060"),
    "gone": (Path.unlink, "STO-061"),
    "folder": (_as_folder, "STO-076"),
    "FIFO": (_as_fifo, "STO-076"),
    "link": (_as_link, "STO-076"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_without_a_replica_is_named_and_nothing_is_touched(home: FixityHome, kind: str) -> None:
    damage, code = DAMAGES[kind]
    damage(home.path(BIG))
    before = home.path(BIG).lstat() if os.path.lexists(home.path(BIG)) else None
    home.read_all(with_replica=False)
    with home.opened(with_replica=False) as (centre, _, _):
        found = {finding.code: finding for finding in open_findings(centre.book._db)}
        batch, failure = _events(centre)
    assert list(found) == [code]
    assert found[code].severity is Severity.DAMAGE
    assert found[code].details["items"] == failure["asset"]
    assert (batch["checked"], batch["sound"]) == ("3", "2")
    assert (failure["replica"], failure["restored_from"]) == ("none", None)
    after = home.path(BIG).lstat() if os.path.lexists(home.path(BIG)) else None
    assert before == after or (before is not None and after is not None and before.st_ino == after.st_ino)
    assert quarantined(home) == []


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_restored_from_the_replica_and_the_bad_copy_is_kept(home: FixityHome, kind: str) -> None:
    DAMAGES[kind][0](home.path(BIG))
    home.read_all()
    assert home.path(BIG).read_bytes() == BIG
    assert home.path(BIG).stat().st_mode & 0o777 == 0o400
    found = findings(home)
    assert {code: finding.severity for code, finding in found.items()} == {"STO-165": Severity.FAULT}
    batch, failure = events(home)
    assert (batch["restored"], failure["restored_from"], failure["problem"]) == ("1", "replica", "")
    assert quarantined(home) == ([] if kind == "gone" else [failure["quarantined"]])
    home.read_all()  # the next check finds it sound, which clears the finding
    assert findings(home) == {}
    assert {finding.code for finding in verify_home(HomePaths(home.root / "home"))} <= {"STO-062", "STO-077"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_unreadable(home: FixityHome) -> None:
    home.path(BIG).chmod(0)
    home.read_all()
    assert home.path(BIG).read_bytes() == BIG
    assert list(findings(home)) == ["STO-165"]


def test_the_same_unreadable_place_twice_keeps_both(home: FixityHome) -> None:
    for _ in range(2):
        _as_fifo(home.path(BIG))
        home.read_all()
    name = f"{digest_of(BIG).hex}.is.unreadable"
    assert quarantined(home) == [name, f"{name}-2"]


@pytest.mark.parametrize(
    ("change", "told"),
    [(lambda data: data[:-1], "altered"), (lambda data: data + b"x", "altered"), (None, "missing")],
)
def test_if_the_replica_is_bad_too_both_are_said_and_nothing_is_touched(
    home: FixityHome, change: Callable[[bytes], bytes] | None, told: str
) -> None:
    copy = home.replica / home.path(BIG).relative_to(home.vault)
    if change is None:
        copy.unlink()
    else:
        home.change(copy, change)
    home.change(home.path(BIG), lambda data: b"x" + data)
    home.read_all()
    found = findings(home)
    assert set(found) == {"STO-060", "STO-163"}
    assert found["STO-163"].details["replica"].split()[0] == told
    assert found["STO-163"].details["found"] != digest_of(BIG).hex
    assert home.path(BIG).read_bytes() == b"x" + BIG
    assert quarantined(home) == []


def test_a_replica_that_is_not_mounted_is_told_as_such_and_not_as_bad(home: FixityHome) -> None:
    shutil.rmtree(home.replica)
    home.replica.mkdir()
    home.change(home.path(BIG), lambda data: b"x" + data)
    home.read_all()
    assert set(findings(home)) == {"STO-060", "STO-164"}


def test_a_full_vault_is_not_filled_further_by_a_copy(home: FixityHome) -> None:
    home.change(home.path(BIG), lambda data: b"x" + data)
    with home.opened() as (centre, fixity, book):
        centre.vault._reserve_bytes = 1 << 60
        book.ask(home.clock.now() + timedelta(days=1), None)
        fixity.work(fixity.planned())
    assert "no room" in findings(home)["STO-060"].details["problem"]
    assert home.path(BIG).read_bytes() == b"x" + BIG


def test_a_file_that_vanishes_while_it_is_read_is_missing(home: FixityHome) -> None:
    home.clock.advance(86_401)

    def step(_size: int) -> None:
        home.path(BIG).unlink(missing_ok=True)

    with home.opened(step=step, with_replica=False) as (_, fixity, book):
        book.ask(home.clock.now(), None)
        fixity.work(fixity.planned())
    assert list(findings(home)) == ["STO-061"]


def test_what_was_checked_before_a_stop_is_told_afterwards_and_not_read_twice(home: FixityHome) -> None:
    home.clock.advance(86_401)
    since = home.clock.now()
    home.clock.advance(1)
    with home.opened() as (_, fixity, book):
        book.ask(since, None)
        first = fixity.planned()[0]
        book.note(fixity.check(first))
    with home.opened() as (_, fixity, book):
        again = fixity.planned()
        assert len(again) == 2
        assert first.digest not in {each.digest for each in again}
        fixity.work(again)
        assert fixity.planned() == []
    assert Counter(file for event in events(home) for file in event["files"]) == Counter(  # type: ignore[attr-defined]
        digest_of(film).hex for film in FILMS
    )


def test_a_stop_between_two_blocks_notes_nothing_of_that_file(home: FixityHome) -> None:
    home.clock.advance(86_401)

    def step(size: int) -> None:
        if size >= 1 << 20:
            raise StoppedError

    with home.opened(step=step) as (_, fixity, book):
        book.ask(home.clock.now(), None)
        with pytest.raises(StoppedError):
            fixity.work(fixity.planned())
        assert digest_of(BIG) not in {each.digest for each in book.unsaid(10)}
        assert digest_of(BIG) in {each.digest for each in fixity.planned()}


def test_a_limit_reads_so_many_and_the_oldest(home: FixityHome) -> None:
    home.read_all()
    home.clock.advance(86_401 * 20)
    with home.opened() as (_, fixity, book):
        book.ask(home.clock.now(), 1)
        assert fixity.work(fixity.planned()) == 1
        assert book.asked() is None


def test_state_that_is_lost_or_damaged_only_means_that_files_are_read_again(home: FixityHome) -> None:
    home.read_all()
    paths = HomePaths(home.root / "home")
    fixity_db_path(paths).write_bytes(b"no database at all" * 500)
    for suffix in ("-wal", "-shm"):
        fixity_db_path(paths).with_name(f"fixity.db{suffix}").unlink(missing_ok=True)
    open_fixity_db(paths).close()
    home.read_all()
    assert findings(home) == {}
    assert len(events(home)) == 2


def test_a_gone_file_is_missed_even_after_the_catalogue_was_made_anew(home: FixityHome) -> None:
    home.read_all()
    home.path(BIG).unlink()
    for suffix in ("", "-wal", "-shm"):
        (home.root / "home" / f"catalogue.db{suffix}").unlink(missing_ok=True)
    home.read_all(with_replica=False)
    with home.opened(with_replica=False) as (centre, _, _):
        assert [finding.code for finding in open_findings(centre.book._db)] == ["STO-061"]


def test_a_quarantine_over_its_limit_is_told_until_it_is_not_and_nothing_is_deleted(home: FixityHome) -> None:
    odd = home.vault / "quarantine" / "odd"
    odd.write_bytes(b"x" * 1001)
    home.read_all(quarantine_bytes=1000)
    assert list(findings(home)) == ["STO-162"]
    assert odd.exists()
    home.read_all(quarantine_bytes=1001)
    assert findings(home) == {}


def test_files_that_were_not_read_within_the_period_are_told(home: FixityHome) -> None:
    home.clock.advance(86_400 * 91)
    with home.opened() as (centre, fixity, _):
        fixity._tell(fixity._surroundings())
        assert [finding.code for finding in open_findings(centre.book._db)] == ["STO-166"]
    home.read_all()
    assert findings(home) == {}


def test_what_failed_is_said_in_the_chain_of_every_item_with_these_bytes(home: FixityHome) -> None:
    with home.opened() as (centre, _, _):
        centre.take(home.station, [home.station.pulls(BIG, path=b"COPY.MP4")])
    home.change(home.path(BIG), lambda data: b"x" + data)
    home.read_all()
    assert len({event["asset"] for event in events(home) if event["asset"]}) == 2


def test_scheduled_reading_takes_its_portion_and_no_more(home: FixityHome) -> None:
    home.clock.advance(86_401 * 2)
    with home.opened() as (_, fixity, _):
        assert fixity.work(fixity.planned()) >= 1
        assert fixity.planned() == []  # enough for today


def test_a_bad_file_is_tried_again_when_the_replica_may_be_there(home: FixityHome) -> None:
    home.change(home.path(BIG), lambda data: b"x" + data)
    home.read_all(with_replica=False)
    home.clock.advance(86_400 * 9)
    with home.opened() as (_, fixity, _):
        assert digest_of(BIG) in {each.digest for each in fixity.planned()}
        fixity.work(fixity.planned())
    assert home.path(BIG).read_bytes() == BIG


def test_parts_of_a_restoring_that_was_cut_off_are_removed(home: FixityHome) -> None:
    part = home.vault / "incoming" / f".{digest_of(BIG).hex}.restored"
    part.write_bytes(BIG[:9])
    with home.opened() as (_, fixity, _):
        assert isinstance(fixity, Fixity)
        assert not part.exists()
