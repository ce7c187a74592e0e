"""`evidock doctor`: what this machine lacks, why it matters, the one command that mends it."""

from collections.abc import Sequence

from host_io.clock import SystemClock
from operator_cli.display import pad, width_of
from operator_cli.exit_codes import Exit
from operator_cli.group import command
from operator_cli.invocation import Invocation
from operator_cli.machine_checks import Check, CheckVerdict, check_machine, is_home

_SIGNS = {CheckVerdict.OK: "✓", CheckVerdict.WARN: "!", CheckVerdict.FAIL: "✗", CheckVerdict.UNKNOWN: "?"}


@command("doctor")
def doctor(invocation: Invocation) -> int:
    """Look at everything; exit 1 if a check did not pass (warnings pass)."""
    checks = list(check_machine(invocation.paths, clock=SystemClock()))
    failed = [check for check in checks if check.verdict is CheckVerdict.FAIL]
    invocation.answer(_document(invocation, checks), _people(invocation, checks))
    return Exit.FINDING if failed else Exit.DONE


def _document(invocation: Invocation, checks: Sequence[Check]) -> dict[str, object]:
    texts = invocation.texts
    return {
        "ok": all(check.verdict is not CheckVerdict.FAIL for check in checks),
        "home": str(invocation.paths.root) if is_home(invocation.paths) else None,
        "checks": [
            {
                "id": check.id,
                "verdict": check.verdict.value,
                "what": texts(f"doctor.{check.id}"),
                "found": check.found,
                "why": texts(f"doctor.{check.id}.why"),
                "fix": check.fix,
            }
            for check in checks
        ],
    }


def _people(invocation: Invocation, checks: Sequence[Check]) -> list[str]:
    texts = invocation.texts
    lines = []
    width = max(width_of(texts(f"doctor.{check.id}")) for check in checks)
    for check in checks:
        lines.append(f"{_SIGNS[check.verdict]} {pad(texts(f'doctor.{check.id}'), width)} {check.found}")
        if check.verdict is not CheckVerdict.OK:
            lines.append(f"    {texts(f'doctor.{check.id}.why')}")
            if check.fix:
                lines.append(f"    → {check.fix}")
    if not is_home(invocation.paths):
        lines.append(texts("doctor.no_home", program=invocation.program, home=invocation.paths.root))
    lines.append(texts("doctor.all_well" if not any(check.fix for check in checks) else "doctor.see_arrows"))
    return lines
