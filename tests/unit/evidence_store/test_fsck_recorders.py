"""Attack 51, seen from the signed dockings alone: another device under one id is a note of `verify`."""

from pathlib import Path

import pytest

from chain_of_custody.event import Subject
from evidence_model.canonical import Json
from evidence_model.events import EventKind
from evidence_model.findings import Finding
from evidence_store.fsck import verify_home
from host_io.config import HomePaths
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation


def docked(station: FakeStation, day: int, serial: str, **more: Json) -> bytes:
    body: dict[str, Json] = {
        "docked_at": f"2026-11-{day:02}T08:00:00.000Z",
        "identity": {"facts": {"usb_id": "0bda:0129", "usb_serial": serial}},
        "recorder": "CAM-7",
        **more,
    }
    return station.says(EventKind.RECORDER_DOCKED, body, subject=Subject("recorder/CAM-7", bytes(32)))


def found(paths: HomePaths, said: list[tuple[FakeStation, bytes]]) -> list[Finding]:
    stations = list({id(station): station for station, _ in said}.values())
    with centre_at(make_centre_home(paths.root, *stations), trust_of(*stations)) as centre:
        for station, raw in said:
            centre.take(station, [raw])
        centre.ledger.settle()
    return [finding for finding in verify_home(paths) if finding.code == "STO-161"]


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(tmp_path / "home")


def test_attack_51_another_serial_number_at_another_station_is_noted(paths: HomePaths) -> None:
    one, two = FakeStation(), FakeStation("station-2", seed=4)
    said = [
        (one, docked(one, 20, "YZ0012345")),
        (two, docked(two, 21, "YZ0099999")),
        (two, docked(two, 22, "YZ0099999")),
    ]
    (finding,) = found(paths, said)
    assert finding.subject == "recorder/CAM-7"
    assert (finding.details["what"], finding.details["station"]) == ("serial", "station-2")
    assert finding.details["docked_at"].startswith("2026-11-21")


def test_the_same_recorder_at_two_stations_whose_events_came_in_another_order_is_none(paths: HomePaths) -> None:
    one, two = FakeStation(), FakeStation("station-2", seed=4)
    counter = [{"digits": "4", "number": str(number), "stamp": f"2026-11-{day}T00:00:00"} for day, number in
               ((20, 5), (21, 9), (22, 12))]  # fmt: skip
    said = [
        (two, docked(two, 21, "YZ0012345", counter=counter[1])),
        (one, docked(one, 20, "YZ0012345", counter=counter[0])),
        (one, docked(one, 22, "YZ0012345", counter=counter[2])),
    ]
    assert found(paths, said) == []


def test_bodies_that_make_no_sense_are_passed_over(paths: HomePaths) -> None:
    one = FakeStation()
    odd: list[dict[str, Json]] = [{"identity": "x"}, {"identity": {"facts": ["y"]}}, {"counter": {"number": "x"}}]
    assert found(paths, [(one, docked(one, 20 + at, "YZ0012345", **each)) for at, each in enumerate(odd)]) == []
