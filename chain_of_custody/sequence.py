"""One step of the log: staged leaves on top of the last signed checkpoint give new tiles and an unsigned checkpoint.

Nothing is believed from memory. The right edge of the tree is read from the disc again, and if it does not give the
root that was signed, nothing is signed on top of it: a log that signed one wrong root can never be served again (CT
Yeti 2022). The caller then signs `checkpoint`, makes it durable (the commit point), writes `writes`, and only then
publishes; each of these may be repeated after a power failure and gives the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chain_of_custody.checkpoint import Checkpoint, origin_of
from chain_of_custody.errors import EntryDamagedError, LeafRejectedError, LogDamagedError, OriginMismatchError
from chain_of_custody.leaf import Leaf
from chain_of_custody.proofs import consistency_proof, inclusion_proof
from chain_of_custody.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Bundle,
    BundleReader,
    Tile,
    TileReader,
    decode_bundle,
    encode_bundle,
    node_reader,
    superseded_folders,
    tile_hashes,
)
from chain_of_custody.tree import CompactRange, NodeReader, TreeHead, leaf_hash, root_of


@dataclass(frozen=True, slots=True)
class TileWrite:
    """A file to write durably under the log, if it is not there with the same bytes."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencePlan:
    """The next state of the log; `old` and `new` are equal and `writes` empty if no leaf was staged."""

    old: TreeHead
    new: TreeHead
    leaf_hashes: tuple[bytes, ...]
    writes: tuple[TileWrite, ...]
    checkpoint: Checkpoint
    superseded: tuple[str, ...]
    _read_node: NodeReader = field(repr=False, compare=False)

    @property
    def first_index(self) -> int:
        """Return the index of the first new leaf."""
        return self.old.size

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Return the proof of any leaf in the new tree, before its tiles are on the disc."""
        return inclusion_proof(index, self.new.size, self._read_node)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Return the proof that an older tree of this log is a prefix of the new one."""
        return consistency_proof(old_size, self.new.size, self._read_node)


def sequence(
    *,
    log_key: bytes,
    signed: Checkpoint | None,
    leaves: Sequence[bytes],
    read_tile: TileReader,
    read_bundle: BundleReader,
) -> SequencePlan:
    """Return the log with `leaves` (128 bytes each) appended to what `signed` says; None: nothing was ever signed.

    Raises:
        LogDamagedError: the tiles on the disc do not give the signed root, or the last bundle not its tile.
        LeafRejectedError: a staged leaf is malformed or staged twice.
        OriginMismatchError: `signed` is of another log.
    """
    origin = origin_of(log_key)
    if signed is not None and signed.origin != origin:
        raise OriginMismatchError(f"last signed is {signed.origin[:120]}, this log is {origin}")
    for leaf in leaves:
        Leaf.parse(leaf)
    if len(set(leaves)) != len(leaves):
        raise LeafRejectedError("one leaf is staged twice; an event is logged once")

    old = TreeHead(0, CompactRange.empty().root()) if signed is None else signed.head()
    edge = _Edge(old.size, read_tile)
    growing = CompactRange.from_nodes(old.size, node_reader(old.size, edge.read))
    if growing.root() != old.root:
        raise LogDamagedError(
            f"the tiles of size {old.size} give root {growing.root().hex()}, signed is {old.root.hex()}; "
            "nothing was signed: restore the log from a replica"
        )
    entries = _last_entries(old.size, edge, read_bundle)

    hashes = tuple(leaf_hash(leaf) for leaf in leaves)
    new = growing.extend(hashes).head()
    tile_writes = dict(_grow_tiles(old.size, edge, hashes))
    bundle_writes = _grow_bundles(old.size, entries, leaves)
    return SequencePlan(
        old=old,
        new=new,
        leaf_hashes=hashes,
        writes=(*bundle_writes, *(TileWrite(tile.path, data) for tile, data in tile_writes.items())),
        checkpoint=Checkpoint(origin, new.size, new.root),
        superseded=superseded_folders(old.size, new.size),
        _read_node=node_reader(new.size, _Overlay(tile_writes, read_tile).read),
    )


class _Edge:
    """The partial tiles of the old tree, each read from the disc once."""

    def __init__(self, size: int, read_tile: TileReader) -> None:
        self._read_tile = read_tile
        self._size = size
        self._data: dict[Tile, bytes] = {}

    def read(self, tile: Tile) -> bytes:
        if tile not in self._data:
            self._data[tile] = self._read_tile(tile)
        return self._data[tile]

    def row(self, level: int) -> list[bytes]:
        """Return the hashes of the partial tile of a level; none if its last tile is full."""
        count = self._size >> TILE_HEIGHT * level
        if count % TILE_WIDTH == 0:
            return []
        tile = Tile(level, count >> TILE_HEIGHT, count % TILE_WIDTH)
        return tile_hashes(tile, self.read(tile))


class _Overlay:
    """The new tree's tiles: those of the plan, and all others from the disc."""

    def __init__(self, planned: dict[Tile, bytes], read_tile: TileReader) -> None:
        self._planned = planned
        self._read_tile = read_tile

    def read(self, tile: Tile) -> bytes:
        data = self._planned.get(tile)
        return self._read_tile(tile) if data is None else data


def _last_entries(size: int, edge: _Edge, read_bundle: BundleReader) -> tuple[bytes, ...]:
    """Return the entries of the partial bundle, each checked against its hash in the tile beside it."""
    if size % TILE_WIDTH == 0:
        return ()
    bundle = Bundle(size >> TILE_HEIGHT, size % TILE_WIDTH)
    entries = decode_bundle(read_bundle(bundle), bundle.width)
    for number, (entry, expected) in enumerate(zip(entries, edge.row(0), strict=True)):
        if leaf_hash(entry) != expected:
            raise EntryDamagedError(
                f"{bundle.path}: entry {bundle.first_leaf + number} is not the one in the tree; "
                "nothing was signed: restore the log from a replica"
            )
    return entries


def _grow_tiles(old_size: int, edge: _Edge, hashes: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
    """Yield every tile that is new or wider, lowest level first."""
    level = 0
    added: Sequence[bytes] = hashes
    while added:
        row = [*edge.row(level), *added]
        index = (old_size >> TILE_HEIGHT * level) >> TILE_HEIGHT
        above = []
        for at in range(0, len(row), TILE_WIDTH):
            part = row[at : at + TILE_WIDTH]
            yield Tile(level, index, len(part)), b"".join(part)
            if len(part) == TILE_WIDTH:
                above.append(root_of(part))
            index += 1
        added = above
        level += 1


def _grow_bundles(old_size: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> list[TileWrite]:
    if not leaves:
        return []
    every = [*entries, *leaves]
    first = old_size >> TILE_HEIGHT
    return [
        TileWrite(Bundle(first + at // TILE_WIDTH, len(part)).path, encode_bundle(part))
        for at in range(0, len(every), TILE_WIDTH)
        if (part := every[at : at + TILE_WIDTH])
    ]
