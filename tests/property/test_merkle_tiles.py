"""C2SP tlog-tiles for any way a log may grow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_of_custody.checkpoint import Checkpoint, origin_of
from chain_of_custody.errors import LogDamagedError, TileRejectedError
from chain_of_custody.leaf import Leaf
from chain_of_custody.proofs import verify_consistency, verify_inclusion
from chain_of_custody.sequence import sequence
from chain_of_custody.tiles import (
    Bundle,
    Tile,
    changed_bundles,
    changed_tiles,
    decode_bundle,
    encode_bundle,
    parse_path,
    superseded_folders,
    tiles_of,
)
from chain_of_custody.tree import root_of

LOG_KEY = bytes(range(32))
BATCHES = st.lists(st.integers(1, 300), min_size=1, max_size=8)
ADDRESSES = st.builds(Tile, st.integers(0, 63), st.integers(0, 2**50), st.integers(1, 256)) | st.builds(
    Bundle, st.integers(0, 2**50), st.integers(1, 256)
)


def leaf(number: int) -> bytes:
    return Leaf(number.to_bytes(32, "big"), bytes(64), bytes(32)).to_bytes()


class Files:
    """What a store would have written; it never lets a file be written with other bytes."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.signed: Checkpoint | None = None

    def grow(self, count: int) -> None:
        first = self.signed.size if self.signed else 0
        plan = sequence(
            log_key=LOG_KEY,
            signed=self.signed,
            leaves=[leaf(number) for number in range(first, first + count)],
            read_tile=lambda tile: self.files[tile.path],
            read_bundle=lambda bundle: self.files[bundle.path],
        )
        for write in plan.writes:
            assert self.files.setdefault(write.path, write.data) == write.data
        for folder in plan.superseded:
            for path in [path for path in self.files if path.startswith(folder + "/")]:
                del self.files[path]
        self.signed = plan.checkpoint
        self.plan = plan


@given(BATCHES)
@settings(max_examples=40)
def test_a_log_grown_in_any_batches_has_the_tiles_and_root_of_its_leaves(batches: list[int]) -> None:
    log = Files()
    for count in batches:
        before = log.signed
        log.grow(count)
        if before is not None:
            proof = log.plan.consistency_proof(before.size)
            verify_consistency(old=before.head(), new=log.plan.new, proof=proof)
    size = sum(batches)
    hashes = [Leaf.parse(leaf(number)).hash() for number in range(size)]
    assert log.signed == Checkpoint(origin_of(LOG_KEY), size, root_of(hashes))
    for index in (0, size // 2, size - 1):
        proof = log.plan.inclusion_proof(index)
        verify_inclusion(leaf_hash=hashes[index], index=index, size=size, proof=proof, root=log.signed.root)
    assert {tile.path for tile in tiles_of(size)} <= log.files.keys()


@given(st.integers(0, 600), st.integers(1, 300), st.data())
@settings(max_examples=40)
def test_any_bit_flipped_at_the_right_edge_is_noticed_before_signing(old: int, more: int, data: st.DataObject) -> None:
    log = Files()
    if old:
        log.grow(old)
    edge = [path for path in sorted(log.files) if ".p/" in path]
    if edge:
        path = data.draw(st.sampled_from(edge))
        bit = data.draw(st.integers(0, len(log.files[path]) * 8 - 1))
        whole = log.files[path]
        log.files[path] = bytes(b ^ (1 << bit % 8 if n == bit // 8 else 0) for n, b in enumerate(whole))
        with pytest.raises(LogDamagedError):
            log.grow(more)
        log.files[path] = whole
    log.grow(more)
    assert log.signed is not None
    assert log.signed.size == old + more


@given(ADDRESSES)
def test_every_address_is_read_as_it_was_written(address: Tile | Bundle) -> None:
    assert parse_path(address.path) == address


@given(st.text(st.sampled_from("tile/entrisx0123456789.p-_ \n"), max_size=40))
def test_what_is_read_as_an_address_is_spelt_that_way(path: str) -> None:
    try:
        address = parse_path("tile/" + path)
    except TileRejectedError:
        return
    assert address.path == "tile/" + path


@given(st.integers(0, 2**40), st.integers(0, 5000))
def test_growing_writes_what_is_new_and_nothing_else(old: int, more: int) -> None:
    new = old + more
    written = [(tile.level, tile.index, tile.width) for tile in changed_tiles(old, new)]
    assert len(set(written)) == len(written)
    for level, index, width in written:
        assert index * 256 + width <= new >> 8 * level
        assert index * 256 + width > old >> 8 * level
    assert [bundle.index for bundle in changed_bundles(old, new)] == [
        index for level, index, _ in written if level == 0
    ]
    for folder in superseded_folders(old, new):
        parse_path(folder.removesuffix(".p"))


@given(st.lists(st.binary(max_size=200), max_size=256))
def test_every_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == tuple(entries)


@given(st.binary(max_size=400), st.integers(0, 256))
def test_no_bytes_crash_the_reader_of_bundles(data: bytes, width: int) -> None:
    try:
        entries = decode_bundle(data, width)
    except LogDamagedError:
        return
    assert encode_bundle(entries) == data
