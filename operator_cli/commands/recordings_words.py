"""What people say about a recording: `recordings tag`, `note`, `mark`; each a new signed event."""

from collections.abc import Sequence

import click

from evidence_model.canonical import Json, JsonObject
from evidence_model.events import EventKind
from evidence_model.instants import wire_instant
from evidence_store import queries
from host_io.clock import SystemClock
from operator_cli import interruptions
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import argument, command, option
from operator_cli.home_catalogue import home_catalogue
from operator_cli.invocation import Invocation
from operator_cli.people_time import zone_of
from operator_cli.policy_packs import reason_words, shipped_pack
from operator_cli.saying import say_about_recording
from policies.model import Explanation

SECRECY = ("state_secret", "trade_secret", "privacy")
"""Why a recording is not for everybody (WH-R29, DL-20, MS-R35)."""


@command("tag")
@argument("id_", metavar="ID")
@option("--case", default=None, metavar="NUMBER")
@option("--party", default=None, metavar="NAME")
@option("--handler", default=None, metavar="NAME")
@option("--activity", default=None, metavar="KIND")
@option("--place", default=None, metavar="TEXT")
def tag(invocation: Invocation, *, id_: str, **given: str | None) -> int:
    """Set tags (WH-R25); an empty value takes a tag away."""
    tags = {name: value.strip() for name, value in given.items() if value is not None}
    if not tags:
        raise WrongUsageError(invocation.texts("recordings.no_tag_given"))
    config = invocation.config()
    with home_catalogue(invocation.paths, config) as db:
        detail = queries.show_recording(db, id_)
    words: JsonObject = {"tags": dict(sorted(tags.items()))}
    events = say_about_recording(
        invocation.paths,
        config,
        kind=EventKind.TAGS_SET,
        recording=detail.summary.id,
        assets=[segment.asset_id for segment in detail.segments],
        words=words,
        clock=SystemClock(),
    )
    now = {name: value for name, value in {**detail.summary.tags, **tags}.items() if value}
    missing = [name for name in shipped_pack(config.policy).required_tags.value if name not in now]
    people = [invocation.texts("recordings.tagged", id=detail.summary.id)]
    if missing:
        names = invocation.texts.listed(invocation.texts(f"tag.{name}") for name in missing)
        rules = invocation.texts.listed(shipped_pack(config.policy).required_tags.source.rules)
        people.append(invocation.texts("recordings.missing_tags", names=names, rules=rules))
    document = {
        "id": detail.summary.id,
        "tags": now,
        "missing_tags": missing,
        "events": [event.event_id for event in events],
    }
    invocation.answer(document, people)
    return Exit.DONE


@command("note")
@argument("id_", metavar="ID")
@option("--gap", type=click.IntRange(min=1), default=None, metavar="N")
@option("--reason", required=True, metavar="REASON")
@option("--spoken-at", default=None, metavar="TIME")
@option("--statement", default=None, metavar="TEXT")
def note(
    invocation: Invocation, *, id_: str, gap: int | None, reason: str, spoken_at: str | None, statement: str | None
) -> int:
    """Explain an interruption: spoken in the footage, or in a written statement (WH-R18)."""
    config = invocation.config()
    statement = (statement or "").strip()
    _check_reason(invocation, reason, spoken_at=spoken_at, statement=statement)
    with home_catalogue(invocation.paths, config) as db:
        detail = queries.show_recording(db, id_)
        [found] = queries.timeline(db, recording=detail.summary.id)
        # what is said of no gap in it but of its end is often spoken in the next recording of that recorder
        spoken_in = queries.timeline(db, recorder=found.recorder_id) if spoken_at and gap is None else (found,)
    words: dict[str, Json] = {"reason": reason, "text": statement}
    assets: Sequence[str] = [segment.asset_id for segment in detail.segments]
    if gap is not None:
        one = interruptions.interruption(found, gap)
        assets = one.assets
        if one.from_at is not None:
            words["from_at"] = wire_instant(one.from_at)
        if one.until_at is not None:
            words["until_at"] = wire_instant(one.until_at)
    if spoken_at is not None:
        footage = [segment for recording in spoken_in for segment in recording.segments]
        words["spoken_at"] = wire_instant(interruptions.spoken_at(spoken_at, found, footage, zone_of(config.zone)))
    events = say_about_recording(
        invocation.paths,
        config,
        kind=EventKind.NOTE_INTERRUPTION,
        recording=detail.summary.id,
        assets=assets,
        words=words,
        clock=SystemClock(),
    )
    document = {"id": detail.summary.id, "gap": gap, **words, "events": [event.event_id for event in events]}
    invocation.answer(document, [invocation.texts("recordings.noted", id=detail.summary.id)])
    return Exit.DONE


@command("mark")
@argument("id_", metavar="ID")
@option("--level", type=click.Choice(SECRECY), required=True)
@option("--off", is_flag=True)
def mark(invocation: Invocation, *, id_: str, level: str, off: bool) -> int:
    """Mark a recording confidential, or take the mark away; both are signed."""
    config = invocation.config()
    with home_catalogue(invocation.paths, config) as db:
        detail = queries.show_recording(db, id_)
    events = say_about_recording(
        invocation.paths,
        config,
        kind=EventKind.RECORDING_MARKED,
        recording=detail.summary.id,
        assets=[segment.asset_id for segment in detail.segments],
        words={"mark": level, "on": not off},
        clock=SystemClock(),
    )
    document = {"id": detail.summary.id, "mark": level, "on": not off, "events": [event.event_id for event in events]}
    level_text = invocation.texts(f"mark.{level}")
    text = "recordings.unmarked" if off else "recordings.marked"
    invocation.answer(document, [invocation.texts(text, id=detail.summary.id, mark=level_text)])
    return Exit.DONE


def _check_reason(invocation: Invocation, reason: str, *, spoken_at: str | None, statement: str) -> None:
    """Refuse a reason that the pack does not have, and a note that leaves out what the rule asks for."""
    reasons = shipped_pack(invocation.config().policy).interruption_reasons
    chosen = reasons.get(reason)
    if chosen is None:
        words = reason_words(shipped_pack(invocation.config().policy), invocation.language)
        known = invocation.texts("list.apart").join(f"{name} = {text}" for name, text in words.items())
        raise WrongUsageError(invocation.texts("recordings.no_reason", reason=reason, known=known))
    needs_statement = chosen.explanation is Explanation.WORK_RECORD
    if not statement and (needs_statement or not spoken_at):
        text = "recordings.needs_statement" if needs_statement else "recordings.needs_words"
        raise WrongUsageError(invocation.texts(text, rules=invocation.texts.listed(chosen.source.rules)))
