"""`evidock verify PACKAGE` gives the answer of the file that lies in the package, in the command line's manner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from outside_verifier.build import pyz_bytes
from tests.homes import make_home
from tests.package_story import SIGNED, EvidenceStory, Original, Package
from tests.unit.operator_cli.cli import evidock


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return EvidenceStory([Original("DCIM/现场 1.mp4", b"footage")]).write(tmp_path / "package")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_the_answer_is_the_one_of_the_file_in_the_package(
    package: Package, tmp_path: Path, language: str, *, is_whole: bool
) -> None:
    if not is_whole:
        package.change(package.story.originals[0].file, lambda data: data + b"!")
    trust = package.trust_file(tmp_path)
    called = evidock("--lang", language, "verify", str(package.bag), "--trust", str(trust))
    verifier = tmp_path / "verify.pyz"
    verifier.write_bytes(pyz_bytes())
    command = [sys.executable, *map(str, (verifier, package.bag, "--trust", trust, "--lang", language))]
    outside = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (called.out, called.code) == (outside.stdout, outside.returncode)
    assert called.code == (0 if is_whole else 5)
    document = evidock("--json", "verify", str(package.bag), "--trust", str(trust)).document
    outside = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert document == json.loads(outside.stdout)


def test_a_package_that_lost_a_part_is_still_one(package: Package) -> None:
    (package.bag / SIGNED).unlink()
    called = evidock("verify", str(package.bag))
    assert called.code == 5
    assert "PKG-001" in called.out
    (package.bag / "bagit.txt").unlink()
    assert evidock("verify", str(package.bag)).code == 2, "nothing says any more that it was a package"


def test_without_keys_of_one_s_own_it_is_said_that_nothing_is_proved(package: Package) -> None:
    called = evidock("--lang", "en", "verify", str(package.bag))
    assert called.code == 0
    assert "--trust FILE" in called.out


def test_keys_that_are_none_are_wrong_usage(package: Package, tmp_path: Path) -> None:
    for path in (tmp_path / "none", package.bag / "bagit.txt", package.bag):
        called = evidock("verify", str(package.bag), "--trust", str(path))
        assert (called.code, called.out) == (2, "")
        assert "CLI-002" in called.err


def test_a_home_is_verified_with_its_own_keys_alone(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    called = evidock("verify", str(home.paths.root), "--trust", str(home.paths.trust))
    assert (called.code, called.out) == (2, "")
    assert "CLI-001" in called.err


def test_a_name_on_the_recorder_does_not_rule_the_terminal(tmp_path: Path) -> None:
    package = EvidenceStory([Original("DCIM/\x1b[2J\u202e.mp4", b"footage")]).write(tmp_path / "package")
    (package.bag / "data" / "\x1b]0;x\x07").write_bytes(b"")
    called = evidock("verify", str(package.bag))
    assert called.code == 5
    assert all(line.isprintable() for line in called.out.splitlines())


def test_it_asks_for_whom_the_package_is_and_how_old_it_may_be(package: Package, tmp_path: Path) -> None:
    asked = ["verify", str(package.bag), "--trust", str(package.trust_file(tmp_path))]
    assert evidock(*asked, "--recipient", "the court").code == 0
    called = evidock(*asked, "--recipient", "the defence", "--min-time", "2026-11-28T09:00:00+08:00")
    assert called.code == 1
    assert {"PKG-015", "PKG-035"} <= set(called.out.split())
    called = evidock(*asked, "--min-time", "2026-11-28T09:00:00")
    assert (called.code, called.out) == (2, "")
    assert "CLI-001" in called.err
