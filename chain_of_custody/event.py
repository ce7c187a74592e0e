"""The custody event inside an envelope: in-toto Statement v1 with predicate `urn:evidock:event:v1` (contract.md).

Every member is always there and no other is allowed, so leaving something out is always visible. Integers are decimal
strings, hashes lowercase hexadecimal. `asset` is null for an event about no file; `actor.proof`, `time.error_ms` and
`time.beacon` may be null. What is read is checked to be the RFC 8785 form of itself: one event has one byte form.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.envelope import PAYLOAD_TYPE, Envelope
from chain_of_custody.errors import (
    EventActorError,
    EventAssetError,
    EventBodyError,
    EventIdError,
    EventKindError,
    EventMembersError,
    EventNotCanonicalError,
    EventRejectedError,
    EventRulesError,
    EventSaltError,
    EventSourceError,
    EventSubjectError,
    EventTimeError,
    EventTypeError,
)
from chain_of_custody.strict_text import decode_base64, decode_hex, encode_base64
from evidence_model.canonical import Json, JsonObject, canonical_bytes, decimal, parse_strict
from evidence_model.errors import RefusedError
from evidence_model.events import ActorKind, ActorLevel
from evidence_model.ids import AssetId, EventId, SourceId, asset_id, source_id
from evidence_model.instants import ClockReading, ClockSource, parse_instant, wire_instant
from evidence_model.known import Known, Unknown
from evidence_model.messages import blobs_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:evidock:event:v1"
SALT_BYTES = 16
MAX_SUBJECTS = 64
MAX_NAME_CHARACTERS = 1024
MAX_RULES = 64

_STATEMENT = frozenset({"_type", "predicate", "predicateType", "subject"})
_PREDICATE = frozenset({"actor", "asset", "body", "id", "kind", "rules", "salt", "source", "time"})
_LINK = frozenset({"id", "prev", "seq"})
_ACTOR = frozenset({"id", "kind", "level", "proof"})
_TIME = frozenset({"beacon", "boot", "clock", "error_ms", "mono_ns", "wall"})
_BEACON = frozenset({"origin", "root", "size"})
_KIND = re.compile(r"[a-z]+(?:\.[a-z]+){1,3}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_BOOT = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about, and the SHA-256 of its bytes or of its canonical identity; perhaps their SM3 besides."""

    name: str
    sha256: bytes
    sm3: bytes | None = None


@dataclass(frozen=True, slots=True)
class SourceLink:
    """Place in the chain of everything this signer said; starts at 1 with `prev` all zeros."""

    id: SourceId
    seq: int
    prev: bytes


@dataclass(frozen=True, slots=True)
class AssetLink:
    """Place in the chain of everything this signer said about one item; starts at 1 with `prev` all zeros."""

    id: AssetId
    seq: int
    prev: bytes


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and how well that is proved: `STATION` means the machine's word alone."""

    kind: ActorKind
    id: str
    level: ActorLevel
    proof: bytes | None = None


@dataclass(frozen=True, slots=True)
class Beacon:
    """The newest checkpoint that the source had seen: the event cannot be older than it."""

    origin: str
    size: int
    root: bytes
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class EventTime:
    """All that the source's clocks said, and its beacon."""

    reading: ClockReading
    beacon: Beacon | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """A custody event whose form was checked; its signatures and chains are checked elsewhere."""

    kind: str
    event_id: EventId
    salt: bytes
    source: SourceLink
    asset: AssetLink | None
    actor: Actor
    time: EventTime
    rules: tuple[str, ...]
    body: JsonObject
    subjects: tuple[Subject, ...]

    @property
    def subject(self) -> Subject:
        """Return what the event is about."""
        return self.subjects[0]


def build_statement(
    *,
    kind: str,
    event_id: EventId,
    salt: bytes,
    source: SourceLink,
    asset: AssetLink | None,
    actor: Actor,
    time: EventTime,
    rules: Sequence[str],
    body: JsonObject,
    subject: Subject,
) -> bytes:
    """Return the payload of a custody event as RFC 8785 JSON.

    Raises:
        EventRejectedError: it would not be accepted by `parse_statement`.
        MalformedJsonError: `body` holds a number or a key that is not ASCII.
    """
    reading = time.reading
    predicate: JsonObject = {
        "kind": kind,
        "id": event_id,
        "salt": encode_base64(salt),
        "source": _link_json(source),
        "asset": None if asset is None else _link_json(asset),
        "actor": {
            "kind": actor.kind.value,
            "id": actor.id,
            "level": actor.level.value,
            "proof": None if actor.proof is None else actor.proof.hex(),
        },
        "time": {
            "wall": wire_instant(reading.wall_at),
            "boot": reading.boot,
            "mono_ns": str(reading.mono_ns),
            "clock": reading.source.value,
            "error_ms": str(reading.error_ms.value) if isinstance(reading.error_ms, Known) else None,
            "beacon": None if time.beacon is None else _beacon_json(time.beacon),
        },
        "rules": list(rules),
        "body": body,
    }
    statement: JsonObject = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.name, "digest": _digest_json(subject)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    payload = canonical_bytes(statement)
    _read_statement(statement)
    return payload


def parse_event(envelope: Envelope) -> EventView:
    """Return the custody event of an envelope whose signatures the caller checks.

    Raises:
        EventRejectedError: the rule that it breaks is the error's class and code.
        MalformedJsonError: the payload is not strict JSON.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise EventTypeError(f"payloadType {envelope.payload_type[:80]!r}, {PAYLOAD_TYPE!r} was expected")
    return parse_statement(envelope.payload)


def parse_statement(payload: bytes) -> EventView:
    """Return the custody event that these bytes are.

    Raises:
        EventRejectedError: the rule that it breaks is the error's class and code.
        MalformedJsonError: the payload is not strict JSON.
    """
    statement = parse_strict(payload)
    if not _is_canonical(statement, payload):
        raise EventNotCanonicalError("the payload is not RFC 8785 JSON: blanks, order of keys or escapes differ")
    return _read_statement(statement)


def _is_canonical(statement: JsonObject, payload: bytes) -> bool:
    """Say whether `payload` is the RFC 8785 form of what was read from it.

    For what `parse_strict` lets through (ASCII keys, no numbers) the standard encoder writes that form, ten times as
    fast as the library that makes it; a property test holds the two together.
    """
    text = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() == payload


def _read_statement(statement: JsonObject) -> EventView:
    _members(statement, _STATEMENT, "the statement", EventMembersError)
    for name, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if statement[name] != expected:
            raise EventTypeError(f"{name} {statement[name]!r:.80}, {expected!r} was expected")
    predicate = _members(statement["predicate"], _PREDICATE, "the predicate", EventMembersError)
    kind, event_id = predicate["kind"], predicate["id"]
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise EventKindError(f"kind {kind!r:.80} is not of the form thing.verb")
    if not isinstance(event_id, str) or not _UUID7.fullmatch(event_id):
        raise EventIdError(f"id {event_id!r:.80} is not a UUID version 7 in lowercase")
    return EventView(
        kind=kind,
        event_id=EventId(event_id),
        salt=_salt(predicate["salt"]),
        source=_source(predicate["source"]),
        asset=None if predicate["asset"] is None else _asset(predicate["asset"]),
        actor=_actor(predicate["actor"]),
        time=_time(predicate["time"]),
        rules=_rules(predicate["rules"]),
        body=_body(predicate["body"]),
        subjects=_subjects(statement["subject"]),
    )


def _members(
    value: Json, expected: frozenset[str], what: str, error: type[EventRejectedError], optional: str = ""
) -> JsonObject:
    if not isinstance(value, Mapping):
        raise error(f"{what} is not an object")
    found = value.keys()
    if found != expected and found - {optional} != expected:
        raise error(
            f"{what} has members {', '.join(sorted(found))[:200]}; exactly {', '.join(sorted(expected))} belong"
        )
    return value


def _subjects(value: Json) -> tuple[Subject, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_SUBJECTS:
        raise EventSubjectError(f"subject is a list of 1 to {MAX_SUBJECTS}")
    result = []
    for each in value:
        subject = _members(each, frozenset({"digest", "name"}), "a subject", EventSubjectError)
        digest = _members(subject["digest"], frozenset({"sha256"}), "a subject's digest", EventSubjectError, "sm3")
        name = subject["name"]
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            raise EventSubjectError(f"a subject's name has 1 to {MAX_NAME_CHARACTERS} characters")
        try:
            sm3 = decode_hex(digest["sm3"]) if "sm3" in digest else None  # as long as SHA-256
            result.append(Subject(name, decode_hex(digest["sha256"]), sm3))
        except RefusedError as error:
            raise EventSubjectError(f"subject {name[:80]!r}: {error}") from error
    return tuple(result)


def _salt(value: Json) -> bytes:
    try:
        return decode_base64(value if isinstance(value, str) else "", size_bytes=SALT_BYTES)
    except RefusedError as error:
        raise EventSaltError(f"salt: {error}") from error


def _source(value: Json) -> SourceLink:
    link = _members(value, _LINK, "source", EventSourceError)
    try:
        return SourceLink(source_id(str(link["id"])), *_place(link))
    except RefusedError as error:
        raise EventSourceError(f"source: {error}") from error


def _asset(value: Json) -> AssetLink:
    link = _members(value, _LINK, "asset", EventAssetError)
    try:
        return AssetLink(asset_id(str(link["id"])), *_place(link))
    except RefusedError as error:
        raise EventAssetError(f"asset: {error}") from error


def _place(link: JsonObject) -> tuple[int, bytes]:
    seq, prev = decimal(link["seq"], what="seq"), decode_hex(link["prev"])
    if seq == 0 or (seq == 1) != (prev == GENESIS_PREV):
        raise EventRejectedError("seq starts at 1, and only the first has a prev of 64 zeros")
    return seq, prev


def _actor(value: Json) -> Actor:
    actor = _members(value, _ACTOR, "actor", EventActorError)
    name = actor["id"]
    try:
        kind, level = ActorKind(actor["kind"]), ActorLevel(actor["level"])
        proof = None if actor["proof"] is None else decode_hex(actor["proof"])
    except (ValueError, RefusedError) as error:
        raise EventActorError(f"actor: {error}") from error
    if not isinstance(name, str) or not 1 <= len(name) <= 128:  # noqa: PLR2004 - longer than any id of a person
        raise EventActorError("actor: id has 1 to 128 characters")
    if kind is not ActorKind.PERSON and level is not ActorLevel.STATION:
        raise EventActorError(f"actor: a {kind.value} acts with its own key, level {level.value} is a person's")
    return Actor(kind, name, level, proof)


def _time(value: Json) -> EventTime:
    time = _members(value, _TIME, "time", EventTimeError)
    boot, error_ms = time["boot"], time["error_ms"]
    if not isinstance(boot, str) or not _BOOT.fullmatch(boot):
        raise EventTimeError(f"time.boot {boot!r:.80} is not letters, digits and hyphens")
    try:
        reading = ClockReading(
            wall_at=parse_instant(time["wall"]),
            boot=boot,
            mono_ns=decimal(time["mono_ns"], what="mono_ns"),
            source=ClockSource(time["clock"]),
            error_ms=Unknown("not stated") if error_ms is None else Known(decimal(error_ms, what="error_ms")),
        )
        return EventTime(reading, None if time["beacon"] is None else _beacon(time["beacon"]))
    except EventTimeError:
        raise
    except (ValueError, RefusedError) as error:
        raise EventTimeError(f"time: {error}") from error


def _beacon(value: Json) -> Beacon:
    beacon = _members(value, _BEACON, "time.beacon", EventTimeError, "token")
    origin = beacon["origin"]
    if not isinstance(origin, str) or not 1 <= len(origin) <= 200:  # noqa: PLR2004 - origins are short lines
        raise EventTimeError("time.beacon: origin has 1 to 200 characters")
    token = decode_hex(beacon["token"]) if "token" in beacon else None
    return Beacon(origin, decimal(beacon["size"], what="size"), decode_hex(beacon["root"]), token)


def _rules(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_RULES:
        raise EventRulesError(f"rules is a list of at most {MAX_RULES}")
    rules = tuple(rule for rule in value if isinstance(rule, str) and _RULE.fullmatch(rule))
    if len(rules) != len(value):
        raise EventRulesError(f"rules: a rule id is letters, digits and ._:/-, among {value!r:.120}")
    return rules


def _body(value: Json) -> JsonObject:
    if not isinstance(value, Mapping):
        raise EventBodyError("body is not an object")
    try:
        blobs_of(value)
    except RefusedError as error:
        raise EventBodyError(f"body: {error}") from error
    return value


def _link_json(link: SourceLink | AssetLink) -> JsonObject:
    return {"id": link.id, "seq": str(link.seq), "prev": link.prev.hex()}


def _digest_json(subject: Subject) -> JsonObject:
    members = {"sha256": subject.sha256.hex()}
    return members if subject.sm3 is None else {**members, "sm3": subject.sm3.hex()}


def _beacon_json(beacon: Beacon) -> JsonObject:
    members = {"origin": beacon.origin, "size": str(beacon.size), "root": beacon.root.hex()}
    return members if beacon.token is None else {**members, "token": beacon.token.hex()}
