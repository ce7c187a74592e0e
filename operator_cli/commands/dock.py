"""`evidock dock PATH`: a folder or mounted volume as a docked recorder."""

from pathlib import Path

import click

from edge_agent.session_book import SessionResult
from evidence_model.findings import Severity
from evidence_model.ids import RecorderId
from evidence_model.names import display_name
from evidence_model.sizes import people_size
from evidence_model.states import SessionState
from host_io.clock import SystemClock
from operator_cli.display import table
from operator_cli.docking import Docked, WaitFor, docked, gives_receipts, wait_for_receipts
from operator_cli.docking import dock as dock_folder
from operator_cli.errors import NotThereError, WrongUsageError
from operator_cli.exit_codes import Exit, worst
from operator_cli.group import PATH, RECORDER, argument, command, option
from operator_cli.invocation import Invocation
from operator_cli.progress_line import ProgressLine, duration_text

_SHOWN_FILES = 20


@command("dock")
@argument("path", type=PATH)
@option("--wait", type=click.Choice([moment.value for moment in WaitFor]), default=WaitFor.SPOOLED.value)
@option("--recorder", type=RECORDER, metavar="ID", default=None)
@option("--timeout", type=click.IntRange(min=1), default=600, metavar="SECONDS")
def dock(invocation: Invocation, *, path: Path, wait: str, recorder: RecorderId | None, timeout: int) -> int:
    """Identify, check, pull, sign; wait as told (contract.md)."""
    config = invocation.config()
    if not config.role.pulls:
        raise WrongUsageError(invocation.texts("dock.centre"))
    folder = existing_folder(invocation, path)
    clock = SystemClock()
    line = ProgressLine(invocation, mono=clock.mono)
    started = clock.mono()
    was_running = gives_receipts(invocation.paths, config)
    try:
        result = dock_folder(
            invocation.paths,
            config,
            folder,
            recorder=recorder,
            clock=clock,
            on_progress=line.show,
        )
        if WaitFor(wait) is WaitFor.RECEIVED and result.files:
            wait_for_receipts(
                invocation.paths,
                config,
                result,
                clock=clock,
                most_seconds=timeout,
                was_running=was_running,
                on_count=lambda done, total: line.say(invocation.texts("dock.receipts", done=done, total=total)),
            )
    finally:
        line.done()
    outcome = docked(invocation.paths, result)
    seconds = clock.mono() - started
    invocation.answer(document_of(outcome, seconds), _people(invocation, outcome, seconds))
    return exit_of(result)


def existing_folder(invocation: Invocation, path: Path) -> Path:
    """Return the absolute path of a folder.

    Raises:
        NotThereError: there is none.
        WrongUsageError: it is something else.
    """
    if not path.exists():
        raise NotThereError(str(path))
    if not path.is_dir():
        raise WrongUsageError(invocation.texts("error.no_folder", path=path))
    return path.absolute()


def exit_of(result: SessionResult) -> Exit:
    """Return what the session comes to: a file that was lost is damage, one that waits is the environment's fault."""
    of_severity = {Severity.DAMAGE: Exit.DAMAGE, Severity.FAULT: Exit.FINDING, Severity.NOTE: Exit.DONE}
    codes = [of_severity[finding.severity] for finding in result.findings]
    match result.state:
        case SessionState.WAITING | SessionState.INTERRUPTED:
            codes.append(Exit.ENVIRONMENT)
        case SessionState.FAILED:
            codes.append(Exit.DAMAGE if Exit.DAMAGE in codes else Exit.REFUSED)
        case _:
            pass
    return worst(*codes)


def document_of(outcome: Docked, seconds: float) -> dict[str, object]:
    """Return the result as `--json` gives it."""
    result = outcome.result
    new = {file.asset_id for file in result.files if file.is_new}
    return {
        "session": result.session_id,
        "recorder": result.recorder_id,
        "profile": result.profile,
        "state": result.state.value,
        "verdict": result.verdict,
        "files": [{**item.as_json(), "new": item.asset_id in new} for item in outcome.items],
        "bytes": sum(item.size_bytes for item in outcome.items),
        "new": len(new),
        "receipted": outcome.receipted_count,
        "findings": [finding.as_json() for finding in result.findings],
        "problem": result.problem,
        "problem_text": result.problem_text,
        "seconds": round(seconds, 3),
    }


def _people(invocation: Invocation, outcome: Docked, seconds: float) -> list[str]:
    texts, result = invocation.texts, outcome.result
    unknown = texts("word.unknown")
    verdict = texts(f"verdict.{result.verdict}") if result.verdict else unknown
    lines = [
        texts(
            "dock.recorder", recorder=result.recorder_id or unknown, profile=result.profile or unknown, verdict=verdict
        )
    ]
    rows = [
        (display_name(item.raw_path), people_size(item.size_bytes), texts(f"state.{item.state.value}"))
        for item in outcome.items[:_SHOWN_FILES]
    ]
    lines += [f"  {line}" for line in table(rows, right=(1,))]
    if len(outcome.items) > _SHOWN_FILES:
        lines.append("  " + texts("dock.more_files", count=len(outcome.items) - _SHOWN_FILES))
    for finding in result.findings:
        known = texts.finding(finding.code)
        lines.append(f"! {texts.headed(finding.subject, known.title)} → {known.fix} [{finding.code}]")
    if result.problem:
        known = texts.finding(result.problem)
        lines.append(f"! {texts.headed(known.title, result.problem_text or '')} → {known.fix} [{result.problem}]")
    lines.append(
        texts(
            "dock.done",
            files=len(outcome.items),
            new=sum(file.is_new for file in result.files),
            size=people_size(sum(item.size_bytes for item in outcome.items)),
            receipted=outcome.receipted_count,
            time=duration_text(seconds),
        )
    )
    return lines
