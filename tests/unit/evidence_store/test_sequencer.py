"""From message to receipt: logged once, in order, receipted only when the bytes are verified, whatever comes when."""

import hashlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chain_of_custody.envelope import envelope_hash
from evidence_model.canonical import canonical_bytes
from evidence_model.digests import Digest
from evidence_model.errors import UnavailableError
from evidence_model.events import EventKind
from evidence_model.ids import SourceId
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.topics import Channel, station_topic
from evidence_store.catalogue import open_catalogue_db
from evidence_store.centre_book import open_centre_db, open_findings
from evidence_store.errors import CentreJournalLostError, LogSetBackError
from evidence_store.fsck import verify_home
from evidence_store.log_folder import LogFolder
from evidence_store.rebuild import rebuild, set_aside_if_damaged
from host_io.config import HomePaths
from tests.fakes.centre_home import SITE, Centre, centre_at, make_centre_home, receipts_of, refusals_of, trust_of
from tests.fakes.fake_station import FakeStation


@pytest.fixture
def station() -> FakeStation:
    return FakeStation()


@pytest.fixture
def home(tmp_path: Path, station: FakeStation) -> HomePaths:
    return make_centre_home(tmp_path / "home", station)


def kinds(centre: Centre) -> list[str]:
    return [row["kind"] for row in centre.catalogue.db.execute("select kind from event order by log_index")]


def test_the_first_entries_of_a_log_enrol_its_keys(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        assert kinds(centre) == ["key.enrolled"] * 3
        assert {name for _, name, _ in centre.catalogue.enrolled_keys()} == {"site-1", "centre", "station-1"}
    with centre_at(home, trust_of(station)) as centre:
        assert centre.ledger.size == 3
    with centre_at(home, trust_of(station, FakeStation("station-2", seed=4))) as centre:
        assert centre.ledger.size == 4


def test_an_event_without_bytes_has_its_receipt_in_the_same_step(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        raws = [station.says() for _ in range(5)]
        step = centre.take(station, raws)
        receipts = receipts_of(step, station)
        assert list(receipts) == [envelope_hash(raw) for raw in raws]
        assert [receipt.index for receipt in receipts.values()] == [3, 4, 5, 6, 7]
        assert all(receipt.blob_verified_at is None for receipt in receipts.values())
        assert step.new_note == (home.log / "checkpoint").read_bytes()


def test_five_deliveries_and_a_restart_give_one_entry_and_the_receipt_again(
    home: HomePaths, station: FakeStation
) -> None:
    raws = [station.says() for _ in range(7)]
    with centre_at(home, trust_of(station)) as centre:
        centre.take(station, raws[::-1], times=5)
        assert centre.ledger.size == 10
    with centre_at(home, trust_of(station)) as centre:
        step = centre.take(station, raws, times=5)
        assert centre.ledger.size == 10
        assert len(receipts_of(step, station)) == step.receipt_count == 7


def test_footage_is_receipted_only_after_the_vault_has_read_it_back(home: HomePaths, station: FakeStation) -> None:
    film = b"film" * 1000
    with centre_at(home, trust_of(station)) as centre:
        raw = station.pulls(film)
        step = centre.take(station, [raw])
        assert step.look_into_incoming
        assert receipts_of(step, station) == {}
        assert receipts_of(centre.take(station, [raw]), station) == {}
        centre.hand_over(film)
        receipts = receipts_of(centre.adopt_all(), station)
        assert list(receipts) == [envelope_hash(raw)]
        assert receipts[envelope_hash(raw)].blob_verified_at is not None
        assert kinds(centre)[3:] == ["footage.pulled", "store.received"]
        item = centre.catalogue.db.execute("select * from item").fetchone()
        assert item["received_index"] == 4


def test_bytes_that_come_before_their_event_are_found(home: HomePaths, station: FakeStation) -> None:
    film = b"early"
    with centre_at(home, trust_of(station)) as centre:
        centre.hand_over(film)
        centre.adopt_all()
        raw = station.pulls(film)
        step = centre.take(station, [raw])
        assert list(receipts_of(step, station)) == [envelope_hash(raw)]
        assert kinds(centre)[-1] == "store.received"


def test_two_items_with_equal_bytes_are_two_items_and_one_file(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        raws = [station.pulls(b"", path=b"A.MP4"), station.pulls(b"", path=b"B.MP4")]
        centre.take(station, raws)
        centre.hand_over(b"")
        assert len(receipts_of(centre.adopt_all(), station)) == 2
        assert kinds(centre).count("store.received") == 2
        assert len(list(centre.vault.files())) == 1


def test_the_same_item_at_two_stations_is_received_once(home: HomePaths, station: FakeStation) -> None:
    other = FakeStation("station-2", seed=4)
    with centre_at(home, trust_of(station, other)) as centre:
        centre.take(station, [station.pulls(b"film")])
        centre.hand_over(b"film")
        centre.adopt_all()
        raw = other.pulls(b"film")
        assert list(receipts_of(centre.take(other, [raw]), other)) == [envelope_hash(raw)]
        assert kinds(centre).count("store.received") == 1
        assert centre.catalogue.db.execute("select count(*) from item").fetchone()[0] == 1


def test_a_tampered_blob_is_refused_and_the_right_one_is_taken_later(home: HomePaths, station: FakeStation) -> None:
    film = b"the real film"
    with centre_at(home, trust_of(station)) as centre:
        raw = station.pulls(film)
        centre.take(station, [raw])
        centre.hand_over(b"another film!", claimed=film)
        step = centre.adopt_all()
        assert refusals_of(step) == [(station.id, "STO-030", envelope_hash(raw))]
        assert receipts_of(step, station) == {}
        assert list(centre.vault.files()) == []
        assert "store.received" not in kinds(centre)
        centre.hand_over(film)
        assert list(receipts_of(centre.adopt_all(), station)) == [envelope_hash(raw)]
    with open_centre_db(home) as db:
        assert open_findings(db) == []  # cured


def test_what_is_refused_is_not_stored_and_the_service_goes_on(home: HomePaths, station: FakeStation) -> None:
    thief = FakeStation("station-1", seed=9)
    stranger = FakeStation("station-9", seed=9)
    topic = station_topic(SITE, station.id, Channel.EVENTS)
    with centre_at(home, trust_of(station)) as centre:
        honest, forged, unknown = station.says(), thief.says(), stranger.says()
        step = centre.sequencer.step(
            [
                (topic, b"\xff\x00"),
                (topic, thief.wire(forged)),
                ("evidock/v1/site-1/stations/station-9/events", stranger.wire(unknown)),
                ("nonsense", station.wire(honest)),
                (topic, b'{"payload":' * 5000),
                (topic, station.wire(honest)),
            ]
        )
        assert [code for _, code, _ in refusals_of(step)] == ["STO-012", "STO-011"]
        assert list(receipts_of(step, station)) == [envelope_hash(honest)]
        assert centre.ledger.size == 4
        logged = {path.name[:64] for path in home.log.rglob("*.dsse.json")}
        assert envelope_hash(forged).hex() not in logged
        assert envelope_hash(unknown).hex() not in logged
        repeated = centre.sequencer.step([("evidock/v1/site-1/stations/station-9/events", station.wire(honest))])
        assert refusals_of(repeated) == [("station-9", "STO-010", envelope_hash(honest))]
    with open_centre_db(home) as db:
        assert {finding.code for finding in open_findings(db)} == {"COC-014", "STO-010", "STO-011", "STO-012"}


def test_a_forked_chain_is_refused_and_its_envelope_kept_as_evidence(home: HomePaths, station: FakeStation) -> None:
    double = FakeStation()
    double.now_at = double.now_at.replace(year=2020)
    with centre_at(home, trust_of(station)) as centre:
        centre.take(station, [station.says()])
        forged = double.says()
        assert refusals_of(centre.take(double, [forged])) == [(station.id, "STO-014", envelope_hash(forged))]
        assert centre.ledger.size == 4
    with open_centre_db(home) as db:
        assert [row["raw"] for row in db.execute("select raw from refused_evidence")] == [forged]


def test_what_only_the_centre_may_say_changes_nothing_when_a_station_says_it(
    home: HomePaths, station: FakeStation
) -> None:
    with centre_at(home, trust_of(station)) as centre:
        pulled = station.pulls(b"film")
        asset = next(iter(station._assets))
        lie = station.says(EventKind.STORE_RECEIVED, {"verified_at": "2026-11-22T01:00:00.000Z"}, asset=asset)
        centre.take(station, [pulled, lie])
        assert centre.catalogue.db.execute("select received_index from item").fetchone()[0] is None
    with open_centre_db(home) as db:
        assert "STO-020" in {finding.code for finding in open_findings(db)}


def test_a_body_that_makes_no_sense_is_logged_and_stops_nothing(home: HomePaths, station: FakeStation) -> None:
    asset = "ab" * 16
    bodies: list[tuple[EventKind, dict[str, object]]] = [
        (
            EventKind.FOOTAGE_PULLED,
            {"size_bytes": "9" * 20, "path_hex": "zz", "flags": "x", "fields": [], "locked": "1"},
        ),
        (EventKind.FOOTAGE_REREAD, {"duration_ms": "-1", "start_at": "yesterday"}),
        (EventKind.TAGS_SET, {"assets": [asset, "x", True], "tags": {"case": True, "party": "p"}}),
        (EventKind.RECORDING_MARKED, {"assets": "x", "mark": "m"}),
        (EventKind.NOTE_INTERRUPTION, {"assets": [asset, asset], "from_at": ""}),
        (EventKind.RECORDER_DOCKED, {"file_count": "many"}),
        (EventKind.FOOTAGE_MISSING, {}),
    ]
    with centre_at(home, trust_of(station)) as centre:
        raws = [station.says(kind, body, asset=asset if n < 2 else None) for n, (kind, body) in enumerate(bodies)]  # type: ignore[arg-type]
        huge = BlobRef(BlobRole.FOOTAGE, Digest(bytes(32)), 10**19)
        raws.append(station.says(EventKind.FOOTAGE_PULLED, {}, blobs=[huge], asset="cd" * 16))  # type: ignore[arg-type]
        step = centre.take(station, raws)
        assert step.logged_count == len(raws)
        assert len(receipts_of(step, station)) == len(raws) - 1
        centre.do_chores()
    rebuild(home)


def test_a_wrong_clock_stops_no_event(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        raws = []
        for year in (1999, 9999, 2026, 1971):
            station.now_at = station.now_at.replace(year=year, month=1)
            raws.append(station.says())
        assert len(receipts_of(centre.take(station, raws), station)) == 4


def fill(centre: Centre, station: FakeStation) -> None:
    listing = b"".join(
        canonical_bytes({"kind": "footage", "path_hex": f"{n:02x}", "size_bytes": str(n)}) + b"\n" for n in range(4)
    )
    listed = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(listing).digest()), len(listing))
    docked = station.says(EventKind.RECORDER_DOCKED, {"recorder": "rec-1", "session": "s"}, blobs=[listed])
    films = [b"film %d" % number for number in range(4)]
    pulled = [
        station.pulls(film, path=b"DCIM/%04d.MP4" % number, sha256="x", mtime_ns="-5")
        for number, film in enumerate(films)
    ]
    assets = list(station._assets)
    reread = [
        station.says(
            EventKind.FOOTAGE_REREAD,
            {
                "start_at": f"2026-11-22T01:0{number}:00.000Z",
                "duration_ms": "60000",
                "media": {"codec": "h264"},
                "flags": ["truncated"],
            },
            asset=asset,
        )
        for number, asset in enumerate(assets)
    ]
    words: list[bytes] = [
        station.says(EventKind.TAGS_SET, {"assets": list(assets[:2]), "tags": {"case": "A-1", "party": "王某"}}),
        station.says(EventKind.TAGS_SET, {"assets": list(assets[:1]), "tags": {"case": "A-2"}}),
        station.says(EventKind.RECORDING_MARKED, {"assets": list(assets), "mark": "important", "on": True}),
        station.says(EventKind.NOTE_INTERRUPTION, {"assets": list(assets), "text": "battery", "reason": "battery"}),
        station.says(EventKind.FOOTAGE_MISSING, {"recorder": "rec-1", "path_hex": "ff", "size_bytes": "9"}),
    ]
    centre.take(station, [docked, *pulled, *reread, *words])
    for content in (listing, *films[:3]):
        centre.hand_over(content)
    centre.adopt_all()
    centre.do_chores()


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    db = open_catalogue_db(path)
    try:
        names = [row["name"] for row in db.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: sorted((tuple(row) for row in db.execute(f"select * from {name}")), key=repr)  # noqa: S608
            for name in names
        }
    finally:
        db.close()


def test_a_rebuilt_catalogue_equals_the_live_one_table_by_table(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        fill(centre, station)
    live = tables(home.catalogue_db)
    empty = {name for name, rows in live.items() if not rows}
    assert empty == {"recording_finding", "freed", "stale_recorder"}
    assert rebuild(home) == len(live["event"])
    assert tables(home.catalogue_db) == live


@pytest.mark.parametrize("written", [0, 1, 100])
@pytest.mark.parametrize("file", ["tile/0/", "tile/entries/"])
def test_a_disk_that_fills_between_signing_and_writing_stops_the_log_for_that_long_only(
    home: HomePaths, station: FakeStation, monkeypatch: pytest.MonkeyPatch, file: str, written: int
) -> None:
    raws = [station.says() for _ in range(3)]
    with centre_at(home, trust_of(station)) as centre:
        put = LogFolder.put

        def torn(folder: LogFolder, path: str, data: bytes, **more: Any) -> None:
            if path.startswith(file):
                target = folder.root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data[:written])
                raise OSError(28, "No space left on device")
            put(folder, path, data, **more)

        with monkeypatch.context() as patch:
            patch.setattr(LogFolder, "put", torn)
            with pytest.raises(UnavailableError):
                centre.take(station, raws)
            with pytest.raises(UnavailableError):
                centre.take(station, raws)
        step = centre.take(station, raws)
        assert set(receipts_of(step, station)) == {envelope_hash(raw) for raw in raws}
        assert kinds(centre).count("preflight.done") == 3
        centre.ledger.settle()
    assert list(verify_home(home)) == []


def test_a_lost_or_damaged_catalogue_is_made_again_at_the_start(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        fill(centre, station)
        centre.ledger.settle()
    live = tables(home.catalogue_db)
    home.catalogue_db.unlink()
    with centre_at(home, trust_of(station)) as centre:
        centre.do_chores()
        assert receipts_of(centre.take(station, [station.says()]), station)
    home.catalogue_db.write_bytes(b"garbage" * 1000)
    with centre_at(home, trust_of(station)) as centre:
        assert centre.ledger.size == len(live["event"]) + 1
        assert receipts_of(centre.take(station, [station.says()]), station)


def test_a_catalogue_that_breaks_while_it_is_used_is_set_aside_for_the_next_start(
    home: HomePaths, station: FakeStation
) -> None:
    with centre_at(home, trust_of(station)) as centre:
        fill(centre, station)
    assert not set_aside_if_damaged(home)
    with home.catalogue_db.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 5)
    assert set_aside_if_damaged(home)
    assert not home.catalogue_db.exists()
    with centre_at(home, trust_of(station)) as centre:
        assert receipts_of(centre.take(station, [station.says()]), station)


def test_a_catalogue_that_fell_behind_catches_up(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        fill(centre, station)
        behind = home.catalogue_db.with_name("behind.db")
        centre.catalogue.db.execute("vacuum into ?", (str(behind),))
        centre.take(station, [station.says() for _ in range(3)])
        centre.ledger.settle()
    live = tables(home.catalogue_db)
    behind.replace(home.catalogue_db)
    for suffix in ("-wal", "-shm"):
        home.catalogue_db.with_name(f"catalogue.db{suffix}").unlink(missing_ok=True)
    with centre_at(home, trust_of(station)):
        pass
    assert tables(home.catalogue_db) == live


def test_own_events_that_were_signed_but_not_logged_are_logged_at_the_next_start(
    home: HomePaths, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with centre_at(home, trust_of(station)) as centre:
        centre.take(station, [station.pulls(b"film")])
        centre.hand_over(b"film")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("host_io.durable.write_file", full)
            with pytest.raises(Exception, match="No space"):
                centre.adopt_all()
    with centre_at(home, trust_of(station)) as centre:
        assert kinds(centre).count("store.received") == 1
        assert centre.journal.count_waiting() == 0


def test_a_centre_that_lost_its_journal_does_not_begin_a_second_history(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)):
        pass
    for path in home.root.glob("centre.db*"):
        path.unlink()
    with pytest.raises(CentreJournalLostError), centre_at(home, trust_of(station)):
        pass
    assert "STO-008" in {finding.code for finding in verify_home(home)}


def test_a_log_that_was_set_back_whole_is_refused_by_the_catalogue(
    home: HomePaths, station: FakeStation, tmp_path: Path
) -> None:
    with centre_at(home, trust_of(station)) as centre:
        centre.take(station, [station.says()])
        centre.ledger.settle()
        shutil.copytree(home.log, tmp_path / "old")
        centre.take(station, [station.says(), station.says()])
        centre.ledger.settle()
    shutil.copytree(home.log, tmp_path / "newest")
    shutil.rmtree(home.log)
    shutil.copytree(tmp_path / "old", home.log)
    with pytest.raises(LogSetBackError), centre_at(home, trust_of(station)):
        pass
    with pytest.raises(LogSetBackError):
        rebuild(home)
    assert ("STO-002", "log/signed") in {(finding.code, finding.subject) for finding in verify_home(home)}
    shutil.rmtree(home.log)
    shutil.copytree(tmp_path / "newest", home.log)
    with centre_at(home, trust_of(station)) as centre:  # the newest copy is taken
        assert centre.ledger.size == 6
    assert list(verify_home(home)) == []


def test_sqlite_is_strict_about_every_table(home: HomePaths, station: FakeStation) -> None:
    with centre_at(home, trust_of(station)) as centre:
        rows = centre.catalogue.db.execute("select sql from sqlite_master where type = 'table'").fetchall()
        assert rows
        assert all("strict" in row["sql"] for row in rows)
        with pytest.raises(sqlite3.IntegrityError):
            centre.catalogue.db.execute("insert into blob values (zeroblob(31), 1, null)")
    assert SourceId("station-1") == station.id
