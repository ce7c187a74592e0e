"""Our own Ed25519 is RFC 8032's, agrees with OpenSSL, and refuses what has two readings."""

from __future__ import annotations

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from outside_verifier import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
RFC_8032 = [  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
            "c027beceea1ec40a"
        ),
    ),
]
NEUTRAL = (1).to_bytes(32, "little")
SMALL_ORDER = [
    NEUTRAL,
    bytes(32),
    bytes(31) + b"\x80",
    (2**255 - 20).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]
TWO_READINGS = [(2**255 - 19 + y).to_bytes(32, "little") for y in range(19)]  # y again, once around the field


def openssl_says(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signed(seed: int, message: bytes) -> tuple[bytes, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(random.Random(seed).randbytes(32))
    return private.public_key().public_bytes_raw(), private.sign(message)


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_vectors_of_the_rfc_verify_and_one_bit_less_does_not(key: str, message: str, signature: str) -> None:
    parts = [bytes.fromhex(part) for part in (key, message, signature)]
    assert ed25519.verify(*parts)
    for at in (0, 31, 32, 63):
        changed = bytearray(parts[2])
        changed[at] ^= 1
        assert not ed25519.verify(parts[0], parts[1], bytes(changed))
    assert not ed25519.verify(parts[0], parts[1] + b"\0", parts[2])


def test_it_says_what_openssl_says_of_random_and_damaged_signatures() -> None:
    rng = random.Random(8032)
    for seed in range(150):
        message = rng.randbytes(rng.randrange(200))
        key, signature = signed(seed, message)
        assert ed25519.verify(key, message, signature)
        damaged = bytearray(key + message + signature)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        changed = bytes(damaged)
        parts = (changed[:32], changed[32:-64], changed[-64:])
        assert ed25519.verify(*parts) == openssl_says(*parts)
    assert not ed25519.verify(key, message, signature[:-1])
    assert not ed25519.verify(key[:-1], message, signature)


def test_a_signature_has_no_second_form_with_the_order_added() -> None:
    key, signature = signed(1, b"evidence")
    s = int.from_bytes(signature[32:], "little")
    for more in range(1, 16):
        second = signature[:32] + (s + more * ORDER).to_bytes(33, "little")[:32]
        assert not ed25519.verify(key, b"evidence", second)
        assert not openssl_says(key, b"evidence", second)


@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_is_no_key(point: bytes) -> None:
    """With the neutral point as key, R = [S]B fits any message: OpenSSL takes it, we do not."""
    assert not ed25519.is_key(point)
    assert not ed25519.verify(point, b"anything", point + bytes(32))


def test_the_forgery_that_small_order_allows_is_real_and_refused() -> None:
    base = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")
    forged = base + (1).to_bytes(32, "little")
    for message in (b"one", b"another"):
        assert openssl_says(NEUTRAL, message, forged)
        assert not ed25519.verify(NEUTRAL, message, forged)


@pytest.mark.parametrize("point", TWO_READINGS, ids=bytes.hex)
def test_a_point_with_two_readings_is_refused(point: bytes) -> None:
    assert not ed25519.is_key(point)
    key, signature = signed(2, b"x")
    assert not ed25519.verify(key, b"x", point + signature[32:])
    assert not ed25519.has_one_reading(key, point + signature[32:])


def test_half_of_all_encodings_are_no_point_and_agree_with_openssl() -> None:
    rng = random.Random(5)
    key, signature = signed(3, b"x")
    for _ in range(100):
        point = rng.randbytes(32)
        assert ed25519.verify(point, b"x", signature) == openssl_says(point, b"x", signature) is False
        assert ed25519.verify(key, b"x", point + signature[32:]) == openssl_says(key, b"x", point + signature[32:])
