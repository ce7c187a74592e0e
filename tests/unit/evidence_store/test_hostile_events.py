"""Whatever an enrolled station signs, the store stays up: it is logged, told where it is odd, and others go on."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_of_custody.event import Subject
from evidence_model.canonical import Json
from evidence_model.digests import Digest
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, asset_id_of
from evidence_model.messages import BlobRef, BlobRole
from evidence_store import queries
from evidence_store.catalogue_chores import do_one_chore
from evidence_store.reconcile import NEVER_ANNOUNCED, reconcile, reconciliation_done
from tests.fakes.centre_home import SITE, Centre, receipts_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder

FILM = Digest(hashlib.sha256(b"film").digest())
ASSET = asset_id_of(recorder=RecorderId("rec-1"), raw_path=b"A", size_bytes=4, digest=FILM)
MOST = str((1 << 63) - 1)
LATE = datetime(2027, 1, 1, tzinfo=UTC)
RULE: dict[str, Json] = {
    "by": "time_then_seq",
    "gap_limit_ms": "30000",
    "nominal_ms": "1000",
    "sequence_digits": "4",
    "tolerance_ms": "3000",
}
HONEST: dict[str, Json] = {
    "recorder": "rec-1",
    "path_hex": "41",
    "size_bytes": "4",
    "session": "session-1",
    "fields": {"sequence": "1"},
    "segment_rule": RULE,
    "start_at": "2026-11-22T01:00:00.000Z",
    "duration_ms": "1000",
}


def say(station: FakeStation, kind: EventKind, **more: Json) -> bytes:
    role = BlobRole.LISTING if kind is EventKind.RECORDER_DOCKED else BlobRole.FOOTAGE
    blobs = [] if kind is EventKind.FOOTAGE_REREAD else [BlobRef(role, FILM, 4)]
    subject = Subject(f"asset/{ASSET}", FILM.raw)
    return station.says(kind, {**HONEST, **more}, subject=subject, asset=ASSET, blobs=blobs)


def work(centre: Centre, station: FakeStation, raws: list[bytes]) -> None:
    """Let it all arrive with its bytes, do all that a store does of itself, and see that the next event is answered."""
    centre.take(station, raws)
    centre.hand_over(b"film")
    centre.hand_over(b"another film")
    centre.adopt_all()
    centre.do_chores()
    centre.sequencer.say(reconciliation_done(reconcile(centre.catalogue.db, now=LATE), site=SITE, centre=SITE))
    next_one = station.says()
    assert len(receipts_of(centre.take(station, [next_one]), station)) == 1


def odd(centre: Centre) -> set[str]:
    rows = centre.book._db.execute("select code from centre_finding where cleared_unix_ms is null")
    return {row["code"] for row in rows}


ODD_FACTS: list[tuple[EventKind, str, Json]] = [
    (EventKind.FOOTAGE_PULLED, "recorder", "R" * 43_000),  # leaves no room in what the centre has to say of it
    (EventKind.FOOTAGE_PULLED, "recorder", "../rec"),
    (EventKind.FOOTAGE_REREAD, "duration_ms", MOST),
    (EventKind.FOOTAGE_REREAD, "start_at", "9999-12-31T23:59:59.999Z"),
    (EventKind.RECORDER_DOCKED, "recorder", "\x01" * 200),
    (EventKind.FOOTAGE_MISSING, "recorder", "\n"),
]


@pytest.mark.parametrize(("kind", "name", "value"), ODD_FACTS, ids=[str(number) for number in range(len(ODD_FACTS))])
def test_a_fact_that_makes_no_sense_is_told_and_stops_nothing(
    centre: Centre, station: FakeStation, kind: EventKind, name: str, value: Json
) -> None:
    raws = [] if kind is EventKind.FOOTAGE_PULLED else [say(station, EventKind.FOOTAGE_PULLED)]
    work(centre, station, [*raws, say(station, kind, **{name: value})])
    misnamed = {"STO-160"} if kind is EventKind.FOOTAGE_PULLED else set()  # no id follows from such a recorder
    assert odd(centre) == {"STO-022"} | misnamed


@pytest.mark.parametrize("kind", [EventKind.FOOTAGE_PULLED, EventKind.RECORDER_DOCKED, EventKind.FOOTAGE_MISSING])
def test_honest_facts_are_catalogued_without_a_word(centre: Centre, station: FakeStation, kind: EventKind) -> None:
    raws = [] if kind is EventKind.FOOTAGE_PULLED else [say(station, EventKind.FOOTAGE_PULLED)]
    work(centre, station, [*raws, say(station, kind), say(station, EventKind.FOOTAGE_REREAD)])
    assert odd(centre) == set()
    row = centre.catalogue.db.execute("select recording_id, duration_ms, received_index from item").fetchone()
    assert (row["recording_id"], row["duration_ms"]) == (f"R-{ASSET[:12]}", 1000)
    assert row["received_index"] is not None


@pytest.mark.parametrize(
    "rule",
    [
        {**RULE, "sequence_digits": "9" * 18},
        {**RULE, "gap_limit_ms": "9" * 20},
        {**RULE, "nominal_ms": MOST},
        {"by": None},
    ],
)
def test_a_rule_that_no_recorder_can_have_stops_no_grouping(
    centre: Centre, station: FakeStation, rule: dict[str, Json]
) -> None:
    another = station.pulls(b"another film", fields={"sequence": "2"}, segment_rule=rule)
    raws = [say(station, EventKind.FOOTAGE_PULLED, segment_rule=rule), another]
    work(centre, station, [*raws, say(station, EventKind.FOOTAGE_REREAD, segment_rule=rule)])
    assert centre.catalogue.db.execute("select count(*) from item where recording_id is null").fetchone()[0] == 0


def test_sizes_that_no_number_holds_together_stop_no_grouping(centre: Centre, station: FakeStation) -> None:
    plus: dict[str, Json] = {"by": "mark_plus", "gap_limit_ms": "30000", "tolerance_ms": "3000"}
    first = say(station, EventKind.FOOTAGE_PULLED, size_bytes=MOST, segment_rule=plus)
    told = say(station, EventKind.FOOTAGE_REREAD, segment_rule=plus)
    second = station.pulls(b"another film", size_bytes=MOST, segment_rule=plus, fields={"mark": "+"})
    another = Digest(hashlib.sha256(b"another film").digest())
    asset = asset_id_of(recorder=RecorderId("rec-1"), raw_path=b"DCIM/0001.MP4", size_bytes=12, digest=another)
    start = {"start_at": "2026-11-22T01:00:01.000Z", "duration_ms": "1000"}
    reread = station.says(EventKind.FOOTAGE_REREAD, start, asset=asset)
    work(centre, station, [first, told, second, reread])
    row = centre.catalogue.db.execute("select file_count, size_bytes from recording").fetchone()
    assert tuple(row) == (2, (1 << 63) - 1)


def test_items_that_cannot_be_grouped_are_told_and_the_other_recorders_are(
    centre: Centre, station: FakeStation
) -> None:
    centre.take(station, [say(station, EventKind.FOOTAGE_PULLED), station.pulls(b"another film", recorder="rec-2")])
    centre.catalogue.db.execute("update item set duration_ms = ? where asset_id = ?", (MOST, ASSET))
    centre.do_chores()
    grouped = centre.catalogue.db.execute("select recorder_id from recording").fetchall()
    assert [row["recorder_id"] for row in grouped] == ["rec-2"]
    assert centre.catalogue.db.execute("select count(*) from stale_recorder").fetchone()[0] == 0


def test_recordings_whose_short_ids_are_the_same_are_two_recordings_in_every_order_of_grouping(
    centre: Centre, station: FakeStation
) -> None:
    twins = [AssetId("ab" * 6 + tail * 20) for tail in "321"]
    subject = Subject("asset/x", FILM.raw)

    def pull(asset: AssetId, recorder: str) -> bytes:
        body = {**HONEST, "recorder": recorder}
        blobs = [BlobRef(BlobRole.FOOTAGE, FILM, 4)]
        return station.says(EventKind.FOOTAGE_PULLED, body, subject=subject, asset=asset, blobs=blobs)

    centre.take(station, [pull(twins[0], "rec-3"), pull(twins[1], "rec-2")])
    centre.do_chores()
    work(centre, station, [pull(twins[2], "rec-1")])
    ids = "select asset_id, recording_id from item order by asset_id"
    live = centre.catalogue.db.execute(ids).fetchall()
    assert {row["asset_id"]: row["recording_id"] for row in live} == {
        twins[0]: "R-" + "ab" * 6,
        twins[1]: f"R-{twins[1]}",
        twins[2]: f"R-{twins[2]}",
    }
    centre.catalogue.db.execute("insert into stale_recorder select distinct recorder_id from item")
    centre.do_chores()  # in another order
    assert centre.catalogue.db.execute(ids).fetchall() == live
    for row in live:
        assert queries.show_recording(centre.catalogue.db, row["recording_id"]).segments[0].asset_id == row["asset_id"]
    drawn = queries.timeline(centre.catalogue.db)
    assert {each.segments[0].asset_id: each.id for each in drawn} == {row[0]: row[1] for row in live}
    assert odd(centre) == {"STO-160"}  # ids of our own making: real ones do not begin alike


def test_an_item_of_which_nothing_can_be_said_keeps_no_other_from_being_received(
    centre: Centre, station: FakeStation
) -> None:
    centre.take(station, [say(station, EventKind.FOOTAGE_PULLED), station.pulls(b"another film")])
    centre.catalogue.db.execute("update item set recorder_id = ? where asset_id = ?", ("R" * 46_000, ASSET))
    work(centre, station, [])  # as a store of an older version left it
    received = centre.catalogue.db.execute("select asset_id from item where received_index is not null").fetchall()
    assert len(received) == 1
    assert odd(centre) == {"STO-022"}


def test_a_listing_with_texts_that_cannot_be_kept_is_entered(centre: Centre, station: FakeStation) -> None:
    lines = b'{"path_hex":"41","kind":"\\ud800","size_bytes":"4"}\n{"path_hex":"42","kind":"photo","size_bytes":"5"}\n'
    digest = Digest(hashlib.sha256(lines).digest())
    blobs = [BlobRef(BlobRole.LISTING, digest, len(lines))]
    centre.take(station, [station.says(EventKind.RECORDER_DOCKED, HONEST, blobs=blobs)])
    centre.hand_over(lines)
    centre.adopt_all()
    work(centre, station, [])
    entries = centre.catalogue.db.execute("select kind, size_bytes from dock_entry order by raw_path").fetchall()
    assert [tuple(row) for row in entries] == [("unknown", 4), ("photo", 5)]


@pytest.mark.root
def test_a_listing_that_the_disk_does_not_give_back_keeps_no_recorder_from_being_grouped(
    centre: Centre, station: FakeStation, tmp_path: Path
) -> None:
    centre.take(station, [say(station, EventKind.RECORDER_DOCKED)])
    centre.hand_over(b"film")
    centre.adopt_all()
    path = centre.vault.path_of(FILM)
    findings: list[Finding] = []
    with fuse_recorder(tmp_path / "bad-disk", {b"listing": FuseFile(b"film", fail_from=0)}) as disk:
        path.unlink()
        path.symlink_to(disk.folder / "listing")
        centre.take(station, [station.pulls(b"another film")])
        assert do_one_chore(centre.catalogue, centre.vault, on_finding=findings.append)
        assert not do_one_chore(centre.catalogue, centre.vault, on_finding=findings.append)
    assert centre.catalogue.db.execute("select count(*) from recording").fetchone()[0] == 1
    assert {(each.code, each.subject) for each in findings} == {("STO-032", f"sha256/{FILM.hex}")}
    path.unlink()
    path.write_bytes(b"film")
    assert do_one_chore(centre.catalogue, centre.vault)
    assert centre.catalogue.unread_listings() == []


def test_what_could_not_be_read_at_first_is_no_finding_once_it_was_adopted(
    centre: Centre, station: FakeStation
) -> None:
    centre.book.note(Finding("STO-032", Severity.FAULT, f"sha256/{FILM.hex}"))
    work(centre, station, [say(station, EventKind.FOOTAGE_PULLED)])
    assert odd(centre) == set()


def test_findings_with_the_longest_names_still_fit_into_the_event_that_tells_them(
    centre: Centre, station: FakeStation
) -> None:
    names = [f"{number:03}{'🎞' * 190}".encode() for number in range(100)]
    lines = b"".join(b'{"path_hex":"%b","size_bytes":"1"}\n' % name.hex().encode() for name in names)
    digest = Digest(hashlib.sha256(lines).digest())
    blobs = [BlobRef(BlobRole.LISTING, digest, len(lines))]
    centre.take(station, [station.says(EventKind.RECORDER_DOCKED, HONEST, blobs=blobs)])
    centre.hand_over(lines)
    centre.adopt_all()
    centre.do_chores()
    result = reconcile(centre.catalogue.db, now=LATE)
    assert [each.code for each in result.findings] == [NEVER_ANNOUNCED] * 100
    fact = reconciliation_done(result, site=SITE, centre=SITE)
    told = fact.body["findings"]
    assert fact.body["finding_count"] == "100"
    assert isinstance(told, list)
    assert 10 < len(told) < 60
    work(centre, station, [])
