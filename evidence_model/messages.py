"""The small facts that every custody event repeats: blobs it needs, and how they are written in its body."""

from dataclasses import dataclass
from enum import Enum

from evidence_model.canonical import Json, JsonObject, MalformedJsonError, canonical_bytes, decimal, parse_strict
from evidence_model.digests import Digest


class BlobRole(Enum):
    """What a blob is to its event."""

    FOOTAGE = "footage"
    CHUNKS = "chunks"
    LISTING = "listing"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A blob that the centre must hold before the event's receipt is given."""

    role: BlobRole
    digest: Digest
    size_bytes: int

    def as_json(self) -> JsonObject:
        """Return the member of `body.blobs`."""
        return {"role": self.role.value, "sha256": self.digest.hex, "size_bytes": str(self.size_bytes)}


def blobs_of(body: JsonObject) -> tuple[BlobRef, ...]:
    """Return the blobs that an event's body names (none if it names none).

    Raises:
        MalformedJsonError: `blobs` is there but not a list of {role, sha256, size_bytes}.
        MalformedDigestError: a digest is malformed.
    """
    blobs: Json = body.get("blobs", [])
    if not isinstance(blobs, list | tuple):
        raise MalformedJsonError("body.blobs is not a list")
    result = []
    for blob in blobs:
        if not isinstance(blob, dict) or set(blob) != {"role", "sha256", "size_bytes"}:
            raise MalformedJsonError("a member of body.blobs has exactly role, sha256 and size_bytes")
        try:
            role = BlobRole(blob["role"])
        except ValueError:
            raise MalformedJsonError(f"unknown blob role {blob['role']!r:.40}") from None
        size = decimal(blob["size_bytes"], what="body.blobs.size_bytes")
        result.append(BlobRef(role, Digest.parse(str(blob["sha256"])), size))
    return tuple(result)


def stamp_message(token: bytes) -> bytes:
    """Return what the centre tells everybody after a time stamp: the SHA-256 of the authority's answer."""
    return canonical_bytes({"token": token.hex()})


def read_stamp_message(payload: bytes) -> bytes:
    """Return the hash that somebody says is that of a time stamp.

    Raises:
        MalformedJsonError, MalformedDigestError: it is no such message.
    """
    message = parse_strict(payload)
    if set(message) != {"token"}:
        raise MalformedJsonError("exactly token belongs into it")
    return Digest.parse(str(message["token"])).raw
