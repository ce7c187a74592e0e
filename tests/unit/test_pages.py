"""What the pages name is there: every command line, setting, code, anchor and page; both languages say the same.

That every command, setting and code of the program has its place in `docs/ref` is in test_docs.py.
"""

from __future__ import annotations

import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from evidence_model.findings import catalogue
from operator_cli.invocation import Invocation
from operator_cli.main import evidock
from operator_cli.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
GUIDES = sorted(path.name for path in (DOCS / "guide" / "en").glob("*.md"))
CODE = re.compile(r"\b(?:CLI|COC|EDGE|EM|HOST|ING|PKG|POL|STO)-\d{3}\b")
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def rooms() -> list[Path]:
    return sorted(folder for folder in ROOT.iterdir() if (folder / "__init__.py").exists() and folder.name != "bench")


def test_every_code_in_the_program_has_its_words() -> None:
    used = {code for room in rooms() for path in room.rglob("*.py") for code in CODE.findall(text_of(path))}
    assert sorted(used - set(catalogue())) == [], "give them words in evidence_model/findings.toml"


# ------------------------------------------------------------------------------------------------ what pages name


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_to_a_heading_that_is_there(path: Path) -> None:
    broken = []
    for file, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", FENCE.sub("", text_of(path))):
        page = (path.parent / file).resolve() if file else path
        if "://" not in file and (not page.exists() or anchor not in anchors(page)):
            broken.append(f"{file}#{anchor}")
    assert broken == []


@cache
def anchors(page: Path) -> frozenset[str]:
    text = text_of(page)
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return frozenset(slugs)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_code_that_a_page_names_is_one(path: Path) -> None:
    assert sorted(set(CODE.findall(text_of(path))) - set(catalogue())) == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_setting_that_a_page_names_is_one(path: Path) -> None:
    known = {setting.key for setting in SETTINGS}
    named = re.findall(r"`((?:home|broker|station|centre)\.[a-z0-9_]+)", text_of(path))
    assert sorted(set(named) - known - {"station.db", "centre.db", "station.sql", "centre.sql"}) == []


def calls(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each call of `evidock` in a page, and whether it is to be whole (in a block) or may be only named."""
    text = text_of(path)
    for _, info, block in FENCE.findall(text):
        if info in {"sh", "text"}:
            for line in re.sub(r"\\\n", " ", block).splitlines():
                if match := re.search(r"(?:^\s*|bin/|&& )evidock (.*)$", line.split(" #")[0].rstrip()):
                    yield match.group(1), True
    for span in re.findall(r"`evidock ([^`]+)`", FENCE.sub("", text)):
        yield span, False


def why_not(words: str, *, whole: bool) -> str:
    """Say why `evidock WORDS` is no call of ours; empty if it is one."""
    arguments = shlex.split(re.split(r" *(?:&&|\||;|&$)", words)[0].replace("…", ""))
    invocation = Invocation(out=sys.stdout, err=sys.stderr)
    try:
        context = evidock().make_context("evidock", arguments, obj=invocation)
        while isinstance(context.command, click.Group):
            rest = [*context._protected_args, *context.args]
            if not rest and context.command.invoke_without_command:
                return ""  # `evidock custody keys` does something by itself
            name, command, rest = context.command.resolve_command(context, rest)
            assert name is not None
            assert command is not None
            context = command.make_context(name, rest, parent=context)
    except (click.exceptions.NoArgsIsHelpError, click.MissingParameter) as error:
        return error.format_message() if whole else ""
    except click.exceptions.Exit:
        return ""
    except click.ClickException as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_line_of_a_page_is_one_that_we_take(path: Path) -> None:
    refused = {words: why for words, whole in calls(path) if (why := why_not(words, whole=whole))}
    assert refused == {}


def test_the_search_for_command_lines_finds_wrong_ones() -> None:
    assert why_not("--home H recordings tag R-1 --case 7", whole=True) == ""
    assert why_not("run &", whole=True) == ""
    assert why_not("recordings tag R-1 --colour red", whole=True)
    assert why_not("recording list", whole=True)
    assert why_not("init --role king", whole=True)
    assert why_not("recordings note", whole=True)
    assert why_not("recordings note", whole=False) == ""
    assert why_not("custody keys", whole=True) == ""
    assert why_not("custody", whole=True)


# ------------------------------------------------------------------------------------------------ the shelf


def test_every_guide_is_there() -> None:
    assert {"officer.md", "administrator.md", "it.md", "systemd.md", "court-expert.md"} <= set(GUIDES)


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_gives_the_same_commands_in_both_languages(name: str) -> None:
    """What people type may differ in their own words only: names, numbers of cases, texts."""
    english, chinese = (
        [words.split()[:2] for words, whole in calls(DOCS / "guide" / each / name) if whole] for each in ("en", "zh")
    )
    assert english == chinese


def test_every_page_is_in_the_index() -> None:
    index = text_of(DOCS / "README.md")
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"README.md"}
    pages = {page for page in pages if not re.match(r"adr/\d{4}-", page)}
    assert sorted(page for page in pages if f"({page})" not in index) == []


def test_every_decision_is_in_the_list_under_its_own_number() -> None:
    index = text_of(DOCS / "adr" / "README.md")
    numbers = []
    for path in sorted((DOCS / "adr").glob("[0-9]*.md")):
        number = int(path.name[:4])
        numbers.append(number)
        assert f"[{number}]({path.name})" in index, f"docs/adr/README.md does not list {path.name}"
        assert text_of(path).startswith(f"# {number}. "), path.name
        assert re.search(r"^Status: \w", text_of(path), re.MULTILINE), f"{path.name}: no status"
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_start_page_is_short_and_begins_with_the_demo(name: str) -> None:
    text = text_of(ROOT / name)
    before, _, rest = text.partition("<!-- bench -->")
    assert len([*before.splitlines(), *rest.partition("<!-- /bench -->")[2].splitlines()]) <= 78  # figures come and go
    first, second, *_ = (block for _, info, block in FENCE.findall(text) if info == "sh")
    assert (first, second) == ("./script/demo\n", "./script/test\n")
    assert text.index("<!-- bench -->") < text.index("<!-- /bench -->")
