"""The custody event in an envelope: an in-toto Statement with our predicate, every member there and none besides."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .envelope import Envelope
from .strict import RefusedError, base64_bytes, canonical_object, hex_bytes, members, number, text_of

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_FIRST_PREV = bytes(32)
_SOURCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
_ITEM = re.compile(r"[0-9a-f]{32}")
_FORMS = {
    "kind": re.compile(r"[a-z]+(?:\.[a-z]+){1,3}"),
    "id": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "rule": re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}"),
    "boot": re.compile(r"[0-9A-Za-z-]{1,64}"),
    "clock": re.compile(r"ntp|rtc|unknown"),
    "actor.kind": re.compile(r"station|centre|person"),
    "actor.level": re.compile(r"person-key|session|station"),
    "role": re.compile(r"footage|chunks|listing|probe"),
    "source": _SOURCE,
    "item": _ITEM,
}
_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)


@dataclass(frozen=True)
class Link:
    """A place in a chain: whose or of what, its number, the hash of the envelope before it."""

    id: str
    seq: int
    prev: bytes


@dataclass(frozen=True)
class Blob:
    """A file that an event names by its digest."""

    role: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Time:
    """What the source's clocks said, and what it had seen of log and stamps."""

    text: str  # the wall clock, as it stands in the event
    wall: datetime
    boot: str
    mono_ns: int
    clock: str  # ntp, rtc, unknown
    error_ms: int | None  # as the source stated it
    seen_size: int  # of the newest checkpoint that it had seen; 0: none
    token: str  # SHA-256 of the newest time stamp that it had heard of, in hexadecimal; empty: none


@dataclass(frozen=True)
class Actor:
    """Who acted, and how well that is proved."""

    kind: str
    id: str
    level: str


@dataclass(frozen=True)
class Event:
    """An event whose form was checked; its signatures and chains are checked elsewhere."""

    kind: str
    source: Link
    item: Link | None
    actor: Actor
    subject: str
    subject_sha256: str
    subject_sm3: str  # of the same bytes, or empty
    time: Time
    body: dict[str, Any]
    blobs: tuple[Blob, ...]


def parse_event(envelope: Envelope) -> Event:
    """Return the event in an envelope."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise RefusedError("event.type", found=envelope.payload_type)
    return parse_statement(envelope.payload)


def parse_statement(payload: bytes) -> Event:
    """Return the event that these bytes are."""
    statement = members(canonical_object(payload), "_type predicate predicateType subject", "statement")
    if (statement["_type"], statement["predicateType"]) != (
        "https://in-toto.io/Statement/v1",
        "urn:evidock:event:v1",
    ):
        raise RefusedError("event.type", found=statement["predicateType"])
    predicate = members(statement["predicate"], "actor asset body id kind rules salt source time", "predicate")
    _form(predicate["id"], "id")
    if len(base64_bytes(text_of(predicate["salt"], "salt", 24))) != 16:  # noqa: PLR2004 - the salt's bytes
        raise RefusedError("text", what="salt")
    rules = predicate["rules"]
    if not isinstance(rules, list) or len(rules) > 64:  # noqa: PLR2004 - as the specification has it
        raise RefusedError("list", what="rules")
    for rule in rules:
        _form(rule, "rule")
    subject, digest, sm3 = _subject(statement["subject"])
    body = predicate["body"]
    if not isinstance(body, dict):
        raise RefusedError("members", what="body", expected="")
    return Event(
        kind=_form(predicate["kind"], "kind"),
        source=_link(predicate["source"], "source"),
        item=None if predicate["asset"] is None else _link(predicate["asset"], "item"),
        actor=_actor(predicate["actor"]),
        subject=subject,
        subject_sha256=digest,
        subject_sm3=sm3,
        time=_time(predicate["time"]),
        body=body,
        blobs=tuple(_blob(each) for each in _list(body.get("blobs", []), "blobs")),
    )


def item_id(pulled: Event) -> str:
    """Return the id that a file has by what `footage.pulled` says: from its recorder, raw path, size and digest."""
    sizes = [blob.size_bytes for blob in pulled.blobs if blob.role == "footage"]
    identity = {
        "path": pulled.body.get("path_hex"),
        "recorder": pulled.body.get("recorder"),
        "sha256": pulled.subject_sha256,
        "size_bytes": str(sizes[0]) if sizes else None,
    }
    # RFC 8785, as no number is in it
    told = json.dumps(identity, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode("utf-8")).hexdigest()[:32]


def check_instant(text: object) -> str:
    """Return an RFC 3339 instant in UTC with milliseconds, if it is one that a calendar has."""
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second, _ = map(int, match.groups())
        datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        raise RefusedError("instant", text=text) from None
    return match[0]


def _form(value: object, what: str) -> str:
    if not isinstance(value, str) or not _FORMS[what].fullmatch(value):
        raise RefusedError("form", what=what, text=value)
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RefusedError("list", what=what)
    return value


def _subject(value: object) -> tuple[str, str, str]:
    subjects = _list(value, "subject")
    if not 1 <= len(subjects) <= 64:  # noqa: PLR2004 - as the specification has it
        raise RefusedError("list", what="subject")
    found = []
    for each in subjects:
        subject = members(each, "digest name", "subject")
        digest = members(subject["digest"], "sha256", "digest", "sm3")
        for text in digest.values():  # SM3 is as long as SHA-256
            hex_bytes(text)
        name = text_of(subject["name"], "subject.name", 1024, 1)
        found.append((name, str(digest["sha256"]), str(digest.get("sm3", ""))))
    return found[0]


def _link(value: object, what: str) -> Link:
    link = members(value, "id prev seq", what)
    seq, prev = number(link["seq"]), hex_bytes(link["prev"])
    if seq == 0 or (seq == 1) != (prev == _FIRST_PREV):
        raise RefusedError("event.first")
    return Link(_form(link["id"], what), seq, prev)


def _actor(value: object) -> Actor:
    actor = members(value, "id kind level proof", "actor")
    kind, level = _form(actor["kind"], "actor.kind"), _form(actor["level"], "actor.level")
    if actor["proof"] is not None:
        hex_bytes(actor["proof"])
    if kind != "person" and level != "station":
        raise RefusedError("form", what="actor.level", text=level)
    return Actor(kind, text_of(actor["id"], "actor.id", 128, 1), level)


def _time(value: object) -> Time:
    time = members(value, "beacon boot clock error_ms mono_ns wall", "time")
    _form(time["boot"], "boot")
    _form(time["clock"], "clock")
    mono_ns = number(time["mono_ns"])
    error_ms = None if time["error_ms"] is None else number(time["error_ms"])
    size, token = 0, ""
    if time["beacon"] is not None:
        beacon = members(time["beacon"], "origin root size", "beacon", "token")
        text_of(beacon["origin"], "beacon.origin", 200, 1)
        size, token = number(beacon["size"]), str(beacon.get("token", ""))
        for name in ("root", "token"):
            if name in beacon:
                hex_bytes(beacon[name])
    text = check_instant(time["wall"])
    wall = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return Time(text, wall, time["boot"], mono_ns, time["clock"], error_ms, size, token)


def _blob(value: object) -> Blob:
    blob = members(value, "role sha256 size_bytes", "blob")
    return Blob(_form(blob["role"], "role"), hex_bytes(blob["sha256"]).hex(), number(blob["size_bytes"]))
