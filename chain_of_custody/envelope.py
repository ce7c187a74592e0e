"""The DSSE envelope that carries every event: one byte form only, made, read and verified here.

    {"payload":"<base64>","payloadType":"<type>","signatures":[{"keyid":"<hex>","sig":"<base64>"},…]}

This is RFC 8785 JSON with the signatures sorted by key id. Since there is one form only, an envelope is a regular
language: what the pattern below does not match is refused, be it a repeated key, an unknown member, a blank or another
order. What is signed is PAE(payloadType, payload), so a verifier needs no JSON rules at all (ADR 0002).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from chain_of_custody.errors import (
    EnvelopeRejectedError,
    EnvelopeTooLargeError,
    SignatureRejectedError,
    SignerUnknownError,
    WireRejectedError,
)
from chain_of_custody.signatures import KeyId, Signer, Verifier
from chain_of_custody.strict_text import NotCanonicalTextError, decode_base64, encode_base64
from evidence_model.canonical import parse_strict
from evidence_model.errors import RefusedError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES = 60 * 1024
MAX_SIGNATURES = 16

_B64 = rb"[A-Za-z0-9+/]*={0,2}"
_SIGNATURE = rb'\{"keyid":"[0-9a-f]{64}","sig":"' + _B64 + rb'"\}'
_ENVELOPE = re.compile(
    rb'\{"payload":"(' + _B64 + rb')","payloadType":"([!#-\[\]-~]{1,200})","signatures":\['
    rb"(" + _SIGNATURE + rb"(?:," + _SIGNATURE + rb")*)\]\}"
)
_SIGNATURE_PARTS = re.compile(rb'"keyid":"([0-9a-f]{64})","sig":"(' + _B64 + rb')"')
_WIRE_TAIL = re.compile(rb',"leaf_signature":"([0-9a-f]{128})"\}')
_WIRE_TAIL_BYTES = len(b',"leaf_signature":""}') + 128
MAX_WIRE_BYTES = MAX_ENVELOPE_BYTES + _WIRE_TAIL_BYTES - 1


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature, and whose it claims to be."""

    key_id: KeyId
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as it was read; `raw` are the bytes that are stored, hashed and logged. Nothing is verified yet."""

    raw: bytes
    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 of the envelope: its file name, and `prev` of the next event."""
        return sha256(self.raw).digest()

    @property
    def checksum(self) -> bytes:
        """Return what the log's leaf holds: SHA-256 of the SHA-256 (Sigsum v1)."""
        return sha256(self.hash).digest()

    @property
    def pae(self) -> bytes:
        """Return the bytes that each signature is over."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, body: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding; both lengths count bytes, not characters."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def envelope_hash(raw: bytes) -> bytes:
    """Return the SHA-256 of the envelope's bytes."""
    return sha256(raw).digest()


def envelope_checksum(raw: bytes) -> bytes:
    """Return SHA-256(SHA-256(envelope)), which the log's leaf holds."""
    return sha256(sha256(raw).digest()).digest()


def make_envelope(
    statement: bytes,
    signers: Sequence[Signer],
    payload_type: str = PAYLOAD_TYPE,
    *,
    made: Sequence[EnvelopeSignature] = (),
    limit: int = MAX_ENVELOPE_BYTES,
) -> bytes:
    """Return the envelope of a statement signed by all `signers`; the same input gives the same bytes.

    `made` are further signatures over the same `pae`, by whoever may fail to sign. `limit` is for what is no event; an
    event has at most 60 KiB.

    Raises:
        EnvelopeRejectedError: no signer, one key twice, or larger than an envelope may be.
    """
    message = pae(payload_type, statement)
    if not signers:
        raise EnvelopeRejectedError("nobody signs this envelope")
    signed = [*made, *(EnvelopeSignature(signer.key_id, signer.sign(message)) for signer in signers)]
    signatures = sorted((each.key_id.text, encode_base64(each.signature)) for each in signed)
    members = ",".join(f'{{"keyid":"{key_id}","sig":"{signature}"}}' for key_id, signature in signatures)
    text = f'{{"payload":"{encode_base64(statement)}","payloadType":"{payload_type}","signatures":[{members}]}}'
    raw = text.encode()
    parse_envelope(raw, limit=limit)
    return raw


def parse_envelope(raw: bytes, *, limit: int = MAX_ENVELOPE_BYTES) -> Envelope:
    """Read an envelope; nothing is verified yet.

    Raises:
        EnvelopeTooLargeError: over `limit`, which for events is 60 KiB.
        EnvelopeRejectedError: not the one form that is described above.
    """
    if len(raw) > limit:
        raise EnvelopeTooLargeError(f"an envelope of {len(raw)} bytes; at most {limit} are accepted")
    match = _ENVELOPE.fullmatch(raw)
    if match is None:
        raise EnvelopeRejectedError(f"not an envelope: {_why(raw)}")
    payload, payload_type, members = match.groups()
    try:
        signatures = tuple(_signatures(members))
        return Envelope(raw, decode_base64(payload), payload_type.decode("ascii"), signatures)
    except NotCanonicalTextError as error:
        raise EnvelopeRejectedError(f"not an envelope: {error}") from error


def verify_envelope(envelope: Envelope, verifiers: Iterable[Verifier], threshold: int = 1) -> frozenset[KeyId]:
    """Return the ids of the known keys that signed; each distinct public key counts once.

    Signatures by keys that are not known are ignored.

    Raises:
        SignatureRejectedError: a known key's signature does not verify.
        SignerUnknownError: fewer than `threshold` distinct known keys signed.
    """
    known = {verifier.key_id: verifier for verifier in verifiers}
    message = envelope.pae
    signed = set()
    for each in envelope.signatures:
        verifier = known.get(each.key_id)
        if verifier is None:
            continue
        if not verifier.verify(message, each.signature):
            raise SignatureRejectedError(f"the signature of key {each.key_id.text[:16]}… does not fit the payload")
        signed.add(each.key_id)
    if len(signed) < max(threshold, 1):
        raise SignerUnknownError(f"{len(signed)} of {len(known)} known keys signed, {max(threshold, 1)} are needed")
    return frozenset(signed)


def to_wire(raw: bytes, leaf_signature: bytes) -> bytes:
    """Return the message that carries an envelope: the same object with `leaf_signature` as its last member."""
    message = raw[:-1] + b',"leaf_signature":"' + leaf_signature.hex().encode() + b'"}'
    if from_wire(message) != (raw, leaf_signature):
        raise WireRejectedError("these bytes cannot be sent as an event")
    return message


def from_wire(message: bytes) -> tuple[bytes, bytes]:
    """Return the envelope's exact bytes and the leaf signature of a message; the envelope is not read yet.

    Raises:
        WireRejectedError: the leaf signature is not the last member in its one spelling.
        EnvelopeTooLargeError: larger than an event may be.
    """
    if len(message) > MAX_WIRE_BYTES:
        raise EnvelopeTooLargeError(f"a message of {len(message)} bytes; at most {MAX_WIRE_BYTES} are accepted")
    cut = len(message) - _WIRE_TAIL_BYTES
    match = _WIRE_TAIL.fullmatch(message, cut) if cut > 0 else None
    if match is None:
        raise WireRejectedError("an event message ends with leaf_signature and 128 hexadecimal digits")
    return message[:cut] + b"}", bytes.fromhex(match.group(1).decode("ascii"))


def _signatures(members: bytes) -> Iterable[EnvelopeSignature]:
    previous = ""
    for count, (key_id_bytes, encoded) in enumerate(_SIGNATURE_PARTS.findall(members), start=1):
        key_id = key_id_bytes.decode("ascii")
        if key_id <= previous or count > MAX_SIGNATURES:
            raise NotCanonicalTextError(f"signatures are sorted by keyid, none twice, at most {MAX_SIGNATURES}")
        previous = key_id
        yield EnvelopeSignature(KeyId(key_id), decode_base64(encoded))


def _why(raw: bytes) -> str:
    """Say for the log which rule the bytes break; the decision was taken before."""
    try:
        members = parse_strict(raw)
    except RefusedError as error:
        return str(error)
    if set(members) != {"payload", "payloadType", "signatures"}:
        return f"its members are {', '.join(sorted(members))[:200]}"
    return "another spelling than RFC 8785 with payload, payloadType and sorted signatures of keyid and sig"
