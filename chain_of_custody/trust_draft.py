"""A trust document on its way from one root holder to the next: the envelope it will be, with the signatures so far.

Each signs on a machine of his own. With enough signatures a draft is, byte for byte, what is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chain_of_custody.envelope import pae
from chain_of_custody.errors import TrustRejectedError
from chain_of_custody.signatures import KeyId, Signer, verifier_for
from chain_of_custody.strict_text import decode_base64, encode_base64
from chain_of_custody.trust_document import Trust, document_bytes, parse_document
from chain_of_custody.trust_entries import PolicyFrom, RootKey, list_of
from chain_of_custody.trust_root import MAX_ROOT_BYTES, ROOT_TYPE
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.canonical import Json, canonical_bytes, parse_strict
from evidence_model.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Draft:
    """A document, and who signed it so far; whether they are roots at all is seen when it is published."""

    trust: Trust
    signatures: Mapping[KeyId, bytes]

    def signed(self, signer: Signer) -> "Draft":
        """Return it with one more signature."""
        signature = signer.sign(pae(ROOT_TYPE, document_bytes(self.trust)))
        return Draft(self.trust, {**self.signatures, signer.key_id: signature})

    def has_of(self, root: RootKey) -> bool:
        """Say whether this root has signed, and rightly."""
        signature = self.signatures.get(root.key_id)
        message = pae(ROOT_TYPE, document_bytes(self.trust))
        return signature is not None and verifier_for(root.key).verify(message, signature)

    def to_bytes(self) -> bytes:
        """Return the draft as it is handed on."""
        signatures = [
            {"keyid": key_id.text, "sig": encode_base64(signature)}
            for key_id, signature in sorted(self.signatures.items())
        ]
        document: dict[str, Json] = {
            "payload": encode_base64(document_bytes(self.trust)),
            "payloadType": ROOT_TYPE,
            "signatures": signatures,
        }
        return canonical_bytes(document)


def read_draft(raw: bytes) -> Draft:
    """Read a draft.

    Raises:
        TrustRejectedError: it is none.
    """
    if len(raw) > MAX_ROOT_BYTES:
        raise TrustRejectedError(f"a draft of {len(raw)} bytes; at most {MAX_ROOT_BYTES} are read")
    try:
        document = parse_strict(raw)
        signatures = dict(list_of(document.get("signatures"), "signatures", _signature))
        draft = Draft(parse_document(decode_base64(str(document.get("payload")))), signatures)
    except TrustRejectedError:
        raise
    except RefusedError as error:
        raise TrustRejectedError(str(error)[:300]) from error
    if draft.to_bytes() != raw:
        raise TrustRejectedError("the draft is not in its one form")
    return draft


def next_document(before: Trust, *, size: int) -> Trust:
    """Return a document like the one before it, to be changed and signed, made when the log had this size."""
    return replace(before, number=before.number + 1, previous=before.hash, since=max(size, before.since))


def with_policy(trust: Trust, policy: WitnessPolicy) -> Trust:
    """Return a new document with another witness policy, for every checkpoint that is larger than the log is now.

    One that was to come, and under which no checkpoint was made yet, is forgotten.
    """
    made = tuple(each for each in trust.policies if each.start <= trust.since)
    return replace(trust, policies=(*made, PolicyFrom(policy, trust.since + 1)))


def _signature(value: Json) -> tuple[KeyId, bytes]:
    if not isinstance(value, Mapping) or set(value) != {"keyid", "sig"}:
        raise TrustRejectedError("a signature has keyid and sig")
    return KeyId.parse(str(value["keyid"])), decode_base64(str(value["sig"]))
