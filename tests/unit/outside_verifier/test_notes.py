"""Signed notes and cosignatures: the vectors that others publish."""

from __future__ import annotations

import base64

import pytest

from outside_verifier.keys import Key
from outside_verifier.notes import LOG, WITNESS, Signer, open_checkpoint, origin_of, verify_note
from outside_verifier.strict import RefusedError
from tests.fakes.log_on_disc import test_key as key_of

FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjO"
    "BH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def signer(vkey: str) -> Signer:
    name, hint, material = vkey.split("+", 2)
    raw = base64.b64decode(material)
    made = Signer(name, raw[0], Key(raw[1:]))
    assert made.hint.hex() == hint
    return made


@pytest.mark.parametrize(("vkey", "note"), [(FOO, FOO_NOTE), (NEUMANN, NEUMANN_NOTE)])
def test_published_notes_verify_and_altered_ones_do_not(vkey: str, note: str) -> None:
    text, found = verify_note(note.encode(), [signer(vkey)])
    assert (text, len(found)) == (note.partition("\n\n")[0] + "\n", 1)
    for bad in (
        note.replace("is", "IS", 1),
        note.replace("\n", "\r\n"),
        note[:-1],
        note.replace("—", "-"),
        note + note.split("\n")[-2] + "\n",
        note.replace("=\n", "\n"),
        note.replace("\n\n", "\n"),
        "\t" + note,
    ):
        with pytest.raises(RefusedError):
            verify_note(bad.encode(), [signer(vkey)])
    with pytest.raises(RefusedError, match=r"note\.unsigned"):
        verify_note(note.encode(), [signer(FOO if vkey == NEUMANN else NEUMANN)])


def test_a_checkpoint_is_three_lines_of_its_own_log() -> None:
    log = Key(key_of("log").public_key)
    root = base64.b64encode(bytes(32)).decode()

    def note(text: str) -> bytes:
        line = base64.b64encode(Signer(origin_of(log), LOG, log).hint + key_of("log").sign(text.encode())).decode()
        return f"{text}\n— {origin_of(log)} {line}\n".encode()

    good = f"{origin_of(log)}\n7\n{root}\n"
    assert open_checkpoint(note(good), log).size == 7
    for bad in (
        good.replace("\n7\n", "\n07\n"),
        good.replace("\n7\n", "\n9223372036854775808\n"),
        good.replace("\n7\n", "\n0\n"),
        good + "more\n",
        good.replace("sigsum", "sigsum2"),
        good.replace(root, root[4:]),
        good.replace("AAAA=", "AAAB="),
    ):
        with pytest.raises(RefusedError):
            open_checkpoint(note(bad), log)


def test_a_cosignature_states_its_time_and_is_no_signature_of_another_kind() -> None:
    key = key_of("w1")
    text = "origin\n1\nAAAA\n"
    signature = (1764291000).to_bytes(8, "big") + key.sign(b"cosignature/v1\ntime 1764291000\n" + text.encode())
    witness = Signer("w1.example", WITNESS, Key(key.public_key))
    assert witness.signed(text, signature)
    assert not witness.signed(text, (1764291001).to_bytes(8, "big") + signature[8:])
    assert not witness.signed(text, signature[:-1])
    assert not witness.signed(text, key.sign(text.encode()))
    assert not witness.signed(text, b"")
    assert not Signer("w1.example", LOG, Key(key.public_key)).signed(text, signature)
