"""A quick look at a media file's outer structure, without decoding: is it whole, cut short, empty, encrypted?

Only headers are read, by `pread`, so a file of any size takes a moment. Nothing here judges evidence: a stump is kept
bit for bit and flagged (recorders.md cases 11, 12, 45).
"""

import math
import os
from collections import Counter
from dataclasses import dataclass
from enum import Enum

MAX_BOXES = 4_096
_SAMPLE_BYTES = 64 << 10
_TAIL_BYTES = 64 << 10
_HEADER_BYTES = 16
_ENCRYPTED_BITS = 7.95  # of 8 per byte; compressed video behind a known head is as dense, so only unknown heads count
_LEAST_FOR_ENTROPY = 4_096
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})
_BOX_TYPES_SEEN = frozenset(b" ") | frozenset(range(0x21, 0x7F)) | {0xA9}
_MAGICS = (
    b"RIFF", b"FLV", b"\x1aE\xdf\xa3", b"\xff\xd8\xff", b"\x89PNG", b"BM", b"ID3", b"OggS", b"fLaC", b"#!AMR",
    b"\x00\x00\x00\x01", b"\x00\x00\x01", b"\x30\x26\xb2\x75", b"DHAV", b"PK\x03\x04", b"GIF8", b"II*\0", b"MM\0*",
    b"\xff\xf1", b"\xff\xf9", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3",
)  # fmt: skip
_TS_PACKET = 188
_TS_SYNC = 0x47


class MediaFlag(Enum):
    """What is odd about a media file; the bytes are kept as they are."""

    EMPTY = "empty"
    NO_INDEX = "no-index"  # MP4/MOV without `moov`: power was lost before it was written
    CUT_SHORT = "cut-short"  # a box or chunk says it is longer than the file
    ZERO_TAIL = "zero-tail"  # preallocated and never filled
    ENCRYPTED_LOOK = "encrypted-look"  # dense and without any known head
    UNREADABLE = "unreadable"  # ffprobe could make nothing of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What the outer structure showed."""

    size_bytes: int
    flags: frozenset[MediaFlag]
    boxes: tuple[str, ...]  # types of the top-level boxes of an MP4/MOV, in order; at most 16
    has_known_head: bool


def look_at(fd: int) -> Structure:
    """Look at an open file.

    Raises:
        OSError: it cannot be read.
    """
    size = os.fstat(fd).st_size
    if size == 0:
        return Structure(size_bytes=0, flags=frozenset({MediaFlag.EMPTY}), boxes=(), has_known_head=False)
    head = os.pread(fd, _SAMPLE_BYTES, 0)
    flags: set[MediaFlag] = set()
    boxes: list[str] = []
    known = _has_known_head(head)
    if head[4:8] in _FIRST_BOXES:
        found, boxes = _walk_boxes(fd, size)
        flags |= found
    elif head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > size:
        flags.add(MediaFlag.CUT_SHORT)
    whole = bool(boxes) and not flags  # then a tail of zeros is padding that a box accounts for
    if not whole and size > _TAIL_BYTES and not any(os.pread(fd, _TAIL_BYTES, size - _TAIL_BYTES)):
        flags.add(MediaFlag.ZERO_TAIL)
    if not known and size >= _LEAST_FOR_ENTROPY and _is_dense(fd, head, size):
        flags.add(MediaFlag.ENCRYPTED_LOOK)
    return Structure(size_bytes=size, flags=frozenset(flags), boxes=tuple(boxes[:16]), has_known_head=known)


def _walk_boxes(fd: int, size: int) -> tuple[set[MediaFlag], list[str]]:
    """Walk the top level (ISO/IEC 14496-12 §4.2): boxes tile a whole file exactly and one of them is `moov`."""
    flags: set[MediaFlag] = set()
    boxes: list[str] = []
    place = 0
    while place < size and len(boxes) < MAX_BOXES:
        header = os.pread(fd, _HEADER_BYTES, place)
        if not any(header):
            flags.add(MediaFlag.ZERO_TAIL)
            break
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if len(header) < 8 or not set(kind) <= _BOX_TYPES_SEEN:  # noqa: PLR2004 - length and type
            flags.add(MediaFlag.CUT_SHORT)
            break
        boxes.append(kind.decode("latin-1"))
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # runs to the end of the file
            length = size - place
        if length < 8 or place + length > size:  # noqa: PLR2004 - no box is shorter than its head
            flags.add(MediaFlag.CUT_SHORT)
            break
        place += length
    if "moov" not in boxes and "moof" not in boxes:
        flags.add(MediaFlag.NO_INDEX)
    return flags, boxes


def _has_known_head(head: bytes) -> bool:
    if head[4:8] in _FIRST_BOXES or head.startswith(_MAGICS):
        return True
    packets = head[: _TS_PACKET * 4 : _TS_PACKET]
    return len(packets) > 1 and all(byte == _TS_SYNC for byte in packets)


def _is_dense(fd: int, head: bytes, size: int) -> bool:
    """Return whether start and middle are both as even as random bytes."""
    middle = os.pread(fd, _SAMPLE_BYTES, size // 2)
    return all(
        _entropy_bits(sample) >= _limit(sample) for sample in (head, middle) if len(sample) >= _LEAST_FOR_ENTROPY
    )


def _limit(sample: bytes) -> float:
    # random bytes fall short of 8 bits by about 255 / (2 ln 2 · n) in a sample of n
    return _ENCRYPTED_BITS - 255 / (2 * math.log(2) * len(sample))


def _entropy_bits(sample: bytes) -> float:
    return -sum(count / len(sample) * math.log2(count / len(sample)) for count in Counter(sample).values())
