"""DSSE envelopes (version 1) in the one spelling that docs/spec/log-and-envelope.md allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from .keys import Key
from .strict import RefusedError, base64_bytes

MAX_BYTES = 60 * 1024
_MAX_SIGNATURES = 16
_B64 = r"[A-Za-z0-9+/]*={0,2}"
_SIGNATURE = rf'\{{"keyid":"[0-9a-f]{{64}}","sig":"{_B64}"\}}'
_ENVELOPE = re.compile(
    rf'\{{"payload":"({_B64})","payloadType":"([!#-\[\]-~]{{1,200}})","signatures":\[({_SIGNATURE}(?:,{_SIGNATURE})*)\]\}}'
)
_PARTS = re.compile(rf'"keyid":"([0-9a-f]{{64}})","sig":"({_B64})"')


@dataclass(frozen=True)
class Envelope:
    """An envelope as it was read; nothing is verified yet."""

    raw: bytes
    payload: bytes
    payload_type: str
    signatures: Mapping[str, bytes]  # key id: signature

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 by which the next event names this one."""
        return sha256(self.raw).digest()

    @property
    def pae(self) -> bytes:
        """Return the bytes that are signed."""
        kind = self.payload_type.encode("ascii")
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def parse_envelope(raw: bytes, at_most: int = MAX_BYTES) -> Envelope:
    """Read an envelope: what is not in the one form is refused."""
    match = _ENVELOPE.fullmatch(raw.decode("ascii", "replace")) if len(raw) <= at_most else None
    if match is None:
        raise RefusedError("envelope")
    parts = _PARTS.findall(match[3])
    key_ids = [key_id for key_id, _ in parts]
    if key_ids != sorted(set(key_ids)) or len(parts) > _MAX_SIGNATURES:
        raise RefusedError("envelope.order")
    signatures = {key_id: base64_bytes(text) for key_id, text in parts}
    return Envelope(raw, base64_bytes(match[1]), match[2], signatures)


def signers(envelope: Envelope, known: Mapping[str, Key]) -> tuple[set[str], set[str]]:
    """Return the ids of the known keys that signed, and of those whose signatures cannot be checked here.

    Signatures by keys that are not known are ignored; one by a known key that does not fit is refused.
    """
    signed, unchecked = set(), set()
    for key_id, signature in envelope.signatures.items():
        key = known.get(key_id)
        verdict = key.verify(envelope.pae, signature) if key is not None else False
        if key is None:
            continue
        if verdict is None:
            unchecked.add(key_id)
        elif verdict:
            signed.add(key_id)
        else:
            raise RefusedError("envelope.signature", key=key_id)
    if not signed and not unchecked:
        raise RefusedError("envelope.unknown")
    return signed, unchecked
