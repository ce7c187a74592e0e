"""People read everything in both languages, and both say the same."""

from __future__ import annotations

import re
import tomllib
from enum import Enum
from pathlib import Path

import pytest

from edge_agent.identify import Trust
from edge_agent.preflight import Verdict
from edge_agent.profile import PullMode
from evidence_model.findings import catalogue
from operator_cli.main import MODULES
from operator_cli.settings import SETTINGS
from operator_cli.texts import Language, Texts, message_catalogue, placeholders

ROOT = Path(__file__).parents[3]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAME_IN_BOTH = {"doctor.ffprobe", "doctor.exfat"}  # names of things


@pytest.mark.parametrize("message", sorted(message_catalogue()))
def test_a_message_stands_in_both_languages_with_the_same_values(message: str) -> None:
    texts = message_catalogue()[message]
    assert set(texts) == {"zh", "en"}
    assert placeholders(texts["zh"]) == placeholders(texts["en"])
    assert not CHINESE.search(texts["en"])
    words = re.sub(r"\{[a-z_]+\}|[^\w]", "", texts["zh"])
    assert CHINESE.search(words) or not words or message in SAME_IN_BOTH


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_a_code_says_what_is_the_case_and_what_to_do_in_both_languages(code: str) -> None:
    texts = catalogue()[code]
    assert set(texts) == {"zh", "en", "fix_zh", "fix_en"}
    assert all(text.strip() for text in texts.values())
    assert not CHINESE.search(texts["en"] + texts["fix_en"])


def test_chinese_stands_between_chinese_signs() -> None:
    half_width = re.compile(r"[\u4e00-\u9fff）][,:;?!()]|[,:;?!()][\u4e00-\u9fff（]")
    texts = [text["zh"] for text in message_catalogue().values()]
    texts += [text[name] for text in catalogue().values() for name in ("zh", "fix_zh")]
    data = [*(ROOT / "edge_agent" / "profiles").glob("*.toml"), *(ROOT / "policies" / "packs").glob("*.toml")]
    strings = [string for path in data for string in re.findall(r'"([^"]*)"', path.read_text(encoding="utf-8"))]
    texts += [string for string in strings if CHINESE.search(string)]
    assert [text for text in texts if half_width.search(text)] == []


def test_codes_stand_in_order_so_that_a_new_one_finds_its_place() -> None:
    codes = list(catalogue())
    assert codes == sorted(codes)


def test_every_message_that_the_code_names_is_there() -> None:
    named = re.compile(r"""(?:texts|say|invocation\.texts)\(\s*"([a-z0-9_.]+)\"""")
    missing = {
        (path.name, message)
        for path in (ROOT / "operator_cli").rglob("*.py")
        for message in named.findall(path.read_text(encoding="utf-8"))
        if message not in message_catalogue()
    }
    assert not missing


def test_every_code_that_an_error_has_is_in_the_catalogue() -> None:
    named = re.compile(r"""^    code = "([A-Z]+-\d+)\"""", re.MULTILINE)
    missing = {
        (str(path.relative_to(ROOT)), code)
        for room in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
        for path in (ROOT / room).rglob("*.py")
        for code in named.findall(path.read_text(encoding="utf-8"))
        if code not in catalogue()
    }
    assert not missing


@pytest.mark.parametrize(("prefix", "values"), [("trust", Trust), ("pull", PullMode), ("verdict", Verdict)])
def test_every_value_of_a_kind_has_its_word(prefix: str, values: type[Enum]) -> None:
    assert [value for value in values if f"{prefix}.{value.value}" not in message_catalogue()] == []


@pytest.mark.parametrize("command", MODULES)
def test_a_command_is_explained(command: str) -> None:
    assert f"help.{command}" in message_catalogue()


@pytest.mark.parametrize("setting", [setting.key for setting in SETTINGS])
def test_a_setting_is_explained(setting: str) -> None:
    assert f"setting.{setting}" in message_catalogue()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Language.EN),
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, Language.EN),
        ({"LANG": "de_DE.UTF-8"}, Language.EN),
        ({"LC_ALL": "", "LANG": "zh_CN"}, Language.ZH),
    ],
)
def test_the_language_follows_the_system(environment: dict[str, str], language: Language) -> None:
    assert Language.of_environment(environment) is language


def test_a_text_that_is_missing_shows_its_name_and_is_no_error() -> None:
    assert Texts(Language.EN)("no.such", what="x") == "no.such what=x"
