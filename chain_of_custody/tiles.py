"""C2SP tlog-tiles: how the tree and its entries are laid out as files, and how nodes are read back from them.

    tile/<L>/<N>[.p/<W>]      256 (or W) hashes of level 8·L, 32 bytes each, concatenated
    tile/entries/<N>[.p/<W>]  256 (or W) entries, each after its length as big-endian uint16

<N> has three digits a folder, all but the last with an `x` before: 1234067 is `x001/x234/067`. A full file is never
written again. A partial one (`.p/<W>`) is never written again either: a wider one stands beside it, until the full one
is there, and then the whole `.p` folder may go.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chain_of_custody.errors import TileDamagedError, TileRejectedError
from chain_of_custody.tree import HASH_BYTES, MAX_SIZE, NodeReader, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
MAX_ENTRY_BYTES = (1 << 16) - 1

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """The address of one tile of hashes; `width` 256 is a full one."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL:
            raise TileRejectedError(f"no tile level {self.level}")
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path relative to the log."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"

    @property
    def is_partial(self) -> bool:
        """Say whether the tile has fewer than 256 hashes."""
        return self.width < TILE_WIDTH

    @property
    def size_bytes(self) -> int:
        """Return the length of the file."""
        return self.width * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Bundle:
    """The address of one bundle of entries; `width` 256 is a full one."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """Return the path relative to the log."""
        return f"tile/entries/{_place(self.index, self.width)}"

    @property
    def is_partial(self) -> bool:
        """Say whether the bundle has fewer than 256 entries."""
        return self.width < TILE_WIDTH

    @property
    def first_leaf(self) -> int:
        """Return the leaf index of its first entry."""
        return self.index * TILE_WIDTH


TileReader: TypeAlias = Callable[[Tile], bytes]
BundleReader: TypeAlias = Callable[[Bundle], bytes]


def parse_path(path: str) -> Tile | Bundle:
    """Read an address; only the one spelling that `path` writes is accepted.

    Raises:
        TileRejectedError: anything else.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileRejectedError(f"no tile address: {path[:120]!r}")
    kind, place, width_text = match.groups()
    index = int(place.replace("/", "").replace("x", ""))
    width = int(width_text) if width_text else TILE_WIDTH
    found: Tile | Bundle = Bundle(index, width) if kind == "entries" else Tile(int(kind), index, width)
    if found.path != path:  # leading x000, width 256 and the like
        raise TileRejectedError(f"another spelling of {found.path}: {path[:120]!r}")
    return found


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree of `size` leaves, lowest level first."""
    return changed_tiles(0, size)


def bundles_of(size: int) -> Iterator[Bundle]:
    """Yield every entry bundle of a tree of `size` leaves."""
    return changed_bundles(0, size)


def changed_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Yield the tiles that a tree of `new_size` has and one of `old_size` has not, lowest level first."""
    _check_growth(old_size, new_size)
    level = 0
    while new_size:
        for index, width in _changed(old_size, new_size):
            yield Tile(level, index, width)
        level += 1
        old_size >>= TILE_HEIGHT
        new_size >>= TILE_HEIGHT


def changed_bundles(old_size: int, new_size: int) -> Iterator[Bundle]:
    """Yield the entry bundles that a tree of `new_size` has and one of `old_size` has not."""
    _check_growth(old_size, new_size)
    for index, width in _changed(old_size, new_size):
        yield Bundle(index, width)


def superseded_folders(old_size: int, new_size: int) -> tuple[str, ...]:
    """Return the `.p` folders whose full file exists now; they may be deleted once the new checkpoint is public."""
    _check_growth(old_size, new_size)
    result = []
    if old_size % TILE_WIDTH and old_size >> TILE_HEIGHT < new_size >> TILE_HEIGHT:
        result.append(f"tile/entries/{_digits(old_size >> TILE_HEIGHT)}.p")
    level = 0
    while old_size:
        if old_size % TILE_WIDTH and old_size >> TILE_HEIGHT < new_size >> TILE_HEIGHT:
            result.append(f"tile/{level}/{_digits(old_size >> TILE_HEIGHT)}.p")
        level += 1
        old_size >>= TILE_HEIGHT
        new_size >>= TILE_HEIGHT
    return tuple(result)


def tile_hashes(tile: Tile, data: bytes) -> list[bytes]:
    """Return the hashes that a tile's file holds.

    Raises:
        TileDamagedError: the file is shorter or longer than its address says.
    """
    if len(data) != tile.size_bytes:
        raise TileDamagedError(f"{tile.path} has {len(data)} bytes, {tile.size_bytes} were expected; restore it")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the file of an entry bundle."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise TileRejectedError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Return the `width` entries that a bundle's file holds.

    Raises:
        TileDamagedError: the file ends early, or goes on after the last entry.
    """
    entries = []
    at = 0
    for number in range(width):
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        if len(data) < start or len(data) < end:
            raise TileDamagedError(f"an entry bundle of {width} ends within entry {number}; restore it")
        entries.append(data[start:end])
        at = end
    if at != len(data):
        raise TileDamagedError(f"an entry bundle of {width} has {len(data) - at} bytes too many; restore it")
    return tuple(entries)


def fold(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the row of parents above a row of hashes; a last one without a partner has no parent yet."""
    return [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]


def node_reader(size: int, read_tile: TileReader) -> NodeReader:
    """Return a reader of the perfect subtrees of a tree of `size` leaves, from its tiles.

    It remembers what it read, so it serves many proofs at one size and is thrown away then.
    """
    rows_of: dict[tuple[int, int], list[list[bytes]]] = {}

    def read_node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index = index << height >> TILE_HEIGHT
        rows = rows_of.get((tile_level, tile_index))
        if rows is None:
            width = min(TILE_WIDTH, (size >> TILE_HEIGHT * tile_level) - tile_index * TILE_WIDTH)
            tile = Tile(tile_level, tile_index, width)
            rows = rows_of[tile_level, tile_index] = [tile_hashes(tile, read_tile(tile))]
        while len(rows) <= height:
            rows.append(fold(rows[-1]))
        place = index - (tile_index << TILE_HEIGHT - height)
        if not 0 <= place < len(rows[height]):
            raise TileRejectedError(f"no node {index} of level {level} in a tree of {size}")
        return rows[height][place]

    return read_node


def _changed(old_count: int, new_count: int) -> Iterator[tuple[int, int]]:
    if old_count == new_count:
        return
    for index in range(old_count >> TILE_HEIGHT, (new_count - 1 >> TILE_HEIGHT) + 1):
        yield index, min(TILE_WIDTH, new_count - index * TILE_WIDTH)


def _check_growth(old_size: int, new_size: int) -> None:
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise TileRejectedError(f"a log does not grow from {old_size} to {new_size}")


def _check_place(index: int, width: int) -> None:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise TileRejectedError(f"no tile {index} of width {width}")


def _place(index: int, width: int) -> str:
    return _digits(index) if width == TILE_WIDTH else f"{_digits(index)}.p/{width}"


def _digits(index: int) -> str:
    text = f"{index % 1000:03}"
    while index >= 1000:  # noqa: PLR2004 - three digits a folder
        index //= 1000
        text = f"x{index % 1000:03}/{text}"
    return text
