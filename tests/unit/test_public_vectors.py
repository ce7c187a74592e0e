"""The public vectors: on disk is what the generator makes, and our verifiers find exactly what each is named after."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.errors import ProofRejectedError
from chain_of_custody.proofs import verify_consistency, verify_inclusion
from chain_of_custody.tree import TreeHead
from evidence_model.findings import catalogue
from outside_verifier import keys
from outside_verifier.asked import Asked, parse_instant
from outside_verifier.merkle import check_consistency, check_inclusion
from outside_verifier.package import verify_package
from outside_verifier.strict import RefusedError
from outside_verifier.trust import parse_trust
from tests.vectors.everything import BY_HAND, CASES, FOLDER, INDEX, PROOFS, files
from tests.vectors.material import NAME
from tests.vectors.packages import apply, bases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outside_verifier.findings import Result

ENTRIES: list[dict[str, Any]] = json.loads((FOLDER / INDEX).read_bytes())
BASES = {base.name: base for base in bases(CASES)}
PACKAGES = [entry for entry in ENTRIES if entry["kind"] == "package" and entry["path"].endswith(".json")]
PROOF_CASES = json.loads((FOLDER / PROOFS).read_bytes())

# We are stricter than the published set in one case: its roots, "don't care 2", are no hashes.
STRICTER = {"additional/sizes-are-equal-one-and-proof-is-empty"}
# Codes of packages without a vector, and why. A code that gets one leaves this list (a test says so).
WITHOUT_VECTOR = {
    "PKG-023": "a P-256 signature and no library for it: that is about the verifier's machine, not about the package",
    "PKG-024": "SM3 or SM2 where a machine has neither: the same",
    "PKG-063": "a time stamp where a machine has no openssl: the same",
    "PKG-053": "it is said of every package without a seal and refuses nothing",
}


def verify(entry: dict[str, Any], folder: Path) -> Result:
    """Do as vectors/README.md says."""
    vector = json.loads((FOLDER / entry["path"]).read_bytes())
    bag = folder / "bag"
    shutil.copytree(FOLDER / "packages" / vector["base"], bag)
    apply(vector, bag)
    trust, options = vector["trust"], vector["options"]
    known = parse_trust((FOLDER / "packages" / trust).read_bytes()) if trust is not None else None
    min_time = parse_instant(options["min_time"]) if "min_time" in options else None
    return verify_package(str(bag), known, None, Asked(options.get("recipient"), min_time))


def test_on_disk_is_what_the_generator_makes() -> None:
    found = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.is_file() and path.relative_to(FOLDER).as_posix() not in BY_HAND
    }
    made = files()
    assert sorted(found) == sorted(made), "run script/vectors"
    assert [path for path in made if made[path] != found[path]] == [], "run script/vectors"


def test_the_index_describes_each_vector_once_in_both_languages() -> None:
    paths = [entry["path"] for entry in ENTRIES]
    assert paths == sorted(set(paths))
    assert all((FOLDER / path).exists() for path in paths)
    assert [entry["path"] for entry in ENTRIES if not (entry["desc_en"] and entry["desc_zh"])] == []
    beside = {*BY_HAND, INDEX, NAME, *(f"packages/{path.name}" for path in (FOLDER / "packages").glob("*.json"))}
    folders = tuple(f"packages/{base}/" for base in BASES)
    described = {path for path in files() if path in paths or path.startswith(folders)}
    assert set(files()) - described <= beside
    assert {code for entry in ENTRIES for code in entry["expected"]} <= catalogue().keys()


@pytest.mark.parametrize("own_code", [False, True], ids=["library", "own code"])
@pytest.mark.parametrize("base", sorted(BASES))
def test_a_good_package_is_good(monkeypatch: pytest.MonkeyPatch, base: str, *, own_code: bool) -> None:
    if own_code:
        monkeypatch.setattr(keys, "LIBRARY", "")
    trust = parse_trust((FOLDER / "packages" / BASES[base].trust).read_bytes())
    result = verify_package(str(FOLDER / "packages" / base), trust)
    assert (result.findings, result.exit_code) == ([], 0)
    assert "no" not in [item["proved"] for item in result.items]


@pytest.mark.parametrize("entry", PACKAGES, ids=lambda entry: entry["path"].rpartition("/")[2])
def test_a_package_is_refused_with_exactly_its_codes(entry: dict[str, Any], tmp_path: Path) -> None:
    result = verify(entry, tmp_path)
    assert set(result.counts) == set(entry["expected"])
    assert (result.exit_code == 0) == (entry["expected"] == [])
    _, folder, name = entry["path"].split("/")
    assert name.partition("_")[0] in entry["expected"] if folder == "bad" else entry["expected"] == []


def test_every_code_of_packages_has_a_vector() -> None:
    named = {entry["path"].rpartition("/")[2].partition("_")[0] for entry in PACKAGES if entry["expected"]}
    codes = {code for code in catalogue() if code.startswith("PKG-")}
    assert sorted(codes - named - WITHOUT_VECTOR.keys()) == [], "add a case to tests/vectors/cases.py"
    assert sorted(named & WITHOUT_VECTOR.keys()) == [], "it has one now"


# ------------------------------------------------------------------------------------------------ RFC 6962


def accepts(check: Callable[[], None]) -> bool:
    try:
        check()
    except (ProofRejectedError, RefusedError):
        return False
    return True


@pytest.mark.parametrize("case", PROOF_CASES["inclusion"], ids=lambda case: case["name"])
def test_both_verifiers_judge_an_inclusion_proof_as_published(case: dict[str, Any]) -> None:
    index, size = int(case["index"]), int(case["size"])
    leaf, root = bytes.fromhex(case["leaf"]), bytes.fromhex(case["root"])
    proof = [bytes.fromhex(each) for each in case["proof"]]
    assert accepts(lambda: check_inclusion(leaf, index, size, proof, root)) == case["ok"]
    assert (
        accepts(lambda: verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=tuple(proof), root=root))
        == case["ok"]
    )


@pytest.mark.parametrize("case", PROOF_CASES["consistency"], ids=lambda case: case["name"])
def test_both_verifiers_judge_a_consistency_proof_as_published(case: dict[str, Any]) -> None:
    old, new = int(case["size1"]), int(case["size2"])
    old_root, new_root = bytes.fromhex(case["root1"]), bytes.fromhex(case["root2"])
    proof = [bytes.fromhex(each) for each in case["proof"]]
    expected = case["ok"] and case["name"] not in STRICTER
    assert accepts(lambda: check_consistency(old, old_root, new, new_root, proof)) == expected
    heads = (TreeHead(old, old_root), TreeHead(new, new_root))
    assert accepts(lambda: verify_consistency(old=heads[0], new=heads[1], proof=tuple(proof))) == expected


def test_all_196_published_proofs_are_there() -> None:
    for kind, good in (("inclusion", 6), ("consistency", 6)):
        assert len({case["name"] for case in PROOF_CASES[kind]}) == 98
        assert Counter(case["ok"] for case in PROOF_CASES[kind]) == {True: good, False: 98 - good}
