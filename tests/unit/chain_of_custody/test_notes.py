"""C2SP signed notes: the published examples, and everything a lenient parser would let pass."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.errors import (
    NoteKeyRejectedError,
    NoteRejectedError,
    NoteSignatureError,
    NoteSignerUnknownError,
)
from chain_of_custody.notes import (
    Note,
    NoteAlgorithm,
    NoteKey,
    NoteSignature,
    encode_note,
    parse_note,
    parse_vkey,
    verify_note,
)
from chain_of_custody.signatures import Ed25519Signer

SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_TEXT = "This is an example message.\n"
SPEC_LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SPEC_NOTE = f"{SPEC_TEXT}\n{SPEC_LINE}".encode()

GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_specification_s_example_verifies() -> None:
    key = parse_vkey(SPEC_VKEY)
    verified = verify_note(SPEC_NOTE, [key])
    assert verified.text == SPEC_TEXT
    assert [line.name for line in verified.verified] == ["example.com/foo"]
    assert key.vkey == SPEC_VKEY


def test_go_s_example_is_signed_to_the_byte() -> None:
    key = parse_vkey(GO_VKEY)
    signer = Ed25519Signer.from_seed(GO_SEED)
    assert signer.public_key == key.public_key
    line = NoteSignature(key.name, key.key_hash, signer.sign(GO_TEXT.encode()))
    assert line.line == f"— PeterNeumann {GO_SIGNATURE}\n"
    assert verify_note(encode_note(Note(GO_TEXT, (line,))), [key]).text == GO_TEXT


@pytest.mark.parametrize(
    "vkey",
    [
        GO_VKEY.replace("c74f20a3", "cc469956"),
        GO_VKEY.replace("c74f20a3", "173116ae"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY + "=",
        GO_VKEY[:-4],
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        GO_VKEY.replace("PeterNeumann", ""),
        GO_VKEY + "\n",
        "PeterNeumann",
        "PeterNeumann+c74f20a3+",
        "",
    ],
)
def test_a_malformed_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(NoteKeyRejectedError):
        parse_vkey(vkey)


def test_an_algorithm_we_do_not_use_is_refused() -> None:
    material = b"\x02" + bytes(32)
    key_hash = hashlib.sha256(b"n\n" + material).digest()[:4].hex()
    with pytest.raises(NoteKeyRejectedError, match="algorithm"):
        parse_vkey(f"n+{key_hash}+{base64.b64encode(material).decode()}")


def test_a_known_signer_that_fails_rejects_the_whole_note() -> None:
    key = parse_vkey(SPEC_VKEY)
    good = parse_note(SPEC_NOTE)
    other = Ed25519Signer.from_seed(bytes(32))
    witness = NoteKey("w", NoteAlgorithm.ED25519, other.public_key)
    line = NoteSignature("w", witness.key_hash, other.sign(b"another text\n"))
    note = encode_note(Note(good.text, (*good.signatures, line)))
    with pytest.raises(NoteSignatureError):
        verify_note(note, [key, witness])
    honest = verify_note(note, [key])  # for who does not know the witness its line says nothing
    assert honest.unknown == (line,)


def test_a_note_that_nobody_known_signed_is_refused() -> None:
    with pytest.raises(NoteSignerUnknownError):
        verify_note(SPEC_NOTE, [])
    with pytest.raises(NoteSignerUnknownError):
        verify_note(SPEC_NOTE, [parse_vkey(GO_VKEY)])


def test_a_key_of_the_same_name_but_another_hash_is_another_signer() -> None:
    key = NoteKey("example.com/foo", NoteAlgorithm.COSIGNATURE_V1, parse_vkey(SPEC_VKEY).public_key)
    with pytest.raises(NoteSignerUnknownError):
        verify_note(SPEC_NOTE, [key])


def test_the_text_ends_at_the_last_blank_line() -> None:
    key = parse_vkey(GO_VKEY)
    signer = Ed25519Signer.from_seed(GO_SEED)
    text = "before\n\n— PeterNeumann x\n\nafter\n"
    line = NoteSignature(key.name, key.key_hash, signer.sign(text.encode()))
    data = encode_note(Note(text, (line,)))
    assert verify_note(data, [key]).text == text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("CRLF", SPEC_NOTE.replace(b"\n", b"\r\n")),
        ("one CR", SPEC_NOTE.replace(b"message.\n", b"message.\r\n")),
        ("tab", SPEC_NOTE.replace(b"This is", b"This\tis")),
        ("escape", SPEC_NOTE.replace(b"This is", b"This\x1b[2Jis")),
        ("NUL", SPEC_NOTE.replace(b"This is", b"This\0is")),
        ("not UTF-8", SPEC_NOTE.replace(b"This is", b"This\xff is")),
        ("no last newline", SPEC_NOTE[:-1]),
        ("blank line after", SPEC_NOTE + b"\n"),
        ("two blanks", SPEC_NOTE.replace(b"foo Uw2", b"foo  Uw2")),
        ("blank at the end", SPEC_NOTE[:-1] + b" \n"),
        ("hyphen for dash", SPEC_NOTE.replace("—".encode(), b"-")),
        ("no blank line", SPEC_NOTE.replace(b"\n\n", b"\n")),
        ("no signature", SPEC_TEXT.encode() + b"\n"),
        ("no text", b"\n" + SPEC_LINE.encode()),
        ("no padding", SPEC_NOTE.replace(b"aQM=", b"aQM")),
        ("stray bits", SPEC_NOTE.replace(b"aQM=", b"aQN=")),
        ("url base64", SPEC_NOTE.replace(b"+", b"-").replace(b"Uw2QOkn8", b"Uw2QOk-_")),
        ("only a key hash", SPEC_TEXT.encode() + "\n— a AAAAAA==\n".encode()),
        ("signer twice", SPEC_NOTE + SPEC_LINE.encode()),
        ("name with plus", SPEC_TEXT.encode() + "\n— a+b AAAAAAAA\n".encode()),
        ("name with a wide space", SPEC_TEXT.encode() + "\n— a\u3000b AAAAAAAA\n".encode()),
        ("no name", SPEC_TEXT.encode() + "\n—  AAAAAAAA\n".encode()),
        ("too many lines", SPEC_TEXT.encode() + b"\n" + b"".join(f"— n{i} AAAAAAAA\n".encode() for i in range(65))),
        ("too large", b"a" * (129 * 1024) + SPEC_NOTE),
        ("nothing", b""),
    ],
)
def test_any_other_spelling_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(NoteRejectedError):
        parse_note(data)
    assert name
    assert parse_note(SPEC_NOTE).text == SPEC_TEXT


def test_at_least_sixteen_signature_lines_are_read() -> None:
    """signed-note: verifiers must accept at least 16 signatures."""
    lines = tuple(NoteSignature(f"w{number}", b"hash", bytes(64)) for number in range(64))
    assert parse_note(encode_note(Note(SPEC_TEXT, lines))).signatures == lines


@pytest.mark.parametrize("text", ["no newline", "", "tab\there\n", "bell\a\n", "\ud800\n"])
def test_a_text_that_could_not_be_read_back_is_not_signed(text: str) -> None:
    with pytest.raises((NoteRejectedError, UnicodeEncodeError)):
        encode_note(Note(text, (NoteSignature("a", b"hash", bytes(64)),)))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="+", exclude_categories=("Cc", "Cs", "Z")), min_size=1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters="\n"), max_size=200)
LINES = st.builds(NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))


@given(TEXTS, st.lists(LINES, min_size=1, max_size=5, unique_by=lambda line: (line.name, line.key_hash)))
def test_what_is_written_is_read_back(text: str, lines: list[NoteSignature]) -> None:
    note = Note(text + "\n", tuple(lines))
    data = encode_note(note)
    assert parse_note(data) == note
    assert encode_note(parse_note(data)) == data


@given(st.binary(max_size=300))
def test_what_is_read_is_written_back(tail: bytes) -> None:
    for data in (tail, SPEC_NOTE + tail, SPEC_NOTE[: len(tail)] + tail):
        try:
            note = parse_note(data)
        except NoteRejectedError:
            continue
        assert encode_note(note) == data
