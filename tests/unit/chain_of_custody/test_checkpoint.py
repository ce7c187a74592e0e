"""C2SP checkpoints and cosignatures: published values, strict form, and whose word each is."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.checkpoint import (
    Checkpoint,
    log_note_key,
    open_checkpoint,
    origin_of,
    parse_checkpoint,
    sign_checkpoint,
)
from chain_of_custody.cosignature import add_signature, cosign, verify_cosignatures
from chain_of_custody.errors import (
    CheckpointRejectedError,
    CosignatureRejectedError,
    NoteRejectedError,
    NoteSignatureError,
    NoteSignerUnknownError,
    OriginMismatchError,
)
from chain_of_custody.notes import Note, NoteAlgorithm, NoteKey, NoteSignature, encode_note, parse_note, parse_vkey
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.tree import EMPTY_ROOT
from evidence_model.instants import MalformedInstantError
from tests.fakes.log_on_disc import test_key as key_of

SIGSUM = Ed25519Signer.from_seed(b"\x11" + bytes(31))
SIGSUM_ORIGIN = "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69"
SIGSUM_ROOT = base64.b64decode("HA5H" + 39 * "A" + "=")
SIGSUM_SIGNATURE = "gJ2ho0n8F8olcerUF1FFdv235A/5as/coWrpLrtE7ovMeP5whgwouYExowG/lTznxu6OUGjjt5yJQ6bXtTcf718MqAQ="
BODY = Checkpoint(SIGSUM_ORIGIN, 10, SIGSUM_ROOT)
AT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def test_sigsum_s_published_checkpoint_is_signed_to_the_byte() -> None:
    """sigsum-go pkg/checkpoint: the same 64 bytes are tree head signature and note signature."""
    assert origin_of(SIGSUM.public_key) == SIGSUM_ORIGIN
    note = sign_checkpoint(BODY, SIGSUM)
    assert note.decode() == f"{BODY.body()}\n— {SIGSUM_ORIGIN} {SIGSUM_SIGNATURE}\n"
    assert open_checkpoint(note, log_key=SIGSUM.public_key) == BODY


def test_a_checkpoint_altered_in_any_line_does_not_open() -> None:
    note = sign_checkpoint(BODY, SIGSUM)
    for old, new in ((b"\n10\n", b"\n11\n"), (b"HA5H", b"HA5I"), (SIGSUM_ORIGIN[-4:].encode(), b"0000")):
        with pytest.raises(NoteRejectedError):
            open_checkpoint(note.replace(old, new), log_key=SIGSUM.public_key)


def test_a_checkpoint_of_another_log_does_not_open() -> None:
    with pytest.raises(NoteSignerUnknownError):
        open_checkpoint(sign_checkpoint(BODY, SIGSUM), log_key=key_of("log").public_key)


def test_a_key_does_not_sign_for_another_log() -> None:
    with pytest.raises(OriginMismatchError):
        sign_checkpoint(BODY, key_of("log"))


def test_a_log_that_signed_another_origin_s_checkpoint_is_refused() -> None:
    key = log_note_key(SIGSUM.public_key)
    foreign = Checkpoint("example.com/other", 10, SIGSUM_ROOT).body()
    note = encode_note(Note(foreign, (NoteSignature(key.name, key.key_hash, SIGSUM.sign(foreign.encode())),)))
    with pytest.raises(OriginMismatchError):
        open_checkpoint(note, log_key=SIGSUM.public_key)


GOOD = BODY.body()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n10\n", "\n010\n"),
        GOOD.replace("\n10\n", "\n+10\n"),
        GOOD.replace("\n10\n", "\n 10\n"),
        GOOD.replace("\n10\n", "\n1_0\n"),
        GOOD.replace("\n10\n", "\n١٠\n"),
        GOOD.replace("\n10\n", "\n-1\n"),
        GOOD.replace("\n10\n", "\n\n"),
        GOOD.replace("\n10\n", "\n9223372036854775808\n"),
        GOOD.replace("\n10\n", "\n0\n"),
        GOOD.replace("HA5H", "HA5"),
        GOOD.replace("A=\n", "B=\n"),
        GOOD.replace("A=\n", "A\n"),
        GOOD.replace("A=\n", "A=\nextension\n"),
        GOOD + "\n",
        GOOD[:-1],
        GOOD.replace("\n", "\r\n"),
        "\n" + GOOD.partition("\n")[2],
        "",
    ],
)
def test_any_other_spelling_of_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointRejectedError):
        parse_checkpoint(text)
    assert parse_checkpoint(GOOD) == BODY


@given(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_is_read_as_it_was_written(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(checkpoint.body()) == checkpoint


def test_the_empty_log_has_the_empty_root() -> None:
    assert parse_checkpoint(Checkpoint("o", 0, EMPTY_ROOT).body()).head().root == EMPTY_ROOT
    with pytest.raises(CheckpointRejectedError):
        Checkpoint("o", 0, bytes(32))


def test_a_published_cosignature_line_has_its_instant_and_its_length() -> None:
    """transparency-dev/formats: 76 bytes, made at 1727964367."""
    text = "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA=="
    blob = base64.b64decode(text)
    [line] = parse_note(f"text\n\n— w {text}\n".encode()).signatures
    assert len(blob) == 76
    assert line.key_hash == blob[:4]
    assert int.from_bytes(line.signature[:8], "big") == 1727964367


def test_a_published_witness_key_is_read() -> None:
    vkey = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    key = parse_vkey(vkey)
    assert key.algorithm is NoteAlgorithm.COSIGNATURE_V1
    assert key.vkey == vkey


def witness(name: str) -> NoteKey:
    return NoteKey(name, NoteAlgorithm.COSIGNATURE_V1, key_of(name).public_key)


def test_a_cosigned_checkpoint_still_opens_and_names_its_witnesses() -> None:
    note = sign_checkpoint(BODY, SIGSUM)
    for name in ("w1", "w2"):
        note = add_signature(note, cosign(BODY, signer=key_of(name), name=name, at=AT))
    assert open_checkpoint(note, log_key=SIGSUM.public_key) == BODY
    found = verify_cosignatures(note, [witness("w1"), witness("w2"), witness("w3")])
    assert [(each.name, each.cosigned_at) for each in found] == [("w1", AT), ("w2", AT)]
    assert verify_cosignatures(note, [witness("w3")]) == ()


def test_a_cosignature_moved_to_another_checkpoint_is_refused() -> None:
    """Attacks 11 and 56: an old cosignature on a new root, or on another log's checkpoint."""
    line = cosign(BODY, signer=key_of("w1"), name="w1", at=AT)
    forged = Checkpoint(SIGSUM_ORIGIN, 11, SIGSUM_ROOT)
    with pytest.raises(NoteSignatureError):
        verify_cosignatures(add_signature(sign_checkpoint(forged, SIGSUM), line), [witness("w1")])
    log = key_of("log")
    other = sign_checkpoint(Checkpoint(origin_of(log.public_key), 10, SIGSUM_ROOT), log)
    with pytest.raises(NoteSignatureError):
        verify_cosignatures(add_signature(other, line), [witness("w1")])


def test_a_cosignature_with_another_instant_is_refused() -> None:
    line = cosign(BODY, signer=key_of("w1"), name="w1", at=AT)
    later = NoteSignature("w1", line.key_hash, (int(AT.timestamp()) + 1).to_bytes(8, "big") + line.signature[8:])
    for wrong in (later, NoteSignature("w1", line.key_hash, line.signature[:-1])):
        with pytest.raises(NoteSignatureError):
            verify_cosignatures(add_signature(sign_checkpoint(BODY, SIGSUM), wrong), [witness("w1")])


def test_one_key_under_two_names_is_one_witness() -> None:
    """Attack 15."""
    note = sign_checkpoint(BODY, SIGSUM)
    same = key_of("w1")
    twice = [NoteKey(name, NoteAlgorithm.COSIGNATURE_V1, same.public_key) for name in ("a", "b")]
    for key in twice:
        note = add_signature(note, cosign(BODY, signer=same, name=key.name, at=AT))
    assert len(verify_cosignatures(note, twice)) == 1


def test_a_witness_s_newer_line_takes_the_place_of_its_older_one() -> None:
    note = sign_checkpoint(BODY, SIGSUM)
    for at in (AT, AT + timedelta(hours=1)):
        note = add_signature(note, cosign(BODY, signer=key_of("w1"), name="w1", at=at))
    [found] = verify_cosignatures(note, [witness("w1")])
    assert found.cosigned_at == AT + timedelta(hours=1)


def test_the_log_s_own_line_is_no_cosignature() -> None:
    with pytest.raises(CosignatureRejectedError):
        verify_cosignatures(sign_checkpoint(BODY, SIGSUM), [log_note_key(SIGSUM.public_key)])


def test_instants_that_cannot_be_are_refused() -> None:
    with pytest.raises(MalformedInstantError):
        cosign(BODY, signer=key_of("w1"), name="w1", at=AT.replace(tzinfo=None))
    with pytest.raises(CosignatureRejectedError):
        cosign(BODY, signer=key_of("w1"), name="w1", at=datetime(1969, 12, 31, tzinfo=UTC))
    far = 2**62
    message = f"cosignature/v1\ntime {far}\n{BODY.body()}".encode()
    line = NoteSignature("w1", witness("w1").key_hash, far.to_bytes(8, "big") + key_of("w1").sign(message))
    with pytest.raises(CosignatureRejectedError):
        verify_cosignatures(add_signature(sign_checkpoint(BODY, SIGSUM), line), [witness("w1")])
