"""`evidock run`: this home's programs, until stopped."""

import os

import click

from host_io.clock import SystemClock
from host_io.notify import Notifier
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import command, option
from operator_cli.home_programs import Program, children_of, programs_of
from operator_cli.invocation import Invocation
from operator_cli.supervisor import ChildReport, ChildState, Supervisor


@command("run")
@option("--role", "roles", type=click.Choice([program.value for program in Program]), multiple=True)
@option("--verbose", is_flag=True)
def run(invocation: Invocation, *, roles: tuple[str, ...], verbose: bool) -> int:
    """Run the home's roles until SIGTERM, SIGINT or SIGHUP (contract.md: finishes the write in hand, exits 0)."""
    config = invocation.config()
    known = programs_of(config)
    only = {Program(role) for role in roles} or set(known)
    if not only <= set(known):
        raise WrongUsageError(
            invocation.texts(
                "run.not_of_role",
                role=invocation.texts(f"role.{config.role.value}"),
                programs=invocation.texts.listed(program.value for program in known),
            )
        )
    invocation.paths.run.mkdir(mode=0o700, exist_ok=True)
    supervisor = Supervisor(
        children_of(invocation.paths, config, only=only, environment=invocation.environment, pass_words=verbose),
        run_folder=invocation.paths.run,
        clock=SystemClock(),
        notifier=Notifier(dict(invocation.environment)),
        on_report=lambda report: _tell(invocation, report),
        on_ready=lambda: _ready(invocation),
    )
    supervisor.run()
    if not invocation.as_json:
        invocation.say("run.stopped")
    return Exit.DONE


def _ready(invocation: Invocation) -> None:
    if invocation.as_json:
        invocation.document({"event": "ready", "home": str(invocation.paths.root), "pid": os.getpid()})
    else:
        invocation.say("run.ready", home=invocation.paths.root)


def _tell(invocation: Invocation, report: ChildReport) -> None:
    if invocation.as_json:
        invocation.document(
            {
                "event": "child",
                "id": report.name,
                "state": report.state.value,
                "pid": report.pid,
                "exit_status": report.exit_status,
            }
        )
    elif report.state is ChildState.WAITING:
        invocation.say(
            "run.child_ended",
            name=report.name,
            status=report.exit_status,
            seconds=f"{report.wait_seconds:g}",
            words=report.last_words or "-",
        )
    elif report.state in {ChildState.READY, ChildState.STOPPED}:
        invocation.say(f"run.child_{report.state.value}", name=report.name)
