"""What a station asks for when it wants to be enrolled: its two keys, each with a proof that the station has it.

People carry it to the centre and compare the fingerprint on both screens; whoever exchanged it on the way would have to
make another with the same SHA-256.
"""

from dataclasses import dataclass
from hashlib import sha256

from chain_of_custody.errors import PossessionUnprovedError, TrustRejectedError
from chain_of_custody.signatures import SM2_KEY_BYTES, Signer, verifier_for
from chain_of_custody.strict_text import decode_hex
from chain_of_custody.trust_document import possession_message, prove_possession
from evidence_model.canonical import canonical_bytes, parse_strict
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId, source_id

_TYPE = "evidock enrolment request"
_VERSION = "1"
_MEMBERS = frozenset(
    {"id", "key", "possession", "site", "sm2", "type", "version"} | {"witness_key", "witness_possession"}
)
_SIGNATURE_BYTES = 64
_MAX_BYTES = 4096
_GROUPS, _DIGITS = 10, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A request that was checked."""

    site: SourceId
    id: SourceId
    key: bytes
    possession: bytes
    witness_key: bytes
    sm2: bytes | None


def make_enrolment(site: SourceId, name: SourceId, signer: Signer, witness: Signer, sm2: bytes | None = None) -> bytes:
    """Return the request of a station for its event key, its witness key, and its SM2 key if it has one."""
    return canonical_bytes(
        {
            "id": name,
            "key": signer.public_key.hex(),
            "possession": prove_possession(site, name, signer).hex(),
            "site": site,
            "sm2": None if sm2 is None else sm2.hex(),
            "type": _TYPE,
            "version": _VERSION,
            "witness_key": witness.public_key.hex(),
            "witness_possession": prove_possession(site, name, witness).hex(),
        }
    )


def read_enrolment(raw: bytes) -> Enrolment:
    """Read a request.

    Raises:
        TrustRejectedError: it is none.
        PossessionUnprovedError: one of the keys did not sign that it wants to be this station's.
    """
    try:
        document = parse_strict(raw[: _MAX_BYTES + 1])
        site, name = source_id(str(document.get("site"))), source_id(str(document.get("id")))
        keys = [decode_hex(document.get(member)) for member in ("key", "witness_key")]
        proofs = [
            decode_hex(document.get(member), size_bytes=_SIGNATURE_BYTES)
            for member in ("possession", "witness_possession")
        ]
        verifiers = [verifier_for(key) for key in keys]
        sm2 = document.get("sm2")
        point = None if sm2 is None else decode_hex(sm2, size_bytes=SM2_KEY_BYTES)
    except RefusedError as error:
        raise TrustRejectedError(f"this is no enrolment request: {error}"[:300]) from error
    if set(document) != _MEMBERS or (document["type"], document["version"]) != (_TYPE, _VERSION):
        raise TrustRejectedError("this is no enrolment request of a version that is known here")
    for verifier, proof in zip(verifiers, proofs, strict=True):
        if not verifier.verify(possession_message(site, name, verifier.public_key), proof):
            raise PossessionUnprovedError(f"a key of {name} did not sign that it wants to be {name}'s")
    return Enrolment(site=site, id=name, key=keys[0], possession=proofs[0], witness_key=keys[1], sm2=point)


def fingerprint(data: bytes) -> str:
    """Return what two people compare on two screens: forty digits of the SHA-256, in groups of four."""
    digits = sha256(data).hexdigest()
    return " ".join(digits[at * _DIGITS : (at + 1) * _DIGITS] for at in range(_GROUPS))
