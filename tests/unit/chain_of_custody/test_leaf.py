"""The Sigsum leaf: 128 bytes that bind an envelope to its source."""

from __future__ import annotations

import hashlib

import pytest

from chain_of_custody.envelope import envelope_checksum, make_envelope
from chain_of_custody.errors import LeafRejectedError, LeafSignatureError
from chain_of_custody.leaf import Leaf, leaf_from_parts, make_leaf, sign_leaf, verify_leaf, verify_leaf_signature
from chain_of_custody.signatures import Ed25519Verifier
from chain_of_custody.tree import leaf_hash
from tests.fakes.log_on_disc import test_key as key_of

ST = key_of("st-1")
RAW = make_envelope(b"{}", [ST])


def test_the_checksum_of_a_sigsum_message_is_its_double_hash() -> None:
    """sigsum-go TestVerify submits a 32-byte message, which stands for the hash of a file."""
    message = b" " * 26 + b"foo-4\n"
    assert hashlib.sha256(message).hexdigest() == "7e2893f0b68d6dc712b13eb957a71e335dfd09d0597bdd5e4f99282ac68df6eb"
    assert envelope_checksum(RAW) == hashlib.sha256(hashlib.sha256(RAW).digest()).digest()


def test_a_leaf_is_checksum_signature_and_key_hash() -> None:
    leaf = make_leaf(RAW, ST)
    data = leaf.to_bytes()
    assert len(data) == 128
    assert data[:32] == envelope_checksum(RAW)
    assert Ed25519Verifier(ST.public_key).verify(b"sigsum.org/v1/tree-leaf\0" + data[:32], data[32:96])
    assert data[96:] == hashlib.sha256(ST.public_key).digest()
    assert Leaf.parse(data) == leaf
    assert leaf.hash() == leaf_hash(data)
    verify_leaf(leaf, public_key=ST.public_key)


def test_a_leaf_put_together_from_a_message_is_the_source_s_own() -> None:
    checksum = envelope_checksum(RAW)
    assert leaf_from_parts(checksum, sign_leaf(checksum, ST), ST.public_key) == make_leaf(RAW, ST)


def test_a_leaf_of_another_event_or_another_key_is_refused() -> None:
    """Attack 18."""
    leaf = make_leaf(RAW, ST)
    other = envelope_checksum(b"another")
    with pytest.raises(LeafSignatureError):
        verify_leaf(Leaf(other, leaf.signature, leaf.key_hash), public_key=ST.public_key)
    with pytest.raises(LeafSignatureError):
        verify_leaf(leaf, public_key=key_of("st-2").public_key)
    forged = leaf_from_parts(leaf.checksum, leaf.signature, key_of("st-2").public_key)
    with pytest.raises(LeafSignatureError):
        verify_leaf(forged, public_key=key_of("st-2").public_key)
    verify_leaf(leaf, public_key=ST.public_key)


def test_an_envelope_signature_is_no_leaf_signature() -> None:
    """The namespace keeps the two uses of one key apart."""
    checksum = envelope_checksum(RAW)
    assert not verify_leaf_signature(checksum, ST.sign(checksum), Ed25519Verifier(ST.public_key))
    assert verify_leaf_signature(checksum, sign_leaf(checksum, ST), Ed25519Verifier(ST.public_key))


@pytest.mark.parametrize("size", [0, 127, 129])
def test_a_leaf_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(LeafRejectedError):
        Leaf.parse(bytes(size))
    with pytest.raises(LeafRejectedError):
        Leaf(bytes(32), bytes(size % 100), bytes(32))
