"""The envelope: PAE to the byte, one spelling only, and signatures that count."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.envelope import (
    MAX_ENVELOPE_BYTES,
    MAX_WIRE_BYTES,
    PAYLOAD_TYPE,
    envelope_checksum,
    envelope_hash,
    from_wire,
    make_envelope,
    pae,
    parse_envelope,
    to_wire,
    verify_envelope,
)
from chain_of_custody.errors import (
    EnvelopeRejectedError,
    EnvelopeTooLargeError,
    SignatureRejectedError,
    SignerUnknownError,
    WireRejectedError,
)
from chain_of_custody.signatures import Ed25519Verifier, P256Verifier
from evidence_model.canonical import canonical_bytes
from tests.fakes.log_on_disc import test_key as key_of

ST, CE = key_of("st-1"), key_of("centre")
KNOWN = [Ed25519Verifier(ST.public_key), Ed25519Verifier(CE.public_key)]
STATEMENT = '{"a":"字"}'.encode()
RAW = make_envelope(STATEMENT, [ST])


def test_pae_is_that_of_the_dsse_protocol() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("", b"") == b"DSSEv1 0  0 "


def test_pae_counts_bytes_not_characters() -> None:
    """The reference implementation counts characters; two of them would be 6 bytes."""
    assert pae("应用", b"x") == "DSSEv1 6 应用 1 x".encode()


def test_the_dsse_p256_vector_verifies() -> None:
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    verifier = P256Verifier(b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))
    signature = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    assert verifier.verify(pae("http://example.com/HelloWorld", b"hello world"), signature)
    assert not verifier.verify(pae("http://example.com/HelloWorlds", b"hello world"), signature)


def test_an_envelope_is_rfc_8785_json_and_always_the_same_bytes() -> None:
    raw = make_envelope(STATEMENT, [ST, CE])
    assert canonical_bytes(json.loads(raw)) == raw
    assert make_envelope(STATEMENT, [CE, ST]) == raw
    envelope = parse_envelope(raw)
    assert envelope.payload == STATEMENT
    assert envelope.payload_type == PAYLOAD_TYPE
    assert [each.key_id for each in envelope.signatures] == sorted([ST.key_id, CE.key_id])
    assert (envelope.hash, envelope.checksum) == (envelope_hash(raw), envelope_checksum(raw))


def test_signatures_are_counted_by_distinct_known_keys() -> None:
    both = parse_envelope(make_envelope(STATEMENT, [ST, CE]))
    assert verify_envelope(both, KNOWN, threshold=2) == {ST.key_id, CE.key_id}
    assert verify_envelope(both, KNOWN[:1]) == {ST.key_id}
    one = parse_envelope(RAW)
    with pytest.raises(SignerUnknownError):
        verify_envelope(one, KNOWN, threshold=2)
    with pytest.raises(SignerUnknownError):
        verify_envelope(one, KNOWN[1:])
    with pytest.raises(SignerUnknownError):
        verify_envelope(one, [], threshold=0)


def test_one_key_under_two_keyids_counts_once() -> None:
    """Attack 16: another library counts this as two signers."""
    document = json.loads(RAW)
    document["signatures"].append({**document["signatures"][0], "keyid": "f" * 64})
    twice = parse_envelope(canonical_bytes(document))
    twice_known = [*KNOWN[:1], Ed25519Verifier(ST.public_key)]
    with pytest.raises(SignerUnknownError):
        verify_envelope(twice, twice_known, threshold=2)
    assert verify_envelope(twice, twice_known) == {ST.key_id}


@pytest.mark.parametrize("member", ["payload", "payloadType"])
def test_a_signature_is_of_its_payload_and_its_type(member: str) -> None:
    """Attacks 3 and 55."""
    document = json.loads(RAW)
    document[member] = {"payload": "eyJhIjoi5a2YIn0=", "payloadType": "application/json"}[member]
    with pytest.raises(SignatureRejectedError):
        verify_envelope(parse_envelope(canonical_bytes(document)), KNOWN)
    verify_envelope(parse_envelope(RAW), KNOWN)


def test_a_false_signature_beside_a_good_one_refuses_the_envelope() -> None:
    document = json.loads(make_envelope(STATEMENT, [ST, CE]))
    document["signatures"][0]["sig"] = document["signatures"][1]["sig"]
    with pytest.raises(SignatureRejectedError):
        verify_envelope(parse_envelope(canonical_bytes(document)), KNOWN)


def respelled(**change: object) -> bytes:
    return canonical_bytes({**json.loads(RAW), **change})  # type: ignore[dict-item]  # made to be wrong


def signatures(*changes: dict[str, str]) -> list[dict[str, str]]:
    [good] = json.loads(RAW)["signatures"]
    return [{**good, **change} for change in changes]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("unknown member", respelled(extra="x")),
        ("leaf signature inside", respelled(leaf_signature="0" * 128)),
        ("member missing", b'{"payload":"","payloadType":"x"}'),
        ("key repeated", RAW[:-1] + b',"payload":""}'),
        ("key repeated first", b'{"payload":"",' + RAW[1:]),
        ("blank", RAW.replace(b":[", b": [")),
        ("newline after", RAW + b"\n"),
        ("byte order mark", b"\xef\xbb\xbf" + RAW),
        ("other order", json.dumps(json.loads(RAW)["signatures"]).encode().join([b'{"signatures":', b"}"])),
        ("escaped slash", RAW.replace(b"application/", b"application\\/")),
        ("unicode escape", RAW.replace(b"application", b"\\u0061pplication")),
        ("no signature", respelled(signatures=[])),
        ("signatures as object", respelled(signatures={})),
        ("keyid in capitals", respelled(signatures=signatures({"keyid": ST.key_id.text.upper()}))),
        ("keyid short", respelled(signatures=signatures({"keyid": "ab"}))),
        ("key signs twice", respelled(signatures=signatures({}, {}))),
        ("not sorted", respelled(signatures=signatures({"keyid": "f" * 64}, {"keyid": "0" * 64}))),
        ("unknown member in a signature", respelled(signatures=signatures({"cert": "x"}))),
        ("17 signatures", respelled(signatures=signatures(*({"keyid": f"{number:064x}"} for number in range(17))))),
        ("payload without padding", respelled(payload="YQ")),
        ("payload with stray bits", respelled(payload="YR==")),
        ("payload in url base64", respelled(payload="__--")),
        ("payload with newline", respelled(payload="YWFh\nYWFh")),
        ("padding within", respelled(payload="YQ==YQ==")),
        ("signature with stray bits", respelled(signatures=signatures({"sig": "YR=="}))),
        ("not JSON", b"\x00\x01"),
        ("a list", b"[" + RAW + b"]"),
        ("nesting bomb", b"[" * 50_000),
        ("nothing", b""),
        ("one byte short", RAW[:-1]),
    ],
)
def test_any_other_spelling_is_refused(name: str, raw: bytes) -> None:
    with pytest.raises(EnvelopeRejectedError):
        parse_envelope(raw)
    assert name
    assert parse_envelope(RAW).raw == RAW


def test_sixteen_signatures_are_read() -> None:
    raw = respelled(signatures=signatures(*({"keyid": f"{number:064x}"} for number in range(16))))
    assert len(parse_envelope(raw).signatures) == 16


def test_60_kib_are_accepted_and_a_byte_more_is_not() -> None:
    overhead = len(make_envelope(b"", [ST]))
    largest = (MAX_ENVELOPE_BYTES - overhead) // 4 * 3
    assert len(make_envelope(b"x" * largest, [ST])) <= MAX_ENVELOPE_BYTES
    with pytest.raises(EnvelopeTooLargeError):
        make_envelope(b"x" * (largest + 3), [ST])


@pytest.mark.parametrize("kind", ["a type with blanks", 'a"b', "a\\b", "类型", "", "x" * 201, "a\nb"])
def test_a_type_that_json_would_have_to_escape_is_refused(kind: str) -> None:
    with pytest.raises(EnvelopeRejectedError):
        make_envelope(b"", [ST], kind)


def test_nobody_signs_nothing() -> None:
    with pytest.raises(EnvelopeRejectedError):
        make_envelope(STATEMENT, [])
    with pytest.raises(EnvelopeRejectedError):
        make_envelope(STATEMENT, [ST, ST])


LEAF_SIGNATURE = bytes(range(64))


def test_a_message_is_the_envelope_with_the_leaf_signature_last() -> None:
    message = to_wire(RAW, LEAF_SIGNATURE)
    document = json.loads(message)
    assert list(document)[-1] == "leaf_signature"
    assert document.pop("leaf_signature") == LEAF_SIGNATURE.hex()
    assert document == json.loads(RAW)
    assert from_wire(message) == (RAW, LEAF_SIGNATURE)


@pytest.mark.parametrize(
    "message",
    [
        RAW,
        to_wire(RAW, LEAF_SIGNATURE)[:-1],
        to_wire(RAW, LEAF_SIGNATURE) + b" ",
        to_wire(RAW, LEAF_SIGNATURE).replace(b"0a0b", b"0A0B"),
        to_wire(RAW, LEAF_SIGNATURE).replace(b',"leaf', b', "leaf'),
        b"",
        b'","leaf_signature":"' + b"0" * 128 + b'"}',
    ],
)
def test_any_other_message_is_refused(message: bytes) -> None:
    try:
        raw, _ = from_wire(message)
    except WireRejectedError:
        return
    with pytest.raises(EnvelopeRejectedError):  # the tail fits, the rest is no envelope
        parse_envelope(raw)


def test_an_oversized_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(EnvelopeTooLargeError):
        from_wire(b"x" * (MAX_WIRE_BYTES + 1))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65)])
def test_a_leaf_signature_of_another_length_is_not_sent(signature: bytes) -> None:
    with pytest.raises(WireRejectedError):
        to_wire(RAW, signature)


@given(st.binary(max_size=500), st.binary(min_size=64, max_size=64))
def test_every_envelope_comes_back_to_the_byte(statement: bytes, leaf_signature: bytes) -> None:
    raw = make_envelope(statement, [ST])
    assert from_wire(to_wire(raw, leaf_signature)) == (raw, leaf_signature)
    envelope = parse_envelope(raw)
    assert envelope.payload == statement
    verify_envelope(envelope, KNOWN)


@given(st.integers(0, len(RAW) - 1), st.integers(0, 7))
def test_no_flipped_bit_passes(at: int, bit: int) -> None:
    spoilt = bytearray(RAW)
    spoilt[at] ^= 1 << bit
    with pytest.raises((EnvelopeRejectedError, SignatureRejectedError)):
        verify_envelope(parse_envelope(bytes(spoilt)), KNOWN)
