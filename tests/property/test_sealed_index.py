"""The sealed index against a naive model: every claim that is true is proved, every other proof is refused."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.errors import SealProofRejectedError, SealUnsortedError
from chain_of_custody.package import ChainEnd, ItemEntry, contents_json
from chain_of_custody.proofs import inclusion_proof, verify_inclusion
from chain_of_custody.sealed_index import (
    KEY_BYTES,
    Seal,
    SealedIndex,
    SealedRun,
    item_key,
    recorder_key,
    seal_of,
    sealed_leaf,
    verify_complete,
    verify_presence,
    verify_run,
)
from chain_of_custody.tree import EMPTY_ROOT, leaf_hash, node_hash
from evidence_model.canonical import canonical_bytes
from evidence_model.digests import Digest
from evidence_model.ids import AssetId, RecordingId, SourceId

RECORDERS = tuple(f"rec-{number}" for number in range(6))
ITEMS = st.dictionaries(st.tuples(st.sampled_from(RECORDERS), st.integers(0, 20)), st.integers(1, 9), max_size=60)


def leaves_of(items: dict[tuple[str, int], int]) -> list[bytes]:
    return sorted(
        sealed_leaf(recorder_key(recorder), f"{asset:032x}", [("st-1", seq, bytes(32))])
        for (recorder, asset), seq in items.items()
    )


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(mth(leaves[:split]), mth(leaves[split:]))


def run_for(index: SealedIndex, leaves: list[bytes], key: bytes) -> SealedRun:
    """Return the run that shows all leaves that begin with `key`, as the naive model finds it."""
    inside = [at for at, leaf in enumerate(leaves) if leaf.startswith(key)]
    first = inside[0] if inside else sum(leaf < key for leaf in leaves)
    last = inside[-1] + 1 if inside else first
    first, last = max(0, first - 1), min(len(leaves), last + 1)
    return index.prove(first, leaves[first:last])


@given(
    st.dictionaries(st.sampled_from(RECORDERS), st.tuples(st.integers(1, 1 << 66), st.binary(min_size=32, max_size=32)))
)
def test_a_leaf_is_the_hash_of_the_chains_of_package_json(chains: dict[str, tuple[int, bytes]]) -> None:
    ends = [(source, *chains[source]) for source in sorted(chains)]
    entry = ItemEntry(
        id=AssetId("a" * 32),
        recording=RecordingId("R-1"),
        sha256=Digest(bytes(32)),
        size_bytes=1,
        file="f",
        chunks=None,
        chains=tuple(
            ChainEnd(source=SourceId(name), seq=min(seq, (1 << 63) - 1), last=last) for name, seq, last in ends
        ),
    )
    written = contents_json(events=[], items=[entry])
    said = json.loads(written)["items"][0]["chains"]
    right = sha256(canonical_bytes(said)).digest()
    assert sealed_leaf(recorder_key("rec-1"), "a" * 32, ends) == item_key("rec-1", "a" * 32) + right


@given(ITEMS)
def test_root_and_count_are_those_of_the_definition_streamed_or_kept(items: dict[tuple[str, int], int]) -> None:
    leaves = leaves_of(items)
    index, seal = SealedIndex(leaves), seal_of(7, leaves)
    assert (index.root, index.count) == (seal.root, seal.count) == (mth(leaves), len(leaves))


@given(ITEMS, st.data())
def test_every_run_of_neighbours_verifies_and_none_that_is_not_one(
    items: dict[tuple[str, int], int], data: st.DataObject
) -> None:
    leaves = leaves_of(items)
    index, seal = SealedIndex(leaves), seal_of(0, leaves)
    if not leaves:
        return
    first = data.draw(st.integers(0, len(leaves) - 1))
    end = data.draw(st.integers(first + 1, len(leaves)))
    run = index.prove(first, leaves[first:end])
    verify_run(run, seal)
    forgeries = [SealedRun(run.first + 1, run.leaves, run.proof), SealedRun(run.first, run.leaves[:-1], run.proof)]
    forgeries.append(SealedRun(run.first, run.leaves, (*run.proof, bytes(32))))
    forgeries.append(SealedRun(run.first, (*run.leaves[:-1], run.leaves[-1][:-1] + b"?"), run.proof))
    forgeries += [SealedRun(run.first, run.leaves, run.proof[:-1])] if run.proof else []
    if len(run.leaves) > 2:  # a leaf between two others is kept back
        forgeries.append(SealedRun(run.first, run.leaves[:1] + run.leaves[2:], run.proof))
    for forged in forgeries:
        with pytest.raises(SealProofRejectedError):
            verify_run(forged, seal)


@given(ITEMS, st.data())
def test_a_proof_of_presence_is_the_inclusion_proof_of_the_rfc(
    items: dict[tuple[str, int], int], data: st.DataObject
) -> None:
    leaves = leaves_of(items)
    if not leaves:
        return
    at = data.draw(st.integers(0, len(leaves) - 1))
    seal, run = seal_of(0, leaves), SealedIndex(leaves).prove(at, [leaves[at]])
    verify_presence(run, seal, leaf=leaves[at])
    verify_inclusion(leaf_hash=leaf_hash(leaves[at]), index=at, size=seal.count, proof=run.proof, root=seal.root)
    if len(leaves) & (len(leaves) - 1) == 0:
        perfect = inclusion_proof(
            at, len(leaves), lambda level, place: mth(leaves[place << level : (place + 1) << level])
        )
        assert run.proof == perfect
    with pytest.raises(SealProofRejectedError):
        verify_presence(run, seal, leaf=leaves[at][:KEY_BYTES] + sha256(b"one event fewer").digest())


@given(ITEMS, st.sampled_from(RECORDERS), st.integers(0, 20))
def test_what_is_known_of_a_recorder_and_what_is_not_there_is_proved_completely(
    items: dict[tuple[str, int], int], recorder: str, asset: int
) -> None:
    leaves = leaves_of(items)
    index, seal = SealedIndex(leaves), seal_of(0, leaves)
    for key in (recorder_key(recorder), item_key(recorder, f"{asset:032x}")):
        right = tuple(leaf for leaf in leaves if leaf.startswith(key))
        run = run_for(index, leaves, key)
        assert verify_complete(run, seal, key=key) == right
        for at in range(len(run.leaves)):  # who leaves out any leaf of it cannot prove it
            short = SealedRun(run.first + (at == 0), run.leaves[:at] + run.leaves[at + 1 :], run.proof)
            with pytest.raises(SealProofRejectedError):
                verify_complete(short, seal, key=key)
        if right:  # a bracket that begins with the recorder's own leaf does not show that nothing is before it
            inner = index.prove(leaves.index(right[0]), right)
            is_all = len(right) == len(leaves)
            if not is_all and (leaves[0] != right[0] or leaves[-1] != right[-1]):
                with pytest.raises(SealProofRejectedError, match="not shown"):
                    verify_complete(inner, seal, key=key)


def test_attack_25_a_forged_bracket_whose_leaves_are_not_neighbours_is_refused() -> None:
    leaves = leaves_of({("rec-1", 1): 1, ("rec-2", 2): 1, ("rec-3", 3): 1})
    index, seal = SealedIndex(leaves), seal_of(0, leaves)
    hidden = next(recorder for recorder in RECORDERS if leaves[1].startswith(recorder_key(recorder)))
    around = (leaves[0], leaves[2])
    proof = index.prove(0, leaves).proof
    for forged in (
        SealedRun(0, around, proof),
        SealedRun(1, around, proof),
        SealedRun(0, around, (leaf_hash(leaves[1]),)),
    ):
        with pytest.raises(SealProofRejectedError):
            verify_complete(forged, seal, key=recorder_key(hidden))
    assert verify_complete(index.prove(0, leaves), seal, key=recorder_key(hidden)) == (leaves[1],)
    assert verify_complete(index.prove(0, leaves), seal, key=recorder_key("rec-1"))


def test_of_an_empty_index_everything_is_absent() -> None:
    seal = seal_of(4, [])
    assert verify_complete(SealedRun(0, (), ()), seal, key=recorder_key("rec-1")) == ()
    for forged in (SealedRun(0, (bytes(96),), ()), SealedRun(1, (), ()), SealedRun(0, (), (bytes(32),))):
        with pytest.raises(SealProofRejectedError):
            verify_complete(forged, seal, key=recorder_key("rec-1"))
    full = seal_of(4, leaves_of({("rec-1", 1): 1}))
    with pytest.raises(SealProofRejectedError):
        verify_complete(SealedRun(0, (), ()), full, key=recorder_key("rec-2"))


def test_a_sealed_tree_whose_leaves_are_not_sorted_shows_nothing() -> None:
    """A centre can sign the root of any tree, and hide an item where nobody looks for it."""
    leaves = leaves_of({("rec-1", 1): 1, ("rec-2", 2): 1})
    for order in (leaves[::-1], [leaves[0], leaves[0]]):
        with pytest.raises(SealProofRejectedError, match="sorted"):
            verify_run(SealedRun(0, tuple(order), ()), Seal(0, 2, mth(order)))
    verify_run(SealedRun(0, tuple(leaves), ()), Seal(0, 2, mth(leaves)))


def test_leaves_that_are_unsorted_or_twice_the_same_item_are_no_index() -> None:
    leaves = leaves_of({("rec-1", 1): 1, ("rec-2", 2): 1})
    twice = [leaves[0], leaves[0][:KEY_BYTES] + bytes(32)]
    for wrong in (leaves[::-1], twice, [leaves[0], leaves[1][:-1]]):
        with pytest.raises(SealUnsortedError):
            seal_of(0, wrong)
        with pytest.raises(SealUnsortedError):
            SealedIndex(wrong)
    assert all(left < right for left, right in pairwise(leaves))
