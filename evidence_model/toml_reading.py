"""TOML that people write by hand: every mistake is named with its line, all at once; unknown keys are mistakes."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)
T = TypeVar("T")
Path = tuple[str, ...]

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_SYNTAX_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing wrong in a file: where and what, in English for the person who writes such files."""

    name: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}: {self.what}"


class TomlReading:
    """One TOML text being read; `mistakes` fills while tables are asked for their values."""

    def __init__(self, text: str, *, name: str) -> None:
        self.name = name
        self.mistakes: list[Mistake] = []
        self._lines = dict(_lines_of_keys(text))
        tree: Mapping[str, object] = {}
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = _SYNTAX_LINE.search(str(error))
            self.mistakes.append(Mistake(name, int(line.group(1)) if line else 1, f"no TOML: {error}"))
        self.root = TomlTable(self, (), tree)

    def add(self, path: Path, what: str) -> None:
        """Note a mistake at `path`, or at the nearest table above it that has a line."""
        place = path
        while place and place not in self._lines:
            place = place[:-1]
        self.mistakes.append(Mistake(self.name, self._lines.get(place, 1), f"{'.'.join(path) or 'file'}: {what}"))


class TomlTable:
    """A table whose keys are asked for one by one; `finish` calls what was never asked for unknown."""

    def __init__(self, reading: TomlReading, path: Path, values: Mapping[str, object]) -> None:
        self._reading = reading
        self._path = path
        self._values = values
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def known_keys(self) -> list[str]:
        """Return the keys in the order of the file; asking for them counts as knowing them."""
        self._asked.update(self._values)
        return list(self._values)

    def wrong(self, key: str, what: str) -> None:
        """Note a mistake at `key` of this table."""
        self._reading.add((*self._path, key), what)

    def text(self, key: str, *, default: str | None = None, pattern: str = "") -> str:
        """Return a text; without `default` it must be there; `pattern` is what all of it has to match."""
        value = self._take(key, str, "a text", default)
        if pattern and key in self._values and not re.fullmatch(pattern, value):
            self.wrong(key, f"{value[:60]!r} is not of the form {pattern}")
        return value

    def integer(self, key: str, *, default: int | None = None, least: int = 0, most: int = 10**12) -> int:
        """Return a whole number between `least` and `most`."""
        value = self._take(key, int, "a whole number", default)
        if key not in self._values:
            return value if default is not None else least
        if isinstance(value, bool) or not least <= value <= most:
            self.wrong(key, f"{value} is not a whole number from {least} to {most}")
            return default if default is not None else least
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        return self._take(key, bool, "true or false", default)

    def texts(self, key: str, *, pattern: str = "") -> tuple[str, ...]:
        """Return a list of texts; absent means empty."""
        values = self._take(key, list, "a list of texts", [])
        if not all(isinstance(value, str) for value in values):
            self.wrong(key, "a list of texts was expected")
            return ()
        for value in values:
            if pattern and not re.fullmatch(pattern, value):
                self.wrong(key, f"{value[:60]!r} is not of the form {pattern}")
        return tuple(values)

    def choice(self, key: str, kind: type[E], *, default: E | None = None) -> E:
        """Return a member of `kind` by its value."""
        value = self._take(key, str, "a text", default.value if default is not None else None)
        for member in kind:
            if member.value == value:
                return member
        if value or key in self._values:
            self.wrong(key, f"{value[:60]!r} is none of {', '.join(str(member.value) for member in kind)}")
        return default if default is not None else next(iter(kind))

    def expression(self, key: str) -> "re.Pattern[str] | None":
        """Return a compiled regular expression, or None where the key is absent."""
        value = self._take(key, str, "a regular expression", "")
        return self.compiled(key, value) if key in self._values else None

    def compiled(self, key: str, value: str) -> "re.Pattern[str] | None":
        """Compile `value`, noting a mistake at `key` if it is no expression."""
        try:
            return re.compile(value)
        except re.error as error:
            self.wrong(key, f"no regular expression: {error}")
            return None

    def table(self, key: str, *, required: bool = False) -> "TomlTable":
        """Return the table at `key`; an empty one if it is absent."""
        values = self._take(key, dict, "a table", None if required else {})
        return TomlTable(self._reading, (*self._path, key), values)

    def tables(self, key: str) -> "list[TomlTable]":
        """Return the list of tables at `key`; absent means empty."""
        values = self._take(key, list, "a list of tables", [])
        if not all(isinstance(value, dict) for value in values):
            self.wrong(key, "a list of tables was expected")
            return []
        return [TomlTable(self._reading, (*self._path, key, str(place)), value) for place, value in enumerate(values)]

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                self.wrong(key, "unknown key")

    def _take(self, key: str, kind: type[T], what: str, default: T | None) -> T:
        self._asked.add(key)
        if key not in self._values:
            if default is None:
                self.wrong(key, f"missing; {what} was expected")
                return kind()
            return default
        value = self._values[key]
        if not isinstance(value, kind):
            self.wrong(key, f"{what} was expected, not {type(value).__name__}")
            return default if default is not None else kind()
        return value


def _lines_of_keys(text: str) -> Iterator[tuple[Path, int]]:
    """Yield where each table and key stands; a table of a list has its place in the list as a part of its path."""
    table: Path = ()
    counts: dict[Path, int] = {}
    yield table, 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            table = _parts(header.group(1))
            if line.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                yield table, number
                table = (*table, str(counts[table]))
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_parts(key.group(1))), number


def _parts(text: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(text))
