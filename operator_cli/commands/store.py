"""`evidock store`: looking after the central store."""

import click

from evidence_model.findings import Severity
from evidence_model.sizes import people_size
from evidence_store.errors import StoreRunningError
from evidence_store.fixity_now import FixityRun, fixity_figures, fixity_now
from evidence_store.fixity_worker import fixity_request
from evidence_store.rebuild import rebuild as rebuild_catalogue
from host_io import durable
from host_io.clock import SystemClock
from host_io.config import HomeConfig
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import group, option, subcommand
from operator_cli.invocation import Invocation
from operator_cli.people_time import people_time, zone_of
from operator_cli.progress_line import ProgressLine, copy_progress

store = group("store")


@subcommand(store, "rebuild")
def rebuild(invocation: Invocation) -> int:
    """Make the catalogue anew from log and vault; the store must be stopped."""
    _of_a_store(invocation)
    count = rebuild_catalogue(invocation.paths)
    invocation.answer({"ok": True, "events": count}, [invocation.texts("store.rebuilt", count=count)])
    return Exit.DONE


@subcommand(store, "fixity")
@option("--now", is_flag=True)
@option("--limit", type=click.IntRange(1, 1_000_000_000), default=None, metavar="N")
def fixity(invocation: Invocation, *, now: bool, limit: int | None) -> int:
    """Show how far the vault was read again, or read it now; exit 1 on a fault, 5 on damage."""
    config = _of_a_store(invocation)
    if not now:
        return _show(invocation, config)
    clock = SystemClock()
    line, started = ProgressLine(invocation, mono=clock.mono), clock.mono()
    try:
        run = fixity_now(
            invocation.paths,
            config,
            clock=clock,
            limit=limit,
            progress=lambda done, total: line.say(
                copy_progress(done, total, seconds=clock.mono() - started, texts=invocation.texts)
            ),
        )
    except StoreRunningError:
        request = fixity_request(invocation.paths)
        durable.make_folders(request.parent)
        durable.write_file(request, str(limit or "").encode("ascii"))
        invocation.answer({"asked": True}, [invocation.texts("fixity.asked")])
        return Exit.DONE
    finally:
        line.done()
    return _ran(invocation, run)


def _show(invocation: Invocation, config: HomeConfig) -> int:
    clock, texts, zone = SystemClock(), invocation.texts, zone_of(config.zone)
    seen = fixity_figures(invocation.paths, config, now=clock.now())
    never = texts("word.never")
    people = [
        texts("fixity.checked", days=config.centre.fixity_days, count=seen.checked_count, total=seen.file_count),
        texts("fixity.left", count=seen.left_count, oldest=people_time(seen.oldest_read_at, zone, unknown=never)),
        texts("fixity.due", count=seen.due_count, size=people_size(seen.due_bytes)),
        texts("fixity.next", time=people_time(seen.next_by, zone, unknown=never)),
    ]
    if seen.is_asked:
        people.append(texts("fixity.asked"))
    invocation.answer(seen.as_json(), people)
    return Exit.FINDING if seen.late_count else Exit.DONE


def _ran(invocation: Invocation, run: FixityRun) -> int:
    people = [invocation.texts("fixity.done", count=run.file_count, size=people_size(run.size_bytes))]
    people += [
        f"! {finding.subject}: {invocation.texts.finding(finding.code).title} [{finding.code}]"
        for finding in run.findings
    ]
    invocation.answer(run.as_json(), people)
    severities = {finding.severity for finding in run.findings}
    if Severity.DAMAGE in severities:
        return Exit.DAMAGE
    return Exit.FINDING if Severity.FAULT in severities else Exit.DONE


def _of_a_store(invocation: Invocation) -> HomeConfig:
    config = invocation.config()
    if not config.role.stores:
        raise WrongUsageError(invocation.texts("store.none_here"))
    return config
