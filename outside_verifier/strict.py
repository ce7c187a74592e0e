"""Texts that have exactly one spelling: base64, hexadecimal, numbers, JSON. Everything else is refused.

Lenient readers are how two programs come to read one signed text differently.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 32
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")


class RefusedError(Exception):
    """Something is not what it has to be; `reason` is a key of `words.REASONS`, `facts` fill its blanks."""

    def __init__(self, reason: str, /, **facts: object) -> None:
        self.reason = reason
        self.facts = {name: str(value)[:200] for name, value in facts.items()}
        super().__init__(reason, self.facts)


def base64_bytes(text: str) -> bytes:
    """Read base64 with padding (RFC 4648, section 4) in its one spelling."""
    try:
        data = base64.b64decode(text.encode("ascii") if _BASE64.fullmatch(text) else b"=")
    except binascii.Error:
        raise RefusedError("base64", text=text) from None
    if base64.b64encode(data).decode("ascii") != text:
        raise RefusedError("base64", text=text)
    return data


def hex_bytes(text: object, size: int = 32) -> bytes:
    """Read `size` bytes in lowercase hexadecimal."""
    if not isinstance(text, str) or len(text) != 2 * size or not _HEX.fullmatch(text):
        raise RefusedError("hex", size=size, text=text)
    return bytes.fromhex(text)


def number(text: object) -> int:
    """Read a decimal number: no sign, no leading zero, at most 20 digits."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise RefusedError("number", text=text)
    return int(text)


def members(value: object, expected: str, what: str, optional: str = "") -> dict[str, Any]:
    """Return an object that has exactly the members `expected` (names with blanks between), perhaps `optional`."""
    if not isinstance(value, dict) or set(value) - {optional} != set(expected.split()):
        raise RefusedError("members", what=what, expected=expected)
    return value


def text_of(value: object, what: str, at_most: int, at_least: int = 0) -> str:
    """Return a text of a sensible length."""
    if not isinstance(value, str) or not at_least <= len(value) <= at_most:
        raise RefusedError("text", what=what)
    return value


def canonical_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object without numbers and with ASCII keys that is in RFC 8785's form, byte for byte."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_key_twice,
            parse_int=_no_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
        if not isinstance(value, dict):
            raise RefusedError("json.object")
        _check(value)
        # with ASCII keys and no numbers this is RFC 8785
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")
    except (ValueError, RecursionError, MemoryError):  # UnicodeError is a ValueError: no UTF-8, or half a character
        raise RefusedError("json.malformed") from None
    if again != data:
        raise RefusedError("json.canonical")
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise RefusedError("json.twice")
    return result


def _no_number(text: str) -> NoReturn:
    raise RefusedError("json.number", text=text)


def _check(value: object) -> None:
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RefusedError("json.deep", depth=MAX_DEPTH)
        if isinstance(each, dict):
            if not all(key.isascii() for key in each):
                raise RefusedError("json.key")
            waiting += [(inner, depth + 1) for inner in each.values() if isinstance(inner, (dict, list))]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each if isinstance(inner, (dict, list))]
