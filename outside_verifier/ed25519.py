"""Ed25519 signatures (RFC 8032, section 5.1.7), verified with Python's integers alone.

Stricter than the RFC where that leaves a choice, so that a signature has one reading: S is below the group's order, the
points are in their one encoding, and a key of small order (which makes one signature fit any message) is refused. The
equation is the one without the cofactor, as in OpenSSL.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha512

SIZE = 32
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
_NEUTRAL: _Point = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether `signature` is this key's over exactly these bytes."""
    if not has_one_reading(public_key, signature):
        return False
    key = _public_point(public_key)
    if key is None:
        return False
    s = int.from_bytes(signature[SIZE:], "little")
    k = int.from_bytes(sha512(signature[:SIZE] + public_key + message).digest(), "little") % _L
    # is R the point S times B less k times A?
    return _encode(_two_products(s, _BASE, k, _negative(key))) == signature[:SIZE]


def has_one_reading(public_key: bytes, signature: bytes) -> bool:
    """Say whether S is below the order and both points are encoded as they must be; nothing is verified here."""
    if len(public_key) != SIZE or len(signature) != 2 * SIZE:
        return False
    if int.from_bytes(signature[SIZE:], "little") >= _L:
        return False
    return is_key(public_key) and _decode(signature[:SIZE]) is not None


def is_key(public_key: bytes) -> bool:
    """Say whether this is a point of the curve in its one encoding, and not one of small order."""
    return len(public_key) == SIZE and _public_point(public_key) is not None


@lru_cache(maxsize=1024)
def _public_point(data: bytes) -> _Point | None:
    point = _decode(data)
    if point is None:
        return None
    eightfold = _double(_double(_double(point)))
    return None if eightfold[0] == 0 and eightfold[1] == eightfold[2] else point


def _decode(data: bytes) -> _Point | None:
    """Read a point (RFC 8032, section 5.1.3)."""
    whole = int.from_bytes(data, "little")
    sign, y = whole >> 255, whole & (1 << 255) - 1
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == (_P - u) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(SIZE, "little")


def _negative(point: _Point) -> _Point:
    x, y, z, t = point
    return (-x % _P, y, z, -t % _P)


def _add(left: _Point, right: _Point) -> _Point:
    """Add two points (RFC 8032, section 5.1.4); the formula has no exceptions."""
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _double(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b, c = x * x % _P, y * y % _P, 2 * z * z % _P
    h = a + b
    e, g = h - (x + y) * (x + y), a - b
    f = c + g
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _two_products(m: int, p: _Point, n: int, q: _Point) -> _Point:
    """Return m*p + n*q, both from the highest bit down together."""
    table = {(1, 0): p, (0, 1): q, (1, 1): _add(p, q)}
    result = _NEUTRAL
    for bit in reversed(range(max(m.bit_length(), n.bit_length()))):
        result = _double(result)
        pair = (m >> bit & 1, n >> bit & 1)
        if pair in table:
            result = _add(result, table[pair])
    return result


_BASE = _decode((4 * pow(5, -1, _P) % _P).to_bytes(SIZE, "little")) or _NEUTRAL
