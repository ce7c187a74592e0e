"""Who may say which keys count, and where in the log: attacks 13, 41 to 44, each with its honest twin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.envelope import parse_envelope
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.trust_entries import PolicyFrom, RootKey, Roots
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import Witness, WitnessPolicy
from evidence_model.instants import wire_instant
from host_io.trust import Trust, trust_bytes
from outside_verifier.package import verify_package
from outside_verifier.report import lines
from outside_verifier.roots import read_known
from tests.fakes import log_on_disc
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import SITE, EvidenceStory, Original, Speaker
from tests.trusts import ROOT, next_trust, source

if TYPE_CHECKING:
    from pathlib import Path

    from chain_of_custody.signatures import Ed25519Signer
    from evidence_model.canonical import JsonObject
    from outside_verifier.findings import Result

FILES = [Original("DCIM/0001.mp4", b"footage")]
A, B, C = (key_of(f"root-{name}") for name in "abc")
TWO_OF_THREE = Roots(
    tuple(RootKey(f"root-{name}", key.public_key) for name, key in zip("abc", (A, B, C), strict=True)), 2
)


@pytest.fixture
def story() -> EvidenceStory:
    return EvidenceStory(FILES)


def verify(story: EvidenceStory, bag: Path, known: Trust | bytes | None) -> Result:
    story.write(bag)
    data = trust_bytes(known) if isinstance(known, Trust) else known
    return verify_package(str(bag), read_known(data) if data is not None else None)


def codes(result: Result) -> set[str]:
    return {finding.code for finding in result.findings}


def close(story: EvidenceStory, name: str, *, until: int | None, suspect_from: int | None = None) -> None:
    """Publish a document that revokes a source's key."""
    changed = (
        replace(each, until=until, suspect_from=suspect_from) if each.id == name else each
        for each in story.trust.sources
    )
    story.change_trust(sources=tuple(changed), since=len(story.log_items))


def tag(story: EvidenceStory, words: str) -> int:
    """Let the station say something about its item; returns the index."""
    item = story.originals[0].id
    body: JsonObject = {"assets": [item], "tags": {"case": words}}
    return story.say(story.station, "tags.set", ("recording/R-1", "ab" * 32), body)


# ------------------------------------------------------------------------------------------------- ranges of keys


def test_41_an_event_by_a_revoked_key_counts_if_it_stands_before_the_revocation_alone(
    story: EvidenceStory, tmp_path: Path
) -> None:
    first = story.trust
    size = len(story.log_items)
    close(story, "st-1", until=size)
    assert codes(verify(story, tmp_path / "honest", first)) == set()
    index = tag(story, "B-1")
    assert index == size
    result = verify(story, tmp_path / "bag", first)
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-025", f"data/events/{index}.dsse.json")]
    assert result.exit_code == 5


def test_42_an_early_time_does_not_help_the_thief_of_a_revoked_key(
    story: EvidenceStory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = log_on_disc.START_AT
    close(story, "st-1", until=len(story.log_items))
    monkeypatch.setattr(log_on_disc, "START_AT", first - timedelta(days=3))
    index = tag(story, "B-1")
    payload = parse_envelope(story.log_items[index][1]).payload
    assert wire_instant(first - timedelta(days=3))[:10].encode() in payload
    assert codes(verify(story, tmp_path / "bag", story.trust)) == {"PKG-025"}
    honest = EvidenceStory(FILES)  # a clock that is behind makes nobody a thief
    tag(honest, "B-1")
    assert codes(verify(honest, tmp_path / "honest", honest.trust)) == set()


def test_an_event_by_a_key_that_was_enrolled_later_does_not_count(story: EvidenceStory, tmp_path: Path) -> None:
    newcomer = Speaker("st-7")
    early = story.say(
        newcomer, "tags.set", ("recording/R-1", "ab" * 32), {"assets": [story.originals[0].id], "tags": {}}
    )
    entry = source(SITE, "st-7", newcomer.signer, start=len(story.log_items))
    story.change_trust(sources=(*story.trust.sources, entry), since=len(story.log_items))
    enrolled = {"id": "st-7", "key": newcomer.signer.public_key.hex(), "role": "station", "site": SITE}
    key_id = newcomer.signer.key_id
    story.say(story.centre, "key.enrolled", (f"key/{key_id}", key_id.text), enrolled)
    result = verify(story, tmp_path / "bag", story.trust)
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-025", f"data/events/{early}.dsse.json")]
    story.wanted.remove(early)
    late: JsonObject = {"assets": [story.originals[0].id], "tags": {}}
    story.say(newcomer, "tags.set", ("recording/R-1", "ab" * 32), late)
    assert codes(verify(story, tmp_path / "honest", story.trust)) == set()


def test_what_a_key_signed_that_may_have_been_stolen_is_told_and_is_no_damage(
    story: EvidenceStory, tmp_path: Path
) -> None:
    size = len(story.log_items)
    close(story, "st-1", until=size + 1, suspect_from=size)
    assert codes(verify(story, tmp_path / "honest", story.trust)) == set()
    index = tag(story, "B-1")
    result = verify(story, tmp_path / "bag", story.trust)
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-026", f"data/events/{index}.dsse.json")]
    assert result.exit_code == 1


def test_a_key_that_was_replaced_goes_on_with_the_chains_of_the_old_one(story: EvidenceStory, tmp_path: Path) -> None:
    first = story.trust
    close(story, "st-1", until=len(story.log_items))
    story.station.signer = key_of("st-1 anew")
    entry = source(SITE, "st-1", story.station.signer, start=len(story.log_items))
    story.change_trust(sources=(*story.trust.sources, entry))
    key_id = story.station.signer.key_id
    enrolled = {"id": "st-1", "key": story.station.signer.public_key.hex(), "role": "station", "site": SITE}
    story.say(story.centre, "key.enrolled", (f"key/{key_id}", key_id.text), enrolled)
    tag(story, "B-1")
    assert codes(verify(story, tmp_path / "bag", first)) == set()


# ------------------------------------------------------------------------------------------------- who signs a root


def test_44_a_document_that_its_own_new_roots_signed_alone_is_not_followed(
    story: EvidenceStory, tmp_path: Path
) -> None:
    first = story.trust
    thief = key_of("thief")
    story.change_trust(thief, roots=Roots((RootKey("root-1", thief.public_key),)))
    result = verify(story, tmp_path / "bag", first)
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-013", "data/trust/roots/2.dsse.json")]
    assert result.exit_code == 5
    story.roots[1] = sign_root(story.trust, [thief, ROOT])  # the honest twin: the old root decided so
    assert codes(verify(story, tmp_path / "honest", first)) == set()


@pytest.mark.parametrize(("signers", "is_enough"), [((A,), False), ((A, B), True), ((B, C), True), ((A, ROOT), False)])
def test_two_of_three_roots_are_needed(
    story: EvidenceStory, tmp_path: Path, signers: tuple[Ed25519Signer, ...], *, is_enough: bool
) -> None:
    first = story.trust
    story.change_trust(ROOT, A, B, roots=TWO_OF_THREE)
    story.change_trust(*signers, since=3)
    assert codes(verify(story, tmp_path / "bag", first)) == (set() if is_enough else {"PKG-013"})


def test_a_document_that_its_own_roots_did_not_sign_is_not_followed(story: EvidenceStory, tmp_path: Path) -> None:
    """Else a mistyped key would lock everybody out, and a first document would need nobody at all."""
    first = story.trust
    story.change_trust(ROOT, roots=TWO_OF_THREE)
    assert codes(verify(story, tmp_path / "second", first)) == {"PKG-013"}
    story = EvidenceStory(FILES)
    story.roots = [sign_root(story.trust, [A])]
    assert codes(verify(story, tmp_path / "first", None)) == {"PKG-013"}


def test_43_a_station_that_the_centre_enrolled_alone_is_nobody(story: EvidenceStory, tmp_path: Path) -> None:
    """The centre has its key, the log's key and every file, but not the roots'."""
    first = story.trust
    rogue = Speaker("st-8")
    entry = source(SITE, "st-8", rogue.signer, start=len(story.log_items))
    sources = (*story.trust.sources, entry)
    story.change_trust(key_of("centre"), story.log, sources=sources)
    enrolled = {"id": "st-8", "key": rogue.signer.public_key.hex(), "role": "station", "site": SITE}
    key_id = rogue.signer.key_id
    story.say(story.centre, "key.enrolled", (f"key/{key_id}", key_id.text), enrolled)
    body: JsonObject = {"assets": [story.originals[0].id], "tags": {}}
    story.say(rogue, "tags.set", ("recording/R-1", "ab" * 32), body)
    assert {"PKG-013", "PKG-021"} <= codes(verify(story, tmp_path / "bag", first))
    story.roots[1] = sign_root(story.trust, [ROOT])
    assert codes(verify(story, tmp_path / "honest", first)) == set()


def test_44_an_old_document_that_comes_back_is_told(story: EvidenceStory, tmp_path: Path) -> None:
    known = next_trust(story.trust, since=len(story.log_items))
    result = verify(story, tmp_path / "bag", known)
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-014", "data/proofs/checkpoint-head")]
    assert result.exit_code == 1
    later = replace(known, since=len(story.log_items) + 1)  # the honest twin: the package is older than the document
    assert codes(verify(story, tmp_path / "honest", later)) == set()


def test_a_revocation_of_which_an_old_package_does_not_know_is_believed(story: EvidenceStory, tmp_path: Path) -> None:
    index = tag(story, "B-1")
    close(story, "st-1", until=index)
    newer = story.trust
    story.trust, story.roots = EvidenceStory(FILES).trust, story.roots[:1]
    assert codes(verify(story, tmp_path / "bag", newer)) == {"PKG-014", "PKG-025"}


CHANGES = {
    "a number is left out": lambda first: replace(next_trust(first), number=3),
    "another history": lambda first: replace(next_trust(first), previous=bytes(32)),
    "a station left out": lambda first: next_trust(first, sources=first.sources[:-1]),
    "a range moved": lambda first: next_trust(
        first, sources=(*first.sources[:-1], replace(first.sources[-1], start=3))
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_document_that_takes_something_back_is_not_followed(
    story: EvidenceStory, tmp_path: Path, change: str
) -> None:
    first = story.trust
    story.trust = CHANGES[change](first)
    story.roots.append(sign_root(story.trust, [ROOT]))
    assert "PKG-013" in codes(verify(story, tmp_path / "bag", first))


def test_the_trust_file_must_be_what_the_last_root_signed(story: EvidenceStory, tmp_path: Path) -> None:
    signed = story.roots[0]
    story.trust = replace(story.trust, since=1)
    assert codes(verify(story, tmp_path / "bag", None)) == {"PKG-013"}
    story.roots = [sign_root(story.trust, [ROOT])]
    assert codes(verify(story, tmp_path / "honest", None)) == set()
    assert codes(verify(story, tmp_path / "known", signed)) == {"PKG-012"}  # the outsider's own is a signed one


def test_a_signed_document_serves_the_outsider_as_a_trust_file_does(story: EvidenceStory, tmp_path: Path) -> None:
    assert codes(verify(story, tmp_path / "bag", story.roots[0])) == set()


# ------------------------------------------------------------------------------------------------- witnesses


def test_13_cosignatures_of_a_witness_that_lost_its_state_count_before_it_was_retired_alone(tmp_path: Path) -> None:
    old, new = key_of("w-old"), key_of("w-new")
    seats = [Witness("w", NoteKey("w.example", NoteAlgorithm.COSIGNATURE_V1, key.public_key)) for key in (old, new)]
    policies = [WitnessPolicy(witnesses=(seat,), quorum="w") for seat in seats]
    story = EvidenceStory(FILES, witnesses=policies[0])
    first, size = story.trust, len(story.log_items)
    story.change_trust(since=size, policies=(*story.trust.policies, PolicyFrom(policies[1], size + 1)))
    story.cosigners = [("w.example", old)]
    assert codes(verify(story, tmp_path / "before", first)) == set()
    tag(story, "B-1")
    assert "PKG-034" in codes(verify(story, tmp_path / "bag", first))
    story.cosigners = [("w.example", new)]
    assert codes(verify(story, tmp_path / "honest", first)) == set()


# ------------------------------------------------------------------------------------------------- what people read


def test_people_read_how_many_decide(story: EvidenceStory, tmp_path: Path) -> None:
    result = verify(story, tmp_path / "bag", story.trust)
    for language, words in {"en": "1 of 1: one machine guards itself", "zh": "1 取 1：一台机器自己看守自己"}.items():
        assert any(words in line for line in lines(result, language))
    story.change_trust(ROOT, A, B, roots=TWO_OF_THREE)
    result = verify(story, tmp_path / "more", story.trust)
    for language, words in {"en": "2 of 3 root holders", "zh": "3 个根签名中的 2 个"}.items():
        assert any(words in line for line in lines(result, language))
