"""PKG-051 to PKG-054: what the daily seal shows of an item and of a recorder, and who leaves what out of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.proofs import consistency_proof
from chain_of_custody.sealed_index import SealedIndex, SealedRun, item_key, recorder_key
from evidence_model.canonical import canonical_bytes
from evidence_store.mirror import MirrorKey
from host_io.trust import trust_bytes
from outside_verifier.merkle import leaf_hash, node_hash
from outside_verifier.package import verify_package
from outside_verifier.report import document, lines
from outside_verifier.seals import Run, Seal, check_run
from outside_verifier.strict import RefusedError
from outside_verifier.trust import parse_trust
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import RECORDER, EvidenceStory, Original, Package
from tests.sealed_story import SealedStory, naive_leaves, run_json

if TYPE_CHECKING:
    from pathlib import Path

    from outside_verifier.findings import Result

FILES = [Original(f"DCIM/{number}.mp4", b"film %d" % number) for number in range(3)]
MIRROR = key_of("mirror")


def sealed() -> SealedStory:
    story = SealedStory(FILES)
    story.seal_now()
    return story


def verify(package: Package) -> Result:
    trust = parse_trust(trust_bytes(package.story.trust))
    result = verify_package(str(package.bag), trust)
    for language in ("zh", "en"):
        assert all(line.isprintable() and line for line in lines(result, language))
    json.dumps(document(result))
    return result


def told(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in result.findings:
        found.setdefault(each.code, set()).add(each.reason)
    return found


def test_all_of_an_item_and_of_its_recorder_is_proved_and_said(tmp_path: Path) -> None:
    story = sealed()
    result = verify(story.write(tmp_path / "bag"))
    assert (result.findings, result.exit_code, result.notices) == ([], 0, [])
    assert {item["sealed"] for item in result.items} == {str(story.size)}
    [recorder] = result.sealed
    assert recorder == {"recorder": "cam-7", "count": "3", "here": "3", "size": str(story.size), "day": "2026-11-22"}
    assert [each for each in document(result)["limits"]["en"] if "before the seal" in each]


def test_pkg_053_what_no_seal_covers_yet_is_said_and_no_fault(tmp_path: Path) -> None:
    result = verify(SealedStory(FILES).write(tmp_path / "bag"))
    assert (result.findings, result.exit_code) == ([], 0)
    assert {each.code for each in result.notices} == {"PKG-053"}
    assert {each.subject for each in result.notices} == {original.id for original in FILES}
    assert document(result)["notices"]
    assert not [each for each in document(result)["limits"]["en"] if "before the seal" in each]


def test_events_after_the_seal_change_nothing_that_it_shows(tmp_path: Path) -> None:
    story = sealed()
    original = story.originals[0]
    subject = (f"asset/{original.id}", "00" * 32)
    story.say(story.centre, "fixity.checked", subject, {}, asset=original.id)
    assert verify(story.write(tmp_path / "bag")).exit_code == 0


def test_attack_24_pkg_051_the_last_events_about_an_item_left_out_by_the_centre(tmp_path: Path) -> None:
    """He leaves the last event out, says in package.json that the chain ends before it, and signs all of it anew."""
    story = sealed()
    original = story.originals[0]
    ends, centre = dict(story.centre.assets), story.centre
    wanted = [
        each for each in story.wanted if story.log_items[each][0] is centre and _asset(story, each) == original.id
    ]
    assert len(wanted) == 1  # the centre's one event about it: store.received
    for index in wanted:
        story.wanted.remove(index)
    del story.centre.assets[original.id]
    result = verify(story.write(tmp_path / "bag"))
    assert told(result) == {"PKG-051": {"seal.chains"}}
    assert result.exit_code == 5
    story.centre.assets.update(ends)  # the honest twin: all of it
    story.wanted = sorted({*story.wanted, *wanted})
    assert verify(story.write(tmp_path / "honest")).exit_code == 0


def _asset(story: SealedStory, index: int) -> str | None:
    from chain_of_custody.envelope import parse_envelope  # noqa: PLC0415 - only here

    asset = json.loads(parse_envelope(story.log_items[index][1]).payload)["predicate"]["asset"]
    return asset["id"] if asset else None


def change(package: Package, name: str, **members: Any) -> None:
    """Change members of a proof, and let the centre sign the package anew."""
    path = package.path(f"proofs/{name}.json")
    path.write_bytes(canonical_bytes({**json.loads(path.read_bytes()), **members}))
    package.seal()


def test_attack_25_pkg_052_a_recording_of_the_recorder_kept_back_by_a_forged_bracket(tmp_path: Path) -> None:
    story = sealed()
    name = f"proofs/recorder-{RECORDER}.json"
    mine = [at for at, leaf in enumerate(story.leaves) if leaf.startswith(recorder_key(RECORDER))]
    index = SealedIndex(story.leaves)
    forgeries = {
        "without the one between": SealedRun(
            mine[0], tuple(story.leaves[at] for at in mine if at != mine[1]), index.prove(0, story.leaves).proof
        ),
        "two that are not adjacent": SealedRun(0, (story.leaves[0], story.leaves[-1]), ()),
        "begins with its second": index.prove(mine[1], story.leaves[mine[1] :]),
        "ends before its last": index.prove(0, story.leaves[: mine[-1]]),
    }
    for number, (what, run) in enumerate(forgeries.items()):
        package = story.write(tmp_path / f"{number}")
        package.put(name, run_json(run, story.sealed_at))
        package.seal()
        result = verify(package)
        assert "PKG-052" in result.counts, what
        assert result.exit_code == 5


def test_pkg_052_a_sealed_tree_whose_leaves_are_not_sorted_shows_nothing() -> None:
    one, two = sorted(sealed().leaves)[:2]
    for leaves in ((two, one), (one, one)):
        root = node_hash(*(leaf_hash(leaf) for leaf in leaves))
        with pytest.raises(RefusedError, match="sorted"):
            check_run(Run(0, leaves, (), 0), Seal("2026-11-22", 0, 2, root))
    check_run(Run(0, (one, two), (), 0), Seal("2026-11-22", 0, 2, node_hash(leaf_hash(one), leaf_hash(two))))


def test_that_nothing_is_known_of_a_recorder_is_proved_and_cannot_be_forged(tmp_path: Path) -> None:
    story = SealedStory(FILES)
    story.seal_now(recorders=(RECORDER, "cam-9"))
    result = verify(story.write(tmp_path / "bag"))
    assert result.exit_code == 0
    assert [(each["recorder"], each["count"]) for each in result.sealed] == [("cam-7", "3"), ("cam-9", "0")]
    package = story.write(tmp_path / "forged")  # the true proof about cam-9 does not show that cam-7 has nothing
    package.put(f"proofs/recorder-{RECORDER}.json", story.recorder("cam-9"))
    package.seal()
    result = verify(package)
    assert result.exit_code == 5 or result.sealed[0]["count"] == "3"


def test_pkg_051_an_item_that_the_sealed_index_omits(tmp_path: Path) -> None:
    """Attack 26 as an outsider sees it: the centre sealed an index without an item, and shows what it sealed."""
    story = SealedStory(FILES)
    hidden = story.originals[1].id
    leaves = naive_leaves(story, len(story.log_items))
    story.seal_now([leaf for leaf in leaves if not leaf.startswith(item_key(RECORDER, hidden))])
    package = Package(tmp_path / "bag", story)
    proofs = {f"proofs/presence-{each.id}.json": story.presence(each.id) for each in FILES if each.id != hidden}
    proofs[f"proofs/recorder-{RECORDER}.json"] = story.recorder(RECORDER)
    for name, data in {**EvidenceStory.files(story), **proofs}.items():
        package.put(name, data)
    package.seal()
    result = verify(package)
    assert told(result) == {"PKG-051": {"seal.absent"}, "PKG-052": {"file.missing"}}
    assert {each.subject for each in result.findings} == {hidden}


@pytest.mark.parametrize("name", ["presence", "recorder"])
def test_pkg_052_a_proof_that_is_kept_back_although_a_seal_in_here_covers_the_item(tmp_path: Path, name: str) -> None:
    package = sealed().write(tmp_path / "bag")
    next(package.path("proofs").glob(f"{name}-*.json")).unlink()
    package.seal()
    result = verify(package)
    assert (told(result), result.exit_code) == ({"PKG-052": {"file.missing"}}, 5)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"first": "1"}, ""),
        ({"first": "99"}, "seal.run"),
        ({"proof": []}, ""),
        ({"seal": "0"}, "seal.none"),
        ({"seal": "999"}, "seal.none"),
        ({"version": "2"}, "version"),
        ({"leaves": []}, "seal.run"),
        ({"leaves": ["00"]}, "hex"),
        ({"more": "x"}, "members"),
    ],
)
def test_pkg_052_a_proof_of_presence_that_does_not_hold(tmp_path: Path, members: dict[str, Any], reason: str) -> None:
    story = sealed()
    item = max(story.originals, key=lambda each: story.presence(each.id))
    package = story.write(tmp_path / "bag")
    change(package, f"presence-{item.id}", **members)
    found = told(verify(package))
    assert found.keys() == {"PKG-052"}
    assert not reason or found["PKG-052"] == {reason}


def test_pkg_052_the_proof_of_another_item_is_no_proof_of_this_one(tmp_path: Path) -> None:
    story = sealed()
    package = story.write(tmp_path / "bag")
    package.put(f"proofs/presence-{story.originals[0].id}.json", story.presence(story.originals[1].id))
    package.seal()
    assert told(verify(package)) == {"PKG-052": {"seal.other"}}


def test_pkg_044_and_050_a_seal_and_a_proof_that_belong_to_nothing(tmp_path: Path) -> None:
    story = sealed()
    package = story.write(tmp_path / "bag")
    package.put(f"proofs/presence-{'ab' * 16}.json", story.presence(story.originals[0].id))
    package.seal()
    assert "PKG-050" in verify(package).counts
    for path in package.path("proofs").glob("*.json"):
        path.unlink()
    package.seal()
    assert verify(package).counts.keys() == {"PKG-044"}


def mirrored(story: SealedStory, size: int, path: Path, *, forge: bool = False) -> Package:
    note = story.note(size)
    checkpoint = open_checkpoint(note, log_key=story.log.public_key)
    line = cosign(checkpoint, signer=MIRROR, name="court.example/mirror", at=START_AT)
    if forge:
        line = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    package = story.write(path)
    package.put("proofs/checkpoint-mirrored", add_signature(note, line))
    proof = consistency_proof(size, len(story.log_items), story._read_node)
    package.put("proofs/consistency-mirrored", "".join(f"{each.hex()}\n" for each in proof).encode())
    package.seal()
    return package


def test_pkg_054_no_mirror_that_the_outsider_knows_confirmed_the_seal(tmp_path: Path) -> None:
    mirrors = (MirrorKey("court.example/mirror", MIRROR).vkey,)
    story = sealed()
    size = len(story.log_items)
    assert verify(story.write(tmp_path / "unnamed")).notices == []  # nobody asked for one
    story.change_trust(mirrors=mirrors)
    result = verify(story.write(tmp_path / "none"))
    assert ([each.code for each in result.notices], result.exit_code) == (["PKG-054"], 0)
    result = verify(mirrored(story, size - 1, tmp_path / "before"))  # it has not seen the seal
    assert ([each.code for each in result.notices], result.exit_code) == (["PKG-054"], 0)
    result = verify(mirrored(story, size, tmp_path / "whole"))
    assert (result.notices, result.exit_code, result.about["mirrors"]) == ([], 0, "court.example/mirror")
    result = verify(mirrored(story, size, tmp_path / "forged", forge=True))
    assert (set(told(result)), result.exit_code) == ({"PKG-054"}, 5)
    package = mirrored(story, size - 1, tmp_path / "inconsistent")
    package.put("proofs/consistency-mirrored", b"00" * 32 + b"\n")
    package.seal()
    assert told(verify(package)).keys() == {"PKG-033"}
