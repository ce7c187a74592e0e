"""Public keys as raw bytes: 32 of Ed25519, or the 65 of an uncompressed P-256 point. A key's id is their SHA-256.

Ed25519 is always read by our own code. The library `cryptography` then does the equation if it is there (it is much
faster); P-256 is checked by that library alone, and without it the answer says how openssl checks it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256

from . import ed25519
from .strict import RefusedError

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    LIBRARY = "cryptography"
except Exception:  # noqa: BLE001 - missing, or broken in whatever way: then our own code does it
    LIBRARY = ""

P256_SIZE = 65
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_PEM_HEADS = {
    ed25519.SIZE: bytes.fromhex("302a300506032b6570032100"),  # RFC 8410
    P256_SIZE: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),  # RFC 5480
}


@dataclass(frozen=True)
class Key:
    """A public key whose form was checked."""

    raw: bytes

    def __post_init__(self) -> None:
        if not (ed25519.is_key(self.raw) or _is_on_p256(self.raw)):
            raise RefusedError("key", key=self.raw.hex())

    @property
    def id(self) -> str:
        """Return the SHA-256 of the raw key in hexadecimal."""
        return sha256(self.raw).hexdigest()

    @property
    def is_ed25519(self) -> bool:
        """Say which of the two kinds it is."""
        return len(self.raw) == ed25519.SIZE

    def verify(self, message: bytes, signature: bytes) -> bool | None:
        """Say whether the signature is this key's over exactly these bytes; None if it cannot be checked here."""
        if not self.is_ed25519:
            return _verify_p256(self.raw, message, signature) if LIBRARY else None
        if not LIBRARY:
            return ed25519.verify(self.raw, message, signature)
        if not ed25519.has_one_reading(self.raw, signature):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """Return the key as openssl reads it (SubjectPublicKeyInfo)."""
        text = base64.b64encode(_PEM_HEADS[len(self.raw)] + self.raw).decode("ascii")
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode("ascii")

    def ssh_line(self) -> str:
        """Return an Ed25519 key as Sigsum's tools read it (OpenSSH)."""
        kind = b"ssh-ed25519"
        blob = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, self.raw))
        return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}"


def _is_on_p256(raw: bytes) -> bool:
    if len(raw) != P256_SIZE or raw[0] != 4:  # noqa: PLR2004 - SEC 1: 4 marks an uncompressed point
        return False
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    return x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0


def _verify_p256(raw: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) == 64:  # noqa: PLR2004 - r and s as they are; else DER
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        signature = utils.encode_dss_signature(r, s)
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
