"""The guide in both languages names what is shipped, and the same commands."""

import re
from pathlib import Path

import pytest

from tests.systemd.unit_files import FOLDER, SERVICES

_GUIDE = Path(__file__).parents[2] / "docs/guide"
_LANGUAGES = ("en", "zh")


def text(language: str) -> str:
    return (_GUIDE / language / "systemd.md").read_text(encoding="utf-8")


def test_both_languages_give_the_same_commands() -> None:
    blocks = [re.findall(r"(?ms)^```\w*\n(.*?)^```", text(language)) for language in _LANGUAGES]
    assert blocks[0] == blocks[1] != []


@pytest.mark.parametrize("language", _LANGUAGES)
def test_guide_names_every_unit_and_every_file_it_tells_to_copy(language: str) -> None:
    assert all(f"{service}.service" in text(language) for service in SERVICES)
    named = set(re.findall(r"systemd/(drop-ins/[\w.-]+|install-units)", text(language)))
    assert {name for name in named if not (FOLDER / name).exists()} == set()


@pytest.mark.parametrize("language", _LANGUAGES)
def test_options_of_install_units_are_explained(language: str) -> None:
    script = (FOLDER / "install-units").read_text(encoding="utf-8")
    options = set(re.findall(r"(?m)^ +(--[\w-]+)\)", script)) - {"--root"}
    assert options
    assert all(f"`{option}`" in text(language) for option in options)
