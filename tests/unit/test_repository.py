"""The repository itself: nothing in it is tied to one machine, and what is pinned is pinned whole."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import json
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

# In pieces, so that this page does not name what it forbids.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("ftp", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("nodesource", "com"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:work|root|home/\w+|Users/\w+|opt/pypi)(?=/)")
# Four-part section numbers ("RFC 9162 §2.1.3.1") are told apart by what stands before them.
IP_ADDRESS = re.compile(r"(?<![\w.§])(?<!§ )(?<!ection )\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")


def git(*arguments: str) -> str:
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        pytest.skip("this tree is no git checkout")
    return done.stdout


@cache
def tracked_texts() -> dict[str, str]:
    texts = {}
    for name in git("ls-files", "-z").split("\0"):
        path = ROOT / name
        if not name or path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            texts[name] = content.decode("utf-8", errors="replace")
    return texts


def lines_matching(pattern: re.Pattern[str], *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts().items()
        if name not in but
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def is_elsewhere(text: str) -> bool:
    """Say whether `text` is an address of some machine; 0.0.0.0 and the loopback range are every machine's own."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False  # 300.1.1.1 is a version or a section, no address
    return not (address.is_loopback or address.is_unspecified)


def test_no_package_registry_is_named() -> None:
    assert lines_matching(re.compile("|".join(map(re.escape, REGISTRIES)), re.IGNORECASE)) == []


def test_no_path_of_one_machine_is_written_down() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_no_address_of_another_machine_is_written_down() -> None:
    found = [
        f"{name}: {match.group()}"
        for name, text in tracked_texts().items()
        for match in IP_ADDRESS.finditer(text)
        if is_elsewhere(match.group())
    ]
    assert found == []


@pytest.mark.parametrize("text", ["/{}/main", 'open("/{}/x")', "PATH=/{}/bin"])
@pytest.mark.parametrize("folder", ["work", "root", "home/li"])
def test_the_search_for_machine_paths_finds_them(text: str, folder: str) -> None:
    assert MACHINE_PATH.search(text.format(folder))


@pytest.mark.parametrize(
    "text", [".work/tmp", "$root/root/.config", "~/work/evidock", "docs/work/a", "ProtectHome=/home"]
)
def test_the_search_for_machine_paths_leaves_others_alone(text: str) -> None:
    assert not MACHINE_PATH.search(text)


def test_the_search_for_addresses_knows_versions_from_addresses() -> None:
    assert is_elsewhere(str(ipaddress.IPv4Address(0xC0A80107)))
    assert not is_elsewhere("127.0.0.1")
    assert not is_elsewhere("300.1.2.3")
    assert not IP_ADDRESS.search("2026.9.21.13")
    assert not IP_ADDRESS.search("1.3.6.1.4.1.311")
    assert not IP_ADDRESS.search("RFC 9162 §2.1.3.1")
    assert IP_ADDRESS.search(f"at {ipaddress.IPv4Address(0xC0A80107)}.")


def scripts() -> list[str]:
    folder = ROOT / "script"
    names = [
        f"script/{path.name}" for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in {"", ".sh"}
    ]
    return [*names, ".ci/run"]


def test_the_promised_scripts_are_there() -> None:
    assert {f"script/{name}" for name in ("setup", "demo", "test", "bench", "lint", "lock", "fresh")} <= set(scripts())


@pytest.mark.parametrize("name", scripts())
def test_a_script_is_executable_and_reads_as_bash(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK), f"{name}: not executable; chmod +x {name}"
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", scripts())
def test_a_script_is_executable_in_git_too(name: str) -> None:
    entry = git("ls-files", "--stage", "--", name)
    assert not entry or entry.startswith("100755 ")


@cache
def pins(lock: Path) -> dict[str, tuple[str, int]]:
    """Name → version and number of hashes, of every requirement in a lock file."""
    found: dict[str, tuple[str, int]] = {}
    logical_lines = re.sub(r"\\\n", " ", lock.read_text(encoding="utf-8")).splitlines()
    for line in logical_lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.match(r"([A-Za-z0-9._-]+)==(\S+)(?: ;[^-]*)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*$", line)
        assert match, f"{lock.name}: not a pinned and hashed requirement: {line[:100]}"
        found[canonicalize_name(match[1])] = (match[2], match[3].count("--hash="))
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_and_hashes_everything_and_names_no_source(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert pins(lock)
    assert all(hashes for _, hashes in pins(lock).values())
    assert not re.search(r"://|^\s*(-i|-f|--(index|extra-index|find-links|trusted|no-index))|\s@\s", text, re.MULTILINE)


def test_every_dependency_of_the_project_is_locked() -> None:
    lock = pins(ROOT / "requirements" / "run.lock")
    for requirement in map(Requirement, PROJECT["dependencies"]):
        version, _ = lock[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement} but {version} is locked; run ./script/lock"


def test_every_test_dependency_is_locked() -> None:
    lock = pins(ROOT / "requirements" / "test.lock")
    for requirement in map(Requirement, PROJECT["optional-dependencies"]["test"]):
        version, _ = lock[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, f"{requirement} but {version} is locked; run ./script/lock"


def test_tests_run_on_the_same_pins_as_the_product() -> None:
    run, test = (pins(ROOT / "requirements" / name) for name in ("run.lock", "test.lock"))
    assert run.items() <= test.items()


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_is_whole_on_every_python_we_support(python: str) -> None:
    """Our pip is told not to look for dependencies, so each one that any supported Python asks for must be locked."""
    lock = pins(ROOT / "requirements" / "test.lock")
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    missing = []
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        if name not in lock:
            continue
        for requirement in map(Requirement, distribution.requires or []):
            wanted = requirement.marker is None or requirement.marker.evaluate(environment)
            if wanted and canonicalize_name(requirement.name) not in lock:
                missing.append(f"{name} wants {requirement}")
        allowed = SpecifierSet(str(distribution.metadata.json.get("requires_python", "")))
        assert f"{python}.0" in allowed, f"{name} does not run on Python {python}"
    assert missing == []


def test_the_foreign_clients_are_pinned_whole() -> None:
    lock = json.loads((ROOT / "requirements/foreign-clients/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry.get("integrity", "").startswith("sha512-"), f"{name}: no hash"
        assert "resolved" not in entry, f"{name}: names where it comes from"


def test_the_changelog_knows_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == PROJECT["version"]


def test_every_text_ends_with_a_newline_and_has_no_carriage_return() -> None:
    vectors = ("vectors/", "tests/")  # bad input is kept byte for byte
    wrong = [
        name
        for name, text in tracked_texts().items()
        if text and not name.startswith(vectors) and (not text.endswith("\n") or "\r" in text)
    ]
    assert wrong == []
