"""The daily seal is what the events before it give, however they came; whatever it hides or invents is damage."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chain_of_custody.sealed_index import Seal, SealedEnd, recorder_key, seal_of, sealed_leaf
from evidence_model.events import EventKind
from evidence_model.findings import Severity
from evidence_model.ids import AssetId
from evidence_store.catalogue import open_catalogue_db
from evidence_store.fsck import verify_home
from evidence_store.housekeeping import Housekeeper, ask_for_seal, seal_request
from evidence_store.rebuild import rebuild
from evidence_store.sealing import Sealing, is_seal_due, log_sealed, make_seal
from evidence_store.uploads import Uploads
from tests.fakes.centre_home import Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.packages import Docking

DAY = timedelta(days=1)
REC = recorder_key("rec-1")


@pytest.fixture
def centre(tmp_path: Path, station: FakeStation) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", station), trust_of(station), clock=ManualClock()) as centre:
        yield centre


def damage(centre: Centre) -> list[tuple[str, str]]:
    centre.ledger.settle()
    return [(each.code, each.subject) for each in verify_home(centre.paths) if each.severity is not Severity.NOTE]


def say(centre: Centre, seal: Seal) -> int:
    """Let the centre sign any seal; return its place in the log."""
    centre.sequencer.say(log_sealed(Sealing(seal, centre.clock.now()), centre.sequencer.trusted.centre.id))
    centre.sequencer.step([])
    return centre.ledger.size - 1


def ends_of(centre: Centre, asset: AssetId, size: int) -> list[SealedEnd]:
    """Return the chains of an item, read naively."""
    query = "select source, asset_seq, hash from event where asset_id = ? and log_index < ? order by log_index"
    rows = centre.catalogue.db.execute(query, (asset, size)).fetchall()
    ends = {row["source"]: (row["source"], row["asset_seq"], row["hash"]) for row in rows}
    return sorted(ends.values())


def test_a_seal_is_the_index_of_every_item_and_of_every_event_about_it(centre: Centre, station: FakeStation) -> None:
    assert centre.seal() == seal_of(3, [])  # the keys alone
    docking = Docking(centre, station)
    assets = [docking.pull(b"film %d" % number, path=b"%d.MP4" % number) for number in range(5)]
    size = centre.ledger.size
    right = seal_of(size, sorted(sealed_leaf(REC, asset, ends_of(centre, asset, size)) for asset in assets))
    assert centre.seal() == right
    assert right.count == 5
    docking.says(EventKind.TAGS_SET, [assets[0]], tags={"case": "A-7"})
    centre.take(station, [station.says(EventKind.RECORDER_FREED, asset=assets[0])])
    assert centre.seal().root != right.root
    assert damage(centre) == []


def test_what_two_stations_name_with_two_recorders_stands_under_both_and_what_names_none_under_no_name(
    tmp_path: Path,
) -> None:
    one, two = FakeStation(), FakeStation("station-2", seed=4)
    with centre_at(make_centre_home(tmp_path / "home", one, two), trust_of(one, two)) as centre:
        asset = Docking(centre, one).pull(b"film")
        for body in ({"recorder": "rec-9"}, {"recorder": "no/recorder"}, {}):
            centre.take(two, [two.says(EventKind.FOOTAGE_PULLED, {**body}, asset=asset)])
        size = centre.ledger.size
        ends = ends_of(centre, asset, size)
        assert {source for source, _, _ in ends} == {"station-1", "station-2", "centre"}
        assert centre.seal() == seal_of(
            size, sorted(sealed_leaf(recorder_key(name), asset, ends) for name in ("", "rec-1", "rec-9"))
        )
        assert not [each for each in damage(centre) if each[0].startswith("COC")]


@pytest.mark.parametrize("lie", ["omits an item", "invents an item", "hides the last event", "another count"])
def test_attack_26_a_seal_that_omits_or_invents_anything_is_damage(
    centre: Centre, station: FakeStation, lie: str
) -> None:
    docking = Docking(centre, station)
    assets = [docking.pull(b"film %d" % number, path=b"%d.MP4" % number) for number in range(3)]
    size = centre.ledger.size
    leaves = {asset: sealed_leaf(REC, asset, ends_of(centre, asset, size)) for asset in assets}
    say(centre, seal_of(size, sorted(leaves.values())))
    assert damage(centre) == []  # the honest twin, said by the same hand
    seal = seal_of(size, sorted(leaves.values()))
    match lie:
        case "omits an item":
            seal = seal_of(size, sorted(list(leaves.values())[1:]))
        case "invents an item":
            seal = seal_of(size, sorted([*leaves.values(), sealed_leaf(REC, AssetId("0" * 32), [])]))
        case "hides the last event":
            short = sealed_leaf(REC, assets[0], [(name, 1, last) for name, _, last in ends_of(centre, assets[0], size)])
            seal = seal_of(size, sorted({**leaves, assets[0]: short}.values()))
        case _:
            seal = replace(seal, count=4)
    place = say(centre, seal)
    assert damage(centre) == [("COC-173", f"entry {place}")]
    centre.seal()
    assert damage(centre) == [("COC-173", f"entry {place}")]  # older ones are checked, too


def test_a_seal_over_a_body_that_is_not_there_is_told_as_one_that_cannot_be_made_again(
    centre: Centre, station: FakeStation
) -> None:
    before = centre.ledger.size
    centre.seal()
    Docking(centre, station).pull(b"film")
    centre.seal()
    place = centre.ledger.size - 1
    centre.ledger.settle()
    assert "COC-174" not in {each.code for each in verify_home(centre.paths)}
    lost = centre.catalogue.db.execute("select hash from event where log_index = ?", (before + 1,)).fetchone()["hash"]
    name = lost.hex()
    (centre.paths.log / "envelopes" / name[:2] / f"{name}.dsse.json").unlink()
    told = {each.code: each for each in verify_home(centre.paths)}
    assert (told["COC-174"].subject, told["COC-174"].severity) == (f"entry {place}", Severity.NOTE)
    assert told["COC-120"].severity is Severity.DAMAGE


def test_a_seal_of_entries_that_came_after_it_or_in_another_form_is_no_seal(centre: Centre) -> None:
    place = say(centre, seal_of(centre.ledger.size + 5, []))
    fact = log_sealed(Sealing(seal_of(3, []), centre.clock.now()), centre.sequencer.trusted.centre.id)
    centre.sequencer.say(replace(fact, body={**fact.body, "more": "words"}))
    centre.sequencer.step([])
    assert sorted(damage(centre)) == [("COC-172", f"entry {place}"), ("COC-172", f"entry {place + 1}")]


def test_a_stations_seal_counts_for_nothing(centre: Centre, station: FakeStation) -> None:
    centre.take(station, [station.says(EventKind.LOG_SEALED, {"count": "9"})])
    assert damage(centre) == []
    with_none = is_seal_due(
        centre.catalogue.db, source=centre.sequencer.trusted.centre.id, now=station.now_at, every=DAY
    )
    assert with_none


def test_a_catalogue_made_anew_or_by_an_older_version_gives_the_same_seal(tmp_path: Path, station: FakeStation) -> None:
    home = make_centre_home(tmp_path / "home", station)
    with centre_at(home, trust_of(station)) as centre:
        Docking(centre, station).pull(b"film")
        seal = make_seal(centre.catalogue.db, now=station.now_at).seal
        centre.ledger.settle()
        centre.catalogue.db.execute("delete from pulled_from")  # as a catalogue is that knew no seals
    with centre_at(home, trust_of(station)) as centre:
        assert make_seal(centre.catalogue.db, now=station.now_at).seal == seal
    rebuild(home)
    db = open_catalogue_db(home.catalogue_db)
    assert make_seal(db, now=station.now_at).seal == seal
    db.close()


def test_the_log_is_sealed_at_the_first_start_then_daily_on_demand_and_not_set_off_by_a_jumping_clock(
    centre: Centre,
) -> None:
    clock, sealed = centre.clock, list[Sealing]()
    assert isinstance(clock, ManualClock)

    def on_sealed(sealing: Sealing) -> None:
        sealed.append(sealing)
        say(centre, sealing.seal)

    keeper = Housekeeper(
        centre.paths,
        ledger=centre.ledger,
        uploads=Uploads(centre.vault, clock),
        clock=clock,
        centre=centre.sequencer.trusted.centre.id,
        applied_size=lambda: centre.sequencer.applied_size,
        seal_every=DAY,
        on_reconciled=lambda _: None,
        on_sealed=on_sealed,
        on_finding=lambda _: None,
    )

    def look(seconds: float = 61) -> int:
        clock.advance(seconds)
        keeper._seal_if_due()
        return len(sealed)

    assert [look() for _ in range(3)] == [1, 1, 1]
    clock.set_wall(clock.now() - timedelta(hours=2))
    assert [look(3600), look(), look()] == [2, 2, 2]  # once, not every minute
    assert look(DAY.total_seconds()) == 3
    ask_for_seal(centre.paths)
    assert look(0) == 4
    assert not seal_request(centre.paths).exists()
    assert look() == 4
