"""The words of the reports in one language: their own file, and the package's page, which says how to check each claim.

Claims, commands and limits stand in that page alone; here they are read out of it, so that paper and page never differ.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from policies.reader import read_pack

LANGUAGES = ("zh", "en")
Runs = Sequence[tuple[str, str]]
"""Text in pieces, each with its style: plain, strong or code."""

_PIECE = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`")
_BLOCK = re.compile(r"^## (\d+\. [^\n]+)\n.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| ([^|\n]+) \| ([^|\n]+) \| ([^|\n]+) \|$", re.MULTILINE)
_LIMIT = re.compile(r"^\d+\. (.*?)(?=^\d+\. |\Z)", re.MULTILINE | re.DOTALL)
_HEADS = 1  # of the table's rows, its names; the line below them has no blanks


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the page: its heading, and its commands as printed there."""

    title: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page of the package says."""

    name: str
    claims: tuple[tuple[Runs, Runs, Runs], ...]
    steps: tuple[Step, ...]
    limits: tuple[Runs, ...]


@dataclass(frozen=True, slots=True)
class ReportWords:
    """All words of a report."""

    language: str
    table: Mapping[str, Any]
    page: Page

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the file."""
        section: Mapping[str, Any] = self.table[name]
        return section

    def word(self, name: str, /, **values: object) -> str:
        """Return a word of the file's beginning with its blanks filled."""
        return str(self.table[name]).format(**values)

    def of(self, section: str, name: str, /, **values: object) -> str:
        """Return a word of a section with its blanks filled."""
        return str(self.section(section)[name]).format(**values)

    def listed(self, parts: Iterable[str]) -> str:
        """Return the parts as the language lists them."""
        return self.word("list_between").join(parts)


@cache
def reason_words(language: str) -> Mapping[str, str]:
    """Return id → words of the reasons for which recording may stop, of every pack that comes with this version."""
    packs = (each for each in resources.files("policies").joinpath("packs").iterdir() if each.name.endswith(".toml"))
    read = (read_pack(each.read_text(encoding="utf-8"), name=each.name) for each in packs)
    return {
        one.id: one.zh if language == "zh" else one.en for pack in read for one in pack.interruption_reasons.values()
    }


@cache
def report_words(language: str) -> ReportWords:
    """Return the words in a language."""
    table = tomllib.loads(_text(f"report.{language}.toml"))
    return ReportWords(language, table, read_page(table["page"], _text(table["page"])))


def read_page(name: str, text: str) -> Page:
    """Read what a report needs out of a page of the package."""
    before, _, limits = text.rpartition("\n## ")
    rows = _ROW.findall(before)[_HEADS:]
    return Page(
        name=name,
        claims=tuple((runs(claim), runs(rests), runs(step)) for claim, rests, step in rows),
        steps=tuple(Step(title, code) for title, code in _BLOCK.findall(before)),
        limits=tuple(runs(_one_line(each)) for each in _LIMIT.findall(limits)),
    )


def runs(text: str) -> Runs:
    """Return a line of the page in its pieces."""
    return tuple(_runs(text))


def seconds(milliseconds: int) -> str:
    """Return 60.000."""
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def ranges(numbers: Iterable[int]) -> str:
    """Return 1–4, 7 of sorted numbers."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each, each])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in parts)


def _runs(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            yield "plain", text[at : match.start()]
        yield ("strong", match[1]) if match[1] is not None else ("code", match[2])
        at = match.end()
    if at < len(text):
        yield "plain", text[at:]


def _one_line(text: str) -> str:
    """Join the lines of a paragraph; Chinese signs have no blank between them."""
    text = re.sub(r"(?<=[^\x00-\xff])\n *|\n *(?=[^\x00-\xff])", "", text.strip())
    return re.sub(r"\n *", " ", text)


def _text(name: str) -> str:
    return resources.files("evidence_store").joinpath("package_pages", name).read_text(encoding="utf-8")
