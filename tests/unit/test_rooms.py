"""The rooms of the house are all on the plan: every package is built, and every package's imports are checked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOT_ROOMS = {"bench", "docs", "script", "tests", "vectors", "build", "dist"}


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def rooms_on_disk() -> set[str]:
    return {
        folder.name
        for folder in ROOT.iterdir()
        if folder.is_dir()
        and not folder.name.startswith(".")
        and folder.name not in NOT_ROOMS
        and any(folder.glob("*.py"))
    }


def layers() -> list[list[str]]:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    [contract] = [contract for contract in contracts if contract["type"] == "layers"]
    return [re.split(r"\s*\|\s*", line.strip()) for line in contract["layers"]]


def test_every_room_is_in_the_wheel() -> None:
    assert set(pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == rooms_on_disk()


def test_every_room_is_watched_by_the_import_rules() -> None:
    assert set(pyproject()["tool"]["importlinter"]["root_packages"]) == rooms_on_disk()


def test_every_room_has_exactly_one_layer() -> None:
    named = [room for line in layers() for room in line]
    assert sorted(named) == sorted(rooms_on_disk())


def test_words_are_at_the_bottom_and_people_at_the_top() -> None:
    assert layers()[-1] == ["evidence_model"]
    assert "operator_cli" in layers()[0]


@pytest.mark.parametrize("room", sorted(rooms_on_disk()))
def test_a_room_says_what_it_is_for(room: str) -> None:
    opening = (ROOT / room / "__init__.py").read_text(encoding="utf-8").lstrip()
    assert opening.startswith('"""'), f"{room}/__init__.py: begins without a docstring"


def test_units_shadow_no_module() -> None:
    """`systemd/` must never become a package: it would hide python-systemd's module of that name."""
    assert not (ROOT / "systemd" / "__init__.py").exists()
