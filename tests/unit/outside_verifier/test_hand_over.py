"""The log's key is handed over and the tree goes on: nothing of the past can be left out (attack 60)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.proofs import consistency_proof
from chain_of_custody.tree import CompactRange
from chain_of_custody.trust_entries import FinalTree, TrustedLog
from host_io.trust import trust_bytes
from outside_verifier.package import verify_package
from outside_verifier.trust import Trust, parse_trust
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import EvidenceStory, Original, Package

if TYPE_CHECKING:
    from pathlib import Path

    from outside_verifier.findings import Result

FILES = [Original("DCIM/0001.mp4", b"footage")]
NEXT = key_of("next log")


class HandedOver(EvidenceStory):
    """A story whose log was handed over to another key before the last tag; `log` is the key of now."""

    ended = 0

    def hand_over(self, *hidden: bytes) -> None:
        """Let the next key sign from here on; `hidden` are hashes of entries that were there and are shown no more."""
        hashes = [*self._hashes(), *hidden]
        self.ended, self.old_log = len(hashes), self.log
        final = FinalTree(self.ended, CompactRange.empty().extend(hashes).root())
        logs = (replace(self.trust.logs[-1], final=final), TrustedLog(key=NEXT.public_key, start=self.ended))
        self.change_trust(logs=logs, since=self.ended)
        self.log = NEXT

    def tag(self) -> None:
        """Let the station say one thing more."""
        item = self.originals[0].id
        self.say(self.station, "tags.set", ("recording/R-1", "ab" * 32), {"assets": [item], "tags": {"case": "B"}})

    def note(self, size: int) -> bytes:
        now = self.log
        self.log = self.old_log if size < self.ended else now
        try:
            return super().note(size)
        finally:
            self.log = now

    def files(self) -> dict[str, bytes]:
        proof = consistency_proof(self.ended, len(self.log_items), self._read_node)
        files = super().files()
        files[f"proofs/handover-{self.ended}"] = "".join(f"{each.hex()}\n" for each in proof).encode()
        return files


@pytest.fixture
def story() -> HandedOver:
    return HandedOver(FILES)


def first_of(story: EvidenceStory) -> Trust:
    """Return the document that the outsider has had since before the hand-over."""
    return parse_trust(trust_bytes(story.trust))


def verify(package: Package, known: Trust) -> Result:
    return verify_package(str(package.bag), known)


def told(result: Result) -> set[tuple[str, str]]:
    return {(each.code, each.subject) for each in result.findings}


def test_a_package_after_the_hand_over_rests_on_the_key_that_the_outsider_knew(
    story: HandedOver, tmp_path: Path
) -> None:
    known = first_of(story)
    story.hand_over()
    story.tag()
    result = verify(story.write(tmp_path / "bag"), known)
    assert (result.findings, result.exit_code) == ([], 0)
    assert (result.about["handed_over"], result.about["anchor"]) == (str(story.ended), str(story.old_size))


def test_attack_60_a_log_that_leaves_the_past_out_is_refused_although_the_new_key_signed_it(
    story: HandedOver, tmp_path: Path
) -> None:
    known = first_of(story)
    story.hand_over(b"a tag that somebody wants to forget".ljust(32))
    story.tag()
    story.tag()
    package = story.write(tmp_path / "bag")
    assert told(verify(package, known)) == {("PKG-033", f"data/proofs/handover-{story.ended}")}


def test_attack_60_a_package_that_does_not_show_that_the_past_is_in_it_is_refused(
    story: HandedOver, tmp_path: Path
) -> None:
    known = first_of(story)
    story.hand_over()
    story.tag()
    package = story.write(tmp_path / "bag")
    package.path(f"proofs/handover-{story.ended}").unlink()
    package.seal()
    assert told(verify(package, known)) == {("PKG-033", f"data/proofs/handover-{story.ended}")}


def test_the_key_before_signs_nothing_any_more(story: HandedOver, tmp_path: Path) -> None:
    known = first_of(story)
    story.hand_over()
    story.tag()
    story.log = story.old_log
    result = verify(story.write(tmp_path / "bag"), known)
    assert ("PKG-030", "data/proofs/checkpoint-head") in told(result)


def test_a_package_of_before_stays_right_for_who_knows_of_the_hand_over(story: HandedOver, tmp_path: Path) -> None:
    older = EvidenceStory(FILES).write(tmp_path / "bag")
    story.hand_over()
    story.trust = replace(story.trust, since=story.ended + 1)
    result = verify(older, first_of(story))
    assert (result.findings, result.exit_code) == ([], 0)


def test_a_proof_of_a_hand_over_that_never_was_is_a_stray_file(tmp_path: Path) -> None:
    package = EvidenceStory(FILES).write(tmp_path / "bag")
    package.put("proofs/handover-3", b"")
    package.seal()
    assert told(verify(package, first_of(package.story))) == {("PKG-050", "data/proofs/handover-3")}
