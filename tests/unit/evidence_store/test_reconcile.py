"""What was seen on a recorder is in the store, on its way, explained, or a finding; nothing else."""

import hashlib
from datetime import timedelta

import pytest

from evidence_model.canonical import Json, canonical_bytes
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.ids import SourceId
from evidence_model.messages import BlobRef, BlobRole
from evidence_store.reconcile import reconcile, reconciliation_done
from tests.fakes.centre_home import Centre, trust_of
from tests.fakes.fake_station import FakeStation

SOON, LATER, MUCH_LATER = timedelta(minutes=5), timedelta(hours=5), timedelta(hours=25)


def dock(
    centre: Centre, station: FakeStation, files: dict[bytes, int], *, arrives: bool = True, complete: bool = True
) -> None:
    """Let a recorder be docked on which these files lie, and its listing arrive (or not)."""
    entries = [
        {"kind": "side" if path.endswith(b".db") else "footage", "path_hex": path.hex(), "size_bytes": str(size)}
        for path, size in files.items()
    ]
    listing = b"".join(canonical_bytes(entry) + b"\n" for entry in entries)
    blob = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(listing).digest()), len(listing))
    body: dict[str, Json] = {"recorder": "rec-1", "session": "session-1", "complete": complete}
    centre.take(station, [station.says(EventKind.RECORDER_DOCKED, body, blobs=[blob])])
    if arrives:
        centre.hand_over(listing)
        centre.adopt_all()
        centre.do_chores()


def pull(centre: Centre, station: FakeStation, path: bytes, content: bytes, *, arrives: bool) -> None:
    centre.take(station, [station.pulls(content, path=path)])
    if arrives:
        centre.hand_over(content)
        centre.adopt_all()


def codes(centre: Centre, station: FakeStation, age: timedelta) -> list[tuple[str, str]]:
    found = reconcile(centre.catalogue.db, now=station.now_at + age).findings
    return [(finding.code, finding.subject.removeprefix("recorder/rec-1/")) for finding in found]


def test_everything_received_is_no_finding_however_old(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4, b"thumbs.db": 9})
    pull(centre, station, b"A.MP4", b"film", arrives=True)
    result = reconcile(centre.catalogue.db, now=station.now_at + timedelta(days=900))
    assert (result.dock_count, result.file_count, result.received_count, result.findings) == (1, 1, 1, ())


def test_a_file_that_nobody_announced_is_a_finding_after_a_while(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4, b"B.MP4": 5})
    pull(centre, station, b"A.MP4", b"film", arrives=True)
    assert codes(centre, station, SOON) == []
    assert codes(centre, station, LATER) == [("STO-050", "B.MP4")]


def test_an_announced_file_is_on_its_way_for_a_day_and_then_a_finding(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4})
    pull(centre, station, b"A.MP4", b"film", arrives=False)
    result = reconcile(centre.catalogue.db, now=station.now_at + LATER)
    assert (result.on_the_way_count, result.findings) == (1, ())
    assert codes(centre, station, MUCH_LATER) == [("STO-051", "A.MP4")]


def test_what_a_station_explained_is_explained(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4})
    body: dict[str, Json] = {"recorder": "rec-1", "path_hex": b"A.MP4".hex(), "size_bytes": "4", "reason": "gone"}
    centre.take(station, [station.says(EventKind.FOOTAGE_MISSING, body)])
    result = reconcile(centre.catalogue.db, now=station.now_at + MUCH_LATER)
    assert (result.explained_count, result.findings) == (1, ())


def test_the_same_name_with_other_bytes_is_another_file(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4})
    pull(centre, station, b"A.MP4", b"film", arrives=True)
    later = FakeStation("station-2", seed=4)
    centre.sequencer.trust(trust_of(station, later))
    later.now_at = station.now_at
    listing = canonical_bytes({"kind": "footage", "path_hex": b"A.MP4".hex(), "size_bytes": "99"}) + b"\n"
    blob = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(listing).digest()), len(listing))
    body: dict[str, Json] = {"recorder": "rec-1", "session": "session-2"}
    centre.take(later, [later.says(EventKind.RECORDER_DOCKED, body, blobs=[blob])])
    centre.hand_over(listing)
    centre.adopt_all()
    centre.do_chores()
    result = reconcile(centre.catalogue.db, now=station.now_at + LATER)
    assert (result.file_count, result.received_count) == (2, 1)
    assert [finding.code for finding in result.findings] == ["STO-050"]


def test_a_file_that_grew_between_the_listing_and_the_pull_is_the_same_file(
    centre: Centre, station: FakeStation
) -> None:
    dock(centre, station, {b"A.MP4": 3})
    pull(centre, station, b"A.MP4", b"film", arrives=True)  # in the same session
    assert codes(centre, station, MUCH_LATER) == []


def test_a_listing_that_never_came_or_was_cut_off_is_told(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"A.MP4": 4}, arrives=False, complete=False)
    assert [code for code, _ in codes(centre, station, SOON)] == ["STO-053"]
    assert [code for code, _ in codes(centre, station, MUCH_LATER)] == ["STO-052", "STO-053"]


def test_the_result_stands_in_the_log(centre: Centre, station: FakeStation) -> None:
    dock(centre, station, {b"%04d.MP4" % number: number for number in range(500)})
    result = reconcile(centre.catalogue.db, now=station.now_at + LATER)
    assert len(result.findings) == 500
    fact = reconciliation_done(result, site=SourceId("site-1"), centre=SourceId("centre"))
    centre.sequencer.say(fact)
    assert centre.sequencer.step([]).logged_count == 1
    event = centre.catalogue.db.execute("select * from event order by log_index desc limit 1").fetchone()
    assert event["kind"] == "reconciliation.done"
    assert fact.body["finding_count"] == "500"


def test_a_listing_of_up_to_64_mib_is_read_and_a_larger_one_is_a_finding(
    centre: Centre, station: FakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence_store.catalogue.MAX_LISTING_BYTES", 300)
    monkeypatch.setattr("evidence_store.reconcile.MAX_LISTING_BYTES", 300)
    dock(centre, station, {b"A.MP4": 4})
    dock(centre, station, {b"%d.MP4" % number: 4 for number in range(9)})  # the chores end all the same
    [finding] = reconcile(centre.catalogue.db, now=station.now_at + SOON).findings
    assert (finding.code, int(finding.details["size_bytes"]) > 300) == ("STO-052", True)
    assert centre.catalogue.db.execute("select count(*) from dock_entry").fetchone()[0] == 1


@pytest.mark.parametrize("bad", [b"\n" * 1_000_000, b"[" * 1_000_000, b"x" * 1_000_000 + b"\n", b'{"path_hex":1}\n'])
def test_lines_that_are_no_entries_are_passed_over(centre: Centre, station: FakeStation, bad: bytes) -> None:
    entry = canonical_bytes({"kind": "footage", "path_hex": "41", "size_bytes": "4"}) + b"\n"
    listing = entry + bad + (b"" if bad.endswith(b"\n") else b"\n") + entry.replace(b"41", b"42")
    blob = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(listing).digest()), len(listing))
    centre.take(station, [station.says(EventKind.RECORDER_DOCKED, {"recorder": "rec-1"}, blobs=[blob])])
    centre.hand_over(listing)
    centre.adopt_all()
    centre.do_chores()
    rows = centre.catalogue.db.execute("select raw_path from dock_entry").fetchall()
    assert [row["raw_path"] for row in rows] == [b"A", b"B"]


def test_a_listing_that_is_gone_from_the_vault_holds_nothing_up(centre: Centre, station: FakeStation) -> None:
    lost = canonical_bytes({"kind": "footage", "path_hex": "41", "size_bytes": "4"}) + b"\n"
    blob = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(lost).digest()), len(lost))
    centre.take(station, [station.says(EventKind.RECORDER_DOCKED, {"recorder": "rec-1"}, blobs=[blob])])
    centre.hand_over(lost)
    centre.adopt_all()
    centre.vault.path_of(blob.digest).unlink()
    pull(centre, station, b"B.MP4", b"film", arrives=True)
    centre.do_chores()
    assert centre.catalogue.db.execute("select count(*) from recording").fetchone()[0] == 1
