"""Our envelopes under securesystemslib's DSSE, and where we count more strictly (ADR 0002)."""

from __future__ import annotations

import copy
import json

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # re-exported without saying so

from chain_of_custody.envelope import make_envelope, pae, parse_envelope, verify_envelope
from chain_of_custody.errors import SignerUnknownError
from chain_of_custody.signatures import Ed25519Verifier, Signer
from evidence_model.canonical import canonical_bytes
from tests.fakes.log_on_disc import Source
from tests.fakes.log_on_disc import test_key as key_of

SOURCE = Source("st-1")
RAW = SOURCE.say()


def foreign(signer: Signer, keyid: str | None = None) -> SSlibKey:
    return SSlibKey(keyid or signer.key_id.text, "ed25519", "ed25519", {"public": signer.public_key.hex()})


def opened(raw: bytes) -> Envelope:
    return Envelope.from_dict(copy.deepcopy(json.loads(raw)))  # it empties the signatures of its argument


def test_securesystemslib_accepts_our_envelope() -> None:
    envelope = opened(RAW)
    assert envelope.pae() == parse_envelope(RAW).pae
    assert envelope.payload == parse_envelope(RAW).payload
    assert set(envelope.verify([foreign(SOURCE.signer)], 1)) == {SOURCE.signer.key_id.text}


def test_securesystemslib_refuses_what_we_refuse() -> None:
    document = json.loads(RAW)
    document["payloadType"] = "application/json"
    with pytest.raises(VerificationError):
        opened(canonical_bytes(document)).verify([foreign(SOURCE.signer)], 1)
    with pytest.raises(VerificationError):
        opened(RAW).verify([foreign(key_of("other"))], 1)


def test_both_accept_two_signers() -> None:
    other = key_of("other")
    raw = make_envelope(b"{}", [SOURCE.signer, other])
    assert len(opened(raw).verify([foreign(SOURCE.signer), foreign(other)], 2)) == 2
    verifiers = [Ed25519Verifier(each.public_key) for each in (SOURCE.signer, other)]
    assert len(verify_envelope(parse_envelope(raw), verifiers, threshold=2)) == 2


def test_one_key_under_two_keyids_is_two_signers_there_and_one_here() -> None:
    """Why it is not used at run time. If this fails they mended it: good news, and ADR 0002 may be read again."""
    document = json.loads(make_envelope(b"{}", [SOURCE.signer]))
    document["signatures"].append({**document["signatures"][0], "keyid": "f" * 64})
    raw = canonical_bytes(document)
    assert len(opened(raw).verify([foreign(SOURCE.signer), foreign(SOURCE.signer, "f" * 64)], 2)) == 2
    with pytest.raises(SignerUnknownError):
        verify_envelope(parse_envelope(raw), [Ed25519Verifier(SOURCE.signer.public_key)] * 2, threshold=2)


@pytest.mark.parametrize("kind", ["http://example.com/HelloWorld", "application/vnd.in-toto+json"])
def test_both_write_the_same_pae(kind: str) -> None:
    for body in (b"hello world", "字".encode(), b""):
        assert Envelope(body, kind, {}).pae() == pae(kind, body)
