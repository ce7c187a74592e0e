"""The sequencing step: the same bytes however often it is repeated, and nothing on top of damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint
from chain_of_custody.errors import (
    EntryDamagedError,
    LeafRejectedError,
    LogDamagedError,
    OriginMismatchError,
    TileDamagedError,
)
from chain_of_custody.leaf import Leaf
from chain_of_custody.proofs import verify_consistency, verify_inclusion
from chain_of_custody.sequence import SequencePlan, sequence
from chain_of_custody.tiles import Bundle, Tile, decode_bundle, tiles_of
from chain_of_custody.tree import EMPTY_ROOT, TreeHead, root_of
from tests.fakes.log_on_disc import LogOnDisc
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def leaves(first: int, count: int) -> list[Leaf]:
    return [Leaf(number.to_bytes(32, "big"), bytes(64), bytes(32)) for number in range(first, first + count)]


def signed(log: LogOnDisc) -> Checkpoint:
    return open_checkpoint(log.checkpoint, log_key=log.log.public_key)


def plan_of(log: LogOnDisc, before: Checkpoint | None, new: Sequence[Leaf]) -> SequencePlan:
    return sequence(
        log_key=log.log.public_key,
        signed=before,
        leaves=[leaf.to_bytes() for leaf in new],
        read_tile=log.read,
        read_bundle=log.read,
    )


@pytest.fixture
def log(tmp_path: Path) -> LogOnDisc:
    return LogOnDisc(tmp_path)


BATCHES = (1, 254, 1, 1, 255, 256, 3, 700, 65_000, 30)


def test_batches_of_any_size_give_the_tree_of_all_leaves(log: LogOnDisc) -> None:
    everything: list[Leaf] = []
    for count in BATCHES:
        new = leaves(len(everything), count)
        plan = log.append(new)
        everything += new
        assert plan.new == TreeHead(len(everything), root_of(leaf.hash() for leaf in everything))
        assert plan.first_index == len(everything) - count
        for tile in tiles_of(len(everything)):
            assert (log.folder / tile.path).stat().st_size == tile.size_bytes
    last = log.read(Bundle(len(everything) // 256, len(everything) % 256))
    assert decode_bundle(last, len(everything) % 256)[-1] == everything[-1].to_bytes()


def test_proofs_are_had_before_the_tiles_are_written(log: LogOnDisc) -> None:
    old = log.append(leaves(0, 300)).new
    plan = plan_of(log, signed(log), leaves(300, 300))
    for index in (0, 255, 299, 300, 599):
        [leaf] = leaves(index, 1)
        verify_inclusion(
            leaf_hash=leaf.hash(), index=index, size=600, proof=plan.inclusion_proof(index), root=plan.new.root
        )
    verify_consistency(old=old, new=plan.new, proof=plan.consistency_proof(300))


def test_the_step_may_be_repeated_after_a_power_failure(log: LogOnDisc) -> None:
    """Whatever part of the writes is on the disc, the same stage on the same checkpoint gives the same bytes."""
    log.append(leaves(0, 200))
    before = signed(log)
    plan = plan_of(log, before, leaves(200, 100))
    for write in plan.writes:
        path = log.folder / write.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write.data)
        again = plan_of(log, before, leaves(200, 100))
        assert again.writes == plan.writes
        assert again.checkpoint == plan.checkpoint


def test_no_file_that_is_public_is_written_with_other_bytes(log: LogOnDisc) -> None:
    seen: dict[str, bytes] = {}
    at = 0
    for count in (3, 250, 3, 1, 255, 300):
        for write in log.append(leaves(at, count)).writes:
            assert seen.setdefault(write.path, write.data) == write.data
        at += count


def test_nothing_staged_changes_nothing(log: LogOnDisc) -> None:
    empty = plan_of(log, None, [])
    assert empty.new == TreeHead(0, EMPTY_ROOT)
    log.append(leaves(0, 7))
    plan = plan_of(log, signed(log), [])
    assert plan.old == plan.new
    assert plan.writes == ()
    assert plan.checkpoint == signed(log)


def test_partial_folders_may_go_when_their_file_is_full(log: LogOnDisc) -> None:
    assert log.append(leaves(0, 200)).superseded == ()
    assert log.append(leaves(200, 100)).superseded == ("tile/entries/000.p", "tile/0/000.p")


@pytest.mark.parametrize("size", [1, 200, 256, 300, 65_536 + 300])
def test_a_flipped_bit_at_the_right_edge_stops_the_signer(log: LogOnDisc, size: int) -> None:
    """Attack 4 (CT Yeti 2022): the recomputed root is not the signed one, so nothing is signed on top of it."""
    log.append(leaves(0, size))
    before = signed(log)
    edge = [tile for tile in tiles_of(size) if tile.is_partial]
    for tile in edge:
        path = log.folder / tile.path
        whole = path.read_bytes()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(LogDamagedError) as caught:
            plan_of(log, before, leaves(size, 1))
        assert caught.value.code == "COC-050"
        path.write_bytes(whole)
    assert plan_of(log, before, leaves(size, 1)).new.size == size + 1


def test_a_flipped_bit_in_the_last_entries_stops_the_signer(log: LogOnDisc) -> None:
    log.append(leaves(0, 20))
    path = log.folder / Bundle(0, 20).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(EntryDamagedError, match="entry 19"):
        plan_of(log, signed(log), leaves(20, 1))
    path.write_bytes(whole)
    plan_of(log, signed(log), leaves(20, 1))


def test_a_short_tile_stops_the_signer(log: LogOnDisc) -> None:
    log.append(leaves(0, 20))
    path = log.folder / Tile(0, 0, 20).path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TileDamagedError):
        plan_of(log, signed(log), leaves(20, 1))


def test_a_log_set_back_to_a_backup_stops_the_signer(log: LogOnDisc) -> None:
    """Attacks 8 and 9: the signer's own last checkpoint is not the one of these tiles."""
    log.append(leaves(0, 20))
    log.append(leaves(20, 20))
    newest = signed(log)
    (log.folder / Tile(0, 0, 40).path).unlink()
    with pytest.raises(FileNotFoundError):
        plan_of(log, newest, leaves(40, 1))
    (log.folder / Tile(0, 0, 40).path).write_bytes(log.read(Tile(0, 0, 20)) * 2)
    with pytest.raises(LogDamagedError):
        plan_of(log, newest, leaves(40, 1))


def test_one_leaf_is_staged_once(log: LogOnDisc) -> None:
    [leaf] = leaves(0, 1)
    with pytest.raises(LeafRejectedError):
        plan_of(log, None, [leaf, leaf])
    with pytest.raises(LeafRejectedError):
        sequence(log_key=log.log.public_key, signed=None, leaves=[b"short"], read_tile=log.read, read_bundle=log.read)


def test_another_log_s_checkpoint_is_not_continued(log: LogOnDisc, tmp_path: Path) -> None:
    other = LogOnDisc(tmp_path / "other", key_of("other"))
    other.append(leaves(0, 3))
    with pytest.raises(OriginMismatchError):
        plan_of(log, signed(other), leaves(3, 1))
