"""One call of `evidock`: which home, which language, JSON or not, and where its words go."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from operator_cli.display import safe, safe_json
from operator_cli.texts import Language, Texts

if TYPE_CHECKING:
    from host_io.config import HomeConfig, HomePaths

HOME_VARIABLE = "EVIDOCK_HOME"


@dataclass(slots=True, kw_only=True)
class Invocation:
    """Handed to every command; the options that may stand anywhere on the line set its fields."""

    out: TextIO
    err: TextIO
    environment: Mapping[str, str] = field(default_factory=dict)
    language: Language = Language.EN
    as_json: bool = False
    home_given: Path | None = None
    program: str = "evidock"
    """How this user calls us, for commands that we tell them to type."""
    command: str = ""
    """The command as the user typed it, for the text of an error."""

    @classmethod
    def first_look(
        cls, arguments: Sequence[str], *, environment: Mapping[str, str], out: TextIO, err: TextIO
    ) -> "Invocation":
        """Learn the language and the form of the answer before anything is parsed, so that a usage error has both."""
        before_end = arguments[: arguments.index("--")] if "--" in arguments else arguments
        invocation = cls(out=out, err=err, environment=environment, language=Language.of_environment(environment))
        invocation.as_json = "--json" in before_end
        for name, value in pairwise([*before_end, ""]):
            asked = value if name == "--lang" else name.removeprefix("--lang=") if name.startswith("--lang=") else ""
            if asked in {member.value for member in Language}:
                invocation.language = Language(asked)
        return invocation

    @property
    def texts(self) -> Texts:
        """What people read, in their language."""
        return Texts(self.language)

    @staticmethod
    def called_as(path: str, *, environment: Mapping[str, str]) -> str:
        """Return what to type: the bare name where PATH finds it, else the path by which we were called."""
        if Path(path).name != "evidock":
            return f"{sys.executable} -m operator_cli"
        on_path = shutil.which("evidock", path=environment.get("PATH"))
        return "evidock" if on_path and Path(on_path).resolve() == Path(path).resolve() else path

    @property
    def home_folder(self) -> Path:
        """`--home`, else EVIDOCK_HOME, else `evidock` in the user's own folder."""
        if self.home_given is not None:
            return self.home_given
        if named := self.environment.get(HOME_VARIABLE):
            return Path(named)
        return Path(self.environment.get("HOME") or Path.home()) / "evidock"

    @property
    def paths(self) -> "HomePaths":
        """The folders of this home, absolute."""
        from host_io.config import HomePaths  # noqa: PLC0415 - `--help` needs none of it

        return HomePaths(self.home_folder.absolute())

    def config(self) -> "HomeConfig":
        """Read this home's `evidock.toml`.

        Raises:
            NoHomeError: there is no home.
            ConfigError: it has mistakes.
            PermissionError: it is somebody else's.
        """
        from host_io.config import ConfigError, read_config  # noqa: PLC0415

        try:
            return read_config(self.paths)
        except ConfigError as error:
            if isinstance(error.__cause__, PermissionError):
                raise error.__cause__ from None
            raise

    # ------------------------------------------------------------------------------------------------ answering
    def answer(self, document: object, people: Iterable[str]) -> None:
        """Give the result: the document with `--json`, else the lines for people; both on standard output."""
        if self.as_json:
            self.document(document)
        else:
            self._give(self.out, people)

    def tell_if_cut(self, found: int, limit: int) -> None:
        """Tell people that a list holds fewer than were found."""
        if found > limit:
            self.say("list.cut", count=limit)

    def document(self, document: object) -> None:
        """Write one JSON document (one line, so that several make a stream)."""
        self._give(self.out, [json.dumps(document, ensure_ascii=False)], form=safe_json)

    def say(self, message_id: str, /, **values: object) -> None:
        """Tell people something on standard error."""
        self.tell(self.texts(message_id, **values))

    def tell(self, line: str) -> None:
        """Tell people a finished line on standard error."""
        self._give(self.err, [line])

    @staticmethod
    def _give(stream: TextIO, lines: Iterable[str], *, form: Callable[[str], str] = safe) -> None:
        """Write lines that cannot command a terminal. If the reader is gone (`| head`), it misses the rest, no more."""
        try:
            for line in lines:
                print(form(line), file=stream)
            stream.flush()
        except BrokenPipeError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def columns(self, stream: TextIO) -> int:
        """Return how wide the terminal is to which the stream goes, unless COLUMNS says it; 100 where there is none."""
        columns = self.environment.get("COLUMNS", "")
        wide = int(columns) if columns.isdecimal() and columns.isascii() else 0
        if not wide:
            with contextlib.suppress(OSError, ValueError):
                wide = os.get_terminal_size(stream.fileno()).columns
        return min(wide or 100, 160)
