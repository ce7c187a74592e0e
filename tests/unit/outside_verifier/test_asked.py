"""What an outsider asks besides: made for me (PKG-015), and not older than my question (PKG-035, attack 17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.witness_policy import NO_WITNESSES, Group, Witness, WitnessPolicy
from host_io.trust import trust_bytes
from outside_verifier.asked import Asked, instant_text, parse_instant
from outside_verifier.findings import Result, Severity
from outside_verifier.main import main
from outside_verifier.package import verify_package
from outside_verifier.report import document, lines
from outside_verifier.trust import parse_trust
from outside_verifier.words import LANGUAGES
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import EvidenceStory, Original, Package

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = ("w1", "w2", "w3")
DAY = timedelta(days=1)


def policy(quorum: int) -> WitnessPolicy:
    if quorum == 0:
        return NO_WITNESSES
    witnesses = tuple(
        Witness(name, NoteKey(f"{name}.example", NoteAlgorithm.COSIGNATURE_V1, key_of(name).public_key))
        for name in NAMES
    )
    return WitnessPolicy(witnesses=witnesses, groups=(Group("enough", quorum, NAMES),), quorum="enough")


def cosigned(folder: Path, days: Sequence[int | None], *, quorum: int = 2) -> Package:
    """Return a package whose head each witness cosigned so many days after the start, or not at all."""
    story = EvidenceStory([Original("a.mp4", b"footage")], witnesses=policy(quorum))
    for name, after in zip(NAMES, days, strict=True):
        if after is not None:
            story.cosigners.append((f"{name}.example", key_of(name)))
            story.cosigned_at[f"{name}.example"] = START_AT + after * DAY
    return story.write(folder / "bag")


def verify(package: Package, **asked: object) -> Result:
    keys = parse_trust(trust_bytes(package.story.trust))
    return verify_package(str(package.bag), keys, None, Asked(**asked))  # type: ignore[arg-type]  # by name


def shown(result: Result) -> list[str]:
    return [line for language in LANGUAGES for line in lines(result, language)]


def test_pkg_035_an_old_package_passed_off_as_current(tmp_path: Path) -> None:
    package = cosigned(tmp_path, (0, 0, 0))
    result = verify(package, min_time=START_AT + DAY)
    [finding] = result.findings
    assert (finding.code, finding.severity, finding.reason, result.exit_code) == (
        "PKG-035",
        Severity.FAULT,
        "head.old",
        1,
    )
    assert all(result.items[0]["proved"] == "yes" for _ in shown(result)), "what it says is still true"


def test_a_package_that_is_new_enough_or_of_which_no_time_is_asked(tmp_path: Path) -> None:
    package = cosigned(tmp_path, (2, 1, None))
    at = START_AT.replace(microsecond=0) + DAY
    for result in (verify(package), verify(package, min_time=at), verify(package, min_time=at - DAY)):
        assert (result.findings, result.exit_code, result.about["cosigned_at"]) == ([], 0, instant_text(at))
        size = len(package.story.log_items)
        assert any(f"as of size {size}, cosigned at {instant_text(at)}" in line for line in shown(result))
    assert set(verify(package, min_time=at + timedelta(seconds=1)).counts) == {"PKG-035"}


@pytest.mark.parametrize(
    ("days", "quorum", "expected"),
    [
        ((9999, 0, 0), 2, 0),
        ((9999, 0, None), 2, 0),  # a median of these two would be moved as soon as the honest third is left out
        ((9999, 1, 0), 2, 1),
        ((9999, 9998, 0), 3, 0),
        ((9999, 0, None), 1, 9999),  # a quorum of one is that one's word
    ],
)
def test_pkg_035_one_dishonest_witness_makes_no_package_younger(
    tmp_path: Path, days: Sequence[int | None], quorum: int, expected: int
) -> None:
    package = cosigned(tmp_path, days, quorum=quorum)
    at = START_AT.replace(microsecond=0) + expected * DAY
    assert verify(package).about["cosigned_at"] == instant_text(at)
    assert set(verify(package, min_time=at + DAY).counts) == {"PKG-035"}
    assert set(verify(package, min_time=at).counts) == set()


def test_pkg_035_a_time_is_asked_for_and_no_quorum_says_any(tmp_path: Path) -> None:
    for number, (days, quorum, more) in enumerate((((None, None, None), 0, set()), ((5, None, None), 2, {"PKG-034"}))):
        (tmp_path / str(number)).mkdir()
        result = verify(cosigned(tmp_path / str(number), days, quorum=quorum), min_time=START_AT)
        assert set(result.counts) == {"PKG-035", *more}
        assert result.exit_code == (5 if more else 1), "damage outweighs"
        assert "cosigned_at" not in result.about
        assert any("too few witnesses say when" in line for line in shown(result))


def test_a_time_that_no_calendar_has_is_no_time() -> None:
    witnesses = parse_trust(trust_bytes(EvidenceStory([], witnesses=policy(1)).trust)).witnesses
    assert witnesses.time_of({"w1": 1 << 62}) is None
    assert witnesses.time_of({"w1": 1 << 62, "w2": 7}) == datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)


def test_pkg_015_a_package_that_was_made_for_somebody_else(tmp_path: Path) -> None:
    package = cosigned(tmp_path, (0, 0, 0))
    assert verify(package, recipient="the court").findings == []
    for name in ("the defence", "the court ", ""):
        result = verify(package, recipient=name)
        [finding] = result.findings
        assert (finding.code, finding.severity, result.exit_code) == ("PKG-015", Severity.FAULT, 1)
        assert document(result)["findings"][0]["severity"] == "fault"


def test_pkg_015_a_package_that_names_nobody(tmp_path: Path) -> None:
    package = cosigned(tmp_path, (0, 0, 0))
    package.says = {"recipient": ""}
    package.seal()
    assert set(verify(package, recipient="the court").counts) == {"PKG-015"}
    assert verify(package).findings == []


def test_who_it_is_for_is_only_believed_as_the_centre_signed_it(tmp_path: Path) -> None:
    package = cosigned(tmp_path, (0, 0, 0))
    package.seal(key_of("somebody"))
    assert set(verify(package, recipient="the court").counts) == {"PKG-010"}


def test_damage_outweighs_what_cannot_be_checked_and_that_a_mere_fault() -> None:
    result = Result()
    for severity, code in ((Severity.FAULT, 1), (Severity.UNCHECKED, 4), (Severity.FAULT, 4), (Severity.DAMAGE, 5)):
        result.add("PKG-001", "x", severity=severity)
        assert result.exit_code == code
    result.add("PKG-001", "x", severity=Severity.FAULT)
    assert result.exit_code == 5


def test_an_instant_says_its_zone() -> None:
    nine = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
    for text in ("2026-11-28T09:00:00+08:00", "2026-11-28 01:00:00Z", "2026-11-28T01:00:00.000Z"):
        assert parse_instant(text) == nine
        assert instant_text(parse_instant(text)) == "2026-11-28T01:00:00Z"
    for text in ("2026-11-28", "2026-11-28T09:00:00", "2026-13-28T09:00:00Z", "2026-11-28T09:00:00+99:00", "", "now"):
        with pytest.raises(ValueError):  # noqa: PT011 - argparse wants no other
            parse_instant(text)


def test_the_command_line_asks_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = cosigned(tmp_path, (0, 0, 0))
    trust = ["--trust", str(package.trust_file(tmp_path)), "--lang", "en"]
    bag = str(package.bag)
    assert main([bag, *trust, "--recipient", "the court", "--min-time", instant_text(START_AT)]) == 0
    assert main([bag, *trust, "--recipient", "the defence", "--min-time", instant_text(START_AT + DAY)]) == 1
    assert {"PKG-015", "PKG-035"} <= set(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as caught:
        main([bag, "--min-time", "yesterday"])
    assert caught.value.code == 2
