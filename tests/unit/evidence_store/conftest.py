"""A centre of its own for each test, one station that it trusts, and a docking there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.centre_home import Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import Docking


@pytest.fixture
def station() -> FakeStation:
    return FakeStation()


@pytest.fixture
def centre(tmp_path: Path, station: FakeStation) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", station), trust_of(station)) as centre:
        yield centre


@pytest.fixture
def docking(centre: Centre, station: FakeStation) -> Docking:
    return Docking(centre, station)
