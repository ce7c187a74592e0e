"""`evidock status`: how this home is, at one look."""

from collections.abc import Sequence

from evidence_model.findings import Severity
from evidence_model.known import Known
from evidence_model.sizes import people_size
from host_io.clock import SystemClock
from operator_cli.display import table
from operator_cli.exit_codes import Exit
from operator_cli.group import command
from operator_cli.home_programs import Program, programs_of
from operator_cli.home_status import HomeStatus, look
from operator_cli.invocation import Invocation
from operator_cli.people_time import people_time, zone_of
from operator_cli.progress_line import progress_text

_SHOWN = 10


@command("status")
def status(invocation: Invocation) -> int:
    """Show recorders, queues, deadlines, receipts; exit 1 on an overdue item or an open fault, 5 on damage."""
    config = invocation.config()
    seen = look(invocation.paths, config, now=SystemClock().now())
    invocation.answer(seen.as_json(invocation.paths), _people(invocation, seen))
    severities = {finding.severity for finding in seen.findings}
    if Severity.DAMAGE in severities:
        return Exit.DAMAGE
    overdue = any(deadline.overdue for deadline in seen.deadlines)
    return Exit.FINDING if overdue or Severity.FAULT in severities else Exit.DONE


def _people(invocation: Invocation, seen: HomeStatus) -> list[str]:
    texts, config = invocation.texts, seen.config
    lines = [
        texts(
            "status.home", home=invocation.paths.root, role=texts(f"role.{config.role.value}"), unit=config.unit or "-"
        ),
        _running_line(invocation, seen),
    ]
    for progress in seen.docking:
        head = f"  {progress.recorder_id or ''} "
        lines.append(head + progress_text(progress, texts, width=invocation.columns(invocation.out) - len(head)))
    lines += _recorder_lines(invocation, seen)
    waiting = seen.waiting
    if waiting.envelope_count or waiting.item_count:
        values = {
            "files": waiting.item_count,
            "size": people_size(waiting.byte_count),
            "events": waiting.envelope_count,
        }
        lines.append(texts("status.waiting", **values))
    elif config.role.pulls:
        lines.append(texts("status.nothing_waits"))
    lines += _deadline_lines(invocation, seen)
    lines += _moment_lines(invocation, seen)
    for finding in seen.findings[:_SHOWN]:
        known = texts.finding(finding.code)
        sign = "·" if finding.severity is Severity.NOTE else "!"
        lines.append(f"{sign} {texts.headed(finding.subject, known.title)} → {known.fix} [{finding.code}]")
    return lines + _more(invocation, seen.findings)


def _running_line(invocation: Invocation, seen: HomeStatus) -> str:
    wanted = set(programs_of(seen.config)) - {Program.BROKER}
    missing = [program.value for program in Program if program in wanted - seen.running.programs]
    if not missing:
        return invocation.texts("status.running")
    if len(missing) == len(wanted):
        return invocation.texts("status.not_running", program=invocation.program, home=invocation.paths.root)
    return invocation.texts("status.partly_running", names=invocation.texts.listed(missing))


def _recorder_lines(invocation: Invocation, seen: HomeStatus) -> list[str]:
    zone, texts = zone_of(seen.config.zone), invocation.texts
    rows = [
        (
            row.recorder_id,
            row.profile,
            people_time(row.last_docked_at, zone, unknown=""),
            texts("status.files", count=row.file_count),
            texts("status.open", count=row.not_receipted_count + row.awaited_count)
            if row.not_receipted_count + row.awaited_count
            else texts("status.all_receipted"),
        )
        for row in seen.recorders[:_SHOWN]
    ]
    return [f"  {line}" for line in [*table(rows), *_more(invocation, seen.recorders)]]


def _deadline_lines(invocation: Invocation, seen: HomeStatus) -> list[str]:
    zone, texts = zone_of(seen.config.zone), invocation.texts
    lines = []
    for deadline in seen.deadlines[:_SHOWN]:
        due = deadline.due_at.value if isinstance(deadline.due_at, Known) else None
        kind = "overdue" if deadline.overdue else "soon" if deadline.soon else "due" if due else "undated"
        lines.append(
            texts(
                f"status.{kind}",
                id=deadline.recording_id,
                time=people_time(due, zone, unknown=texts("word.unknown")),
                rules=texts.listed(deadline.rules),
            )
        )
    return lines + _more(invocation, seen.deadlines)


def _moment_lines(invocation: Invocation, seen: HomeStatus) -> list[str]:
    zone, texts = zone_of(seen.config.zone), invocation.texts
    never = texts("word.never")
    lines = []
    if seen.config.role.pulls:
        lines.append(texts("status.last_receipt", time=people_time(seen.last_receipt_at, zone, unknown=never)))
    if seen.store is not None:
        lines.append(
            texts(
                "status.store",
                items=seen.store.item_count,
                size=people_size(seen.store.blob_bytes),
                log=seen.store.log_size,
            )
        )
        verified = people_time(seen.store.last_verification_at, zone, unknown=never)
        reconciled = people_time(seen.store.last_reconciliation_at, zone, unknown=never)
        reread = people_time(seen.store.last_fixity_at, zone, unknown=never)
        lines.append(texts("status.last_checks", verified=verified, reconciled=reconciled, reread=reread))
        if seen.config.centre.time_authorities:
            stamped = people_time(seen.store.last_stamp_at, zone, unknown=never)
            minutes = "–" if seen.stamp_age_seconds is None else seen.stamp_age_seconds // 60
            lines.append(texts("status.last_stamp", time=stamped, minutes=minutes))
    return lines


def _more(invocation: Invocation, listed: Sequence[object]) -> list[str]:
    """Return the line that says how much of a list was left out, if any."""
    left = len(listed) - _SHOWN
    return [invocation.texts("verify.more", count=left)] if left > 0 else []
