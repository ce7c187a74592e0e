"""People find recordings by time, tag, mark and word, and see who said what about them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_of_custody.envelope import envelope_hash
from evidence_model.canonical import Json
from evidence_model.events import EventKind
from evidence_model.ids import AssetId
from evidence_model.recording import SegmentRule
from evidence_store import queries
from evidence_store.errors import CatalogueMissingError, EventUnknownError, RecordingUnknownError
from evidence_store.queries import RecordingFilter
from host_io.config import HomePaths
from tests.fakes.centre_home import Centre
from tests.fakes.fake_station import FakeStation

RULE = SegmentRule().as_body()
START = "2026-11-20T01:00:00.000Z"


def pull(centre: Centre, station: FakeStation, path: bytes, start: str | None, seconds: int, **more: str) -> AssetId:
    """Let a file arrive, and its bytes be verified."""
    content = path * 3
    raws = [station.pulls(content, path=path, segment_rule=RULE, **more)]
    asset = list(station._assets)[-1]
    body: dict[str, Json] = {"media": {"codec": "h264"}}
    if start is not None:
        body |= {"start_at": start, "duration_ms": str(seconds * 1000)}
    raws.append(station.says(EventKind.FOOTAGE_REREAD, body, asset=asset))
    centre.take(station, raws)
    centre.hand_over(content)
    centre.adopt_all()
    centre.do_chores()
    return asset


def say(centre: Centre, station: FakeStation, kind: EventKind, assets: list[AssetId], **words: Json) -> None:
    centre.take(station, [station.says(kind, {"assets": list(assets), **words})])


def found(centre: Centre, **wanted: object) -> list[str]:
    return [one.id for one in queries.list_recordings(centre.catalogue.db, RecordingFilter(**wanted))]  # type: ignore[arg-type]


def test_files_that_follow_each_other_are_one_recording_with_its_gap(centre: Centre, station: FakeStation) -> None:
    first = pull(centre, station, b"A1.MP4", "2026-11-22T01:00:00.000Z", 60)
    third = pull(centre, station, b"A3.MP4", "2026-11-22T01:02:10.000Z", 60)
    second = pull(centre, station, b"A2.MP4", "2026-11-22T01:01:00.000Z", 60)
    other = pull(centre, station, b"B1.MP4", "2026-11-22T05:00:00.000Z", 60)
    one = queries.show_recording(centre.catalogue.db, f"R-{first[:12]}")
    assert [segment.asset_id for segment in one.segments] == [first, second, third]
    assert [finding["code"] for finding in one.findings] == ["EM-040"]
    assert (one.summary.file_count, one.summary.received_count, one.summary.size_bytes) == (3, 3, 54)
    assert one.summary.end_at == datetime(2026, 11, 22, 1, 3, 10, tzinfo=UTC)
    assert found(centre) == [f"R-{other[:12]}", f"R-{first[:12]}"]
    drawn = queries.timeline(centre.catalogue.db, recorder="rec-1")
    assert [[segment.asset_id for segment in each.segments] for each in drawn] == [[first, second, third], [other]]
    assert drawn[0].findings[0].length.total_seconds() == 10
    assert queries.recording_of_asset(centre.catalogue.db, second) == one.summary.id
    assert queries.asset_state(centre.catalogue.db, second) == "received"
    assert queries.asset_state(centre.catalogue.db, "0" * 32) is None


def test_a_file_of_unknown_time_is_a_recording_and_never_gets_a_guessed_one(
    centre: Centre, station: FakeStation
) -> None:
    asset = pull(centre, station, b"X.BIN", None, 0)
    one = queries.show_recording(centre.catalogue.db, f"R-{asset[:12]}")
    assert (one.summary.start_at, one.summary.end_at, one.segments[0].start_at) == (None, None, None)
    assert one.as_json()["start_at"] is None


def test_every_filter_finds_what_it_says(centre: Centre, station: FakeStation) -> None:
    a = pull(centre, station, b"CASE_A/0001.MP4", "2026-11-20T01:00:00.000Z", 60)
    b = pull(centre, station, "现场/二.MP4".encode(), "2026-11-21T01:00:00.000Z", 60, recorder="rec-2")
    c = pull(centre, station, b"C%_.MP4", "2026-11-22T01:00:00.000Z", 60, recorder="rec-3")
    say(centre, station, EventKind.TAGS_SET, [a, b], tags={"case": "A-1", "party": "王某"})
    say(centre, station, EventKind.TAGS_SET, [b], tags={"case": "B-2", "party": ""})
    say(centre, station, EventKind.RECORDING_MARKED, [c], mark="confidential", on=True)
    say(centre, station, EventKind.NOTE_INTERRUPTION, [c], text="battery was flat", reason="battery")
    ra, rb, rc = (f"R-{asset[:12]}" for asset in (a, b, c))
    assert found(centre) == [rc, rb, ra]
    assert found(centre, recorder="rec-2") == [rb]
    assert found(centre, station="station-1", limit=2, offset=1) == [rb, ra]
    assert found(centre, station="station-2") == []
    assert found(centre, tags={"case": "A-1"}) == [ra]
    assert found(centre, tags={"case": "A-1", "party": "王某"}) == [ra]
    assert found(centre, untagged=True) == [rc]
    assert found(centre, mark="confidential") == [rc]
    since, until = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    assert found(centre, since_at=since, until_at=until) == [rb]
    assert found(centre, text="王某") == [ra]
    assert found(centre, text="现场") == [rb]
    assert found(centre, text="FLAT battery") == [rc]
    assert found(centre, text="%_") == [rc]
    assert found(centre, text="%", tags={"case": "A-1"}) == []
    assert [one.id for one in queries.search_text(centre.catalogue.db, "case_a")] == [ra]
    say(centre, station, EventKind.RECORDING_MARKED, [c], mark="confidential", on=False)
    assert found(centre, mark="confidential") == []


def test_a_detail_says_who_tagged_and_noted_what(centre: Centre, station: FakeStation) -> None:
    asset = pull(centre, station, b"A.MP4", "2026-11-20T01:00:00.000Z", 60)
    say(centre, station, EventKind.TAGS_SET, [asset], tags={"case": "A-1"})
    say(
        centre,
        station,
        EventKind.NOTE_INTERRUPTION,
        [asset],
        text="one",
        reason="r",
        from_at="2026-11-20T01:00:00.000Z",
    )
    say(centre, station, EventKind.NOTE_INTERRUPTION, [asset], text="two", reason="r")
    detail = queries.show_recording(centre.catalogue.db, "R-")
    assert [(tag.name, tag.value, tag.actor) for tag in detail.tags] == [("case", "A-1", "station-1")]
    assert [note.text for note in detail.notes] == ["one", "two"]
    assert detail.notes[0].from_at == datetime(2026, 11, 20, 1, tzinfo=UTC)
    log = queries.custody_log(centre.catalogue.db, asset_id=asset)
    expected = ["footage.pulled", "footage.reread", "store.received", "tags.set"] + ["note.interruption"] * 2
    assert sorted(entry.kind for entry in log) == sorted(expected)
    assert queries.custody_log(centre.catalogue.db, recording_id=detail.summary.id) == log
    assert len(queries.custody_log(centre.catalogue.db, limit=3)) == 3
    assert [entry.index for entry in queries.custody_log(centre.catalogue.db, limit=2)] == [7, 8]


def test_an_event_is_found_by_place_id_and_hash_and_read_before_it_has_a_file(
    centre: Centre, station: FakeStation
) -> None:
    raw = station.says()
    centre.take(station, [raw])
    by_index = queries.find_event(centre.catalogue.db, "3")
    assert queries.find_event(centre.catalogue.db, envelope_hash(raw).hex()) == by_index
    assert queries.find_event(centre.catalogue.db, by_index.event_id) == by_index
    assert queries.read_envelope(centre.paths, by_index.hash) == raw
    assert not queries.envelope_path(centre.paths, by_index.hash).exists()
    centre.ledger.settle()
    assert queries.read_envelope(centre.paths, by_index.hash) == raw
    assert queries.envelope_path(centre.paths, by_index.hash).read_bytes() == raw
    for nothing in ("4", "0" * 64, "x", "9" * 30, ""):
        with pytest.raises(EventUnknownError):
            queries.find_event(centre.catalogue.db, nothing)


def test_a_prefix_that_fits_none_or_two_is_wrong_usage(centre: Centre, station: FakeStation) -> None:
    pull(centre, station, b"A.MP4", None, 0)
    pull(centre, station, b"B.MP4", None, 0)
    for nothing in ("R-", "R-zz", "%", "_"):
        with pytest.raises(RecordingUnknownError):
            queries.show_recording(centre.catalogue.db, nothing)


def test_status_counts_what_is_there_and_what_is_awaited(centre: Centre, station: FakeStation) -> None:
    pull(centre, station, b"A.MP4", None, 0)
    centre.take(station, [station.pulls(b"awaited")])
    figures = queries.status_figures(centre.paths)
    assert (figures.item_count, figures.blob_count, figures.awaited_blob_count, figures.blob_bytes) == (2, 1, 1, 15)
    assert (figures.log_size, figures.recording_count) == (centre.ledger.size, 1)
    assert {each.id for each in figures.stations} == {"centre", "station-1"}
    assert queries.open_findings(centre.paths) == []


def test_a_home_without_a_store_has_no_catalogue_and_no_figures(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    with pytest.raises(CatalogueMissingError):
        queries.open_catalogue(paths)
    assert queries.status_figures(paths).log_size == 0
