"""What people decided, as an outsider finds it in a package: each attack sealed by the centre, with its honest twin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.trust_root import sign_root
from evidence_model.instants import wire_instant
from host_io.trust import trust_bytes
from outside_verifier.package import verify_package
from outside_verifier.report import document, lines
from outside_verifier.trust import parse_trust
from outside_verifier.words import LANGUAGES
from tests.decision_story import END, INSPECTOR, LEADER, OFFICER, DecisionStory
from tests.package_story import Original, Package, sha
from tests.trusts import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outside_verifier.findings import Result

FILMS = [Original("DCIM/0001.mp4", b"film 1"), Original("DCIM/0002.mp4", b"film 2")]


@pytest.fixture
def story() -> DecisionStory:
    return DecisionStory(FILMS)


def verified(story: DecisionStory, folder: Path, change: Callable[[Package], None] | None = None) -> Result:
    story.trust = replace(story.trust, people=tuple(story.people))
    story.roots = [sign_root(story.trust, [ROOT])]
    package = story.write(folder / "bag")
    if change is not None:
        change(package)
    result = verify_package(str(package.bag), parse_trust(trust_bytes(story.trust)))
    for language in LANGUAGES:
        assert all(line.isprintable() and line for line in lines(result, language))
    assert document(result)["exit_code"] == result.exit_code
    return result


def told(result: Result) -> list[tuple[str, str]]:
    return [(finding.code, finding.reason.removeprefix("decision.")) for finding in result.findings]


def test_what_people_did_by_the_rules_is_shown_with_how_well_it_is_proved(story: DecisionStory, tmp_path: Path) -> None:
    story.link("A-7")
    story.view(story.grant(story.ask()))
    story.release_hold(story.place_hold(level="session"))
    asked = story.ask(request="r-2")
    story.decide("access.refused", {"reason": "no", "request": "r-2", "requested": story.hash(asked)}, by=LEADER)
    story.decide("access.closed", {"request": "r-1"}, by=OFFICER)
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([], 0)
    levels = {(each["kind"], each["person"], each["level"]) for each in result.decisions}
    assert ("hold.placed", INSPECTOR, "session") in levels
    assert ("hold.released", LEADER, "person-key") in levels
    shown = "\n".join(lines(result, "en"))
    assert "P005, of whom a machine says that he was logged in" in shown


def test_attack_19_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.link("A-7")
    story.link("B-8")
    result = verified(story, tmp_path)
    assert (set(told(result)), result.exit_code) == ({("PKG-078", "case")}, 1)


def test_attack_32_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.grant(story.ask(), signers=[])
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([("PKG-070", "key"), ("PKG-073", "role")], 1)


def test_attack_32_nobody_is_a_leader_whom_the_trust_document_does_not_list(
    story: DecisionStory, tmp_path: Path
) -> None:
    story.grant(story.ask())
    story.people = tuple(each for each in story.people if each.id != LEADER)
    assert told(verified(story, tmp_path)) == [("PKG-070", "key"), ("PKG-073", "role")]


def test_attack_33_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.view(story.grant(story.ask(purpose="copy")))
    assert told(verified(story, tmp_path)) == [("PKG-071", "purpose")]


def test_attack_34_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.view("ab" * 32)
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([("PKG-072", "reference")], 1)


def test_attack_35_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.grant(story.ask(by=LEADER), by=LEADER)
    assert told(verified(story, tmp_path)) == [("PKG-073", "same-person")]


def test_attack_36_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.place_hold()
    story.dispose_lawfully()
    story.gone = set(story.assets)
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == (
        [("PKG-074", "hold")] * 2 + [("PKG-079", "item.gone")] * 2,
        5,
    )


def test_attack_37_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.release_hold(story.place_hold(), level="session")
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([("PKG-075", "key")], 1)


def test_attack_38_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    proposal = story.propose(level="session")
    story.dispose(proposal, story.approve(proposal))
    story.gone = {story.assets[0]}
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([("PKG-076", "key"), ("PKG-079", "item.gone")], 5)


def test_an_item_whose_bytes_were_disposed_of_has_its_events_alone(story: DecisionStory, tmp_path: Path) -> None:
    """The other half of design promise 6: the proofs outlive the bytes."""
    proposal = story.propose()
    story.dispose(proposal, story.approve(proposal))
    story.gone = {story.assets[0]}
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([], 0)
    assert sorted(item["proved"] for item in result.items) == ["gone", "yes"]


def test_attack_39_bytes_that_are_not_there_although_nobody_disposed_of_them(
    story: DecisionStory, tmp_path: Path
) -> None:
    story.gone = {story.assets[0]}
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([("PKG-079", "item.gone")], 5)


def test_attack_40_in_a_package(story: DecisionStory, tmp_path: Path) -> None:
    story.dispose_lawfully()
    result = verified(story, tmp_path)  # with the footage
    assert (told(result), result.exit_code) == ([("PKG-077", "item.back")] * 2, 1)


# The package as a copy


def approved(story: DecisionStory, grant: int, **says: Any) -> Callable[[Package], None]:
    def change(package: Package) -> None:
        package.says = {"approval": story.hash(grant), **says}
        package.seal()

    return change


def test_a_package_made_on_a_grant(story: DecisionStory, tmp_path: Path) -> None:
    grant = story.grant(story.ask(purpose="copy", recipient="the court"))
    assert told(verified(story, tmp_path, approved(story, grant))) == []


@pytest.mark.parametrize(
    ("how", "says", "expected"),
    [
        ({"purpose": "copy", "recipient": "somebody else"}, {}, ("PKG-071", "recipient")),
        ({"purpose": "view", "recipient": "the court"}, {}, ("PKG-071", "purpose")),
        ({"purpose": "copy", "recipient": "the court"}, {"created_at": wire_instant(END)}, ("PKG-072", "period")),
        ({"purpose": "copy", "recipient": "the court"}, {"approval": "ab" * 32}, ("PKG-072", "reference")),
        ({"purpose": "copy", "recipient": "the court", "assets": 1}, {}, ("PKG-071", "items")),
    ],
)
def test_attack_33_a_package_is_made_on_a_grant_for_another(
    story: DecisionStory, tmp_path: Path, how: dict[str, Any], says: dict[str, Any], expected: tuple[str, str]
) -> None:
    assets = story.assets[: how.pop("assets", 2)]
    grant = story.grant(story.ask(assets=assets, **how), assets=assets)
    assert told(verified(story, tmp_path, approved(story, grant, **says))) == [expected]


# 59


def reread(story: DecisionStory) -> int:
    """Return where the station's second word of the first item stands."""
    return story.old_size + 1


def test_attack_59_a_body_that_was_erased_by_law_leaves_its_proof(story: DecisionStory, tmp_path: Path) -> None:
    """It was the last of the station's chain about the item, so the package says where that chain ends."""
    erased = reread(story)
    tombstone = story.dispose_lawfully(erased=[story.hash(erased)])
    story.gone, story.erased = set(story.assets), {erased}
    del story.blobs[sha(b"media facts of " + story.originals[0].path.encode())]
    result = verified(story, tmp_path)
    assert (told(result), result.exit_code) == ([], 0)
    assert [(each["index"], each["tombstone"]) for each in result.erased] == [(str(erased), str(tombstone - 1))]


def test_attack_59_a_chain_goes_on_over_what_was_erased(story: DecisionStory, tmp_path: Path) -> None:
    story.say(story.station, "footage.reread", ("asset/x", sha(b"x")), {}, asset=story.originals[0].id)
    erased = reread(story)
    story.dispose_lawfully(erased=[story.hash(erased)])
    story.gone, story.erased = set(story.assets), {erased}
    del story.blobs[sha(b"media facts of " + story.originals[0].path.encode())]
    assert told(verified(story, tmp_path)) == []


def test_attack_59_a_body_is_gone_that_no_tombstone_names(story: DecisionStory, tmp_path: Path) -> None:
    story.dispose_lawfully()
    story.gone, story.erased = set(story.assets), {reread(story)}
    result = verified(story, tmp_path)
    assert ("PKG-079", "body.gone") in told(result)
    assert result.exit_code == 5


def test_attack_59_of_two_events_only_one_was_erased_by_law(story: DecisionStory, tmp_path: Path) -> None:
    erased = reread(story)
    story.dispose_lawfully(erased=[story.hash(erased)])
    story.gone, story.erased = set(story.assets), {erased}
    story.wanted.remove(erased - 1)  # and the one before it is left out
    assert "PKG-040" in {code for code, _ in told(verified(story, tmp_path))}


def test_attack_59_another_event_stands_where_the_erased_one_stood(story: DecisionStory, tmp_path: Path) -> None:
    erased = reread(story)
    story.dispose_lawfully(erased=[story.hash(erased)])
    story.gone, story.erased = set(story.assets), {erased}

    def change(package: Package) -> None:
        package.change_contents(lambda contents: contents["erased"][0].update(sha256=sha(b"another")))
        package.seal()

    assert {"PKG-031", "PKG-032", "PKG-079"} <= {code for code, _ in told(verified(story, tmp_path, change))}
