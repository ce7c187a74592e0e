"""A verifier of packages in Go, which shares no line with ours, judges every public vector as ours do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.crosscheck.test_go_sumdb import go_program
from tests.vectors.everything import FOLDER, INDEX, PROOFS

SOURCES = sorted((Path(__file__).parent / "packagecheck").glob("*.go"))
ENTRIES = {entry["path"]: entry for entry in json.loads((FOLDER / INDEX).read_bytes())}
PACKAGES = {path: entry["expected"] for path, entry in ENTRIES.items() if entry["kind"] == "package"}

# What the Go program does not check, by the beginning of the path, and why; of those vectors nothing is compared.
NOT_IN_GO = {
    "packages/bad/PKG-027": "SM3 and SM2",
    "packages/bad/PKG-06": "time stamps",
    "packages/bad/PKG-051": "the seal's leaves",
    "packages/bad/PKG-052": "the seal's leaves",
    "packages/bad/PKG-054": "mirrors",
    "packages/bad/PKG-07": "who may decide what",
}
COMPARED = {path: codes for path, codes in PACKAGES.items() if not path.startswith(tuple(NOT_IN_GO))}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(tmp_path_factory.mktemp("go"), SOURCES)


def judged(program: Path, vectors: Path) -> dict[str, list[str]]:
    done = subprocess.run([program, vectors], capture_output=True, text=True, check=True, timeout=60)
    return {words[0]: words[1:] for words in map(str.split, done.stdout.splitlines())}


def test_go_finds_the_same_codes_in_every_package(program: Path) -> None:
    found = judged(program, FOLDER)
    assert {path: found[path] for path in COMPARED} == COMPARED
    assert found[PROOFS] == ["additional/sizes-are-equal-one-and-proof-is-empty"], "its roots are no hashes"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("proofs/4.sigsum", "leaf_index=4", "leaf_index=5"),
        ("proofs/checkpoint-head", "\n13\n", "\n12\n"),
        ("events/4.dsse.json", '"sig":"', '"sig": "'),
        ("HOW-TO-VERIFY.md", "how", "why"),
    ],
)
def test_go_refuses_the_good_package_once_it_was_altered(
    program: Path, tmp_path: Path, name: str, old: str, new: str
) -> None:
    """What it says of the good one is no mere habit."""
    vectors = tmp_path / "vectors"
    shutil.copytree(FOLDER, vectors)
    path = vectors / "packages/good/data" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found: dict[str, Any] = judged(program, vectors)
    assert "PKG-005" in found["packages/good"]
    assert len(found["packages/good"]) > 1 or name == "HOW-TO-VERIFY.md"
