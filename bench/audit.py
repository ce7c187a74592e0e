"""The audit of a log's tree against pymerkle making the same root, and one proof out of ten million entries."""

import random
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pymerkle import InmemoryTree

from bench.bench_home import scratch
from bench.figure import Figure, by_turns, seconds
from chain_of_custody.audit_tree import TreeContents, audit_tree
from chain_of_custody.proofs import inclusion_proof, verify_inclusion
from chain_of_custody.tiles import TILE_WIDTH, Bundle, Tile, encode_bundle, fold, node_reader
from chain_of_custody.tree import HASH_BYTES, CompactRange, TreeHead, leaf_hash

ENTRIES = 256_000
ENTRY_BYTES = 128
GOAL_LEAVES_A_SECOND = 200_000
PROVED_SIZE = 10_000_000
PROOFS = 200
GOAL_SECONDS = 0.010


def figures() -> list[Figure]:
    """Measure an audit of the tree, and a proof."""
    with scratch() as folder:
        return [_audit(folder / "audit"), _proof(folder / "proof")]


def _audit(folder: Path) -> Figure:
    noise = random.Random(7)  # noqa: S311 - a log without secrets
    entries = [noise.randbytes(ENTRY_BYTES) for _ in range(ENTRIES)]
    for at in range(0, ENTRIES, TILE_WIDTH):
        _put(folder / Bundle(at // TILE_WIDTH).path, encode_bundle(entries[at : at + TILE_WIDTH]))
    leaves = [leaf_hash(entry) for entry in entries]
    head = _write_tiles(
        folder, (b"".join(leaves[at : at + TILE_WIDTH]) for at in range(0, ENTRIES, TILE_WIDTH)), ENTRIES
    )

    def ours() -> None:
        found = list(audit_tree(head, read_tile=_reader(folder), read_bundle=_reader(folder), contents=TreeContents()))
        if found:
            raise AssertionError(found[:3])

    def theirs() -> None:
        tree = InmemoryTree(algorithm="sha256")
        for entry in entries:
            tree.append_entry(entry)
        if tree.get_state() != head.root:
            raise AssertionError("another root")

    took, (rival,) = by_turns(ours, [theirs], rounds=3)
    return Figure(
        name="audit of a log's tree",
        ours=f"{ENTRIES / took:,.0f} entries/s",
        rival=f"pymerkle, entries in memory to the root {ENTRIES / rival:,.0f}/s",
        ratio=rival / took,
        goal=f"≥ {GOAL_LEAVES_A_SECOND:,} entries/s",
        met=ENTRIES / took >= GOAL_LEAVES_A_SECOND,
        note="entries, tiles and root from files; without signatures",
    )


def _proof(folder: Path) -> Figure:
    noise = random.Random(7)  # noqa: S311 - a log without secrets
    starts = range(0, PROVED_SIZE, TILE_WIDTH)
    rows = (noise.randbytes(HASH_BYTES * min(TILE_WIDTH, PROVED_SIZE - start)) for start in starts)
    head = _write_tiles(folder, rows, PROVED_SIZE)
    read = _reader(folder)

    def prove(index: int) -> None:
        read_node = node_reader(head.size, read)  # nothing is kept from the proof before
        proof = inclusion_proof(index, head.size, read_node)
        verify_inclusion(leaf_hash=read_node(0, index), index=index, size=head.size, proof=proof, root=head.root)

    took = statistics.median(seconds(lambda: prove(noise.randrange(PROVED_SIZE))) for _ in range(PROOFS))
    return Figure(
        name="proof of an entry among 10 million",
        ours=f"{took * 1000:.2f} ms",
        rival="none",
        ratio=took / GOAL_SECONDS,
        goal=f"< {GOAL_SECONDS * 1000:.0f} ms",
        met=took < GOAL_SECONDS,
        note="made from the tiles and verified, nothing kept; the ratio is to the goal",
    )


def _write_tiles(folder: Path, rows: Iterable[bytes], size: int) -> TreeHead:
    """Write the tiles of all levels from those of level 0; return the head of the tree."""
    level = 0
    while True:
        above = b""
        for number, row in enumerate(rows):
            width = len(row) // HASH_BYTES
            _put(folder / Tile(level, number, width).path, row)
            if width == TILE_WIDTH:
                hashes = [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]
                while len(hashes) > 1:
                    hashes = fold(hashes)
                above += hashes[0]
        if not above:
            break
        level, rows = level + 1, list(_parts(above))
    return CompactRange.from_nodes(size, node_reader(size, _reader(folder))).head()


def _parts(row: bytes) -> Iterator[bytes]:
    step = HASH_BYTES * TILE_WIDTH
    for at in range(0, len(row), step):
        yield row[at : at + step]


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _reader(folder: Path) -> Callable[[Tile | Bundle], bytes]:
    return lambda address: (folder / address.path).read_bytes()
