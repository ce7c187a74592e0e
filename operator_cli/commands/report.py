"""`evidock report`: figures for people and programs."""

import contextlib
import csv
import io

import click

from evidence_store.custody_queries import open_catalogue
from evidence_store.reconcile import reconcile
from host_io.clock import SystemClock
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import group, option, subcommand
from operator_cli.invocation import Invocation

report = group("report")


@subcommand(report, "reconciliation")
@option("--format", "format_", type=click.Choice(["text", "json", "csv"]), default="text")
def reconciliation(invocation: Invocation, *, format_: str) -> int:
    """Compare what was seen on recorders with what the store holds; exit 1 if they differ."""
    if not invocation.config().role.stores:
        raise WrongUsageError(invocation.texts("store.none_here"))
    with contextlib.closing(open_catalogue(invocation.paths)) as db:
        found = reconcile(db, now=SystemClock().now())
    texts = invocation.texts
    if format_ == "json":
        invocation.as_json = True
    if format_ == "csv":
        people = _csv([("code", "subject"), *((finding.code, finding.subject) for finding in found.findings)])
    else:
        people = [
            texts(
                "report.reconciliation",
                docks=found.dock_count,
                files=found.file_count,
                received=found.received_count,
                on_the_way=found.on_the_way_count,
                explained=found.explained_count,
            )
        ]
        for finding in found.findings:
            known = texts.finding(finding.code)
            people.append(f"! {texts.headed(finding.subject, known.title)} → {known.fix} [{finding.code}]")
        people.append(texts("report.agrees" if not found.findings else "report.differs", count=len(found.findings)))
    document = {
        "docks": found.dock_count,
        "files": found.file_count,
        "received": found.received_count,
        "on_the_way": found.on_the_way_count,
        "explained": found.explained_count,
        "findings": [finding.as_json() for finding in found.findings],
    }
    invocation.answer(document, people)
    return Exit.FINDING if found.findings else Exit.DONE


def _csv(rows: list[tuple[str, ...]]) -> list[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().splitlines()
