"""How `evidock` and its commands read their words: options that may stand anywhere, help in two languages.

A command's module is loaded when that command is called, never for `evidock --help`; what help says of it stands in
`texts.toml` (`help.<command>`, `option.<command>.<option>`), so a command without a text fails a test, not a user.
"""

import importlib
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from evidence_model.ids import MalformedIdError, RecorderId, recorder_id
from operator_cli.display import definitions, first_unfit, safe, wrap
from operator_cli.invocation import Invocation
from operator_cli.texts import Language, Texts

Callback = Callable[..., Any]


class Words(click.ParamType[str]):
    """What people type: kept, signed and searched as it is, so it holds nothing that cannot be seen."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the words.

        Raises:
            click.BadParameter: a control sign, a change of direction, or a byte that is no UTF-8 stands in them.
        """
        at = first_unfit(value)
        if at is not None and ctx is not None:
            text = "error.not_utf8" if unicodedata.category(value[at]) == "Cs" else "error.unfit_sign"
            raise click.BadParameter(texts_of(ctx)(text, number=at + 1, sign=safe(value[at])), ctx=ctx, param=param)
        return value


class PathWord(click.Path):
    """A path; an empty one (a variable that is not set) is a mistake and never the folder we happen to be in."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path.

        Raises:
            click.BadParameter: it is empty.
        """
        if not os.fspath(value) and ctx is not None:
            raise click.BadParameter(texts_of(ctx)("error.empty"), ctx=ctx, param=param)
        return super().convert(value, param, ctx)


class RecorderName(click.ParamType[RecorderId]):
    """The id of a recorder."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> RecorderId:
        """Return the id.

        Raises:
            click.BadParameter: it is none.
        """
        try:
            return recorder_id(value)
        except MalformedIdError as error:
            what = texts_of(ctx)("error.recorder_id") if ctx is not None else str(error)
            raise click.BadParameter(what, ctx=ctx, param=param) from error


WORDS = Words()
PATH = PathWord(path_type=Path, readable=False)  # whether it can be read is learnt, and said, by who reads it
RECORDER = RecorderName()


def texts_of(context: click.Context) -> Texts:
    """Return the texts in the language of this call."""
    invocation = context.find_object(Invocation)
    return invocation.texts if invocation is not None else Texts(Language.EN)


def text_id(context: click.Context, kind: str) -> str:
    """Return `help.recordings.list` for `evidock recordings list`."""
    names = []
    step: click.Context | None = context
    while step is not None and step.parent is not None:
        names.append(step.info_name or "")
        step = step.parent
    return ".".join([kind, *reversed(names)])


class HelpInTwoLanguages(click.Command):
    """Writes its help from `texts.toml`."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how the command is called."""
        formatter.write(f"{texts_of(ctx)('help.usage')}{ctx.command_path} {' '.join(self.collect_usage_pieces(ctx))}\n")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does: its one line, then the particulars if there are any."""
        texts = texts_of(ctx)
        formatter.write("\n")
        for name in (text_id(ctx, "help"), text_id(ctx, "help") + ".long"):
            if texts.has(name):
                for paragraph in texts(name).strip().split("\n"):
                    formatter.write("".join(f"{line}\n" for line in wrap(paragraph, formatter.width)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of this command, and for a group its commands."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        rows = [record for option in options if (record := option.get_help_record(ctx)) is not None]
        _write_section(formatter, texts_of(ctx)("help.options"), rows)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)


class CommonOption(click.Option):
    """An option whose explanation stands in `texts.toml`: under the command's name, else under `option.<name>`."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's names and its explanation."""
        if self.hidden:
            return None
        texts = texts_of(ctx)
        own = f"{text_id(ctx, 'option')}.{self.name}"
        names = ", ".join(sorted(self.opts, key=len))
        if not self.is_flag:
            names += " " + self.make_metavar(ctx)
        return names, texts(own if texts.has(own) else f"option.{self.name}")


class TextCommand(HelpInTwoLanguages, click.Command):
    """A command."""


class TextGroup(HelpInTwoLanguages, click.Group):
    """A command of several: `evidock recordings list`."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with one line each."""
        texts = texts_of(ctx)
        prefix = text_id(ctx, "help")
        rows = [(name, texts(f"{prefix}.{name}")) for name in self.list_commands(ctx)]
        _write_section(formatter, texts("help.commands"), rows)


class LazyGroup(TextGroup):
    """The group `evidock`: knows its commands by name, and loads the one that is called."""

    def __init__(self, *, modules: Mapping[str, str], **settings: Any) -> None:
        super().__init__(**settings)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which people need them."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command."""
        module = self._modules.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a mistyped one gets the names that look like it."""
        if args and args[0] not in self._modules and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=list(self._modules), ctx=ctx)
        return super().resolve_command(ctx, args)


def _write_section(formatter: click.HelpFormatter, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        formatter.write(f"\n{title}\n")
        formatter.write("".join(f"{line}\n" for line in definitions(rows, width=formatter.width)))


def _set_home(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).home_given = value


def _set_language(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).language = Language(value)


def _set_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).as_json = True


def common_options(function: Callback) -> Callback:
    """Give a command the options that stand before or after its name: --home, --lang, --json, --help."""
    for decorate in (
        click.option("--home", cls=CommonOption, type=PATH, expose_value=False, callback=_set_home),
        click.option(
            "--lang",
            cls=CommonOption,
            type=click.Choice([member.value for member in Language]),
            expose_value=False,
            is_eager=True,
            callback=_set_language,
        ),
        click.option("--json", cls=CommonOption, is_flag=True, expose_value=False, callback=_set_json),
    )[::-1]:
        function = decorate(function)
    return click.help_option("--help", "-h", cls=CommonOption)(function)


def command(name: str) -> Callable[[Callback], click.Command]:
    """Make a function a command whose first parameter is the `Invocation`."""

    def decorate(function: Callback) -> click.Command:
        return click.command(name, cls=TextCommand, add_help_option=False)(common_options(click.pass_obj(function)))

    return decorate


def group(name: str, *, bare: Callable[[Invocation], int] | None = None) -> click.Group:
    """Make a command of several, to which `subcommand` adds; `bare` is done if none of them is named."""

    @click.group(
        name,
        cls=TextGroup,
        add_help_option=False,
        no_args_is_help=bare is None,
        invoke_without_command=bare is not None,
    )
    @common_options
    @click.pass_context
    def made(context: click.Context) -> int | None:
        invocation = context.find_object(Invocation)
        if bare is None or invocation is None or context.invoked_subcommand is not None:
            return None
        return bare(invocation)

    return made


def subcommand(parent: click.Group, name: str) -> Callable[[Callback], click.Command]:
    """Make a function a command inside a group."""

    def decorate(function: Callback) -> click.Command:
        made = command(name)(function)
        parent.add_command(made)
        return made

    return decorate


def option(*names: str, **settings: Any) -> Callable[[Callback], Callback]:
    """Declare an option; its explanation stands in `texts.toml`."""
    if not settings.get("is_flag"):
        settings.setdefault("type", WORDS)
    return click.option(*names, cls=CommonOption, **settings)


def argument(name: str, **settings: Any) -> Callable[[Callback], Callback]:
    """Declare an argument; the command's own text explains it."""
    return click.argument(name, **{"type": WORDS, **settings})
