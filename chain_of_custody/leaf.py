"""The log's leaf is a Sigsum v1 tree leaf: 128 bytes that name nobody and hold no content.

checksum (32) = SHA-256(SHA-256(envelope))
signature (64) = Ed25519 by the source over `sigsum.org/v1/tree-leaf` ‖ 0x00 ‖ checksum
key hash (32) = SHA-256(source's public key)
"""

from dataclasses import dataclass

from chain_of_custody.envelope import envelope_checksum
from chain_of_custody.errors import LeafRejectedError, LeafSignatureError
from chain_of_custody.signatures import ED25519_SIGNATURE_BYTES, Ed25519Verifier, KeyId, Signer, Verifier
from chain_of_custody.tree import HASH_BYTES, leaf_hash

LEAF_BYTES = 128
_NAMESPACE = b"sigsum.org/v1/tree-leaf\x00"
_KEY_HASH_AT = HASH_BYTES + ED25519_SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of the log."""

    checksum: bytes
    signature: bytes
    key_hash: bytes

    def __post_init__(self) -> None:
        lengths = (len(self.checksum), len(self.signature), len(self.key_hash))
        if lengths != (HASH_BYTES, ED25519_SIGNATURE_BYTES, HASH_BYTES):
            raise LeafRejectedError(f"a leaf is checksum, signature and key hash of 32, 64 and 32 bytes, not {lengths}")

    @classmethod
    def parse(cls, data: bytes) -> "Leaf":
        """Read a leaf.

        Raises:
            LeafRejectedError: not 128 bytes.
        """
        if len(data) != LEAF_BYTES:
            raise LeafRejectedError(f"a leaf has {LEAF_BYTES} bytes, this has {len(data)}")
        return cls(data[:HASH_BYTES], data[HASH_BYTES:_KEY_HASH_AT], data[_KEY_HASH_AT:])

    def to_bytes(self) -> bytes:
        """Return the 128 bytes that are the log's entry."""
        return self.checksum + self.signature + self.key_hash

    def hash(self) -> bytes:
        """Return the leaf hash in the tree."""
        return leaf_hash(self.to_bytes())


def signed_message(checksum: bytes) -> bytes:
    """Return what the source signs (Sigsum v1, 2.2.4)."""
    return _NAMESPACE + checksum


def sign_leaf(checksum: bytes, signer: Signer) -> bytes:
    """Return the 64-byte leaf signature."""
    return signer.sign(signed_message(checksum))


def make_leaf(raw_envelope: bytes, signer: Signer) -> Leaf:
    """Return the leaf of an envelope, signed by its source."""
    checksum = envelope_checksum(raw_envelope)
    return Leaf(checksum, sign_leaf(checksum, signer), signer.key_id.digest)


def leaf_from_parts(checksum: bytes, signature: bytes, public_key: bytes) -> Leaf:
    """Return the leaf of a checksum whose signature came by message; nothing is verified here."""
    return Leaf(checksum, signature, KeyId.of(public_key).digest)


def verify_leaf_signature(checksum: bytes, signature: bytes, verifier: Verifier) -> bool:
    """Say whether the signature is this key's leaf signature of the checksum."""
    return verifier.verify(signed_message(checksum), signature)


def verify_leaf(leaf: Leaf, *, public_key: bytes) -> None:
    """Return if the key of this leaf is `public_key` and its signature verifies.

    Raises:
        LeafSignatureError: another key, or the signature does not fit.
    """
    verifier = Ed25519Verifier(public_key)
    if verifier.key_id.digest != leaf.key_hash:
        raise LeafSignatureError(f"the leaf names key {leaf.key_hash.hex()[:16]}…, not {verifier.key_id.text[:16]}…")
    if not verify_leaf_signature(leaf.checksum, leaf.signature, verifier):
        raise LeafSignatureError(f"the leaf signature of key {verifier.key_id.text[:16]}… does not fit the checksum")
