"""Makes the reference pages in `docs/ref` from the program itself: `python -m operator_cli.reference [FOLDER]`.

Commands from their own help, settings from the table that `init` writes, codes from the catalogue of findings; in both
languages. A test compares the pages with what this makes, so they can't fall behind.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from evidence_model.findings import catalogue
from operator_cli.exit_codes import Exit
from operator_cli.invocation import Invocation
from operator_cli.main import evidock
from operator_cli.settings import SETTINGS
from operator_cli.texts import Language, Texts

_WIDTH = 100
_ROOMS = {
    "CLI": "operator_cli",
    "COC": "chain_of_custody",
    "EDGE": "edge_agent",
    "EM": "evidence_model",
    "HOST": "host_io",
    "ING": "ingest_daemon",
    "PKG": "outside_verifier",
    "POL": "policies",
    "STO": "evidence_store",
}


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page's path under `docs/ref` and its text."""
    for language in Language:
        texts = Texts(language)
        yield f"{language.value}/commands.md", _commands(texts)
        yield f"{language.value}/settings.md", _settings(texts)
        yield f"{language.value}/codes.md", _codes(texts)


def main() -> int:
    """Write the pages; returns the exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "ref"
    for name, text in pages():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Exit.DONE


def _commands(texts: Texts) -> str:
    lines = [f"# {texts('reference.commands')}", "", texts("reference.made"), "", texts("reference.exit_codes"), ""]
    for path, command, context in _walk(evidock(), None, texts):
        lines += [f"## {path}", "", "```", command.get_help(context).strip(), "```", ""]
    return "\n".join(lines)


def _walk(
    command: click.Command, parent: click.Context | None, texts: Texts
) -> Iterator[tuple[str, click.Command, click.Context]]:
    invocation = Invocation(out=sys.stdout, err=sys.stderr, language=texts.language)
    context = click.Context(
        command, info_name=command.name, parent=parent, obj=invocation, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _walk(inner, context, texts)


def _settings(texts: Texts) -> str:
    lines = [f"# {texts('reference.settings')}", "", texts("reference.made"), "", texts("reference.settings_where"), ""]
    section = ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            lines += [f"## [{section}]", "", texts("reference.settings_head"), "|---|---|---|"]
        default = str(setting.default).lower() if isinstance(setting.default, bool) else setting.default
        lines.append(f"| `{setting.name}` | `{default}` | {texts(f'setting.{setting.key}')} |")
        following = SETTINGS[SETTINGS.index(setting) + 1 :]
        if not following or following[0].section != section:
            lines.append("")
    return "\n".join(lines)


def _codes(texts: Texts) -> str:
    lines = [f"# {texts('reference.codes')}", "", texts("reference.made"), "", texts("reference.codes_what"), ""]
    room = ""
    for code in catalogue():
        prefix = code.partition("-")[0]
        if prefix != room:
            if room:
                lines.append("")
            room = prefix
            lines += [f"## {prefix} ({_ROOMS.get(prefix, prefix)})", "", texts("reference.codes_head"), "|---|---|---|"]
        known = texts.finding(code)
        lines.append(f"| `{code}` | {known.title} | {known.fix} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
