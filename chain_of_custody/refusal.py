"""The centre's signed 'no' to one event: which one, by which rule, and what it says about it in English.

A refusal ends nothing: the station keeps the footage and the envelope, shows people the code, and asks again slowly,
because what was missing (a station's key, a sound blob) may be mended. A later receipt lifts it.
"""

import re
from dataclasses import dataclass

from chain_of_custody.envelope import pae
from chain_of_custody.errors import RefusalRejectedError
from chain_of_custody.signatures import Signer, verifier_for
from chain_of_custody.strict_text import decode_base64, decode_hex, encode_base64
from evidence_model.canonical import Json, JsonObject, canonical_bytes, parse_strict
from evidence_model.errors import RefusedError

REFUSAL_TYPE = "application/vnd.evidock.refusal+json"
MAX_REFUSAL_BYTES = 4096
MAX_TEXT_CHARACTERS = 500
_CODE = re.compile(r"[A-Z]{2,5}-[0-9]{3}", re.ASCII)
_MEMBERS = frozenset({"code", "event", "keyid", "signature", "text"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the centre said, after its signature was checked."""

    event: bytes
    code: str
    text: str


def make_refusal(*, event: bytes, code: str, text: str, signer: Signer) -> bytes:
    """Return the refusal of the envelope with hash `event` as canonical JSON; a long text is cut."""
    members = {"code": code, "event": event.hex(), "text": text[:MAX_TEXT_CHARACTERS]}
    signature = encode_base64(signer.sign(_signed_message(members)))
    return canonical_bytes({**members, "keyid": signer.key_id.text, "signature": signature})


def verify_refusal(data: bytes, *, centre_key: bytes) -> Refusal:
    """Return what this centre refused and why.

    Raises:
        RefusalRejectedError: too large, not in the one canonical form, or not signed by this centre.
    """
    if len(data) > MAX_REFUSAL_BYTES:
        raise RefusalRejectedError(f"a refusal of {len(data)} bytes; at most {MAX_REFUSAL_BYTES} are read")
    try:
        members = _members(data)
        event = decode_hex(members["event"])
        code, text = _text(members["code"]), _text(members["text"])
        signature = decode_base64(_text(members["signature"]))
    except RefusalRejectedError:
        raise
    except RefusedError as error:
        raise RefusalRejectedError(f"not a refusal: {error}") from error
    if not _CODE.fullmatch(code):
        raise RefusalRejectedError(f"{code[:20]!r} is no code")
    centre = verifier_for(centre_key)
    said = {"code": members["code"], "event": members["event"], "text": members["text"]}
    if members["keyid"] != centre.key_id.text or not centre.verify(_signed_message(said), signature):
        raise RefusalRejectedError("not signed by the centre we trust")
    return Refusal(event, code, text)


def _members(data: bytes) -> JsonObject:
    members = parse_strict(data)
    if members.keys() != _MEMBERS or canonical_bytes(members) != data:
        raise RefusalRejectedError(f"a refusal is RFC 8785 JSON of exactly {', '.join(sorted(_MEMBERS))}")
    return members


def _signed_message(members: JsonObject) -> bytes:
    return pae(REFUSAL_TYPE, canonical_bytes(members))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise RefusalRejectedError(f"text was expected, not {value!r:.80}")
    return value
