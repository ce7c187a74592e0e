"""Each attack on what people decide, with the honest step beside it; both verifiers say the same of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chain_of_custody.breaches import Rule, Why
from chain_of_custody.envelope import parse_envelope
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.trust_entries import PersonRole, TrustedPerson
from evidence_model.instants import wire_instant
from tests.decision_story import (
    ADMIN,
    BEGIN,
    END,
    INSPECTOR,
    LEADER,
    LEADER_2,
    OFFICER,
    PEOPLE,
    DecisionStory,
    both_say,
)
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import Original, Speaker, sha

FILMS = [Original("DCIM/0001.mp4", b"film 1"), Original("DCIM/0002.mp4", b"film 2"), Original("DCIM/3.mp4", b"film 3")]


@pytest.fixture
def story() -> DecisionStory:
    return DecisionStory(FILMS)


class Replayed:
    """A signer that gives out what somebody signed before."""

    def __init__(self, of: Ed25519Signer, signature: bytes) -> None:
        self.key_id, self.public_key, self._signature = of.key_id, of.public_key, signature

    def sign(self, message: bytes) -> bytes:
        return self._signature if message else b""


def said(story: DecisionStory) -> list[tuple[Rule, Why, int]]:
    """Return what is found, once both verifiers have said the same."""
    return [(each.rule, each.why, each.index) for each in both_say(story)]


def test_what_people_do_by_the_rules_is_right(story: DecisionStory) -> None:
    story.link("A-7")
    hold = story.place_hold()
    grant = story.grant(story.ask())
    story.view(grant)
    story.copy_out(story.grant(story.ask(purpose="copy", request="r-2"), request="r-2"), request="r-2")
    story.decide("access.closed", {"request": "r-1"}, by=OFFICER)
    asked = story.ask(request="r-3")
    refused = {"reason": "no basis", "request": "r-3", "requested": story.hash(asked)}
    story.decide("access.refused", refused, by=LEADER)
    story.link("A-7", kind="case.unlinked")
    story.link("B-8")
    story.release_hold(hold)
    story.dispose_lawfully()
    assert said(story) == []
    decisions = story.heard()[1]
    assert set(decisions.tombstones) == set(story.assets) == set(story.history().tombstones)


def test_what_a_session_says_is_no_error(story: DecisionStory) -> None:
    story.view(story.grant(story.ask(level="session"), level="session"), level="session")
    story.place_hold(level="session")
    assert said(story) == []


# 19: footage between cases


def test_attack_19_footage_of_one_case_is_moved_to_another(story: DecisionStory) -> None:
    story.link("A-7")
    moved = story.link("B-8")
    assert said(story) == [(Rule.CASE, Why.CASE, moved)] * 3


def test_attack_19_a_case_names_other_bytes_under_the_same_id(story: DecisionStory) -> None:
    wrong = story.link("A-7", digest=sha(b"another film"))
    assert said(story) == [(Rule.CASE, Why.BYTES, wrong)] * 3


def test_attack_19_a_case_is_unlinked_that_was_never_linked(story: DecisionStory) -> None:
    story.link("A-7")
    wrong = story.link("B-8", kind="case.unlinked")
    assert said(story) == [(Rule.CASE, Why.CASE, wrong)] * 3


# 32: whose hand it was


@pytest.mark.parametrize("signers", [[], [key_of(ADMIN)], [key_of("nobody")]])
def test_attack_32_the_centre_writes_another_s_name_and_has_not_his_key(story: DecisionStory, signers: Any) -> None:
    forged = story.place_hold(by=INSPECTOR, signers=signers)
    assert said(story) == [(Rule.PERSON, Why.KEY, forged), (Rule.RELEASE, Why.ROLE, forged)]


def test_attack_32_a_signature_over_other_words_is_none(story: DecisionStory) -> None:
    honest = parse_envelope(story.log_items[story.place_hold()][1])
    stolen = next(each.signature for each in honest.signatures if each.key_id == key_of(INSPECTOR).key_id)
    forged = story.place_hold(hold="h-2", signers=[Replayed(key_of(INSPECTOR), stolen)])
    assert said(story) == [(Rule.PERSON, Why.KEY, forged), (Rule.RELEASE, Why.ROLE, forged)]


def test_attack_32_any_event_that_claims_a_person_s_key_is_asked_for_it(story: DecisionStory) -> None:
    story.decide("tags.set", {"assets": [*story.assets], "tags": {}}, by=OFFICER, source=story.station)
    forged = story.decide(
        "tags.set", {"assets": [*story.assets], "tags": {}}, by=OFFICER, source=story.station, signers=[]
    )
    assert said(story) == [(Rule.PERSON, Why.KEY, forged)]


def test_attack_32_a_key_counts_in_its_range_of_the_log_only(story: DecisionStory) -> None:
    first = len(story.log_items)
    story.people = tuple(replace(each, start=first + 1, until=first + 3) for each in PEOPLE)
    for _ in range(4):
        story.place_hold()
    wrong = [first, first + 3]
    assert said(story) == [each for at in wrong for each in ((Rule.PERSON, Why.KEY, at), (Rule.RELEASE, Why.ROLE, at))]


# 33: a grant used otherwise


def test_attack_33_a_grant_is_used_for_another_item(story: DecisionStory) -> None:
    first, other = story.assets[0], story.assets[1]
    grant = story.grant(story.ask(assets=[first]), assets=[first])
    wrong = story.view(grant, assets=[other])
    story.view(grant, assets=[first])
    assert said(story) == [(Rule.GRANT, Why.ITEMS, wrong)]


def test_attack_33_more_is_approved_than_was_asked_for(story: DecisionStory) -> None:
    wrong = story.grant(story.ask(assets=story.assets[:1]))
    used = story.view(wrong)
    assert said(story) == [(Rule.GRANT, Why.REFERENCE, wrong), (Rule.UNGRANTED, Why.REFERENCE, used)]


def test_attack_33_a_grant_to_view_is_used_to_copy_and_the_other_way_round(story: DecisionStory) -> None:
    copied = story.copy_out(story.grant(story.ask()))
    to_copy = story.grant(story.ask(purpose="copy", request="r-2"), request="r-2")
    viewed = story.view(to_copy, request="r-2")
    assert said(story) == [(Rule.GRANT, Why.PURPOSE, copied), (Rule.GRANT, Why.PURPOSE, viewed)]


def test_attack_33_somebody_views_with_another_s_grant(story: DecisionStory) -> None:
    wrong = story.view(story.grant(story.ask()), by=INSPECTOR)
    story.view(story.grant(story.ask(recipient=INSPECTOR, request="r-2"), request="r-2"), by=INSPECTOR, request="r-2")
    assert said(story) == [(Rule.GRANT, Why.RECIPIENT, wrong)]


def test_attack_33_a_grant_is_used_under_another_request(story: DecisionStory) -> None:
    wrong = story.view(story.grant(story.ask()), request="r-2")
    assert said(story) == [(Rule.GRANT, Why.REFERENCE, wrong)]


# 34: without, before, outside


def test_attack_34_footage_is_viewed_without_any_grant(story: DecisionStory) -> None:
    asked = story.ask()
    wrong = [story.view("ab" * 32), story.view(asked)]
    assert said(story) == [(Rule.UNGRANTED, Why.REFERENCE, at) for at in wrong]


def test_attack_34_the_grant_comes_after_the_viewing(story: DecisionStory) -> None:
    grant = story.grant(story.ask())
    wrong = story.view(grant)
    story.log_items[grant], story.log_items[wrong] = story.log_items[wrong], story.log_items[grant]
    assert said(story) == [(Rule.UNGRANTED, Why.REFERENCE, grant)]


@pytest.mark.parametrize("at", [BEGIN - timedelta(milliseconds=1), END])
def test_attack_34_a_grant_is_used_before_it_begins_or_when_it_is_over(story: DecisionStory, at: Any) -> None:
    grant = story.grant(story.ask())
    wrong = story.view(grant, wall=wire_instant(at))
    story.view(grant, wall=wire_instant(BEGIN))
    story.view(grant, wall=wire_instant(END - timedelta(milliseconds=1)))
    assert said(story) == [(Rule.UNGRANTED, Why.PERIOD, wrong)]


def test_attack_34_a_grant_is_used_after_the_request_was_closed(story: DecisionStory) -> None:
    grant = story.grant(story.ask())
    story.decide("access.closed", {"request": "r-1"}, by=OFFICER)
    assert said(story) == []
    wrong = story.view(grant)
    assert said(story) == [(Rule.UNGRANTED, Why.REFERENCE, wrong)]


# 35: who approves


def test_attack_35_somebody_approves_his_own_request(story: DecisionStory) -> None:
    wrong = story.grant(story.ask(by=LEADER), by=LEADER)
    used = story.view(wrong, by=LEADER)
    story.grant(story.ask(by=LEADER, request="r-2"), by=LEADER_2, request="r-2")
    assert said(story) == [(Rule.LEAVE, Why.SAME_PERSON, wrong), (Rule.UNGRANTED, Why.REFERENCE, used)]


def test_attack_35_one_man_under_two_names_approves_his_own_request(story: DecisionStory) -> None:
    double = TrustedPerson(id="P999", key=key_of(LEADER).public_key, roles=(PersonRole.APPROVING_LEADER,))
    story.people = (*PEOPLE, double)
    asked = story.ask(by=LEADER)
    wrong = story.grant(asked, by="P999", signers=[key_of(LEADER)])
    assert said(story) == [(Rule.LEAVE, Why.SAME_PERSON, wrong)]


@pytest.mark.parametrize("by", [ADMIN, INSPECTOR, "P777"])
def test_attack_35_somebody_without_the_role_approves(story: DecisionStory, by: str) -> None:
    level = "session" if by == "P777" else "person-key"
    wrong = story.grant(story.ask(), by=by, level=level)
    assert said(story) == [(Rule.LEAVE, Why.ROLE, wrong)]


def test_attack_35_the_role_must_be_his_at_that_place_in_the_log(story: DecisionStory) -> None:
    leader = next(each for each in PEOPLE if each.id == LEADER)
    until = len(story.log_items) + 2
    story.people = (
        *(each for each in PEOPLE if each.id != LEADER),
        replace(leader, until=until),
        replace(leader, start=until, roles=(PersonRole.OFFICER,)),
    )
    story.grant(story.ask())
    wrong = story.grant(story.ask(request="r-2"), request="r-2")
    assert said(story) == [(Rule.LEAVE, Why.ROLE, wrong)]


def test_attack_35_disposal_is_proposed_and_approved_by_one_who_may_not(story: DecisionStory) -> None:
    proposal = story.propose(by=OFFICER)
    approval = story.approve(proposal)
    tombstone = story.dispose(proposal, approval)
    assert said(story) == [
        (Rule.LEAVE, Why.ROLE, proposal),
        (Rule.LEAVE, Why.REFERENCE, approval),
        (Rule.TOMBSTONE, Why.ROLE, tombstone),
    ]


# 36, 37: holds


def test_attack_36_footage_is_disposed_of_while_a_hold_is_open(story: DecisionStory) -> None:
    story.place_hold(assets=story.assets[:1])
    proposal = story.propose()
    approval = story.approve(proposal)
    wrong = story.dispose(proposal, approval)
    story.dispose(proposal, approval, asset=story.assets[1])
    assert said(story) == [(Rule.HELD, Why.HOLD, wrong)]
    assert set(story.heard()[1].tombstones) == {story.assets[1]}


def test_attack_36_a_hold_that_one_placed_who_may_not_holds_all_the_same(story: DecisionStory) -> None:
    placed = story.place_hold(by=OFFICER)
    proposal = story.propose()
    wrong = story.dispose(proposal, story.approve(proposal))
    assert said(story) == [(Rule.RELEASE, Why.ROLE, placed), (Rule.HELD, Why.HOLD, wrong)]


def test_attack_36_of_two_holds_one_is_released(story: DecisionStory) -> None:
    first = story.place_hold()
    second = story.place_hold(hold="h-2")
    story.release_hold(first)
    proposal = story.propose()
    approval = story.approve(proposal)
    wrong = story.dispose(proposal, approval)
    story.release_hold(second, hold="h-2")
    story.dispose(proposal, approval)
    assert said(story) == [(Rule.HELD, Why.HOLD, wrong)]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"by": ADMIN}, Why.ROLE),
        ({"by": LEADER, "level": "session"}, Why.KEY),
        ({"by": LEADER, "signers": []}, Why.KEY),
        ({"by": LEADER, "hold": "h-2"}, Why.REFERENCE),
    ],
)
def test_attack_37_a_hold_is_released_by_one_who_may_not(story: DecisionStory, how: Any, why: Why) -> None:
    wrong = story.release_hold(story.place_hold(), **how)
    proposal = story.propose()
    tombstone = story.dispose(proposal, story.approve(proposal))
    found = [each for each in said(story) if each[0] is not Rule.PERSON]
    assert found == [(Rule.RELEASE, why, wrong), (Rule.HELD, Why.HOLD, tombstone)]


def test_attack_37_who_placed_a_hold_releases_it_himself(story: DecisionStory) -> None:
    wrong = story.release_hold(story.place_hold(by=LEADER), by=LEADER)
    assert said(story) == [(Rule.RELEASE, Why.SAME_PERSON, wrong)]


def test_attack_37_a_hold_is_released_for_more_than_it_holds_or_before_it(story: DecisionStory) -> None:
    placed = story.place_hold(assets=story.assets[:1])
    more = story.release_hold(placed)
    assert said(story) == [(Rule.RELEASE, Why.REFERENCE, more)]


# 38: tombstones


def test_attack_38_the_centre_makes_a_tombstone_alone(story: DecisionStory) -> None:
    proposal = story.propose(signers=[])
    approval = story.approve(proposal, signers=[])
    wrong = story.dispose(proposal, approval)
    assert (Rule.TOMBSTONE, Why.KEY, wrong) in said(story)
    assert story.heard()[1].tombstones == {}


@pytest.mark.parametrize("step", ["proposal", "approval"])
def test_attack_38_a_session_is_no_key(story: DecisionStory, step: str) -> None:
    proposal = story.propose(level="session" if step == "proposal" else "person-key")
    approval = story.approve(proposal, level="session" if step == "approval" else "person-key")
    wrong = story.dispose(proposal, approval)
    assert said(story) == [(Rule.TOMBSTONE, Why.KEY, wrong)]


def test_attack_38_a_tombstone_of_an_item_that_nobody_approved(story: DecisionStory) -> None:
    proposal = story.propose()
    approval = story.approve(proposal, assets=story.assets[:1])
    story.dispose(proposal, approval)
    wrong = story.dispose(proposal, approval, asset=story.assets[1])
    assert said(story) == [(Rule.TOMBSTONE, Why.ITEMS, wrong)]


def test_attack_38_the_approval_is_of_another_proposal(story: DecisionStory) -> None:
    proposal, other = story.propose(), story.propose(assets=story.assets[:2])
    wrong = story.dispose(proposal, story.approve(other, assets=story.assets[:2]))
    assert said(story) == [(Rule.TOMBSTONE, Why.REFERENCE, wrong)]


def test_attack_38_both_hands_are_one_person_s(story: DecisionStory) -> None:
    both = TrustedPerson(
        id="P888",
        key=key_of("P888").public_key,
        roles=(PersonRole.MEDIA_ADMINISTRATOR, PersonRole.APPROVING_LEADER),
    )
    story.people = (*PEOPLE, both)
    proposal = story.propose(by="P888")
    approval = story.approve(proposal, by="P888")
    wrong = story.dispose(proposal, approval)
    assert said(story) == [(Rule.LEAVE, Why.SAME_PERSON, approval), (Rule.TOMBSTONE, Why.ROLE, wrong)]


def test_attack_38_a_station_makes_no_tombstone(story: DecisionStory) -> None:
    proposal = story.propose()
    story.dispose(proposal, story.approve(proposal), source=story.station)
    assert said(story) == []
    assert story.heard()[1].tombstones == {} == story.history().tombstones


# 40: afterwards


@pytest.mark.parametrize("kind", ["footage.pulled", "footage.reread", "store.received", "fixity.checked", "some.thing"])
def test_attack_40_footage_comes_back_after_its_tombstone(story: DecisionStory, kind: str) -> None:
    story.dispose_lawfully()
    item = story.assets[0]
    source = story.centre if kind in {"store.received", "fixity.checked", "some.thing"} else story.station
    wrong = story.say(source, kind, (f"asset/{item}", story.digests[item]), {}, asset=item)
    assert said(story) == [(Rule.AFTERWARDS, Why.TOMBSTONE, wrong)]


def test_attack_40_what_is_gone_is_held_granted_and_viewed(story: DecisionStory) -> None:
    grant = story.grant(story.ask())
    story.dispose_lawfully()
    wrong = [story.place_hold(), story.grant(story.ask(request="r-2"), request="r-2"), story.view(grant)]
    assert said(story) == [(Rule.AFTERWARDS, Why.TOMBSTONE, at) for at in wrong]


def test_words_about_what_is_gone_may_follow_and_so_may_what_strangers_say(story: DecisionStory) -> None:
    story.dispose_lawfully()
    item = story.assets[0]
    story.say(story.station, "tags.set", ("recording/R-1", sha(b"R-1")), {"assets": [item], "tags": {}})
    story.say(story.centre, "disc.verified", ("disc/1", sha(b"1")), {"assets": [item]})
    story.say(Speaker("st-9"), "footage.reread", (f"asset/{item}", "ab" * 32), {}, asset=item)
    assert said(story) == []


# 59: erased by law


def test_attack_59_only_what_two_people_signed_for_may_be_erased(story: DecisionStory) -> None:
    pulled = story.hash(story.log_items.index(next(each for each in story.log_items if each[0] is story.station)))
    proposal = story.propose(erased=[pulled])
    approval = story.approve(proposal)
    wrong = story.dispose(proposal, approval, erased=[pulled, "cd" * 32])
    assert said(story) == [(Rule.TOMBSTONE, Why.ITEMS, wrong)]
    assert story.heard()[1].erased == {}
    right = story.dispose(proposal, approval, asset=story.assets[1], erased=[pulled])
    assert story.heard()[1].erased == {bytes.fromhex(pulled): right}
    assert story.history().erased == {pulled: right}


# Forms


@pytest.mark.parametrize(
    ("kind", "body", "rule"),
    [
        ("hold.placed", {"assets": [], "hold": "h", "reason": "r"}, Rule.RELEASE),
        ("hold.placed", {"assets": ["ab" * 16] * 2, "hold": "h", "reason": "r"}, Rule.RELEASE),
        ("hold.placed", {"assets": ["AB" * 16], "hold": "h", "reason": "r"}, Rule.RELEASE),
        ("hold.placed", {"assets": ["ab" * 16], "hold": "", "reason": "r"}, Rule.RELEASE),
        ("hold.placed", {"assets": ["ab" * 16], "hold": "h", "reason": "r", "more": "x"}, Rule.RELEASE),
        ("disposal.proposed", {"assets": ["ab" * 16], "disposal": "d", "reason": "r"}, Rule.TOMBSTONE),
        ("disposal.approved", {"assets": ["ab" * 16], "disposal": "d", "proposal": "no hash"}, Rule.TOMBSTONE),
        (
            "disposal.done",
            {"approval": "ab" * 32, "disposal": "d", "erased": [], "proposal": "ab" * 32},
            Rule.TOMBSTONE,
        ),
        ("access.closed", {"request": "r" * 129}, Rule.GRANT),
        ("access.viewed", {"assets": ["ab" * 16], "grant": None, "request": "r"}, Rule.GRANT),
        ("case.linked", {"assets": ["ab" * 16], "case": "A", "items": []}, Rule.CASE),
        ("case.linked", {"assets": "ab" * 16, "case": "A", "items": [{}]}, Rule.CASE),
    ],
)
def test_a_body_of_another_form_decides_nothing(story: DecisionStory, kind: str, body: Any, rule: Rule) -> None:
    wrong = story.decide(kind, body, by=LEADER)
    assert said(story) == [(rule, Why.FORM, wrong)]
