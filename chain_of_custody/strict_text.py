"""Text forms that have exactly one spelling: base64 and hexadecimal, read by decoding, encoding again and comparing.

Python's own readers accept padding bits, blanks, signs and digits of other scripts; two programs could then read one
signed text differently.
"""

import binascii
import re

from evidence_model.errors import RefusedError

_HEX = re.compile(r"(?:[0-9a-f]{2})*")


class NotCanonicalTextError(RefusedError):
    """The text is not the one spelling of these bytes; callers turn this into an error of their own."""

    code = "COC-002"


def decode_base64(text: str | bytes, *, size_bytes: int | None = None) -> bytes:
    """Read standard base64 with padding (RFC 4648 §4), of exactly `size_bytes` bytes if that is given.

    Raises:
        NotCanonicalTextError: another spelling, or another length.
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
        data = binascii.a2b_base64(raw, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise NotCanonicalTextError(f"not base64: {error}") from error
    if binascii.b2a_base64(data, newline=False) != raw:
        raise NotCanonicalTextError("base64 with stray bits")
    if size_bytes is not None and len(data) != size_bytes:
        raise NotCanonicalTextError(f"{len(data)} bytes in base64, {size_bytes} were expected")
    return data


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_hex(text: object, *, size_bytes: int = 32) -> bytes:
    """Read lowercase hexadecimal of exactly `size_bytes` bytes.

    Raises:
        NotCanonicalTextError: anything else.
    """
    if not isinstance(text, str) or len(text) != 2 * size_bytes or not _HEX.fullmatch(text):
        raise NotCanonicalTextError(f"{size_bytes} bytes in lowercase hexadecimal were expected, not {text!r:.80}")
    return bytes.fromhex(text)
