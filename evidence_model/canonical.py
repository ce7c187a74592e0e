"""RFC 8785 canonical JSON out, strict JSON in.

What is signed is written in one way only and verified as raw bytes; what comes from outside is read by a parser that
refuses whatever two programs could read differently: duplicate keys, numbers (integers travel as decimal strings),
invalid UTF-8, very deep nesting.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias

from evidence_model.errors import RefusedError

Json: TypeAlias = "bool | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]

MAX_DEPTH = 32
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


class MalformedJsonError(RefusedError):
    """The bytes are not JSON in the strict form of this project."""

    code = "EM-010"


def canonical_bytes(value: Json) -> bytes:
    """Return `value` as RFC 8785 canonical JSON.

    Raises:
        MalformedJsonError: a number, a non-ASCII key or a lone surrogate is in it.
    """
    _check(value, depth=0)
    # Without numbers and with ASCII keys the standard encoder writes RFC 8785's bytes; a property test holds it to
    # the rfc8785 library, which is several times slower and would be the slowest part of signing an event.
    return _ENCODER.encode(value).encode()


def parse_strict(data: bytes) -> JsonObject:
    """Read one JSON object as outsiders may send it.

    Raises:
        MalformedJsonError: duplicate keys, any number, invalid UTF-8, a lone surrogate, nesting over 32, not an object.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_int=_no_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except MalformedJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(f"not strict JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise MalformedJsonError("a JSON object was expected")
    _check(value, depth=0)
    return value


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJsonError("a key stands twice in one object")
    return result


def _no_number(text: str) -> NoReturn:
    raise MalformedJsonError(f"a number stands where text was expected: {text[:40]}")


def _check(value: object, *, depth: int) -> None:
    """Refuse what has no place in an event; looks at plain ASCII texts, nearly all there is, without a call each."""
    if depth > MAX_DEPTH:
        raise MalformedJsonError(f"nested deeper than {MAX_DEPTH}")
    members: Iterable[object]
    if isinstance(value, Mapping):
        for key in value:
            if type(key) is not str or not key.isascii():
                raise MalformedJsonError(f"keys are ASCII text, this is {key!r:.80}")
        members = value.values()
    elif isinstance(value, list | tuple):
        members = value
    else:
        members = (value,)
    for member in members:
        if type(member) is str:
            if not member.isascii():
                _no_lone_surrogate(member)
        elif isinstance(member, Mapping | list | tuple):
            _check(member, depth=depth + 1)
        elif member is not None and type(member) is not bool:
            kind = type(member).__name__
            raise MalformedJsonError(f"{kind} has no place in an event; integers travel as decimal strings")


def _no_lone_surrogate(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedJsonError("a lone surrogate stands in a text") from error


def decimal(text: object, *, what: str) -> int:
    """Read a decimal string as the wire has integers: no sign, no leading zero, ASCII digits, at most 20.

    Raises:
        MalformedJsonError: anything else.
    """
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 20:  # noqa: PLR2004
        raise MalformedJsonError(f"{what}: a decimal string was expected, not {text!r:.60}")
    if text != "0" and text.startswith("0"):
        raise MalformedJsonError(f"{what}: leading zero in {text!r:.60}")
    return int(text)
