"""`evidock verify PATH`: is everything still what it was signed to be?"""

from pathlib import Path

from evidence_model.findings import Severity, worst_first
from evidence_model.sizes import people_size
from evidence_store.fsck import verify_home_summary
from host_io.clock import SystemClock
from host_io.config import HomePaths
from operator_cli.errors import NotThereError, WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, argument, command, option
from operator_cli.invocation import Invocation
from operator_cli.package_check import is_package, verify_package
from operator_cli.progress_line import ProgressLine, duration_text

_SHOWN_FINDINGS = 50


@command("verify")
@option("--trust", type=PATH, metavar="FILE", default=None)
@option("--recipient", metavar="NAME", default=None)
@option("--min-time", metavar="INSTANT", default=None)
@argument("path", type=PATH, required=False)
def verify(
    invocation: Invocation, *, path: Path | None, trust: Path | None, recipient: str | None, min_time: str | None
) -> int:
    """Verify a home or a package offline: 0 all agrees, 1 a fault, 5 damage; what is wrong is named with its code."""
    paths = HomePaths(path.absolute()) if path is not None else invocation.paths
    if is_package(paths.root):
        return verify_package(invocation, paths.root, trust, recipient=recipient, min_time=min_time)
    if (trust, recipient, min_time) != (None, None, None):
        raise WrongUsageError(invocation.texts("verify.of_packages"))
    if not paths.root.is_dir() or not (paths.config.exists() or paths.trust.exists()):
        raise NotThereError(invocation.texts("verify.no_home", path=paths.root))
    clock = SystemClock()
    line = ProgressLine(invocation, mono=clock.mono)
    started = clock.mono()
    summary = verify_home_summary(
        paths,
        progress=lambda done, total: line.say(
            invocation.texts("verify.progress", done=people_size(done), total=people_size(total))
        ),
    )
    line.done()
    people = []
    for finding in worst_first(summary.findings)[:_SHOWN_FINDINGS]:
        known = invocation.texts.finding(finding.code)
        details = "".join(f" {name}={value}" for name, value in finding.details.items())
        sign = "·" if finding.severity is Severity.NOTE else "✗"
        people.append(f"{sign} {invocation.texts.headed(finding.subject, known.title)}{details} [{finding.code}]")
    if len(summary.findings) > _SHOWN_FINDINGS:
        people.append(invocation.texts("verify.more", count=len(summary.findings) - _SHOWN_FINDINGS))
    exit_code = Exit(summary.exit_code)
    people.append(
        invocation.texts(
            f"verify.exit_{exit_code.value}",
            files=summary.files,
            size=people_size(summary.bytes),
            events=summary.events,
            time=duration_text(clock.mono() - started),
        )
    )
    invocation.answer(summary.as_json(), people)
    return exit_code
