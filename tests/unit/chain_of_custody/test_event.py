"""The custody event: every rule of the contract has its own code, and every refusal an accepted twin."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody import errors
from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.envelope import make_envelope, parse_envelope
from chain_of_custody.event import (
    Actor,
    AssetLink,
    Beacon,
    SourceLink,
    build_statement,
    parse_event,
    parse_statement,
)
from evidence_model.canonical import MalformedJsonError
from evidence_model.errors import RefusedError
from evidence_model.events import ActorKind, ActorLevel
from evidence_model.ids import AssetId, SourceId
from evidence_model.instants import ClockSource
from evidence_model.known import Known, Unknown
from evidence_model.messages import blobs_of
from tests.fakes.log_on_disc import START_AT, Source
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence_model.canonical import JsonObject

ASSET = AssetId("0123456789abcdef" * 2)
BODY: JsonObject = {"blobs": [{"role": "footage", "sha256": "ab" * 32, "size_bytes": "10"}], "名".encode().hex(): "值"}
GOOD = Source("st-1").statement(asset=ASSET, body=BODY, beacon=Beacon("origin", 7, b"r" * 32, b"t" * 32))


def test_what_is_built_is_read_back() -> None:
    view = parse_statement(GOOD)
    assert view.kind == "footage.pulled"
    assert view.source == SourceLink(SourceId("st-1"), 1, GENESIS_PREV)
    assert view.asset == AssetLink(ASSET, 1, GENESIS_PREV)
    assert view.actor == Actor(ActorKind.STATION, "st-1", ActorLevel.STATION)
    assert view.time.reading.wall_at > START_AT
    assert view.time.reading.source is ClockSource.NTP
    assert view.time.reading.error_ms == Known(4)
    assert view.time.beacon == Beacon("origin", 7, b"r" * 32, b"t" * 32)
    assert view.rules == ("MS-D9",)
    assert view.subject.name == f"asset/{ASSET}"
    assert len(view.salt) == 16
    assert [blob.size_bytes for blob in blobs_of(view.body)] == [10]
    again = build_statement(
        kind=view.kind,
        event_id=view.event_id,
        salt=view.salt,
        source=view.source,
        asset=view.asset,
        actor=view.actor,
        time=view.time,
        rules=view.rules,
        body=view.body,
        subject=view.subject,
    )
    assert again == GOOD


def test_the_payload_is_rfc_8785_json() -> None:
    assert rfc8785.dumps(json.loads(GOOD)) == GOOD


def test_an_event_about_no_file_says_so() -> None:
    payload = Source("st-1").statement("preflight.done")
    assert parse_statement(payload).asset is None
    assert json.loads(payload)["predicate"]["asset"] is None


def test_an_unknown_clock_error_stays_unknown() -> None:
    assert isinstance(parse_statement(changed("predicate.time.error_ms", None)).time.reading.error_ms, Unknown)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("predicate.kind", "log.handover"),
        ("predicate.asset", None),
        ("predicate.time.beacon", None),
        ("predicate.time.clock", "unknown"),
        ("predicate.actor", {"id": "P001234", "kind": "person", "level": "person-key", "proof": "ab" * 32}),
        ("predicate.actor", {"id": "中心", "kind": "person", "level": "station", "proof": None}),
        ("predicate.actor", {"id": "centre", "kind": "centre", "level": "station", "proof": None}),
        ("predicate.rules", []),
        ("predicate.body", {}),
        ("subject", [{"name": "a", "digest": {"sha256": "00" * 32, "sm3": "11" * 32}}] * 2),
    ],
)
def test_the_honest_twins_are_accepted(path: str, value: object) -> None:
    parse_statement(changed(path, value))


GONE: Any = object()


def changed(path: str, value: object) -> bytes:
    document = json.loads(GOOD)
    place = document
    *folders, name = path.split(".")
    for folder in folders:
        place = place[int(folder) if folder.isdigit() else folder]
    if value is GONE:
        del place[name]
    else:
        place[int(name) if name.isdigit() else name] = value
    return rfc8785.dumps(document)


CASES = [
    ("_type", "https://in-toto.io/Statement/v0.1", errors.EventTypeError),
    ("predicateType", "urn:evidock:event:v2", errors.EventTypeError),
    ("_type", None, errors.EventTypeError),
    ("extra", "x", errors.EventMembersError),
    ("subject", GONE, errors.EventMembersError),
    ("predicate", [], errors.EventMembersError),
    ("predicate.extra", "x", errors.EventMembersError),
    ("predicate.salt", GONE, errors.EventMembersError),
    ("predicate.asset", GONE, errors.EventMembersError),
    ("subject", [], errors.EventSubjectError),
    ("subject", {}, errors.EventSubjectError),
    ("subject", [{"name": "a", "digest": {"sha256": "0" * 64}}] * 65, errors.EventSubjectError),
    ("subject.0.name", "", errors.EventSubjectError),
    ("subject.0.name", "x" * 1025, errors.EventSubjectError),
    ("subject.0.name", None, errors.EventSubjectError),
    ("subject.0.uri", "x", errors.EventSubjectError),
    ("subject.0.digest", {"sha1": "0" * 40}, errors.EventSubjectError),
    ("subject.0.digest", {}, errors.EventSubjectError),
    ("subject.0.digest.sha256", "A" * 64, errors.EventSubjectError),
    ("subject.0.digest.sha256", "0" * 63, errors.EventSubjectError),
    ("subject.0.digest.sm3", "x", errors.EventSubjectError),
    ("predicate.kind", "footage", errors.EventKindError),
    ("predicate.kind", "Footage.pulled", errors.EventKindError),
    ("predicate.kind", "footage.pulled\n", errors.EventKindError),
    ("predicate.kind", None, errors.EventKindError),
    ("predicate.id", "00000000-0000-4000-8000-000000000000", errors.EventIdError),
    ("predicate.id", "01A1EE56-65CF-7000-8000-000000000000", errors.EventIdError),
    ("predicate.id", "01a1ee5665cf70008000000000000000", errors.EventIdError),
    ("predicate.id", "01a1ee56-65cf-7000-c000-000000000000", errors.EventIdError),
    ("predicate.salt", "AAAA", errors.EventSaltError),
    ("predicate.salt", "AAAAAAAAAAAAAAAAAAAAAB==", errors.EventSaltError),
    ("predicate.salt", "AAAAAAAAAAAAAAAAAAAAAA", errors.EventSaltError),
    ("predicate.salt", None, errors.EventSaltError),
    ("predicate.source", None, errors.EventSourceError),
    ("predicate.source.id", "St/1", errors.EventSourceError),
    ("predicate.source.id", None, errors.EventSourceError),
    ("predicate.source.seq", "01", errors.EventSourceError),
    ("predicate.source.seq", "0", errors.EventSourceError),
    ("predicate.source.seq", "-1", errors.EventSourceError),
    ("predicate.source.seq", "٥", errors.EventSourceError),
    ("predicate.source.seq", "2", errors.EventSourceError),  # with the first one's prev
    ("predicate.source.prev", "a" * 64, errors.EventSourceError),  # with the first one's number
    ("predicate.source.prev", "", errors.EventSourceError),
    ("predicate.source.extra", "", errors.EventSourceError),
    ("predicate.asset.id", "0123", errors.EventAssetError),
    ("predicate.asset.seq", "+1", errors.EventAssetError),
    ("predicate.asset.prev", None, errors.EventAssetError),
    ("predicate.asset", "", errors.EventAssetError),
    ("predicate.actor", None, errors.EventActorError),
    ("predicate.actor.kind", "server", errors.EventActorError),
    ("predicate.actor.kind", None, errors.EventActorError),
    ("predicate.actor.level", "badge", errors.EventActorError),
    ("predicate.actor.level", "person-key", errors.EventActorError),  # a station has no person's key
    ("predicate.actor.level", "session", errors.EventActorError),
    ("predicate.actor.proof", "", errors.EventActorError),
    ("predicate.actor.id", "", errors.EventActorError),
    ("predicate.actor.id", "x" * 129, errors.EventActorError),
    ("predicate.actor.id", None, errors.EventActorError),
    ("predicate.time", None, errors.EventTimeError),
    ("predicate.time.wall", "2026-11-22T01:02:03Z", errors.EventTimeError),
    ("predicate.time.wall", "2026-11-22T01:02:03.456+08:00", errors.EventTimeError),
    ("predicate.time.wall", "2026-02-30T01:02:03.456Z", errors.EventTimeError),
    ("predicate.time.wall", "2026-11-22 01:02:03.456Z", errors.EventTimeError),
    ("predicate.time.wall", None, errors.EventTimeError),
    ("predicate.time.boot", "", errors.EventTimeError),
    ("predicate.time.boot", "a b", errors.EventTimeError),
    ("predicate.time.mono_ns", "1.5", errors.EventTimeError),
    ("predicate.time.mono_ns", None, errors.EventTimeError),
    ("predicate.time.clock", "gps", errors.EventTimeError),
    ("predicate.time.error_ms", "-4", errors.EventTimeError),
    ("predicate.time.beacon", {}, errors.EventTimeError),
    ("predicate.time.beacon.origin", "", errors.EventTimeError),
    ("predicate.time.beacon.size", "x", errors.EventTimeError),
    ("predicate.time.beacon.root", "x", errors.EventTimeError),
    ("predicate.time.beacon.token", "x", errors.EventTimeError),
    ("predicate.time.beacon.more", "x", errors.EventTimeError),
    ("predicate.rules", "MS-D9", errors.EventRulesError),
    ("predicate.rules", [""], errors.EventRulesError),
    ("predicate.rules", ["a b"], errors.EventRulesError),
    ("predicate.rules", [None], errors.EventRulesError),
    ("predicate.rules", ["MS-D9"] * 65, errors.EventRulesError),
    ("predicate.body", [], errors.EventBodyError),
    ("predicate.body.blobs", "x", errors.EventBodyError),
    ("predicate.body.blobs", [{"role": "secret", "sha256": "ab" * 32, "size_bytes": "1"}], errors.EventBodyError),
    ("predicate.body.blobs", [{"role": "footage", "sha256": "ab", "size_bytes": "1"}], errors.EventBodyError),
    ("predicate.body.blobs", [{"role": "footage", "sha256": "ab" * 32}], errors.EventBodyError),
    ("predicate.body.size", 5, MalformedJsonError),
    ("predicate.body.size", 1.5, MalformedJsonError),
    ("predicate.body.字", "x", MalformedJsonError),
]


@pytest.mark.parametrize(("path", "value", "error"), CASES)
def test_each_rule_of_the_contract_has_its_own_code(path: str, value: object, error: type[RefusedError]) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_statement(changed(path, value))
    assert type(caught.value) is error
    assert caught.value.code == error.code
    parse_statement(GOOD)


@pytest.mark.parametrize(
    "respell",
    [
        lambda payload: payload.replace(b'"asset":', b'"asset": '),
        lambda payload: payload + b"\n",
        lambda payload: json.dumps(dict(reversed(json.loads(payload).items())), separators=(",", ":")).encode(),
        lambda payload: payload.replace("值".encode(), b"\\u503c"),
        lambda payload: payload.replace(b"footage.pulled", b"footage\\u002epulled"),
    ],
)
def test_one_event_has_one_byte_form(respell: Callable[[bytes], bytes]) -> None:
    payload = respell(GOOD)
    assert json.loads(payload) == json.loads(GOOD)
    with pytest.raises(errors.EventNotCanonicalError):
        parse_statement(payload)


@pytest.mark.parametrize(
    "payload",
    [
        GOOD.replace(b'"rules"', b'"salt":"x","rules"'),
        b"[]",
        b"null",
        b"",
        b"\xff",
        b'{"a":' * 40 + b'""' + b"}" * 40,
        b"[" * 100_000,
        GOOD.replace(b'"MS-D9"', b'"\\ud800"'),
        GOOD.replace(b'"MS-D9"', b"NaN"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(payload: bytes) -> None:
    """Attack 54."""
    with pytest.raises(MalformedJsonError):
        parse_statement(payload)


def test_an_envelope_of_another_type_holds_no_event() -> None:
    """Attack 55: the same bytes under another type, properly signed."""
    signer = key_of("st-1")
    with pytest.raises(errors.EventTypeError):
        parse_event(parse_envelope(make_envelope(GOOD, [signer], "application/json")))
    assert parse_event(parse_envelope(make_envelope(GOOD, [signer]))).kind == "footage.pulled"


def test_an_event_that_would_be_refused_is_not_built() -> None:
    view = parse_statement(GOOD)
    parts: dict[str, Any] = {
        name: getattr(view, name)
        for name in ("kind", "event_id", "salt", "source", "asset", "actor", "time", "rules", "body", "subject")
    }
    assert build_statement(**parts) == GOOD
    for name, value in (("kind", "x"), ("salt", b""), ("source", SourceLink(SourceId("st-1"), 0, GENESIS_PREV))):
        with pytest.raises(errors.EventRejectedError):
            build_statement(**{**copy.copy(parts), name: value})
    with pytest.raises(MalformedJsonError):
        build_statement(**{**parts, "body": {"n": 1}})


JSON = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_for_text_and_ascii_keys_the_standard_encoder_writes_rfc_8785(value: Any) -> None:
    ours = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert ours == rfc8785.dumps(value)


def test_every_control_character_is_escaped_as_rfc_8785_has_it() -> None:
    text = "".join(map(chr, range(256))) + "\u2028\u2029\ufeff😀"
    assert json.dumps(text, ensure_ascii=False).encode() == rfc8785.dumps(text)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8).filter(lambda k: k != "blobs"), JSON))
def test_any_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    payload = Source("st-1").statement(body=body)  # made by the rfc8785 library, checked by the standard encoder
    assert parse_statement(payload).body == body
    assert rfc8785.dumps(json.loads(payload)) == payload
