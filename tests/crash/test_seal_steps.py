"""The centre dies at every durable step while the log is sealed: afterwards it is sealed once, and nothing is lost."""

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

from evidence_model.findings import Severity
from evidence_store.fsck import verify_home
from evidence_store.sealing import is_seal_due
from host_io.config import HomePaths
from tests.crash.steps import PowerCutError, Steps, When
from tests.crash.test_store_steps import no_open_files
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.packages import Docking

DAY = timedelta(days=1)


def dock(paths: HomePaths, station: FakeStation) -> None:
    with centre_at(paths, trust_of(station)) as centre:
        Docking(centre, station).pull(b"film")
        centre.ledger.settle()


def seal(paths: HomePaths, station: FakeStation) -> None:
    with centre_at(paths, trust_of(station)) as centre:
        centre.seal()
        centre.ledger.settle()


def is_finished(paths: HomePaths, station: FakeStation) -> None:
    """Start again, as the housekeeper does: what was signed is logged by then, else it is due."""
    with centre_at(paths, trust_of(station)) as centre:
        if is_seal_due(
            centre.catalogue.db, source=centre.sequencer.trusted.centre.id, now=centre.clock.now(), every=DAY
        ):
            centre.seal()
        rows = centre.catalogue.db.execute("select count(*) from event where kind = 'log.sealed'")
        assert rows.fetchone()[0] == 1
        assert centre.journal.count_waiting() == 0
        centre.ledger.settle()
    assert list(verify_home(paths, clock=ManualClock())) == []


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_centre_that_dies_while_it_seals_has_sealed_once_after_the_next_start(tmp_path: Path, when: When) -> None:
    count, at = 1, 0
    while at < count:
        at += 1
        station = FakeStation()
        paths = make_centre_home(tmp_path / f"{at}", station)
        dock(paths, station)
        with no_open_files(), contextlib.suppress(PowerCutError), Steps(at=at, when=when) as steps:
            seal(paths, station)
        if steps.stopped_at:
            count = at + 1  # the run that stops nowhere is the last
        damage = [each for each in verify_home(paths, clock=ManualClock()) if each.severity is not Severity.NOTE]
        assert damage == [], (steps.stopped_at, damage)
        is_finished(paths, station)
    assert count > 10
