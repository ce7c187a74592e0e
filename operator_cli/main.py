"""`evidock`: reads the line, calls one command, and turns whatever happens into an exit code (contract.md)."""

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from evidence_model.errors import EvidockError
from operator_cli.exit_codes import Exit
from operator_cli.group import CommonOption, LazyGroup, common_options
from operator_cli.invocation import Invocation
from operator_cli.texts import Texts

MODULES: Mapping[str, str] = {
    name: f"operator_cli.commands.{name}"
    for name in (
        "init",
        "run",
        "doctor",
        "status",
        "dock",
        "preflight",
        "recorder",
        "recordings",
        "custody",
        "witness",
        "verify",
        "policy",
        "report",
        "store",
        "demo",
    )
}
"""Each command and where it lives, in the order of `evidock --help`."""


def evidock() -> click.Group:
    """Return the command `evidock` itself."""

    @click.command(
        "evidock",
        cls=LazyGroup,
        modules=MODULES,
        add_help_option=False,
        context_settings={"max_content_width": 100},
    )
    @click.option(
        "--version", cls=CommonOption, is_flag=True, is_eager=True, expose_value=False, callback=_answer_version
    )
    @common_options
    def made() -> None:
        """Say nothing of its own."""

    group: click.Group = made
    return group


def _answer_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    invocation = context.find_object(Invocation)
    if value and invocation is not None:
        from importlib import metadata  # noqa: PLC0415 - `--help` needs none of it

        version = metadata.version("evidock")
        invocation.answer({"version": version}, [f"evidock {version}"])
        context.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command with the words of the command line; returns the exit code and never raises."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _open_standard_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, with one line and its exit code
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that can't show a sign is no reason to fail
    program = Invocation.called_as(sys.argv[0], environment=os.environ)
    code = run(given, environment=os.environ, out=sys.stdout, err=sys.stderr, program=program)
    _leave_nothing_unread()
    return code


def _leave_nothing_unread() -> None:
    """Let what a reader that is gone did not take go nowhere; the interpreter would try again and fail at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_standard_streams() -> None:
    """Take the place of streams that are closed: the next file we open would get their number, and stray words."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], out: TextIO, err: TextIO, program: str = "evidock"
) -> int:
    """Run one command; the streams and the environment are handed in, and what the user types to call us."""
    invocation = Invocation.first_look(arguments, environment=environment, out=out, err=err)
    invocation.program = program
    invocation.command = next((word for word in arguments if word in MODULES), "")
    try:
        with contextlib.redirect_stdout(out):
            code = evidock().main(args=list(arguments), prog_name="evidock", standalone_mode=False, obj=invocation)
            out.flush()
        return int(code) if isinstance(code, int) else int(Exit.DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        if not invocation.as_json:
            print(error.format_message(), file=err)
            return int(Exit.USAGE)
        return _report(click.UsageError(invocation.texts("error.no_command")), invocation)
    except SystemExit:
        return int(Exit.DONE)  # click's way to end when the reader of its help is gone
    except (KeyboardInterrupt, click.Abort):
        from operator_cli.errors import InterruptedByUserError  # noqa: PLC0415 - `--help` needs none of it

        return _report(InterruptedByUserError(invocation.command or "evidock"), invocation)
    except Exception as error:  # noqa: BLE001 - the last place: a traceback on a terminal is a bug
        return _report(error, invocation)


def _report(error: Exception, invocation: Invocation) -> int:
    """Say what went wrong in one line, and with `--json` as a document too; returns the exit code."""
    from operator_cli.errors import ErrorLine, line_of  # noqa: PLC0415 - `--help` needs none of it

    if isinstance(error, click.ClickException):
        line = ErrorLine(
            "CLI-001",
            Exit.USAGE,
            " ".join(_usage_text(error, invocation).split()),
            _help_of(error, invocation),
        )
    else:
        found = line_of(error, invocation.texts)
        line = found or ErrorLine(
            EvidockError.code,
            Exit.FINDING,
            invocation.texts("error.bug", what=type(error).__name__),
            invocation.texts("error.bug_fix", where=_keep_traceback(error, invocation)),
        )
    with contextlib.suppress(OSError, ValueError):
        invocation.tell(line.for_people())
        if invocation.as_json:
            invocation.document(line.as_json())
    return int(line.exit)


def _usage_text(error: click.ClickException, invocation: Invocation) -> str:
    texts = invocation.texts
    match error:
        case click.NoSuchCommand():
            said = texts("error.no_such_command", name=error.command_name) + _near(error.possibilities, texts)
        case click.NoSuchOption():
            said = texts("error.no_such_option", name=error.option_name) + _near(error.possibilities, texts)
        case click.BadOptionUsage():
            said = texts("error.option_value", name=error.option_name)
        case click.MissingParameter(param=click.Parameter() as parameter):
            said = texts("error.missing_parameter", name=_typed(parameter))
        case click.BadParameter(param=click.Parameter(type=click.Choice() as choice) as parameter):
            said = texts("error.not_one_of", name=_typed(parameter), names=texts.listed(map(str, choice.choices)))
        case click.BadParameter(param=click.Parameter(type=click.IntRange() as span) as parameter):
            form = "error.not_from" if span.max is None else "error.not_from_to"
            said = texts(form, name=_typed(parameter), least=span.min, most=span.max)
        case click.BadParameter(param=click.Parameter() as parameter):
            said = texts("error.bad_parameter", name=_typed(parameter), what=error.message)
        case click.UsageError(ctx=click.Context(command=click.Group())):
            said = texts("error.no_command")
        case click.UsageError(message=message) if message.startswith("Got unexpected extra argument"):
            said = texts("error.extra_words", words=message.partition("(")[2].removesuffix(")"))
        case _:
            said = error.format_message()
    return said


def _near(names: Iterable[str] | None, texts: Texts) -> str:
    return texts("error.did_you_mean", names=texts.listed(names)) if names else ""


def _typed(parameter: click.Parameter) -> str:
    """Return a parameter as people type it: `--role`, or the name that stands for an argument in the usage line."""
    return max(parameter.opts, key=len) if isinstance(parameter, click.Option) else parameter.human_readable_name


def _help_of(error: click.ClickException, invocation: Invocation) -> str:
    """Return what to type to see how the command is used that was called wrongly."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else f"evidock {invocation.command}".strip()
    return invocation.texts("error.see_help", command=path)


def _keep_traceback(error: Exception, invocation: Invocation) -> Path:
    """Write the traceback where a bug report can take it from; returns the place."""
    stamp = datetime.now(tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    text = "".join(traceback.format_exception(error))
    for folder in (invocation.home_folder / "run", Path(invocation.environment.get("TMPDIR") or "/tmp")):  # noqa: S108
        if folder.is_dir():
            place = folder / f"evidock-error-{stamp}-{os.getpid()}.txt"
            with contextlib.suppress(OSError):
                place.write_text(text, encoding="utf-8")
                return place
    return Path("-")


if __name__ == "__main__":
    sys.exit(main())
