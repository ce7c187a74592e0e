"""`evidock preflight PATH`: is this recorder fit to go out? Nothing is pulled or signed."""

from pathlib import Path

from edge_agent.by_hand import preflight_inline
from edge_agent.preflight import Preflight, Verdict
from evidence_model.ids import RecorderId
from evidence_model.known import Known
from operator_cli.commands.dock import existing_folder
from operator_cli.display import pad
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, RECORDER, argument, command, option
from operator_cli.invocation import Invocation

SIGNS = {Verdict.PASS: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


@command("preflight")
@argument("path", type=PATH)
@option("--recorder", type=RECORDER, metavar="ID", default=None)
def preflight(invocation: Invocation, *, path: Path, recorder: RecorderId | None) -> int:
    """Check battery, storage, clock, pending footage (MS-D4, XM-D4); exit 1 on fail."""
    checked = preflight_inline(
        invocation.paths,
        invocation.config(),
        existing_folder(invocation, path),
        recorder=recorder,
    )
    invocation.answer(checked.as_json(invocation.texts), preflight_lines(checked, invocation))
    return Exit.FINDING if checked.verdict is Verdict.FAIL else Exit.DONE


def preflight_lines(checked: Preflight, invocation: Invocation) -> list[str]:
    """Return the check for people: each line what was seen, under it what to do."""
    texts = invocation.texts
    lines = []
    for check in checked.checks:
        reason = texts(f"preflight.{check.reason}", **check.values)
        known = isinstance(check.value, Known)
        sign = SIGNS[check.verdict] if known or check.verdict is not Verdict.PASS else "?"
        lines.append(f"{sign} {pad(texts(f'check.{check.name}'), 14)} {reason}")
        if check.fix:
            lines.append(f"{'':17}→ {texts(f'preflight.{check.fix}', **check.values)}")
    rules = texts.listed(checked.rules)
    lines.append(texts("preflight.result", verdict=texts(f"verdict.{checked.verdict.value}"), rules=rules))
    return lines
