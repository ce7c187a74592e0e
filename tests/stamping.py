"""A centre whose log is stamped at times that a test chooses, by authorities that are real but for their clocks."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.event import Beacon
from evidence_model.findings import Finding
from evidence_store.log_folder import LogFolder
from evidence_store.stamp_folder import StampFolder
from evidence_store.time_desk import Errand, Stamped, TimeDesk, TimeSettings
from host_io.trust import Trust
from tests.fakes.centre_home import LOG, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.time_authority import TimeAuthority, serving
from tests.trusts import put_trust

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class StampedCentre:
    """An open centre with one station; `passes` moves the clocks of all of them but the station's, if it is wrong."""

    centre: Centre
    station: FakeStation
    trust: Trust
    authorities: list[TimeAuthority]
    clock: ManualClock
    stamped: list[Stamped]
    findings: list[Finding]

    def passes(self, span: timedelta) -> None:
        """Let time pass."""
        self.clock.advance(span.total_seconds())
        self.station.passes(span)
        for each in self.authorities:
            assert each.at is not None
            each.at += span

    def is_stamped(self, authority: TimeAuthority) -> Stamped:
        """Have the newest checkpoint stamped."""
        assert authority.at is not None
        with serving(authority.answer) as url:
            self.errand(authority, url).look()
        assert not self.findings, self.findings
        return self.stamped[-1]

    def errand(self, authority: TimeAuthority, url: str) -> Errand:
        """Return what asks an authority; one that was just started."""
        settings = TimeSettings(authorities=((authority.authority.name, url),), every=timedelta())
        desk = TimeDesk(
            settings,
            LogFolder(self.centre.paths.log),
            trust=lambda: self.trust,
            clock=self.clock,
            on_stamped=self.stamped.append,
            on_finding=self.findings.append,
        )
        return desk.errands[0]

    def station_hears(self, stamped: Stamped | None = None) -> None:
        """Let the station know the newest checkpoint, and a stamp."""
        head = open_checkpoint((self.centre.paths.log / "checkpoint").read_bytes(), log_key=LOG.public_key)
        token = stamped.stamp.token if stamped is not None else None
        self.station.beacon = Beacon(head.origin, head.size, head.root, token)

    @property
    def stamps(self) -> StampFolder:
        """Return what is kept."""
        return StampFolder(self.centre.paths.log)


@contextlib.contextmanager
def stamped_centre(
    folder: Path, *, at: datetime = NOON, until: timedelta = timedelta(days=3650)
) -> Iterator[StampedCentre]:
    """Open a centre, with two authorities; their certificates end so long after the true time."""
    authorities = [TimeAuthority(folder / name, name) for name in ("tsa-1", "tsa-2")]
    for each in authorities:
        each.renew(since=timedelta(days=-3000), until=until)
        each.at = at
    station, clock = FakeStation(), ManualClock(at)
    station.now_at = at
    trust = replace(trust_of(station), authorities=tuple(each.authority for each in authorities))
    paths = make_centre_home(folder / "home", station)
    put_trust(paths, trust)
    with centre_at(paths, trust, clock=clock) as centre:
        yield StampedCentre(centre, station, trust, authorities, clock, [], [])
