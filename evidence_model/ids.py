"""Names of things: parsed or made, never pasted together elsewhere."""

import hashlib
import re
import uuid
from typing import NewType

from evidence_model.canonical import canonical_bytes
from evidence_model.digests import Digest
from evidence_model.errors import RefusedError

SourceId = NewType("SourceId", str)
RecorderId = NewType("RecorderId", str)
AssetId = NewType("AssetId", str)
RecordingId = NewType("RecordingId", str)
EventId = NewType("EventId", str)
SessionId = NewType("SessionId", str)

_SOURCE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
_RECORDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ASSET = re.compile(r"[0-9a-f]{32}")


class MalformedIdError(RefusedError):
    """A name is not of its noun's form."""

    code = "EM-013"


def source_id(text: str) -> SourceId:
    """Read a station's, centre's or site's name: lowercase letters, digits and inner hyphens, at most 48.

    No dot, slash, plus, hash or blank, so it is safe as an MQTT level, a NATS token and a file name.
    """
    if not _SOURCE.fullmatch(text):
        raise MalformedIdError(f"{text[:80]!r} is no name: use lowercase letters, digits and inner hyphens, at most 48")
    return SourceId(text)


def recorder_id(text: str) -> RecorderId:
    """Read a recorder's name: letters, digits, `_` and `-`, at most 64."""
    if not _RECORDER.fullmatch(text):
        raise MalformedIdError(f"{text[:80]!r} is no recorder id: use letters, digits, _ and -, at most 64")
    return RecorderId(text)


def asset_id(text: str) -> AssetId:
    """Read an asset id: 32 lowercase hexadecimal digits."""
    if not _ASSET.fullmatch(text):
        raise MalformedIdError(f"{text[:80]!r} is no asset id")
    return AssetId(text)


def asset_id_of(*, recorder: RecorderId, raw_path: bytes, size_bytes: int, digest: Digest) -> AssetId:
    """Return the id of one file of one recorder, the same at every station and after every crash.

    It follows from (recorder, raw path, size, digest), so docking twice or at two stations gives one item.
    """
    identity = canonical_bytes(
        {"path": raw_path.hex(), "recorder": recorder, "sha256": digest.hex, "size_bytes": str(size_bytes)}
    )
    return AssetId(hashlib.sha256(identity).hexdigest()[:32])


def recording_id_of(first: AssetId) -> RecordingId:
    """Return the id of the recording whose first segment is `first`."""
    return RecordingId(f"R-{first[:12]}")


def event_id(*, unix_ms: int, random: bytes) -> EventId:
    """Make a UUID version 7 (RFC 9562 §5.7) from a wall time and ten random bytes, both passed in."""
    value = (unix_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return EventId(str(uuid.UUID(int=value)))
