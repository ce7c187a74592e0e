"""The centre's 'no' is believed only with its signature, and only about the event it names."""

from __future__ import annotations

import json

import pytest

from chain_of_custody.errors import RefusalRejectedError
from chain_of_custody.refusal import MAX_REFUSAL_BYTES, Refusal, make_refusal, verify_refusal
from evidence_model.canonical import canonical_bytes
from tests.fakes.log_on_disc import test_key as key_of

CENTRE = key_of("centre")
EVENT = bytes(range(32))
GOOD = make_refusal(event=EVENT, code="COC-078", text="没有编号", signer=CENTRE)


def test_a_refusal_names_its_event_and_its_rule() -> None:
    assert verify_refusal(GOOD, centre_key=CENTRE.public_key) == Refusal(EVENT, "COC-078", "没有编号")


@pytest.mark.parametrize("letter", ["x", "字", "😀", "\x01"])
def test_a_long_text_is_cut_and_still_read(letter: str) -> None:
    refusal = make_refusal(event=EVENT, code="COC-078", text=letter * 10_000, signer=CENTRE)
    assert len(refusal) <= MAX_REFUSAL_BYTES
    assert verify_refusal(refusal, centre_key=CENTRE.public_key).text == letter * 500


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("code", "COC-079"),
        ("code", "anything"),
        ("text", ""),
        ("text", None),
        ("event", "00" * 32),
        ("event", "00"),
        ("keyid", key_of("other").key_id.text),
        ("signature", "YR=="),
        ("signature", ""),
        ("more", ""),
    ],
)
def test_no_member_can_be_changed_after_signing(member: str, value: str | None) -> None:
    with pytest.raises(RefusalRejectedError):
        verify_refusal(canonical_bytes({**json.loads(GOOD), member: value}), centre_key=CENTRE.public_key)


@pytest.mark.parametrize("data", [b"", b"[]", GOOD + b" ", GOOD[:-1] + b',"text":""}', b"x" * 5000, b"\xff"])
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(RefusalRejectedError):
        verify_refusal(data, centre_key=CENTRE.public_key)


def test_another_centre_s_refusal_is_refused() -> None:
    other = make_refusal(event=EVENT, code="COC-078", text="", signer=key_of("other"))
    with pytest.raises(RefusalRejectedError):
        verify_refusal(other, centre_key=CENTRE.public_key)
    verify_refusal(other, centre_key=key_of("other").public_key)
