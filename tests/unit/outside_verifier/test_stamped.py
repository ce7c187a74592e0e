"""Packages with time stamps, verified by the file that lies in them: attacks 29 to 31 and 45 to 47, and their twins."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.time_stamp import verify_stamp
from evidence_model.errors import RefusedError
from evidence_store.fsck import verify_home_summary
from outside_verifier.findings import Severity
from outside_verifier.package import verify_package
from outside_verifier.report import lines
from outside_verifier.stamps import find_openssl, read_stamp
from outside_verifier.strict import RefusedError as OutsideRefusedError
from outside_verifier.trust import parse_trust
from tests.packages import Docking
from tests.stamping import StampedCentre, stamped_centre
from tests.time_authority import TimeAuthority
from tests.unit.outside_verifier.test_exported import FILM, codes, export, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from evidence_model.findings import Finding
    from outside_verifier.findings import Result

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[StampedCentre]:
    with stamped_centre(tmp_path) as site:
        yield site


def pulled(site: StampedCentre, out: Path, *, away: timedelta = HOUR, wrong_by: timedelta = timedelta()) -> Path:
    """Stamp, let the station hear of it, pull a film, stamp again after a while; returns the package of the film."""
    first = site.is_stamped(site.authorities[0])
    site.passes(timedelta(minutes=1))
    site.station_hears(first)
    site.station.now_at += wrong_by
    docking = Docking(site.centre, site.station)
    film = docking.pull(FILM)
    site.passes(away)
    for authority in site.authorities:
        site.is_stamped(authority)
    docking.pull(b"later", b"DCIM/0009.MP4")  # the head is larger than what was stamped
    return export(site.centre, out, film)


def item_of(answer: Any) -> Any:
    [item] = answer["items"]
    return item


def at_home(site: StampedCentre) -> list[Finding]:
    """Return what the home's own verification says; the centre is still open, so a stage or two is not yet settled."""
    found = verify_home_summary(site.centre.paths, clock=site.clock).findings
    return [finding for finding in found if finding.code != "STO-078"]


def text(result: Result) -> str:
    return "\n".join(lines(result, "en"))


def outside(package: Path, site: StampedCentre) -> Result:
    return verify_package(str(package), parse_trust(site.centre.paths.trust.read_bytes()))


def test_an_item_lies_between_two_stamps(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package")
    answer = verify(package, site.centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    item = item_of(answer)
    assert (item["not_before"], item["not_after"]) == ("2026-11-22T11:59:59Z", "2026-11-22T13:01:02Z")
    assert (item["pulled_at"], item["clock"], item["error_ms"]) == ("2026-11-22T12:01:02.000Z", "ntp", "4")
    said = text(outside(package, site))
    assert "pulled between 2026-11-22T11:59:59Z and 2026-11-22T13:01:02Z (proved)" in said
    assert "the station's clock said 2026-11-22T12:01:02.000Z (ntp ±4 ms)" in said
    names = sorted(path.name for path in (package / "data/time").iterdir())
    assert [name.split(".", 1)[1] for name in names] == [
        *("checkpoint", "consistency", "tsa-1.tsr") * 1,
        *("checkpoint", "consistency", "tsa-1.tsr", "tsa-2.tsr"),
        *("pem", "pem"),
    ]
    assert at_home(site) == []
    command = ["pdftotext", "-layout", str(package / "data/report.en.pdf"), "-"]
    report = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    for bound in ("11:59:59.000", "13:01:02.000"):
        assert bound in report, report


def test_attack_31_three_days_away_are_an_interval_of_three_days(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package", away=3 * DAY)
    answer = verify(package, site.centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    item = item_of(answer)
    assert (item["not_before"], item["not_after"]) == ("2026-11-22T11:59:59Z", "2026-11-25T12:01:02Z")


@pytest.mark.parametrize(("wrong_by", "reason"), [(-3 * DAY, "time.back"), (3 * DAY, "time.ahead")])
def test_attacks_29_and_30_a_clock_that_is_three_days_wrong(
    site: StampedCentre, tmp_path: Path, wrong_by: timedelta, reason: str
) -> None:
    result = outside(pulled(site, tmp_path / "package", wrong_by=wrong_by), site)
    assert (set(result.counts), result.exit_code) == ({"PKG-065"}, 1)
    assert {finding.reason for finding in result.findings} == {reason}
    assert [finding.code for finding in at_home(site)] == ["COC-183" if reason == "time.back" else "COC-184"]


def test_attack_30_a_clock_that_jumps_between_two_events(site: StampedCentre, tmp_path: Path) -> None:
    docking = Docking(site.centre, site.station)
    film = docking.pull(FILM)
    site.station.now_at += HOUR
    docking.reread(film, FILM)
    result = outside(export(site.centre, tmp_path / "package", film), site)
    assert (set(result.counts), result.exit_code) == ({"PKG-065"}, 1)
    assert {finding.reason for finding in result.findings} == {"time.jump"}
    assert "no time stamp: when it was pulled, nothing but the station's clock says" in text(result)
    [finding] = at_home(site)
    assert (finding.code, finding.subject, finding.details["count"]) == ("COC-186", "source/station-1", "1")


def test_a_monotonic_clock_that_goes_back_and_a_beacon_from_the_future(site: StampedCentre, tmp_path: Path) -> None:
    docking = Docking(site.centre, site.station)
    film = docking.pull(FILM)
    site.station.mono_ns -= 10**12
    docking.reread(film, FILM)
    site.station_hears()
    assert site.station.beacon is not None
    site.station.beacon = type(site.station.beacon)(site.station.beacon.origin, 999, bytes(32))
    docking.reread(film, FILM)
    result = outside(export(site.centre, tmp_path / "package", film), site)
    assert (set(result.counts), result.exit_code) == ({"PKG-065", "PKG-066"}, 1)
    assert {finding.reason for finding in result.findings} == {"time.mono", "time.beacon"}
    assert {finding.code for finding in at_home(site)} == {"COC-185", "COC-187"}


# What somebody does to the stamps of a package ------------------------------------------------------------------------


def stamp_of(package: Path, authority: str = "tsa-1") -> Path:
    return max((package / "data/time").glob(f"*.{authority}.tsr"), key=lambda path: int(path.name.split(".")[0]))


def note_of(stamp: Path) -> bytes:
    return stamp.with_name(f"{stamp.name.split('.')[0]}.checkpoint").read_bytes()


def of_another(stamp: Path, site: StampedCentre) -> bytes:
    return site.authorities[1].stamp(note_of(stamp))


def with_injected_certificates(stamp: Path, site: StampedCentre) -> bytes:
    liar = TimeAuthority(stamp.parents[3] / "liar", "tsa-1")
    liar.send_more_certificates([site.authorities[0].certificate, site.authorities[0].root])
    return liar.stamp(note_of(stamp))


def unpinned(stamp: Path, site: StampedCentre) -> bytes:
    authority = site.authorities[0]
    authority.renew(since=-3000 * DAY)
    authority.enrolled.pop()
    return authority.stamp(note_of(stamp))


def of_other_bytes(stamp: Path, site: StampedCentre) -> bytes:
    return site.authorities[0].stamp(note_of(stamp) + b"\n")


def with_a_flipped_signature(stamp: Path, _site: StampedCentre) -> bytes:
    return stamp.read_bytes()[:-5] + bytes([stamp.read_bytes()[-5] ^ 1]) + stamp.read_bytes()[-4:]


def of_a_certificate_that_had_expired(stamp: Path, site: StampedCentre) -> bytes:
    authority = site.authorities[0]
    assert authority.at is not None
    authority.at += 9000 * DAY
    return authority.stamp(note_of(stamp))


def refused(_stamp: Path, _site: StampedCentre) -> bytes:
    return b"\x30\x05\x30\x03\x02\x01\x02"


STAMP_ATTACKS: list[tuple[Callable[[Path, StampedCentre], bytes], str]] = [
    (of_another, "PKG-062"),
    (with_injected_certificates, "PKG-062"),
    (unpinned, "PKG-062"),
    (with_a_flipped_signature, "PKG-062"),
    (of_a_certificate_that_had_expired, "PKG-062"),
    (of_other_bytes, "PKG-061"),
    (refused, "PKG-060"),
    (lambda stamp, _: stamp.read_bytes()[:-1], "PKG-060"),
    (lambda stamp, _: stamp.read_bytes() + b"\0", "PKG-060"),
    (lambda *_: b"", "PKG-060"),
]


@pytest.mark.parametrize(("attack", "code"), STAMP_ATTACKS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_attacks_45_and_46_a_stamp_that_does_not_count(
    site: StampedCentre, tmp_path: Path, attack: Callable[[Path, StampedCentre], bytes], code: str
) -> None:
    package = pulled(site, tmp_path / "package")
    stamp = stamp_of(package)
    data = attack(stamp, site)
    stamp.chmod(0o600)
    stamp.write_bytes(data)
    result = outside(package, site)
    assert (set(result.counts), result.exit_code) == ({"PKG-005", code}, 5)
    assert result.items[0]["not_after"], "the other authority's stamp still counts"
    authority = site.trust.authorities[0]
    with pytest.raises(RefusedError):  # and the library that the store uses says the same
        verify_stamp(data, note_of(stamp), authority)


def test_both_readers_agree_on_every_stamp_of_a_package(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package")
    known = {each.name: each for each in parse_trust(site.centre.paths.trust.read_bytes()).authorities}
    openssl = find_openssl()
    assert openssl is not None
    for authority in site.trust.authorities:
        for path in (package / "data/time").glob(f"*.{authority.name}.tsr"):
            stamp = verify_stamp(path.read_bytes(), note_of(path), authority)
            read = read_stamp(path.read_bytes(), note_of(path), 1, known[authority.name])
            assert read.is_signed(openssl)
            seen = read.stamp()
            assert (seen.earliest, seen.latest, seen.token) == (stamp.earliest_at, stamp.latest_at, stamp.token.hex())
            for place in range(0, len(path.read_bytes()), 7):
                flipped = bytearray(path.read_bytes())
                flipped[place] ^= 0x20
                try:
                    ours = read_stamp(bytes(flipped), note_of(path), 1, known[authority.name])
                except OutsideRefusedError:
                    continue
                if not ours.is_signed(openssl):
                    continue
                assert ours.stamp().earliest == stamp.earliest_at, "what counts says the same time"


def test_attack_47_a_certificate_that_expired_since_counts(tmp_path: Path) -> None:
    """For everybody in this test it is a thousand days ago; by the true clock the certificates are at an end."""
    now = datetime.now(tz=UTC)
    with stamped_centre(tmp_path, at=now - 1100 * DAY, until=-1000 * DAY) as site:
        answer = verify(pulled(site, tmp_path / "package"), site.centre.paths.trust)
        assert (codes(answer), answer["exit_code"]) == ([], 0)
        assert item_of(answer)["not_after"]
        assert all(each.certificate.not_valid_after_utc < now for each in site.authorities)


def test_without_openssl_the_command_is_named_and_nothing_is_claimed(
    site: StampedCentre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pulled(site, tmp_path / "package")
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    result = outside(package, site)
    assert (set(result.counts), result.exit_code, result.items[0]["not_after"]) == ({"PKG-063"}, 4, "")
    command = result.findings[0].facts["command"]
    monkeypatch.setenv("PATH", path)
    monkeypatch.chdir(package)
    assert os.system(command) == 0  # noqa: S605 - what a person would type


def test_a_stamped_checkpoint_that_the_head_does_not_contain(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package")
    proof = stamp_of(package).with_name(f"{stamp_of(package).name.split('.')[0]}.consistency")
    whole = proof.read_text()
    proof.chmod(0o600)
    proof.write_text(whole[::-1][1:] + "\n")
    result = outside(package, site)
    assert (set(result.counts), result.items[0]["not_after"]) == ({"PKG-005", "PKG-064"}, "")
    proof.write_text(whole)
    assert outside(package, site).exit_code == 0


def test_an_authority_that_the_trust_document_does_not_name_proves_nothing(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package")
    stamp = stamp_of(package, "tsa-2")
    shutil.copy(stamp, stamp.with_name(stamp.name.replace("tsa-2", "tsa-9")))
    result = outside(package, site)
    assert {(finding.code, finding.severity) for finding in result.findings} == {
        ("PKG-003", Severity.DAMAGE),
        ("PKG-062", Severity.FAULT),
    }


def test_a_file_that_no_stamp_needs_is_a_stray(site: StampedCentre, tmp_path: Path) -> None:
    package = pulled(site, tmp_path / "package")
    for name in ("1.consistency", "notes.txt"):
        shutil.copy(package / "bagit.txt", package / "data/time" / name)
    result = outside(package, site)
    assert result.counts["PKG-050"] == 2
