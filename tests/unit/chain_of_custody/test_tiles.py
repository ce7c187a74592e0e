"""C2SP tlog-tiles: addresses, files, and nodes read back from them."""

from __future__ import annotations

import pytest

from chain_of_custody.errors import LogDamagedError, TileDamagedError, TileRejectedError
from chain_of_custody.tiles import (
    Bundle,
    Tile,
    bundles_of,
    changed_bundles,
    changed_tiles,
    decode_bundle,
    encode_bundle,
    node_reader,
    parse_path,
    superseded_folders,
    tiles_of,
)
from chain_of_custody.tree import leaf_hash, root_of


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(63, 999, 1), "tile/63/999.p/1"),
        (Tile(2, 1000, 255), "tile/2/x001/000.p/255"),
        (Tile(1, 999_999), "tile/1/x999/999"),
        (Bundle(1234067, 112), "tile/entries/x001/x234/067.p/112"),
        (Bundle(0), "tile/entries/000"),
    ],
)
def test_an_address_has_one_spelling(address: Tile | Bundle, path: str) -> None:
    assert address.path == path
    assert parse_path(path) == address


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/../000",
        "tile/data/000",
        "tile/0/000 ",
        "tile/0/٠٠٠",
        "/tile/0/000",
        "tile/0/000\n",
        "",
    ],
)
def test_any_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(TileRejectedError):
        parse_path(path)


def test_the_tiles_of_70000_leaves_are_those_of_the_specification() -> None:
    tiles = list(tiles_of(70_000))
    assert sum(tile.level == 0 and not tile.is_partial for tile in tiles) == 273
    assert [tile for tile in tiles if tile.is_partial] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [tile for tile in tiles if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert len(tiles) == 273 + 1 + 1 + 1 + 1
    assert len(list(bundles_of(70_000))) == 274


def test_the_tiles_of_256_leaves_are_one_full_and_one_of_width_one_above() -> None:
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


def test_only_tiles_that_grow_are_written() -> None:
    assert list(changed_tiles(255, 257)) == [Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1)]
    assert list(changed_tiles(256, 257)) == [Tile(0, 1, 1)]
    assert list(changed_bundles(256, 256)) == []
    assert list(changed_bundles(100, 600)) == [Bundle(0), Bundle(1), Bundle(2, 88)]


def test_partial_folders_go_only_when_the_full_file_is_there() -> None:
    assert superseded_folders(100, 255) == ()
    assert superseded_folders(100, 256) == ("tile/entries/000.p", "tile/0/000.p")
    assert superseded_folders(256, 512) == ()
    assert superseded_folders(65_535, 65_536) == ("tile/entries/255.p", "tile/0/255.p", "tile/1/000.p")


def test_a_log_does_not_shrink() -> None:
    for question in (changed_tiles, changed_bundles):
        with pytest.raises(TileRejectedError):
            list(question(2, 1))
    with pytest.raises(TileRejectedError):
        superseded_folders(2, 1)


def test_a_bundle_is_entries_behind_their_big_endian_lengths() -> None:
    entries = (b"", b"a", b"b" * 65_535)
    data = encode_bundle(entries)
    assert data[:5] == b"\0\0\0\1a"
    assert decode_bundle(data, 3) == entries
    with pytest.raises(TileRejectedError):
        encode_bundle([b"c" * 65_536])


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: d[:1], lambda _: b""])
def test_a_bundle_of_another_length_than_it_says_is_damage(spoil: object) -> None:
    data = encode_bundle([b"one", b"two"])
    with pytest.raises(TileDamagedError):
        decode_bundle(spoil(data), 2)  # type: ignore[operator]  # the parameter is a function
    assert decode_bundle(data, 2) == (b"one", b"two")


def test_every_node_of_a_tree_is_read_from_its_tiles() -> None:
    size = 600
    hashes = [leaf_hash(str(number).encode()) for number in range(size)]
    reads: list[Tile] = []

    def read_tile(tile: Tile) -> bytes:
        reads.append(tile)
        span = 1 << 8 * tile.level
        first = tile.index * 256 * span
        return b"".join(root_of(hashes[at : at + span]) for at in range(first, first + tile.width * span, span))

    read_node = node_reader(size, read_tile)
    for level in range(10):
        for index in range(size >> level):
            assert read_node(level, index) == root_of(hashes[index << level : (index + 1) << level])
        with pytest.raises(TileRejectedError):
            read_node(level, size >> level)
    assert len(reads) == len(set(reads))


def test_a_tile_file_of_another_length_is_damage() -> None:
    with pytest.raises(LogDamagedError):
        node_reader(3, lambda _: bytes(32 * 4))(0, 0)
    assert node_reader(3, lambda _: bytes(32 * 3))(0, 0) == bytes(32)
