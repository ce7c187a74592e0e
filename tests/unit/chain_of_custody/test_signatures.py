"""Keys: raw bytes in, one answer out."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chain_of_custody.errors import KeyRejectedError
from chain_of_custody.signatures import (
    Ed25519Signer,
    Ed25519Verifier,
    KeyId,
    P256Verifier,
    public_key_pem,
    verifier_for,
)

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def test_a_signature_verifies_under_its_key_and_its_message_only() -> None:
    """RFC 8032 §7.1, test 1."""
    signer = Ed25519Signer.from_seed(SEED)
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = signer.sign(b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e0652249015")
    verifier = Ed25519Verifier(signer.public_key)
    assert verifier.verify(b"", signature)
    assert not verifier.verify(b"x", signature)
    assert not verifier.verify(b"", signature[:-1])
    assert not verifier.verify(b"", b"")
    assert not Ed25519Verifier(Ed25519Signer.from_seed(bytes(32)).public_key).verify(b"", signature)


def test_a_key_id_is_the_sha256_of_the_raw_key() -> None:
    signer = Ed25519Signer.from_seed(SEED)
    assert signer.key_id.text == hashlib.sha256(signer.public_key).hexdigest()
    assert KeyId.parse(str(signer.key_id)) == signer.key_id
    assert signer.key_id.digest == hashlib.sha256(signer.public_key).digest()


@pytest.mark.parametrize("text", ["", "A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 63 + "\n"])
def test_other_texts_are_no_key_id(text: str) -> None:
    with pytest.raises(KeyRejectedError):
        KeyId.parse(text)


@pytest.mark.parametrize("size", [0, 31, 33, 64, 66])
def test_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(KeyRejectedError):
        verifier_for(bytes(size))
    with pytest.raises(KeyRejectedError):
        public_key_pem(bytes(size))
    with pytest.raises(KeyRejectedError):
        Ed25519Signer.from_seed(bytes(size))


def test_a_p256_signature_verifies_raw_and_in_der() -> None:
    private = derive_private_key(12345, SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    verifier = verifier_for(point)
    assert isinstance(verifier, P256Verifier)
    der = private.sign(b"message", ECDSA(SHA256()))
    assert verifier.verify(b"message", der)
    assert not verifier.verify(b"other", der)
    for wrong in (b"", bytes(64), der[:-1], der + b"\0", b"\xff" * 64):
        assert not verifier.verify(b"message", wrong)
    assert public_key_pem(point).startswith(b"-----BEGIN PUBLIC KEY-----")


def test_a_point_off_the_curve_is_refused() -> None:
    with pytest.raises(KeyRejectedError):
        verifier_for(b"\x04" + bytes(63) + b"\x01")
    with pytest.raises(KeyRejectedError):
        public_key_pem(b"\x04" + bytes(63) + b"\x01")
