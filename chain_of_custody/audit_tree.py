"""Do the entries, the tiles and the signed root on this disc still agree, and if not, which of them was altered?

Every hash is there up to three times: made from what lies below it, stored in its tile, and bound by the hash above (at
the right edge: by the signed root). Where two agree against the third, the third is named; where no two agree, all are.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from chain_of_custody.errors import LogDamagedError
from chain_of_custody.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Bundle,
    Tile,
    bundles_of,
    decode_bundle,
    fold,
    node_reader,
    tile_hashes,
)
from chain_of_custody.tree import CompactRange, TreeHead
from evidence_model.findings import Finding, Severity

FILE_MISSING = "COC-101"
FILE_MALFORMED = "COC-102"
TILE_ALTERED = "COC-103"
ENTRY_ALTERED = "COC-104"
ENTRY_OR_TILE_ALTERED = "COC-105"
ROOT_DIFFERS = "COC-106"
SUBTREE_ALTERED = "COC-107"

OptionalTileReader: TypeAlias = Callable[[Tile], bytes | None]
OptionalBundleReader: TypeAlias = Callable[[Bundle], bytes | None]
_Hashes: TypeAlias = Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A partial tile at the right edge that contradicts what lies below it; only the signed root can tell."""

    tile: Tile
    below: _Hashes
    stored: list[bytes]


def audit_tree(
    head: TreeHead,
    *,
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
    entries: list[bytes | None],
) -> Iterator[Finding]:
    """Yield every contradiction between entries, tiles and `head`; fill `entries`, None where one cannot be read."""
    tiles = _Tiles(head.size, read_tile)
    edge: dict[int, _Hashes] = {}
    doubts: list[_Doubt] = []
    level = 0
    below: list[bytes | None] = []
    for bundle in bundles_of(head.size):
        found, finding = _read_entries(bundle, read_bundle)
        if finding is not None:
            yield finding
        entries.extend(found)
        row: _Hashes = [None if entry is None else sha256(b"\x00" + entry).digest() for entry in found]
        row = yield from _compare(Tile(0, bundle.index, bundle.width), row, tiles, doubts)
        _keep(row, level, below, edge)
    while below:
        level += 1
        row_below, below = below, []
        for at in range(0, len(row_below), TILE_WIDTH):
            part = row_below[at : at + TILE_WIDTH]
            row = yield from _compare(Tile(level, at >> TILE_HEIGHT, len(part)), part, tiles, doubts)
            _keep(row, level, below, edge)
    yield from _settle(head, edge, doubts)


class _Tiles:
    """The stored tiles; those above level 0 are few and are kept, since each confirms 256 below it."""

    def __init__(self, size: int, read_tile: OptionalTileReader) -> None:
        self._size = size
        self._read_tile = read_tile
        self._kept: dict[Tile, tuple[list[bytes] | None, Finding | None]] = {}

    def get(self, tile: Tile) -> tuple[list[bytes] | None, Finding | None]:
        """Return the tile's hashes, or what is wrong with its file."""
        known = self._kept.get(tile)
        if known is None:
            known = self._read(tile)
            if tile.level:
                self._kept[tile] = known
        return known

    def hash_above(self, tile: Tile) -> bytes | None:
        """Return what the tile above says this full tile hashes to; None if that cannot be read."""
        count = self._size >> TILE_HEIGHT * (tile.level + 1)
        index, place = divmod(tile.index, TILE_WIDTH)
        hashes, _ = self.get(Tile(tile.level + 1, index, min(TILE_WIDTH, count - index * TILE_WIDTH)))
        return None if hashes is None else hashes[place]

    def _read(self, tile: Tile) -> tuple[list[bytes] | None, Finding | None]:
        data = self._read_tile(tile)
        if data is None:
            return None, Finding(FILE_MISSING, Severity.DAMAGE, tile.path)
        try:
            return tile_hashes(tile, data), None
        except LogDamagedError as error:
            return None, Finding(FILE_MALFORMED, Severity.DAMAGE, tile.path, {"why": str(error)})


def _read_entries(bundle: Bundle, read_bundle: OptionalBundleReader) -> tuple[_Hashes, Finding | None]:
    unreadable: _Hashes = [None] * bundle.width
    data = read_bundle(bundle)
    if data is None:
        return unreadable, Finding(FILE_MISSING, Severity.DAMAGE, bundle.path)
    try:
        return decode_bundle(data, bundle.width), None
    except LogDamagedError as error:
        return unreadable, Finding(FILE_MALFORMED, Severity.DAMAGE, bundle.path, {"why": str(error)})


def _compare(tile: Tile, below: _Hashes, tiles: _Tiles, doubts: list[_Doubt]) -> Generator[Finding, None, _Hashes]:
    """Yield what is wrong with one tile or with what lies below it; return the hashes that are right, best known."""
    stored, finding = tiles.get(tile)
    if finding is not None:
        yield finding
    if stored is None or stored == below:
        return below
    if all(mine is None or mine == theirs for mine, theirs in zip(below, stored, strict=True)):
        return stored  # what cannot be read below was reported there
    if tile.is_partial:
        doubts.append(_Doubt(tile, below, stored))
        return below
    above = tiles.hash_above(tile)
    if above is not None and above == _tile_root(stored):
        yield from _altered_below(tile, below, stored)
        return stored
    if above is not None and above == _tile_root(below):
        yield _altered_tile(tile, below, stored)
        return below
    yield from _either(tile, below, stored)
    return below


def _settle(head: TreeHead, edge: dict[int, _Hashes], doubts: Sequence[_Doubt]) -> Iterator[Finding]:
    """Yield what the signed root says about the right edge, and whether all of it together gives that root."""
    root = _edge_root(head.size, edge)
    if root == head.root:
        for doubt in doubts:
            yield _altered_tile(doubt.tile, doubt.below, doubt.stored)
        return
    by_tiles = _edge_root(head.size, {**edge, **{doubt.tile.level: doubt.stored for doubt in doubts}})
    if doubts and by_tiles == head.root:
        for doubt in doubts:
            yield from _altered_below(doubt.tile, doubt.below, doubt.stored)
        return
    for doubt in doubts:
        yield from _either(doubt.tile, doubt.below, doubt.stored)
    found = "cannot be computed" if root is None else root.hex()
    details = {"size": str(head.size), "signed": head.root.hex(), "found": found}
    yield Finding(ROOT_DIFFERS, Severity.DAMAGE, "checkpoint", details)


def _altered_tile(tile: Tile, below: _Hashes, stored: Sequence[bytes]) -> Finding:
    places = ",".join(str(place) for place in _differences(below, stored))
    return Finding(TILE_ALTERED, Severity.DAMAGE, tile.path, {"places": places[:400]})


def _altered_below(tile: Tile, below: _Hashes, stored: Sequence[bytes]) -> Iterator[Finding]:
    for place in _differences(below, stored):
        number = tile.index * TILE_WIDTH + place
        if tile.level:
            subject = Tile(tile.level - 1, number).path
            yield Finding(SUBTREE_ALTERED, Severity.DAMAGE, subject, {"signed_for_by": tile.path})
        else:
            details = {"bundle": Bundle(tile.index, tile.width).path}
            yield Finding(ENTRY_ALTERED, Severity.DAMAGE, f"entry {number}", details)


def _either(tile: Tile, below: _Hashes, stored: Sequence[bytes]) -> Iterator[Finding]:
    for place in _differences(below, stored):
        number = tile.index * TILE_WIDTH + place
        other = Tile(tile.level - 1, number).path if tile.level else f"entry {number}"
        yield Finding(ENTRY_OR_TILE_ALTERED, Severity.DAMAGE, tile.path, {"place": str(place), "or": other})


def _differences(below: _Hashes, stored: Sequence[bytes]) -> list[int]:
    return [
        place
        for place, (mine, theirs) in enumerate(zip(below, stored, strict=True))
        if mine is not None and mine != theirs
    ]


def _keep(row: _Hashes, level: int, above: list[bytes | None], edge: dict[int, _Hashes]) -> None:
    """Pass a full tile's root up; remember a partial tile, which is always the last of its level."""
    if len(row) == TILE_WIDTH:
        above.append(_tile_root(row))
    else:
        edge[level] = row


def _tile_root(row: _Hashes) -> bytes | None:
    hashes = [value for value in row if value is not None]
    if len(hashes) != TILE_WIDTH:
        return None
    while len(hashes) > 1:
        hashes = fold(hashes)
    return hashes[0]


def _edge_root(size: int, edge: dict[int, _Hashes]) -> bytes | None:
    """Return the root that the partial tiles give; a tree's perfect subtrees are all in them."""
    whole: dict[int, bytes] = {}
    for level, row in edge.items():
        hashes = [value for value in row if value is not None]
        if len(hashes) != len(row):
            return None
        whole[level] = b"".join(hashes)
    return CompactRange.from_nodes(size, node_reader(size, lambda tile: whole[tile.level])).root()
