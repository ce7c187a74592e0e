"""`evidock demo`: the main job, shown on a simulated recorder."""

from host_io.clock import SystemClock
from operator_cli.demonstration import Demonstration, DemoResult, Step
from operator_cli.display import pad
from operator_cli.errors import line_of
from operator_cli.exit_codes import Exit
from operator_cli.group import command, option
from operator_cli.invocation import Invocation


@command("demo")
@option("--keep", is_flag=True)
def demo(invocation: Invocation, *, keep: bool) -> int:
    """Do the main job once and say what happened (contract.md, set-up)."""
    demonstration = Demonstration(
        home=invocation.home_given,
        keep=keep,
        texts=invocation.texts,
        clock=SystemClock(),
        environment=invocation.environment,
        width=invocation.columns(invocation.err),
        on_step=lambda step: _tell(invocation, step),
    )
    result = demonstration.run()
    if result.error is not None:
        if not invocation.as_json:
            raise result.error
        line = line_of(result.error, invocation.texts)
        if line is not None:
            invocation.tell(line.for_people())
        invocation.document(result.as_json())
        return Exit(result.error.exit_code)
    invocation.answer(result.as_json(), _story(invocation, result))
    return Exit.DONE if result.ok else Exit.FINDING


def _tell(invocation: Invocation, step: Step) -> None:
    sign = "✓" if step.ok else "✗"
    invocation.tell(
        f"{sign} {pad(invocation.texts(f'demo.step.{step.name}'), 12)} {step.detail}  ({step.seconds:.1f} s)"
    )
    for line in step.lines:
        invocation.tell(f"    {line}")


def _story(invocation: Invocation, result: DemoResult) -> list[str]:
    texts = invocation.texts
    values = {
        "program": invocation.program,
        "home": result.home,
        "files": result.files,
        "receipted": result.receipted,
        "verified": result.verified,
        "recording": result.recording,
    }
    lines = ["", *texts("demo.story", **values).split("\n"), "", *texts("demo.look", **values).split("\n")]
    if result.runner_pid is not None:
        lines += ["", texts("demo.kept", pid=result.runner_pid)]
    return lines
