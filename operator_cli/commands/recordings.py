"""`evidock recordings`: search, show, timeline; the words people add are in recordings_words.py."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import click

from evidence_model.instants import wire_instant
from evidence_model.known import Known
from evidence_model.sizes import people_size
from evidence_model.timeline import Recording
from evidence_store import queries
from evidence_store.queries import RecordingDetail, RecordingFilter, RecordingSummary
from operator_cli.commands.recordings_words import mark, note, tag
from operator_cli.display import table
from operator_cli.errors import NotThereError
from operator_cli.exit_codes import Exit
from operator_cli.group import argument, group, option, subcommand
from operator_cli.home_catalogue import home_catalogue
from operator_cli.interruptions import explanations, gap_length_ms
from operator_cli.invocation import Invocation
from operator_cli.people_time import parse_people_time, people_time, zone_of
from operator_cli.policy_packs import reason_words, shipped_pack
from operator_cli.progress_line import duration_text
from operator_cli.timeline_drawing import draw, gaps_of
from policies.model import Pack

_PAGE = 500

recordings = group("recordings")
for _spoken in (tag, note, mark):
    recordings.add_command(_spoken)


@subcommand(recordings, "list")
@option("--recorder", metavar="ID", default=None)
@option("--since", metavar="TIME", default=None)
@option("--until", metavar="TIME", default=None)
@option("--case", metavar="NUMBER", default=None)
@option("--text", metavar="TEXT", default=None)
@option("--untagged", is_flag=True)
@option("--limit", type=click.IntRange(1, 100_000), default=200, metavar="N")
def list_(
    invocation: Invocation,
    *,
    recorder: str | None,
    since: str | None,
    until: str | None,
    case: str | None,
    text: str | None,
    untagged: bool,
    limit: int,
) -> int:
    """List recordings, the newest first, those on their way included."""
    config = invocation.config()
    zone = zone_of(config.zone)
    pack = shipped_pack(config.policy)
    wanted = RecordingFilter(
        since_at=parse_people_time(since, zone, option="--since") if since else None,
        until_at=parse_people_time(until, zone, option="--until", day_ends=True) if until else None,
        tags={"case": case} if case else {},
        text=text,
        limit=limit + 1,
    )
    with home_catalogue(invocation.paths, config) as db:
        wanted = replace(wanted, recorder=_recorder(db, recorder))
        found = list(_lacking_tags(db, wanted, pack)) if untagged else queries.list_recordings(db, wanted)
    invocation.tell_if_cut(len(found), limit)
    shown = found[:limit]
    texts = invocation.texts
    rows = [
        (
            one.id,
            people_time(one.start_at, zone, unknown=texts("word.unknown")),
            _length(one),
            one.recorder,
            str(one.file_count),
            people_size(one.size_bytes),
            texts("recordings.stored") if one.received_count == one.file_count else texts("recordings.on_the_way"),
            one.tags.get("case", "") or texts("recordings.no_case"),
            str(one.finding_count or ""),
        )
        for one in shown
    ]
    heads = tuple(
        texts(f"recordings.head.{name}")
        for name in ("id", "start", "length", "recorder", "files", "size", "state", "case", "findings")
    )
    people = table(rows, heads=heads, right=(2, 4, 5, 8)) if rows else [texts("recordings.none")]
    invocation.answer([{**one.as_json(), "missing_tags": missing_tags(one.tags, pack)} for one in shown], people)
    return Exit.DONE


@subcommand(recordings, "show")
@argument("id_", metavar="ID")
def show(invocation: Invocation, *, id_: str) -> int:
    """Show one recording; the beginning of its id is enough."""
    config = invocation.config()
    pack = shipped_pack(config.policy)
    with home_catalogue(invocation.paths, config) as db:
        detail = queries.show_recording(db, id_)
        [recording] = queries.timeline(db, recording=detail.summary.id) or [None]
    document = {**detail.as_json(), "missing_tags": missing_tags(detail.summary.tags, pack)}
    invocation.answer(document, _detail_lines(invocation, detail, recording, pack))
    return Exit.DONE


@subcommand(recordings, "timeline")
@argument("id_", metavar="ID", required=False)
@option("--recorder", metavar="ID", default=None)
def timeline(invocation: Invocation, *, id_: str | None, recorder: str | None) -> int:
    """Draw one recording, those of a recorder, or all; interruptions are numbered for `recordings note --gap`."""
    config = invocation.config()
    zone = zone_of(config.zone)
    texts = invocation.texts
    words = reason_words(shipped_pack(config.policy), invocation.language)
    documents: list[dict[str, object]] = []
    people: list[str] = []
    with home_catalogue(invocation.paths, config) as db:
        wanted = queries.show_recording(db, id_).summary.id if id_ else None
        for recording in queries.timeline(db, recorder=_recorder(db, recorder), recording=wanted):
            said = queries.show_recording(db, recording.id).notes
            documents.append(recording_as_json(recording, explanations(recording, said)))
            notes = explanations(recording, said, reasons=words)
            people += ["", *draw(recording, texts, zone=zone, width=invocation.columns(invocation.out), notes=notes)]
    invocation.answer(documents, people[1:] if people else [texts("timeline.nothing")])
    return Exit.DONE


def missing_tags(tags: Mapping[str, str], pack: Pack) -> list[str]:
    """Return the required tags that a recording lacks (WH-R25)."""
    return [name for name in pack.required_tags.value if not tags.get(name)]


def recording_as_json(recording: Recording, notes: Mapping[int, str]) -> dict[str, object]:
    """Return a recording's timeline as a document; `number` counts interruptions as `note --gap` does."""
    numbers = {id(gap): number for number, gap in enumerate(gaps_of(recording), start=1)}
    return {
        "id": recording.id,
        "recorder": recording.recorder_id,
        "start_at": wire_instant(recording.start_at.value) if isinstance(recording.start_at, Known) else None,
        "end_at": wire_instant(recording.end_at.value) if isinstance(recording.end_at, Known) else None,
        "segments": [
            {
                "id": segment.asset_id,
                "path_hex": segment.raw_path.hex(),
                "start_at": wire_instant(segment.start_at.value) if isinstance(segment.start_at, Known) else None,
                "duration_ms": segment.duration.value // timedelta(milliseconds=1)
                if isinstance(segment.duration, Known)
                else None,
                "locked": segment.locked,
            }
            for segment in recording.segments
        ],
        "findings": [
            {
                "code": finding.kind.value,
                "kind": finding.kind.name.lower(),
                "number": numbers.get(id(finding)),
                "after": finding.after or None,
                "before": finding.before or None,
                "length_ms": gap_length_ms(finding),
                "first_missing": finding.first_missing or None,
                "last_missing": finding.last_missing or None,
                "note": notes.get(numbers.get(id(finding), 0)),
            }
            for finding in recording.findings
        ],
    }


def _recorder(db: sqlite3.Connection, name: str | None) -> str | None:
    """Return the one recorder whose id is this or begins so.

    Raises:
        NotThereError: there is none, or more than one.
    """
    if name is None:
        return None
    rows = db.execute("select distinct recorder_id from recording order by recorder_id")
    ids: list[str] = [row["recorder_id"] for row in rows]
    found = [each for each in ids if each == name] or [each for each in ids if each.startswith(name)]
    if len(found) != 1:
        raise NotThereError(f"--recorder {name}" + (f" ({' '.join(found[:5])})" if found else ""))
    return found[0]


def _lacking_tags(db: sqlite3.Connection, wanted: RecordingFilter, pack: Pack) -> Iterator[RecordingSummary]:
    """Yield, newest first, what lacks a required tag, as many as are wanted."""
    left, page = wanted.limit, replace(wanted, limit=_PAGE)
    while found := queries.list_recordings(db, page):
        for one in found:
            if left and missing_tags(one.tags, pack):
                left -= 1
                yield one
        if not left:
            return
        page = replace(page, offset=page.offset + _PAGE)


def _length(one: RecordingSummary) -> str:
    if one.start_at is None or one.end_at is None:
        return ""
    return duration_text((one.end_at - one.start_at).total_seconds())


def _detail_lines(
    invocation: Invocation, detail: RecordingDetail, recording: Recording | None, pack: Pack
) -> list[str]:
    texts, summary = invocation.texts, detail.summary
    zone = zone_of(invocation.config().zone)
    lines: list[str] = []
    if recording is not None:
        notes = explanations(recording, detail.notes, reasons=reason_words(pack, invocation.language))
        lines += draw(recording, texts, zone=zone, width=invocation.columns(invocation.out), notes=notes)
    lines.append(
        texts(
            "recordings.state",
            received=summary.received_count,
            files=summary.file_count,
            size=people_size(summary.size_bytes),
            station=summary.station,
        )
    )
    for name, value in summary.tags.items():
        lines.append(f"  {texts.headed(texts(f'tag.{name}'), value)}")
    if missing := missing_tags(summary.tags, pack):
        names = texts.listed(texts(f"tag.{name}") for name in missing)
        lines.append(texts("recordings.missing_tags", names=names, rules=texts.listed(pack.required_tags.source.rules)))
    lines += [f"  {texts('recordings.mark', mark=texts(f'mark.{mark}'))}" for mark in summary.marks]
    lines += [
        f"  {one.name}: sha256 {one.sha256[:12]}… " + texts.listed(one.flags) for one in detail.segments if one.flags
    ]
    return lines
