"""Keys that sign and keys that verify: Ed25519 (RFC 8032), and P-256 where a key lives in a TPM.

A public key is its raw bytes: 32 for Ed25519, the 65 of an uncompressed point for P-256. Its id is the SHA-256 of them.
"""

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chain_of_custody.errors import KeyRejectedError

ED25519_KEY_BYTES = 32
ED25519_SIGNATURE_BYTES = 64
P256_KEY_BYTES = 65
SM2_KEY_BYTES = 65
SM2_DER_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")  # as RFC 5480, curve SM2
_P256_RAW_SIGNATURE_BYTES = 64
_KEY_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class KeyId:
    """The name of a public key: hexadecimal SHA-256 of its raw bytes. Made by `of` or `parse`."""

    text: str

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.text):
            raise KeyRejectedError(f"a key id has 64 lowercase hexadecimal digits, this is {self.text[:80]!r}")

    @classmethod
    def of(cls, public_key: bytes) -> "KeyId":
        """Return the id of a raw public key."""
        return cls(sha256(public_key).hexdigest())

    @classmethod
    def parse(cls, text: str) -> "KeyId":
        """Read a key id.

        Raises:
            KeyRejectedError: not 64 lowercase hexadecimal digits.
        """
        return cls(text)

    @property
    def digest(self) -> bytes:
        """Return the 32 bytes of the id."""
        return bytes.fromhex(self.text)

    def __str__(self) -> str:
        return self.text


class Signer(Protocol):
    """A private key, wherever it lives; the same message may be signed again at any time."""

    @property
    def key_id(self) -> KeyId:
        """Return the id of the public key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Return the raw public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature over exactly these bytes."""
        ...


class Verifier(Protocol):
    """A public key that is trusted for something."""

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key."""
        ...

    @property
    def public_key(self) -> bytes:
        """Return the raw public key."""
        ...

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Say whether the signature is this key's over exactly these bytes; never raises."""
        ...


class Ed25519Signer:
    """An Ed25519 private key held in memory."""

    __slots__ = ("_private", "key_id", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key: bytes = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id: KeyId = KeyId.of(self.public_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """Return the key of a 32-byte seed (RFC 8032 §5.1.5).

        Raises:
            KeyRejectedError: another length.
        """
        if len(seed) != ED25519_KEY_BYTES:
            raise KeyRejectedError(f"an Ed25519 seed has 32 bytes, this has {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature; the same message always gives the same one."""
        return self._private.sign(message)


class Ed25519Verifier:
    """An Ed25519 public key, loaded once."""

    __slots__ = ("_public", "key_id", "public_key")

    def __init__(self, public_key: bytes) -> None:
        if len(public_key) != ED25519_KEY_BYTES:
            raise KeyRejectedError(f"an Ed25519 public key has 32 bytes, this has {len(public_key)}")
        self.public_key: bytes = bytes(public_key)
        self.key_id: KeyId = KeyId.of(self.public_key)
        self._public = Ed25519PublicKey.from_public_bytes(self.public_key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this key's over `message`."""
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class P256Verifier:
    """An ECDSA P-256 public key with SHA-256; signatures as raw r and s (64 bytes) or in DER."""

    __slots__ = ("_public", "key_id", "public_key")

    def __init__(self, public_key: bytes) -> None:
        if len(public_key) != P256_KEY_BYTES or public_key[0] != 4:  # noqa: PLR2004 - SEC 1: 4 marks an uncompressed point
            raise KeyRejectedError(
                f"a P-256 public key is an uncompressed point of 65 bytes, this has {len(public_key)}"
            )
        self.public_key: bytes = bytes(public_key)
        self.key_id: KeyId = KeyId.of(self.public_key)
        try:
            self._public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), self.public_key)
        except ValueError as error:
            raise KeyRejectedError("the point is not on P-256") from error

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Say whether `signature` is this key's over `message`."""
        if len(signature) == _P256_RAW_SIGNATURE_BYTES:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            der = encode_dss_signature(r, s)
        else:
            der = signature
        try:
            self._public.verify(der, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def verifier_for(public_key: bytes) -> Verifier:
    """Return the verifier of a raw public key; its length says which kind it is.

    Raises:
        KeyRejectedError: neither kind, or not a point of the curve.
    """
    if len(public_key) == P256_KEY_BYTES:
        return P256Verifier(public_key)
    return Ed25519Verifier(public_key)


def sm2_public_key_der(point: bytes) -> bytes:
    """Return an SM2 public point as SubjectPublicKeyInfo, which openssl reads; nothing here can check one."""
    if len(point) != SM2_KEY_BYTES or point[0] != 4:  # noqa: PLR2004 - SEC 1: 4 marks an uncompressed point
        raise KeyRejectedError(f"an SM2 public key is an uncompressed point of 65 bytes, this has {len(point)}")
    return SM2_DER_HEAD + point


def sm2_public_key_pem(point: bytes) -> bytes:
    """Return an SM2 public point as PEM."""
    text = base64.b64encode(sm2_public_key_der(point)).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()


def public_key_pem(public_key: bytes) -> bytes:
    """Return a raw public key as PEM (SubjectPublicKeyInfo), which openssl reads."""
    loaded: Ed25519PublicKey | EllipticCurvePublicKey
    try:
        if len(public_key) == P256_KEY_BYTES:
            loaded = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public_key)
        else:
            loaded = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise KeyRejectedError(f"no public key: {len(public_key)} bytes") from error
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
