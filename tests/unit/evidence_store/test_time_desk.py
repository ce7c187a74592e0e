"""The store has its checkpoints stamped: what is kept, and what is a finding. Real openssl, real HTTP."""

import hashlib
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.events import EventKind
from evidence_model.findings import Finding
from evidence_store.log_folder import LogFolder
from evidence_store.stamp_folder import StampFolder
from evidence_store.time_desk import Errand, Stamped, TimeDesk, TimeSettings
from host_io.config import HomePaths
from host_io.trust import Trust, station_witness
from tests.fakes.centre_home import LOG, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.time_authority import TimeAuthority, serving
from tests.trusts import with_witnesses


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("tsa") / "one", "tsa-1")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("tsa") / "two", "tsa-2")


@dataclass
class Site:
    """A centre's log of real events, and a desk that a test lets look."""

    paths: HomePaths
    station: FakeStation
    trust: Trust
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime.now(tz=UTC)))
    stamped: list[Stamped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    renew_within: timedelta = timedelta(days=90)

    @property
    def stamps(self) -> StampFolder:
        return StampFolder(self.paths.log)

    def logs(self, count: int = 1) -> int:
        """Log so many events more; returns the log's size."""
        with centre_at(self.paths, self.trust) as centre:
            raws = [self.station.says(EventKind.TAGS_SET, {"assets": [], "tags": {}}) for _ in range(count)]
            centre.take(self.station, raws)
            return centre.ledger.size

    def desk(self, url: str, name: str = "tsa-1") -> Errand:
        [errand] = self.whole_desk((name, url)).errands
        return errand

    def whole_desk(self, *authorities: tuple[str, str]) -> TimeDesk:
        settings = TimeSettings(authorities=authorities, renew_within=self.renew_within)  # type: ignore[arg-type]
        return TimeDesk(
            settings,
            LogFolder(self.paths.log),
            trust=lambda: self.trust,
            clock=self.clock,
            on_stamped=self.stamped.append,
            on_finding=self.findings.append,
        )

    def names(self) -> list[str]:
        return sorted(path.name for path in self.stamps.root.iterdir()) if self.stamps.root.exists() else []

    def codes(self) -> list[str]:
        return [finding.code for finding in self.findings]


@pytest.fixture
def site(tmp_path: Path, one: TimeAuthority, two: TimeAuthority) -> Site:
    station = FakeStation()
    trust = replace(trust_of(station), authorities=(one.authority, two.authority))
    return Site(make_centre_home(tmp_path / "home", station), station, trust)


def test_the_newest_public_checkpoint_is_stamped_once_and_again_when_the_log_has_grown(
    site: Site, one: TimeAuthority
) -> None:
    size = site.logs()
    with serving(one.answer) as url:
        desk = site.desk(url)
        desk.look()
        desk.look()
        assert site.names() == [f"{size}.checkpoint", f"{size}.tsa-1.tsr"]
        assert (site.stamps.root / f"{size}.checkpoint").read_bytes() == (site.paths.log / "checkpoint").read_bytes()
        site.clock.seconds += 3601
        desk.look()
        assert len(site.names()) == 2, "nothing new is in the log"
        larger = site.logs()
        desk.look()
        assert f"{larger}.tsa-1.tsr" in site.names()
        site.logs()
        desk.look()
        assert len(site.names()) == 4, "not twice within the hour"
    verified, bad = site.stamps.verified(site.trust.authorities, [LOG.public_key])
    assert ([each.checkpoint.size for each in verified if each.checkpoint], bad) == ([size, larger], [])
    assert [each.stamp.token for each in site.stamped] == [
        hashlib.sha256((site.stamps.root / f"{each}.tsa-1.tsr").read_bytes()).digest() for each in (size, larger)
    ]
    assert site.findings == []


def test_a_restarted_desk_tells_of_the_newest_stamp_and_does_not_ask_again_at_once(
    site: Site, one: TimeAuthority
) -> None:
    site.logs()
    with serving(one.answer) as url:
        site.desk(url).look()
        site.logs()
        again = site.desk(url)
        again.look()
        assert [each.stamp.token for each in site.stamped] == [site.stamped[0].stamp.token] * 2
        assert len(site.names()) == 2
        site.clock.advance(3601)
        again.look()
        assert len(site.names()) == 4


def test_two_authorities_stamp_the_same_bytes(site: Site, one: TimeAuthority, two: TimeAuthority) -> None:
    size = site.logs()
    with serving(one.answer) as url, serving(two.answer) as other:
        site.desk(url).look()
        site.desk(other, "tsa-2").look()
    assert site.names() == [f"{size}.checkpoint", f"{size}.tsa-1.tsr", f"{size}.tsa-2.tsr"]
    assert len(site.stamps.verified(site.trust.authorities, [LOG.public_key])[0]) == 2


def test_what_too_few_have_cosigned_is_not_stamped(site: Site, one: TimeAuthority) -> None:
    site.logs()
    witness = station_witness(site.trust.site, site.station.id, site.station.signer.public_key)
    site.trust = with_witnesses(site.trust, WitnessPolicy(witnesses=(witness,), quorum=site.station.id))
    with serving(one.answer) as url:
        site.desk(url).look()
    assert (site.names(), site.findings) == ([], [])


def other_bytes(authority: TimeAuthority) -> Callable[[bytes], bytes]:
    return lambda _: authority.stamp(b"another checkpoint")


def other_nonce(authority: TimeAuthority, site: Site) -> Callable[[bytes], bytes]:
    return lambda _: authority.stamp((site.paths.log / "checkpoint").read_bytes())


def test_attacks_45_and_46_an_answer_that_does_not_count_is_a_finding_and_is_not_kept(
    site: Site, one: TimeAuthority, two: TimeAuthority
) -> None:
    site.logs()
    refuses = lambda query: one.answer(query.replace(b"\x04\x02\x01", b"\x04\x02\x7f"))  # noqa: E731 - one of five
    cases: list[tuple[Callable[[bytes], bytes], str]] = [
        (two.answer, "COC-181"),
        (other_bytes(one), "COC-182"),
        (other_nonce(one, site), "COC-182"),
        (lambda _: b"<html>", "COC-180"),
        (refuses, "COC-180"),
    ]
    for answer, code in cases:
        with serving(answer) as url:
            site.desk(url).look()
        assert (site.codes(), site.findings[-1].details["code"]) == (["STO-131"], code)
        assert site.names() == []
        site.findings.clear()


def test_an_authority_that_is_away_is_asked_again_with_pauses_and_the_finding_is_cured(
    site: Site, one: TimeAuthority
) -> None:
    site.logs()
    asked: list[bytes] = []

    def broken(query: bytes) -> bytes:
        asked.append(query)
        if len(asked) < 3:
            raise OSError("out of order")
        return one.answer(query)

    with serving(broken) as url:
        desk = site.desk(url)
        for seconds in (0, 4, 2, 4):
            site.clock.advance(seconds)
            desk.look()
        assert (len(asked), site.codes()) == (2, ["STO-130", "STO-130"])
        site.clock.advance(7)
        desk.look()
    assert (len(asked), len(site.names())) == (3, 2)
    assert "STO-130" in site.stamped[0].cured
    away = site.desk("http://127.0.0.1:1/")
    site.clock.advance(4000)
    site.logs()
    away.look()
    site.clock.advance(4000)
    away.look()
    assert site.codes()[-1] == "STO-130"


def test_an_authority_that_is_not_in_the_trust_document_is_not_asked(site: Site) -> None:
    site.logs()
    site.desk("http://127.0.0.1:1/", "tsa-9").look()
    assert site.codes() == ["STO-132"]


def test_a_slow_authority_holds_up_neither_the_other_nor_the_end(
    site: Site, one: TimeAuthority, two: TimeAuthority
) -> None:
    size = site.logs()
    release = threading.Event()

    def slow(query: bytes) -> bytes:
        release.wait(60)
        return one.answer(query)

    done = threading.Event()
    with serving(slow) as url, serving(two.answer) as other:
        desk = site.whole_desk(("tsa-1", url), ("tsa-2", other))
        desk.errands[1]._on_stamped = lambda _: done.set()
        desk.start()
        assert done.wait(30)
        desk.stop()
        assert site.names() == [f"{size}.checkpoint", f"{size}.tsa-2.tsr"]
        release.set()


def test_an_authority_whose_time_is_another_than_ours_is_kept_and_is_a_finding(site: Site, one: TimeAuthority) -> None:
    site.logs()
    site.clock.set_wall(site.clock.at + timedelta(days=3))
    with serving(one.answer) as url:
        site.desk(url).look()
        assert (site.codes(), len(site.names())) == (["STO-134"], 2)
        site.clock.set_wall(datetime.now(tz=UTC))
        site.clock.advance(3601)
        site.clock.set_wall(datetime.now(tz=UTC))
        site.logs()
        site.desk(url).look()
    assert site.codes() == ["STO-134"]


def test_old_stamps_are_stamped_anew_before_their_certificate_ends(site: Site, tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "ageing", "tsa-3")
    authority.renew(until=timedelta(days=30))
    site.trust = replace(site.trust, authorities=(authority.authority,))
    size = site.logs()
    with serving(authority.answer) as url:
        desk = site.desk(url, "tsa-3")
        desk.look()
        assert (site.codes(), len(site.names())) == (["STO-133"], 2), "there is no longer certificate to stamp with"
        authority.renew()
        site.trust = replace(site.trust, authorities=(authority.authority,))
        site.clock.advance(24 * 3600 + 1)
        desk.look()
        assert site.names() == [
            f"{size}.checkpoint",
            f"{size}.tsa-3.tsr",
            "renewal-1.list",
            "renewal-1.tsa-3.tsr",
        ]
        site.clock.advance(24 * 3600 + 1)
        desk.look()
        assert len(site.names()) == 4, "once is enough"
    done = subprocess.run(["sha256sum", "-c", "renewal-1.list"], cwd=site.stamps.root, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b"OK")) == (0, 2)
    verified, bad = site.stamps.verified(site.trust.authorities, [LOG.public_key])
    assert (len(verified), bad) == (2, [])


def test_a_stamp_of_another_log_or_size_or_without_its_checkpoint_proves_nothing(
    site: Site, one: TimeAuthority
) -> None:
    size = site.logs()
    with serving(one.answer) as url:
        site.desk(url).look()

    def codes() -> list[str]:
        good, bad = site.stamps.verified(site.trust.authorities, [LOG.public_key])
        assert len(good) + len(bad) == 1
        return [each.code for each in bad]

    assert codes() == []
    for kind in ("checkpoint", "tsa-1.tsr"):
        (site.stamps.root / f"{size}.{kind}").rename(site.stamps.root / f"{size + 1}.{kind}")
    assert codes() == ["COC-188"]
    (site.stamps.root / f"{size + 1}.checkpoint").unlink()
    assert codes() == ["COC-188"]
