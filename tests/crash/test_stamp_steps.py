"""The store dies at any durable step of keeping a time stamp: the next start goes on, and nothing is damaged."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evidence_model.findings import Finding, Severity
from evidence_store.fsck import verify_home
from evidence_store.log_folder import LogFolder
from evidence_store.stamp_folder import StampFolder
from evidence_store.time_desk import Stamped, TimeDesk, TimeSettings
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import LOG, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.time_authority import TimeAuthority, serving
from tests.trusts import put_trust

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Story:
    """A log is stamped; later the stamp is stamped anew, as its certificate ends soon."""

    def __init__(self, folder: Path) -> None:
        station = FakeStation()
        self.authority = TimeAuthority(folder / "tsa", "tsa-1")
        self.authority.enrolled.clear()
        self.authority.renew(since=timedelta(days=-3000), until=timedelta(days=900))
        self.authority.at = NOW
        self.trust = trust_of(station)
        self.paths = make_centre_home(folder / "home", station)
        with centre_at(self.paths, self.trust, clock=ManualClock(NOW)) as centre:
            centre.take(station, [station.says()])
            centre.ledger.settle()
        self.told: list[Stamped] = []

    def happens(self, url: str) -> None:
        self.looks(url, within=timedelta())
        self.authority.renew(since=timedelta(days=-3000))
        self.looks(url, within=timedelta(days=1500))

    def is_finished(self, url: str) -> None:
        self.told.clear()
        self.happens(url)
        verified, bad = StampFolder(self.paths.log).verified(self.trust.authorities, [LOG.public_key])
        renewal, stamp = verified  # lists come first
        assert (bad, renewal.checkpoint, stamp.checkpoint is not None) == ([], None, True)
        assert self.told, "whoever starts again tells of it"
        assert {each.stamp.token for each in self.told} == {stamp.stamp.token}
        assert self.damage() == []

    def damage(self) -> list[Finding]:
        self._enrol()
        found = verify_home(self.paths, clock=ManualClock(NOW))
        return [finding for finding in found if finding.severity is not Severity.NOTE]

    def _enrol(self) -> None:
        self.trust = replace(self.trust, authorities=(self.authority.authority,))
        put_trust(self.paths, self.trust)

    def looks(self, url: str, *, within: timedelta) -> None:
        self._enrol()
        settings = TimeSettings(authorities=((self.authority.authority.name, url),), renew_within=within)
        [errand] = TimeDesk(
            settings,
            LogFolder(self.paths.log),
            trust=lambda: self.trust,
            clock=ManualClock(NOW),
            on_stamped=self.told.append,
            on_finding=lambda _: None,
        ).errands
        errand.look()


def test_a_store_that_dies_at_any_step_of_keeping_a_stamp_goes_on(tmp_path: Path) -> None:
    counted = Story(tmp_path / "count")
    with serving(counted.authority.answer) as url, Steps() as steps:
        counted.happens(url)
    assert steps.count >= 10
    for when in When:
        for at in range(1, steps.count + 1):
            story = Story(tmp_path / f"{when.value}-{at}")
            with serving(story.authority.answer) as url:
                with contextlib.suppress(PowerCutError), Steps(at=at, when=when) as cut:
                    story.happens(url)
                assert cut.stopped_at, at
                assert story.damage() == [], cut.stopped_at
                story.is_finished(url)
