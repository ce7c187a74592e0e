"""Each attack on decisions in a real home, as `evidock verify` finds it; and what is lawful is found right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from evidence_model.findings import Severity
from evidence_store.errors import LogFileMissingError
from evidence_store.fsck import verify_home_summary
from evidence_store.package_export import export_package
from evidence_store.rebuild import rebuild
from outside_verifier.package import verify_package
from outside_verifier.trust import parse_trust
from tests.decided_home import DecidedHome, decided_home
from tests.decision_story import ADMIN, INSPECTOR, LEADER, OFFICER
from tests.packages import document, recording_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evidence_store.fsck import HomeVerification
    from outside_verifier.findings import Result


def verified(root: Path, story: Callable[[DecidedHome], Any]) -> HomeVerification:
    """Let a story happen in a new home, and verify it."""
    with decided_home(root) as home:
        story(home)
    return verify_home_summary(home.paths, workers=2)


def told(result: HomeVerification) -> dict[str, int]:
    """Return how many findings there are of each code, notes left out."""
    return dict(Counter(each.code for each in result.findings if each.severity is not Severity.NOTE))


def lawful(home: DecidedHome) -> None:
    """Everything that people may do, in its order."""
    home.link("A-7")
    hold = home.place_hold()
    home.view(home.grant(home.ask()))
    copy = home.grant(home.ask(purpose="copy", request="r-2"), request="r-2")
    home.copy_out(copy, request="r-2")
    asked = home.ask(request="r-3")
    home.decide("access.refused", {"reason": "no", "request": "r-3", "requested": home.hash(asked)}, by=LEADER)
    home.decide("access.closed", {"request": "r-1"}, by=OFFICER)
    home.link("A-7", kind="case.unlinked")
    home.release_hold(hold)


def test_what_people_do_by_the_rules_is_right(tmp_path: Path) -> None:
    result = verified(tmp_path / "home", lawful)
    assert (result.findings, result.exit_code) == ([], 0)


def test_a_hold_by_a_session_is_right(tmp_path: Path) -> None:
    assert verified(tmp_path / "home", lambda home: home.place_hold(level="session")).findings == []


ATTACKS: dict[str, tuple[Callable[[DecidedHome], Any], dict[str, int], int]] = {
    "19": (lambda home: (home.link("A-7"), home.link("B-8")), {"COC-168": 2}, 1),
    "32": (lambda home: home.ask(signers=[key_of_nobody()]), {"COC-160": 1, "COC-163": 1}, 1),
    "33": (lambda home: home.view(home.grant(home.ask(purpose="copy"))), {"COC-161": 1}, 1),
    "34": (lambda home: home.view("ab" * 32), {"COC-162": 1}, 1),
    "35": (lambda home: home.grant(home.ask(by=LEADER), by=LEADER), {"COC-163": 1}, 1),
    "36": (lambda home: (home.place_hold(), home.dispose_lawfully()), {"COC-164": 2}, 5),
    "37": (lambda home: home.release_hold(home.place_hold(), by=INSPECTOR), {"COC-165": 1}, 1),
    "38": (lambda home: home.dispose(proposal := home.propose(signers=[]), home.approve(proposal)), {}, 5),
}


def key_of_nobody() -> Any:
    from tests.fakes.log_on_disc import test_key  # noqa: PLC0415 - only here

    return test_key("nobody")


@pytest.mark.parametrize("number", ATTACKS)
def test_attacks_19_and_32_to_38_in_a_home(tmp_path: Path, number: str) -> None:
    story, codes, exit_code = ATTACKS[number]
    result = verified(tmp_path / "home", story)
    expected = codes or {"COC-160": 1, "COC-163": 2, "COC-166": 1}
    assert (told(result), result.exit_code) == (expected, exit_code)


# 38 to 40: the bytes


def test_attack_38_a_tombstone_of_one_hand_excuses_no_missing_bytes(tmp_path: Path) -> None:
    def story(home: DecidedHome) -> None:
        proposal = home.propose(level="session")
        home.dispose(proposal, home.approve(proposal))
        home.erase_bytes(home.assets[0])

    result = verified(tmp_path / "home", story)
    assert (told(result), result.exit_code) == ({"COC-166": 1, "STO-061": 1}, 5)


def test_attack_39_bytes_that_nobody_disposed_of_are_damage(tmp_path: Path) -> None:
    result = verified(tmp_path / "home", lambda home: home.erase_bytes(home.assets[0]))
    assert (told(result), result.exit_code) == ({"STO-061": 1}, 5)


def dispose_all(home: DecidedHome, *, erased: tuple[str, ...] = ()) -> None:
    home.dispose_lawfully(erased=erased)
    for asset in home.assets:
        home.erase_bytes(asset)


def test_bytes_that_were_lawfully_disposed_of_may_be_gone(tmp_path: Path) -> None:
    result = verified(tmp_path / "home", dispose_all)
    assert (result.findings, result.exit_code) == ([], 0)


def test_attack_40_bytes_that_are_still_there_after_their_tombstone(tmp_path: Path) -> None:
    def story(home: DecidedHome) -> None:
        home.dispose_lawfully()
        home.erase_bytes(home.assets[0])

    result = verified(tmp_path / "home", story)
    found = [(each.code, each.severity, each.details["rule"]) for each in result.findings]
    assert found == [("COC-167", Severity.FAULT, "bytes")]


def test_attack_40_footage_comes_back_from_the_recorder(tmp_path: Path) -> None:
    def story(home: DecidedHome) -> None:
        dispose_all(home)
        home.docking.pull(b"film 1" * 1000, b"DCIM/0001.MP4")

    result = verified(tmp_path / "home", story)
    assert told(result)["COC-167"] >= 2
    assert result.exit_code == 1


# 59: erased by law


def erase_lawfully(root: Path) -> tuple[DecidedHome, str]:
    """Dispose of everything, and erase the body of one event, as its proposal and approval say."""
    with decided_home(root) as home:
        envelope = home.reread_of(home.assets[0])
        dispose_all(home, erased=(envelope,))
    home.erase_body(envelope)
    rebuild(home.paths)
    return home, envelope


def test_attack_59_a_body_that_was_erased_by_law_is_a_note(tmp_path: Path) -> None:
    home, _ = erase_lawfully(tmp_path / "home")
    result = verify_home_summary(home.paths, workers=2)
    assert ("COC-169", Severity.NOTE) in [(each.code, each.severity) for each in result.findings]
    assert told(result) == {}
    assert result.exit_code == 0


def test_attack_59_a_body_that_no_tombstone_names_is_damage(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        envelope = home.reread_of(home.assets[0])
        dispose_all(home)
    home.erase_body(envelope)
    result = verify_home_summary(home.paths, workers=2)
    assert (told(result), result.exit_code) == ({"COC-120": 1}, 5)


def test_attack_59_a_tombstone_of_one_hand_erases_no_body(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        envelope = home.reread_of(home.assets[0])
        proposal = home.propose(erased=[envelope], level="session")
        home.dispose(proposal, home.approve(proposal), erased=[envelope])
    home.erase_body(envelope)
    result = verify_home_summary(home.paths, workers=2)
    assert (told(result), result.exit_code) == ({"COC-120": 1, "COC-166": 1}, 5)


def test_attack_59_a_catalogue_is_not_made_again_over_what_was_lost(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        envelope = home.reread_of(home.assets[0])
        dispose_all(home)
    home.erase_body(envelope)
    with pytest.raises(LogFileMissingError):
        rebuild(home.paths)


# Packages


def exported(home: DecidedHome, out: Path, **more: Any) -> tuple[Path, Result]:
    done = export_package(home.paths, recordings=[recording_of(home.assets[0])], out=out, **more)
    assert done.findings == ()
    return out, verify_package(str(out), parse_trust(home.paths.trust.read_bytes()))


def test_a_package_has_the_decisions_about_its_items_and_nothing_of_others(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        lawful(home)
        home.place_hold(hold="h-2", assets=home.assets[1:])
        copy = home.grant(home.ask(purpose="copy", request="r-9", recipient="court"), request="r-9")
    approval = bytes.fromhex(home.hash(copy))
    out, result = exported(home, tmp_path / "bag", recipient="court", approval=approval)
    assert (result.findings, result.exit_code) == ([], 0)
    kinds = [each["kind"] for each in result.decisions]
    assert kinds.count("hold.placed") == 1
    assert {"access.refused", "access.closed", "case.unlinked", "hold.released"} <= set(kinds)
    assert document(out, "package.dsse.json")


def test_a_package_of_what_was_disposed_of_has_its_proofs(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        dispose_all(home)
    out, result = exported(home, tmp_path / "bag")
    assert (result.findings, [item["proved"] for item in result.items]) == ([], ["gone"])
    assert document(out, "data/package.json")["items"][0]["file"] is None


def test_attack_39_a_package_of_what_is_gone_without_a_tombstone_is_not_made(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        home.erase_bytes(home.assets[0])
    done = export_package(home.paths, recordings=[recording_of(home.assets[0])], out=tmp_path / "bag")
    assert [each.code for each in done.findings] == ["STO-061"]


def test_attack_59_a_package_proves_the_entry_whose_body_was_erased(tmp_path: Path) -> None:
    home, envelope = erase_lawfully(tmp_path / "home")
    out, result = exported(home, tmp_path / "bag")
    assert (result.findings, result.exit_code) == ([], 0)
    (entry,) = document(out, "data/package.json")["erased"]
    assert entry["sha256"] == envelope
    assert [each["index"] for each in result.erased] == [entry["index"]]
    assert not (out / f"data/events/{entry['index']}.dsse.json").exists()


def test_attack_59_a_body_that_was_lost_stops_a_package(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        envelope = home.reread_of(home.assets[0])
        dispose_all(home)
    home.erase_body(envelope)
    done = export_package(home.paths, recordings=[recording_of(home.assets[0])], out=tmp_path / "bag")
    assert [each.code for each in done.findings] == ["COC-120"]


def test_a_station_decides_nothing_and_the_catalogue_says_so(tmp_path: Path) -> None:
    with decided_home(tmp_path / "home") as home:
        said = home.docking.says(home_kind("hold.placed"), [home.assets[0]], hold="h-1", reason="mine")
        assert said
        home.dispose_lawfully()
        for asset in home.assets:
            home.erase_bytes(asset)
    assert verify_home_summary(home.paths, workers=2).exit_code == 0


def home_kind(name: str) -> Any:
    from evidence_model.events import EventKind  # noqa: PLC0415 - only here

    return EventKind(name)


def test_roles_are_those_of_the_trust_document(tmp_path: Path) -> None:
    result = verified(tmp_path / "home", lambda home: home.grant(home.ask(), by=ADMIN))
    assert told(result) == {"COC-163": 1}
