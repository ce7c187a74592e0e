"""The daily seal: a sorted index of every item that the log knew, whose root and count the centre signed.

A leaf has 96 bytes: SHA-256 of the recorder's id, of the item's id, and of where its chains of events end. A proof is a
run of neighbouring leaves and the hashes beside it; what would stand between two neighbours is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .event import Event
from .merkle import leaf_hash, node_hash
from .strict import RefusedError, canonical_object, hex_bytes, members, number, text_of

MAX_BYTES = 64 << 20
LEAF_BYTES, KEY_BYTES = 96, 64
_MAX_SEQ = (1 << 63) - 1
_RECORDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LISTS = (("leaves", LEAF_BYTES), ("proof", 32))


@dataclass(frozen=True)
class Seal:
    """What the centre sealed: the index over all items that the first `size` entries of the log know."""

    day: str
    size: int
    count: int
    root: bytes


@dataclass(frozen=True)
class Run:
    """Neighbouring leaves of an index, the first at `first`; `seal` is the place of the `log.sealed` in the log."""

    first: int
    leaves: tuple[bytes, ...]
    proof: tuple[bytes, ...]
    seal: int


def read_seal(event: Event, index: int) -> Seal:
    """Return what a `log.sealed` at `index` of the log says."""
    body = members(event.body, "count day root size", "log.sealed")
    seal = Seal(text_of(body["day"], "day", 10), number(body["size"]), number(body["count"]), hex_bytes(body["root"]))
    if seal.size > index or event.subject_sha256 != seal.root.hex():
        raise RefusedError("seal.form")
    if seal.count == 0 and seal.root != sha256(b"").digest():
        raise RefusedError("seal.form")
    return seal


def read_run(data: bytes) -> Run:
    """Read `presence-<item>.json` or `recorder-<recorder>.json`."""
    document = members(canonical_object(data), "first leaves proof seal version", "seal")
    if document["version"] != "1":
        raise RefusedError("version", found=document["version"])
    leaves, proof = ([hex_bytes(each, size) for each in _list(document[name])] for name, size in _LISTS)
    return Run(number(document["first"]), tuple(leaves), tuple(proof), number(document["seal"]))


def check_run(run: Run, seal: Seal) -> None:
    """Return if these are the sealed leaves from `run.first` on, neighbour after neighbour."""
    start, end, width = run.first, run.first + len(run.leaves), seal.count
    if width == 0 and not (run.first or run.leaves or run.proof):
        return  # in an empty index nothing is
    if not start < end <= width:
        raise RefusedError("seal.run")
    if any(left[:KEY_BYTES] >= right[:KEY_BYTES] for left, right in zip(run.leaves, run.leaves[1:])):
        raise RefusedError("seal.sorted")
    row, beside = [leaf_hash(leaf) for leaf in run.leaves], list(reversed(run.proof))
    while width > 1:
        needed = (start & 1) + (end & 1 and end < width)
        if needed > len(beside):
            raise RefusedError("proof.length")
        if start & 1:
            row.insert(0, beside.pop())
        if end & 1 and end < width:
            row.append(beside.pop())
        start, end, width = start >> 1, (end + 1) >> 1, (width + 1) >> 1
        row = [node_hash(*row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    if beside:
        raise RefusedError("proof.length")
    if row[0] != seal.root:
        raise RefusedError("proof.root", found=row[0].hex(), signed=seal.root.hex())


def all_of(run: Run, seal: Seal, recorder: str) -> tuple[bytes, ...]:
    """Return every leaf of a recorder, if the run shows that there are no others."""
    key = sha256(recorder.encode()).digest()
    check_run(run, seal)
    if seal.count == 0:
        return ()
    is_first = run.first == 0 or run.leaves[0][:32] < key
    if not is_first or not (run.first + len(run.leaves) == seal.count or run.leaves[-1][:32] > key):
        raise RefusedError("seal.bracket")
    return tuple(leaf for leaf in run.leaves if leaf[:32] == key)


def leaf_key(recorder: str, item: str) -> bytes:
    """Return what the leaf of an item begins with; what is no name of a recorder stands under the empty one."""
    recorder = recorder if _RECORDER.fullmatch(recorder) else ""
    return sha256(recorder.encode()).digest() + sha256(item.encode()).digest()


def chains_hash(ends: Mapping[str, tuple[int, str]]) -> bytes:
    """Return what the leaf of an item ends with; `ends`: number and hash of each source's newest event about it."""
    chains = (
        f'{{"last":"{last}","seq":"{min(seq, _MAX_SEQ)}","source":"{source}"}}'
        for source, (seq, last) in sorted(ends.items())
    )
    return sha256(f"[{','.join(chains)}]".encode()).digest()


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise RefusedError("list", what="seal")
    return value
