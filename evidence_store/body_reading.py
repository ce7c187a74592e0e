"""Reading the body of an event that is in the log already: what is absent or malformed is None, and never an error.

The log keeps whatever a source signed; a body that this version does not understand must not stop the catalogue.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from evidence_model.canonical import Json, JsonObject, MalformedJsonError, decimal
from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.ids import AssetId, asset_id, asset_id_of, recorder_id
from evidence_model.instants import parse_instant

SQLITE_MOST = (1 << 63) - 1


def text(body: JsonObject, name: str) -> str | None:
    """Return a text member."""
    value = body.get(name)
    return value if isinstance(value, str) else None


def number(body: JsonObject, name: str) -> int | None:
    """Return a decimal string as a number that SQLite can hold."""
    try:
        value = decimal(body.get(name), what=name)
    except MalformedJsonError:
        return None
    return value if value <= SQLITE_MOST else None


def flag(body: JsonObject, name: str) -> bool:
    """Return whether a member is true."""
    return body.get(name) is True


def instant(body: JsonObject, name: str) -> datetime | None:
    """Return an instant."""
    try:
        return parse_instant(body.get(name))
    except RefusedError:
        return None


def raw_bytes(body: JsonObject, name: str) -> bytes | None:
    """Return bytes written as hexadecimal digits."""
    value = body.get(name)
    try:
        return bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        return None


def table(body: JsonObject, name: str) -> JsonObject:
    """Return an object member, empty if there is none."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def texts(body: JsonObject, name: str) -> list[str]:
    """Return the texts of a list member."""
    return [each for each in _sequence(body.get(name)) if isinstance(each, str)]


def hashes(body: JsonObject, name: str) -> list[bytes]:
    """Return the SHA-256 hashes of a list member."""
    found = (raw_bytes({name: each}, name) for each in texts(body, name))
    return [each for each in found if each is not None and len(each) == hashlib.sha256().digest_size]


def assets(body: JsonObject, name: str) -> list[AssetId]:
    """Return the asset ids of a list member, each once."""
    found: dict[AssetId, None] = {}
    for each in texts(body, name):
        try:
            found[asset_id(each)] = None
        except RefusedError:
            continue
    return list(found)


def item_id(body: JsonObject, digest: bytes) -> AssetId | None:
    """Return the id that a file has by what `footage.pulled` says of it; None if the body lacks any of it."""
    recorder, raw_path = text(body, "recorder"), raw_bytes(body, "path_hex")
    if recorder is None or raw_path is None:
        return None
    try:
        size_bytes = decimal(body.get("size_bytes"), what="size_bytes")
        return asset_id_of(
            recorder=recorder_id(recorder), raw_path=raw_path, size_bytes=size_bytes, digest=Digest(digest)
        )
    except RefusedError:
        return None


def _sequence(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()
