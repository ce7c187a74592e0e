"""Signs what a person says about footage: tags, interruption notes, marks. A new event each time, nothing is changed.

The station's journal signs where this home has a station, else the centre's. The words are durable in the signer's
database when the command returns; they reach the log like every other event.
"""

import contextlib
import getpass
import hashlib
from collections.abc import Sequence

from chain_of_custody.event import Actor, Subject
from evidence_model.canonical import Json, JsonObject, canonical_bytes
from evidence_model.errors import UsageError
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId
from evidence_model.instants import Clock
from evidence_store.centre_book import open_centre_db
from host_io import keys, trust
from host_io.config import HomeConfig, HomePaths
from host_io.signed_journal import NewFact, SignedEvent, SignedJournal
from host_io.sm2 import open_sm2
from host_io.station_db import open_station_db, touch_wake

MAX_WORDS = 2000
MAX_ASSETS_PER_EVENT = 500  # an envelope has at most 60 KiB
_TAG_RULES = ("WH-R25",)
_NOTE_RULES = ("WH-R18",)


class TooLongError(UsageError):
    """A text is longer than an event should carry."""

    code = "CLI-014"


def say_about_recording(
    paths: HomePaths,
    config: HomeConfig,
    *,
    kind: EventKind,
    recording: str,
    assets: Sequence[str],
    words: JsonObject,
    clock: Clock,
) -> tuple[SignedEvent, ...]:
    """Sign one event (several for a very long recording) that lists its items, so that regrouping loses nothing."""
    for value in words.values():
        _refuse_long(value)
    sm2 = open_sm2(paths, config.station.id, clock) if config.role.pulls else None
    with contextlib.ExitStack() as stack:
        if config.role.pulls:
            db = stack.enter_context(contextlib.closing(open_station_db(paths)))
            signer = keys.read_signing_key(trust.station_key_path(paths, config.station.id))
            source, actor_kind = config.station.id, ActorKind.STATION
        else:
            db = stack.enter_context(contextlib.closing(open_centre_db(paths)))
            signer = keys.read_signing_key(trust.centre_key_path(paths))
            source, actor_kind = config.centre.id, ActorKind.CENTRE
        journal = SignedJournal(db, signer=signer, source=source, clock=clock, sm2=sm2)
        events = [
            journal.append(
                NewFact(
                    kind=kind,
                    subject=Subject(f"recording/{recording}", _identity(recording)),
                    body={
                        "assets": list(assets[start : start + MAX_ASSETS_PER_EVENT]),
                        "recording": recording,
                        "typed_by": _who(),
                        **words,
                    },
                    actor=Actor(actor_kind, source, ActorLevel.STATION),
                    rules=_NOTE_RULES if kind is EventKind.NOTE_INTERRUPTION else _TAG_RULES,
                    # in the chain of its first item: who leaves it out leaves a gap there
                    asset_id=AssetId(assets[start]) if assets else None,
                )
            )
            for start in range(0, max(len(assets), 1), MAX_ASSETS_PER_EVENT)
        ]
    if config.role.pulls:
        touch_wake(paths)
    return tuple(events)


def _identity(recording: str) -> bytes:
    """Return the SHA-256 of a recording's canonical identity (contract.md, custody event)."""
    return hashlib.sha256(canonical_bytes({"recording": recording})).digest()


def _who() -> str:
    """Return the machine's user who typed it: a claim, not a signature; people sign with their own keys later."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _refuse_long(value: Json) -> None:
    if isinstance(value, str) and len(value) > MAX_WORDS:
        raise TooLongError(f"{len(value)} > {MAX_WORDS}")
    if isinstance(value, dict):
        for member in value.values():
            _refuse_long(member)
