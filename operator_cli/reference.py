"""Makes the reference pages `docs/ref/{commands,settings,findings}.md` from what the program itself says.

`python -m operator_cli.reference` writes them, `--check` says which are out of date; a test does the same, so a new
command, setting or code is in the pages or the test fails.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from evidence_model.findings import catalogue
from operator_cli.group import text_id
from operator_cli.invocation import Invocation
from operator_cli.main import MODULES, evidock
from operator_cli.settings import SETTINGS, Setting
from operator_cli.texts import Language, Texts

ROOT = Path(__file__).parents[1]
"""The source tree; the pages are part of it, not of an installation."""
COMMON_OPTIONS = frozenset({"home", "lang", "json", "help"})
_ROOMS: Mapping[str, tuple[str, str]] = {
    "CLI": ("命令行", "command line"),
    "COC": ("保管链：信封、日志、证明、回执", "chain of custody: envelopes, log, proofs, receipts"),
    "EDGE": ("采集站：记录仪、采集", "edge agent: recorders, pulling"),
    "EM": ("基本类型、时间线", "the nouns, the timeline"),
    "HOST": ("主目录、密钥、数据库、消息代理", "home, keys, databases, broker"),
    "ING": ("传送：从采集站到中心", "ingest daemon: from the spool to the store"),
    "POL": ("规则包", "policy packs"),
    "STO": ("中心库", "evidence store"),
}
"""Prefix of a code → the part of the product it comes from, in both languages."""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command and how it is called; `words` is empty for `evidock` itself."""

    words: tuple[str, ...]
    command: click.Command
    contexts: Mapping[Language, click.Context]

    @property
    def own_options(self) -> tuple[click.Option, ...]:
        """Return its options but those that every command has."""
        return tuple(
            option
            for option in self.command.get_params(self.contexts[Language.EN])
            if isinstance(option, click.Option) and (not self.words or option.name not in COMMON_OPTIONS)
        )

    def text(self, language: Language, suffix: str = "") -> str:
        """Return what help says of it; empty where it says nothing."""
        wanted = text_id(self.contexts[language], "help") + suffix
        texts = Texts(language)
        return texts(wanted).strip() if texts.has(wanted) else ""


def pages() -> Mapping[str, str]:
    """Return the path of each reference page below the source tree, and what belongs there."""
    return {
        "docs/ref/commands.md": commands_page(),
        "docs/ref/findings.md": findings_page(),
        "docs/ref/settings.md": settings_page(),
    }


def commands() -> Iterator[CommandEntry]:
    """Yield `evidock` and every command below it, in the order of `--help`."""
    yield from _below((), evidock(), dict.fromkeys(Language))


def commands_page() -> str:
    """Return the page of all commands with their options."""
    lines = _head("命令", "Commands", "operator_cli/")
    for entry in commands():
        lines += ["", *_command(entry)]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return the page of all settings of `evidock.toml`."""
    lines = _head("配置 evidock.toml", "Settings of evidock.toml", "operator_cli/settings.py, operator_cli/texts.toml")
    section = ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            lines += [
                "",
                f"## [{section}]",
                "",
                "| 配置项 setting | 缺省 default | 中文 | English |",
                "|---|---|---|---|",
            ]
        explained = (Texts(language)(f"setting.{setting.key}") for language in Language)
        lines.append(_row(f"`{setting.key}`", f"`{_toml(setting)}`", *explained))
    return "\n".join(lines) + "\n"


def findings_page() -> str:
    """Return the page of all finding and error codes: what is the case, what to do."""
    lines = _head("检查结果与错误代码", "Finding and error codes", "evidence_model/findings.toml")
    lines += ["", "代码不改、不重用。A code never changes its meaning and is never used twice."]
    for prefix, (zh, en) in _ROOMS.items():
        codes = [(code, texts) for code, texts in catalogue().items() if code.startswith(f"{prefix}-")]
        if codes:
            lines += ["", f"## {prefix}：{zh} · {en}", ""]
            lines += ["| 代码 code | 情况 | 怎么办 | What is the case | What to do |", "|---|---|---|---|---|"]
            lines += [
                _row(f'<a id="{code.lower()}"></a>{code}', *(texts[key] for key in ("zh", "fix_zh", "en", "fix_en")))
                for code, texts in codes
            ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages; with `--check` only say which differ (exit 1)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given not in ([], ["--check"]):
        sys.stderr.write("usage: python -m operator_cli.reference [--check]\n")
        return 2
    differing = [(ROOT / name, text) for name, text in pages().items() if _read(ROOT / name) != text]
    for path, text in differing:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if not given:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if given and differing else 0


def _below(
    words: tuple[str, ...], command: click.Command, parents: Mapping[Language, click.Context | None]
) -> Iterator[CommandEntry]:
    contexts = {
        language: click.Context(
            command,
            parent=parents[language],
            info_name=words[-1] if words else "evidock",
            obj=Invocation(out=sys.stdout, err=sys.stderr, language=language),
        )
        for language in Language
    }
    yield CommandEntry(words, command, contexts)
    if isinstance(command, click.Group):
        for name in command.list_commands(contexts[Language.EN]):
            found = command.get_command(contexts[Language.EN], name)
            if found is not None:
                yield from _below((*words, name), found, contexts)


def _command(entry: CommandEntry) -> list[str]:
    context = entry.contexts[Language.EN]
    name = " ".join(("evidock", *entry.words))
    lines = [f"{'#' * min(len(entry.words) + 2, 4)} {name}", ""]
    lines += [f"{entry.text(Language.ZH)}  ", entry.text(Language.EN), ""]
    pieces = [piece for piece in entry.command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    required = [f"{option.opts[0]} {option.make_metavar(context)}" for option in entry.own_options if option.required]
    optional = ["[OPTIONS]"] if len(entry.own_options) > len(required) else []
    called = " ".join((name, *required, *optional, *pieces))
    if not isinstance(entry.command, click.Group):
        lines += [f"`{called}`", ""]
    for language in (Language.ZH, Language.EN):
        if long := entry.text(language, ".long"):
            lines += [*(f"{line}  " for line in long.splitlines()[:-1]), long.splitlines()[-1], ""]
    rows = list(_options(entry))
    if rows:
        lines += ["| 选项 option | 中文 | English |", "|---|---|---|", *rows, ""]
    if not entry.words:
        lines += ["上面的选项可放在任何命令之后。These options may stand after any command.", ""]
        lines += [f"- [evidock {command}](#evidock-{command})" for command in MODULES]
    return lines if lines[-1] else lines[:-1]


def _options(entry: CommandEntry) -> Iterator[str]:
    for option in entry.own_options:
        records = {language: option.get_help_record(entry.contexts[language]) for language in Language}
        zh, en = records[Language.ZH], records[Language.EN]
        if zh is not None and en is not None:  # None: a hidden option
            yield _row(f"`{en[0]}`", zh[1], en[1])


def _head(zh: str, en: str, source: str) -> list[str]:
    made = f"<!-- Made by `python -m operator_cli.reference` from {source}; change it there. -->"
    return [f"# {zh} · {en}", "", made]


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _toml(setting: Setting) -> str:
    value = setting.default
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
