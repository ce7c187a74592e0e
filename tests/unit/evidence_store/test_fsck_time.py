"""`verify` looks at the stamps of a home: what is altered, lost, of another log; and what is only no longer trusted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from evidence_model.findings import Finding, Severity
from evidence_store.fsck import verify_home
from tests.packages import flip
from tests.stamping import StampedCentre, stamped_centre
from tests.trusts import put_trust


@pytest.fixture
def site(tmp_path: Path) -> Iterator[StampedCentre]:
    """Return a centre with a stamped log of a few events, and some that came later."""
    with stamped_centre(tmp_path) as site:
        logs(site)
        for authority in site.authorities:
            site.passes(timedelta(hours=1))
            site.is_stamped(authority)
        logs(site)
        yield site


def logs(site: StampedCentre) -> None:
    site.centre.take(site.station, [site.station.says()])
    site.centre.ledger.settle(up_to=site.centre.sequencer.applied_size)


def verify(site: StampedCentre) -> list[Finding]:
    return list(verify_home(site.centre.paths, clock=site.clock))


def token(site: StampedCentre) -> Path:
    [path] = site.stamps.root.glob("*.tsa-1.tsr")
    return path


def note(site: StampedCentre) -> Path:
    return token(site).with_name(f"{token(site).name.split('.')[0]}.checkpoint")


def test_stamps_that_are_right_are_no_finding(site: StampedCentre) -> None:
    assert verify(site) == []


DAMAGES: list[tuple[Callable[[StampedCentre], object], str]] = [
    (lambda site: flip(token(site), -5), "COC-181"),
    (lambda site: flip(token(site), 9), "COC-180"),
    (lambda site: flip(note(site), 3), "COC-182"),
    (lambda site: note(site).unlink(), "COC-188"),
    (lambda site: token(site).write_bytes(site.authorities[0].stamp(b"other")), "COC-182"),
    (lambda site: token(site).write_bytes(site.authorities[1].stamp(note(site).read_bytes())), "COC-181"),
]


@pytest.mark.parametrize(("damage", "code"), DAMAGES)
def test_what_is_altered_is_damage(site: StampedCentre, damage: Callable[[StampedCentre], object], code: str) -> None:
    token(site).chmod(0o600)
    damage(site)
    found = verify(site)
    assert {(finding.code, finding.severity) for finding in found} == {(code, Severity.DAMAGE)}
    assert f"log/timestamps/{token(site).name}" in {finding.subject for finding in found}


def test_an_authority_that_is_no_longer_trusted_is_no_damage(site: StampedCentre) -> None:
    trust = replace(site.trust, authorities=site.trust.authorities[1:])
    put_trust(site.centre.paths, trust)
    [finding] = verify(site)
    assert (finding.code, finding.severity) == ("COC-181", Severity.FAULT)


def test_a_stray_file_among_the_stamps(site: StampedCentre) -> None:
    (site.stamps.root / "notes.txt").write_text("x")
    [finding] = verify(site)
    assert (finding.code, finding.severity) == ("STO-074", Severity.FAULT)


def test_a_log_that_was_written_again_contradicts_what_an_authority_stamped(tmp_path: Path) -> None:
    """Who has all keys of the centre makes another history of the same size; the stamp of the old one stays."""
    with stamped_centre(tmp_path / "old") as old, stamped_centre(tmp_path / "new") as new:
        for site, kind in ((old, "one"), (new, "other")):
            site.centre.take(site.station, [site.station.says(body={"what": kind})])
            site.centre.ledger.settle(up_to=site.centre.sequencer.applied_size)
        old.is_stamped(old.authorities[0])
        new.stamps.root.mkdir()
        for path in old.stamps.root.iterdir():
            (new.stamps.root / path.name).write_bytes(path.read_bytes())
        put_trust(new.centre.paths, old.trust)
        [finding] = verify(new)
        assert (finding.code, finding.severity) == ("STO-002", Severity.DAMAGE)
        assert finding.details["seen_by"].startswith("log/timestamps/")
