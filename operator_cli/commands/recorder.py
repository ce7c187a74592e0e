"""`evidock recorder`: recorders that were docked here, models that are known, clearing."""

from pathlib import Path

from edge_agent.by_hand import free_inline
from edge_agent.errors import AgentRunningError
from edge_agent.profile_reader import shipped_profiles
from evidence_model.ids import RecorderId
from evidence_model.names import display_name
from evidence_model.sizes import people_size
from operator_cli.commands.dock import existing_folder
from operator_cli.display import table
from operator_cli.errors import AgentAtWorkError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, RECORDER, argument, group, option, subcommand
from operator_cli.invocation import Invocation
from operator_cli.people_time import people_time, zone_of
from operator_cli.recorder_view import facts_of, recorder_row, recorders, stays_of
from operator_cli.station_view import items_of_recorder, station_reading
from operator_cli.texts import Language

recorder = group("recorder")


@subcommand(recorder, "list")
def list_(invocation: Invocation) -> int:
    """List the recorders that were docked here."""
    zone = zone_of(invocation.config().zone)
    texts = invocation.texts
    with station_reading(invocation.paths) as db:
        rows = recorders(db) if db is not None else []
    heads = tuple(texts(f"recorder.head.{name}") for name in ("id", "profile", "last", "files", "bytes", "open"))
    lines = [
        (
            row.recorder_id,
            row.profile,
            people_time(row.last_docked_at, zone, unknown=texts("word.unknown")),
            str(row.file_count),
            people_size(row.byte_count),
            str(row.not_receipted_count + row.awaited_count),
        )
        for row in rows
    ]
    people = table(lines, heads=heads, right=(3, 4, 5)) if rows else [texts("recorder.none")]
    invocation.answer([row.as_json() for row in rows], people)
    return Exit.DONE


@subcommand(recorder, "show")
@argument("id_", metavar="ID")
def show(invocation: Invocation, *, id_: str) -> int:
    """Show one recorder; the beginning of its id is enough."""
    zone = zone_of(invocation.config().zone)
    texts = invocation.texts
    with station_reading(invocation.paths) as db:
        row = recorder_row(db, id_)
        assert db is not None  # noqa: S101 - recorder_row found it there
        facts, claims = facts_of(db, row.recorder_id)
        stays = stays_of(db, row.recorder_id)
        items = items_of_recorder(db, row.recorder_id)
    document = {
        **row.as_json(),
        "facts": facts,
        "claims": claims,
        "stays": [stay.as_json() for stay in stays],
        "items": [item.as_json() for item in items],
    }
    people = [texts("recorder.shown", id=row.recorder_id, profile=row.profile, trust=texts(f"trust.{row.trust}"))]
    people += [f"  {name} = {value}" for name, value in facts.items()]
    people.append(texts("recorder.stays"))
    people += [
        "  " + line
        for line in table(
            [
                (
                    people_time(stay.started_at, zone, unknown=texts("word.unknown")),
                    texts(f"session.{stay.state}"),
                    texts(f"verdict.{stay.verdict or 'unknown'}"),
                    stay.problem or "",
                    stay.place,
                )
                for stay in stays
            ]
        )
    ]
    people.append(texts("recorder.items", count=len(items), size=people_size(row.byte_count)))
    people += [
        "  " + line
        for line in table(
            [
                (display_name(item.raw_path), people_size(item.size_bytes), texts(f"state.{item.state.value}"))
                for item in items
            ],
            right=(1,),
        )
    ]
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(recorder, "profiles")
def profiles(invocation: Invocation) -> int:
    """List the recorder models this version knows."""
    chinese = invocation.language is Language.ZH
    known = [*shipped_profiles().profiles]
    rows = [
        {
            "id": one.id,
            "title": one.title_zh if chinese else one.title_en,
            "pull": one.pull.value,
            "zone": str(one.zone),
        }
        for one in known
    ]
    texts = invocation.texts
    people = table(
        [(one.id, one.title_zh if chinese else one.title_en, texts(f"pull.{one.pull.value}")) for one in known]
    )
    invocation.answer(rows, people)
    return Exit.DONE


@subcommand(recorder, "free")
@argument("path", type=PATH)
@option("--recorder", "recorder_", type=RECORDER, metavar="ID", default=None)
def free(invocation: Invocation, *, path: Path, recorder_: RecorderId | None) -> int:
    """Clear files whose receipts verified; exit 3 if anything was refused."""
    texts = invocation.texts
    try:
        outcomes = free_inline(
            invocation.paths,
            invocation.config(),
            existing_folder(invocation, path),
            recorder=recorder_,
        )
    except AgentRunningError as error:
        raise AgentAtWorkError(str(path)) from error
    rows = [outcome.as_json() for outcome in outcomes]
    refused = [outcome for outcome in outcomes if not outcome.freed]
    people = table(
        [
            (
                display_name(outcome.raw_path),
                texts("recorder.freed" if outcome.freed else "recorder.kept"),
                texts("list.apart").join(texts(f"keep.{reason.value}") for reason in outcome.keep),
            )
            for outcome in outcomes
        ]
    )
    people.append(texts("recorder.free_done", freed=len(outcomes) - len(refused), kept=len(refused)))
    invocation.answer(rows, people)
    return Exit.REFUSED if refused else Exit.DONE
