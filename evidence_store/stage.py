r"""The stage: one file that holds everything a batch adds to the log, on the medium before anything is signed.

    "evidock-stage-v1\n" | old size (8 bytes) | count (4) | count × ( length (4) | envelope | leaf (128) ) | SHA-256

All numbers are big-endian; the SHA-256 is over everything before it. The file's name `<old>-<new>.stage` says which
sizes of the log it lies between.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chain_of_custody.leaf import LEAF_BYTES
from evidence_store.errors import StageDamagedError

_MAGIC = b"evidock-stage-v1\n"
_DIGEST_BYTES = 32
_NAME = re.compile(r"(0|[1-9][0-9]{0,18})-([1-9][0-9]{0,18})\.stage")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event on its way into the log: the envelope as signed, and the 128 bytes of its leaf."""

    raw: bytes
    leaf: bytes

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 of the envelope, its name in the log."""
        return sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class Stage:
    """What lies between two sizes of the log."""

    old_size: int
    entries: tuple[LogEntry, ...]

    @property
    def new_size(self) -> int:
        """Return the size of the log with these entries."""
        return self.old_size + len(self.entries)


def stage_name(old_size: int, new_size: int) -> str:
    """Return the file name of a stage."""
    return f"{old_size}-{new_size}.stage"


def parse_stage_name(name: str) -> tuple[int, int] | None:
    """Return the old and the new size that a file name says, or None if it is no stage's."""
    match = _NAME.fullmatch(name)
    if match is None or int(match[1]) >= int(match[2]):
        return None
    return int(match[1]), int(match[2])


def encode_stage(old_size: int, entries: Sequence[LogEntry]) -> bytes:
    """Return the bytes of a stage file."""
    parts = [_MAGIC, old_size.to_bytes(8, "big"), len(entries).to_bytes(4, "big")]
    for entry in entries:
        parts += (len(entry.raw).to_bytes(4, "big"), entry.raw, entry.leaf)
    body = b"".join(parts)
    return body + sha256(body).digest()


def decode_stage(data: bytes, *, where: str) -> Stage:
    """Read a stage file; `where` is for the message.

    Raises:
        StageDamagedError: a byte of it is not as it was written.
    """
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not body.startswith(_MAGIC) or sha256(body).digest() != digest:
        raise StageDamagedError(f"{where}: this stage was altered; restore it, its entries may be nowhere else")
    at = len(_MAGIC)
    old_size, at = int.from_bytes(body[at : at + 8], "big"), at + 8
    count, at = int.from_bytes(body[at : at + 4], "big"), at + 4
    entries = []
    for _ in range(count):
        size, at = int.from_bytes(body[at : at + 4], "big"), at + 4
        if at + size + LEAF_BYTES > len(body):
            break
        entries.append(LogEntry(body[at : at + size], body[at + size : at + size + LEAF_BYTES]))
        at += size + LEAF_BYTES
    if at != len(body) or len(entries) != count:
        raise StageDamagedError(f"{where}: this stage does not hold what it says; restore it")
    return Stage(old_size, tuple(entries))
