"""Do the entries, the tiles and the signed root on this disc still agree, and if not, which of them was altered?

Every hash is there up to three times: made from what lies below it, stored in its tile, and bound by the hash above (at
the right edge: by the signed root). Where two agree against the third, the third is named; where no two agree, all are.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
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
TILE_OR_BELOW_ALTERED = "COC-105"
ROOT_DIFFERS = "COC-106"
SUBTREE_ALTERED = "COC-107"

OptionalTileReader: TypeAlias = Callable[[Tile], bytes | None]
OptionalBundleReader: TypeAlias = Callable[[Bundle], bytes | None]
Hashes: TypeAlias = Sequence[bytes | None]


@dataclass(slots=True)
class TreeContents:
    """What the audit of a tree learnt; complete when its last finding was taken.

    `entries` has None where an entry cannot be read or is not the one of the tree. `rows` has the right hashes, as far
    as they are known, of the tiles that were asked for by (level, index).
    """

    entries: list[bytes | None] = field(default_factory=list)
    rows: dict[tuple[int, int], Hashes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A tile that contradicts what lies below it, with nothing above to tell which is right; the root may."""

    tile: Tile
    below: Hashes
    stored: list[bytes]


def audit_tree(
    head: TreeHead,
    *,
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
    contents: TreeContents,
    wanted: Collection[tuple[int, int]] = (),
) -> Iterator[Finding]:
    """Yield every contradiction between entries, tiles and `head`; fill `contents`."""
    return _TreeAudit(head, read_tile, contents, wanted).run(read_bundle)


class _TreeAudit:
    def __init__(
        self,
        head: TreeHead,
        read_tile: OptionalTileReader,
        contents: TreeContents,
        wanted: Collection[tuple[int, int]],
    ) -> None:
        self._head = head
        self._tiles = _Tiles(head.size, read_tile)
        self._contents = contents
        self._wanted = wanted
        self._edge: dict[int, Hashes] = {}
        self._doubts: list[_Doubt] = []

    def run(self, read_bundle: OptionalBundleReader) -> Iterator[Finding]:
        above: list[bytes | None] = []
        for bundle in bundles_of(self._head.size):
            entries, finding = _read_entries(bundle, read_bundle)
            if finding is not None:
                yield finding
            self._contents.entries.extend(entries)
            made: Hashes = [None if entry is None else sha256(b"\x00" + entry).digest() for entry in entries]
            yield from self._tile(Tile(0, bundle.index, bundle.width), made, above)
        level = 0
        while above:
            level += 1
            row, above = above, []
            for at in range(0, len(row), TILE_WIDTH):
                part = row[at : at + TILE_WIDTH]
                yield from self._tile(Tile(level, at >> TILE_HEIGHT, len(part)), part, above)
        yield from self._settle()

    def _tile(self, tile: Tile, made: Hashes, above: list[bytes | None]) -> Iterator[Finding]:
        """Check one tile and pass the root of a full one up; a partial one is always the last of its level."""
        right = yield from self._compare(tile, made)
        self._keep(tile, right)
        if tile.is_partial:
            self._edge[tile.level] = right
        else:
            above.append(_tile_root(right))

    def _keep(self, tile: Tile, right: Hashes) -> None:
        if (tile.level, tile.index) in self._wanted:
            self._contents.rows[tile.level, tile.index] = right

    def _compare(self, tile: Tile, made: Hashes) -> Generator[Finding, None, Hashes]:
        """Yield what is wrong with a tile or with what lies below it; return the hashes that are right, best known."""
        stored, finding = self._tiles.get(tile)
        if finding is not None:
            yield finding
        if stored is None or stored == made:
            return made
        if all(mine is None or mine == theirs for mine, theirs in zip(made, stored, strict=True)):
            return stored  # what cannot be read below was reported there
        confirmed = None if tile.is_partial else self._tiles.hash_above(tile)
        if confirmed is not None and confirmed == _tile_root(stored):
            yield from self._altered_below(tile, made, stored)
            return stored
        if confirmed is not None and confirmed == _tile_root(made):
            yield _altered_tile(tile, made, stored)
        else:
            self._doubts.append(_Doubt(tile, made, stored))
        return made

    def _settle(self) -> Iterator[Finding]:
        """Yield what the signed root says about the doubts, and whether all of it together gives that root."""
        root = _edge_root(self._head.size, self._edge)
        if root == self._head.root:
            for doubt in self._doubts:
                yield _altered_tile(doubt.tile, doubt.below, doubt.stored)
            return
        at_edge = {doubt.tile.level: doubt for doubt in self._doubts if doubt.tile.is_partial}
        by_tiles = {level: doubt.stored for level, doubt in at_edge.items()}
        tiles_are_right = _edge_root(self._head.size, {**self._edge, **by_tiles}) == self._head.root
        for doubt in self._doubts:
            if tiles_are_right and doubt.tile.is_partial:
                self._keep(doubt.tile, doubt.stored)
                yield from self._altered_below(doubt.tile, doubt.below, doubt.stored)
            else:
                yield from _either(doubt.tile, doubt.below, doubt.stored)
        if not tiles_are_right:
            found = "cannot be computed" if root is None else root.hex()
            details = {"size": str(self._head.size), "signed": self._head.root.hex(), "found": found}
            yield Finding(ROOT_DIFFERS, Severity.DAMAGE, "checkpoint", details)

    def _altered_below(self, tile: Tile, made: Hashes, stored: Sequence[bytes]) -> Iterator[Finding]:
        for place in _differences(made, stored):
            number = tile.index * TILE_WIDTH + place
            if tile.level:
                below = Tile(tile.level - 1, number).path
                yield Finding(SUBTREE_ALTERED, Severity.DAMAGE, below, {"contradicted_by": tile.path})
            else:
                self._contents.entries[number] = None
                bundle = Bundle(tile.index, tile.width).path
                yield Finding(ENTRY_ALTERED, Severity.DAMAGE, f"entry {number}", {"bundle": bundle})


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


def _read_entries(bundle: Bundle, read_bundle: OptionalBundleReader) -> tuple[Hashes, Finding | None]:
    unreadable: Hashes = [None] * bundle.width
    data = read_bundle(bundle)
    if data is None:
        return unreadable, Finding(FILE_MISSING, Severity.DAMAGE, bundle.path)
    try:
        return decode_bundle(data, bundle.width), None
    except LogDamagedError as error:
        return unreadable, Finding(FILE_MALFORMED, Severity.DAMAGE, bundle.path, {"why": str(error)})


def _altered_tile(tile: Tile, made: Hashes, stored: Sequence[bytes]) -> Finding:
    places = ",".join(str(place) for place in _differences(made, stored))
    return Finding(TILE_ALTERED, Severity.DAMAGE, tile.path, {"places": places[:400]})


def _either(tile: Tile, made: Hashes, stored: Sequence[bytes]) -> Iterator[Finding]:
    for place in _differences(made, stored):
        number = tile.index * TILE_WIDTH + place
        below = Tile(tile.level - 1, number).path if tile.level else f"entry {number}"
        yield Finding(TILE_OR_BELOW_ALTERED, Severity.DAMAGE, tile.path, {"place": str(place), "or": below})


def _differences(made: Hashes, stored: Sequence[bytes]) -> list[int]:
    return [
        place
        for place, (mine, theirs) in enumerate(zip(made, stored, strict=True))
        if mine is not None and mine != theirs
    ]


def _tile_root(row: Hashes) -> bytes | None:
    hashes = [value for value in row if value is not None]
    if len(hashes) != TILE_WIDTH:
        return None
    while len(hashes) > 1:
        hashes = fold(hashes)
    return hashes[0]


def _edge_root(size: int, edge: dict[int, Hashes]) -> bytes | None:
    """Return the root that the partial tiles give; a tree's perfect subtrees are all in them."""
    whole: dict[int, bytes] = {}
    for level, row in edge.items():
        hashes = [value for value in row if value is not None]
        if len(hashes) != len(row):
            return None
        whole[level] = b"".join(hashes)
    return CompactRange.from_nodes(size, node_reader(size, lambda tile: whole[tile.level])).root()
