"""The pages say what the program does: every command, setting and code has its page, and no link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from evidence_model.findings import catalogue
from host_io.config import parse_config
from operator_cli.main import MODULES, evidock
from operator_cli.reference import pages
from operator_cli.settings import SETTINGS, config_text
from operator_cli.texts import Language, Texts

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "ref"
PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(("name", "text"), list(pages()), ids=lambda value: value if value.endswith(".md") else "")
def test_a_reference_page_is_what_the_program_says(name: str, text: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == text, "run: python -m operator_cli.reference"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_command_setting_and_code_has_its_place(language: str) -> None:
    commands = (REFERENCE / language / "commands.md").read_text(encoding="utf-8")
    settings = (REFERENCE / language / "settings.md").read_text(encoding="utf-8")
    codes = (REFERENCE / language / "codes.md").read_text(encoding="utf-8")
    assert [name for name in MODULES if f"## evidock {name}\n" not in commands] == []
    assert [setting.key for setting in SETTINGS if f"| `{setting.name}` |" not in settings] == []
    assert [code for code in catalogue() if f"| `{code}` |" not in codes] == []


def test_the_table_of_settings_is_the_one_that_the_configuration_reader_knows() -> None:
    source = (ROOT / "host_io" / "config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'reader\.\w+\(\s*"([a-z_.0-9]+)"', source))
    assert {setting.key for setting in SETTINGS} == read


def test_the_defaults_in_the_table_are_those_of_the_reader() -> None:
    sections = frozenset(setting.section for setting in SETTINGS)
    written = config_text({}, sections=sections, texts=Texts(Language.EN))
    assert parse_config(written, where="written") == parse_config("", where="empty")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_a_page_leads_nowhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "guide" / "en").glob("*.md")), ids=lambda page: page.name)
def test_a_guide_stands_in_both_languages(page: Path) -> None:
    assert (ROOT / "docs" / "guide" / "zh" / page.name).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_commands_that_there_are(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`evidock (?:--[a-z]+ \S+ )*([a-z]+)", text)
    assert {name for name in named if name not in MODULES} == set()


_CALL = re.compile(r"(?<!-u )(?<![\w-])evidock((?: +[^\s`|;&)#，。；（）]+)+)")
_EVERYWHERE = {"--home", "--lang", "--json", "--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_gives_only_options_that_the_command_has(page: Path) -> None:
    unknown = set()
    for call in _CALL.findall(page.read_text(encoding="utf-8")):
        command, words = _command_of(call.split())
        known = {name for parameter in command.params for name in parameter.opts} | _EVERYWHERE
        unknown |= {word for word in words if word.startswith("--") and word.partition("=")[0] not in known}
    assert unknown == set()


def _command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that a line on a page calls, and the words after it."""
    command: click.Command = evidock()
    context = click.Context(command)
    while words:
        if words[0] in {"--home", "--lang"}:
            words = words[2:]
        elif words[0] == "--json":
            words = words[1:]
        elif isinstance(command, click.Group) and (inner := command.get_command(context, words[0])) is not None:
            command, words = inner, words[1:]
        else:
            break
    return command, words
