"""RFC 9162 §2.1.3 and §2.1.4 for any tree: every proof verifies, every corrupted proof is refused."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chain_of_custody.errors import ProofRejectedError
from chain_of_custody.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from chain_of_custody.tree import EMPTY_ROOT, CompactRange, TreeHead, leaf_hash, node_hash, root_of

MOST = 300
HASHES = [leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]
SIZES = st.integers(1, MOST)


@cache
def mth(first: int, end: int) -> bytes:
    """RFC 6962 §2.1, word for word; slow, and therefore the judge."""
    if first == end:
        return EMPTY_ROOT
    if end - first == 1:
        return HASHES[first]
    split = 1
    while split * 2 < end - first:
        split *= 2
    return node_hash(mth(first, first + split), mth(first + split, end))


def read_node(level: int, index: int) -> bytes:
    return mth(index << level, (index + 1) << level)


@st.composite
def size_and_index(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(SIZES)
    return size, draw(st.integers(0, size - 1))


@st.composite
def two_sizes(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(SIZES)
    return draw(st.integers(1, new)), new


def head(size: int) -> TreeHead:
    return TreeHead(size, mth(0, size))


@given(SIZES)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert root_of(HASHES[:size]) == mth(0, size)


@given(two_sizes())
def test_a_range_read_from_nodes_grows_like_one_kept_in_memory(sizes: tuple[int, int]) -> None:
    old, new = sizes
    read = CompactRange.from_nodes(old, read_node)
    assert read == CompactRange.empty().extend(HASHES[:old])
    assert read.extend(HASHES[old:new]).head() == head(new)


@given(size_and_index())
def test_every_leaf_has_a_proof_that_verifies(place: tuple[int, int]) -> None:
    size, index = place
    proof = inclusion_proof(index, size, read_node)
    verify_inclusion(leaf_hash=HASHES[index], index=index, size=size, proof=proof, root=mth(0, size))


@given(size_and_index(), st.data())
def test_no_corrupted_inclusion_proof_verifies(place: tuple[int, int], data: st.DataObject) -> None:
    size, index = place
    proof = list(inclusion_proof(index, size, read_node))
    leaf, root = HASHES[index], mth(0, size)
    kind = data.draw(st.sampled_from(["flip", "drop", "add", "swap", "leaf", "root", "index"]))
    if kind in ("flip", "drop"):
        assume(proof)
        at = data.draw(st.integers(0, len(proof) - 1))
        if kind == "drop":
            del proof[at]
        else:
            bit = data.draw(st.integers(0, 255))
            proof[at] = bytes(b ^ (1 << bit % 8 if n == bit // 8 else 0) for n, b in enumerate(proof[at]))
    elif kind == "add":
        proof.insert(data.draw(st.integers(0, len(proof))), data.draw(st.sampled_from([root, leaf, bytes(32), b""])))
    elif kind == "swap":
        one, two = (data.draw(st.integers(0, max(len(proof) - 1, 0))) for _ in range(2))
        assume(len(proof) > 1 and one != two)
        proof[one], proof[two] = proof[two], proof[one]
    elif kind == "leaf":
        leaf = leaf_hash(b"another")
    elif kind == "root":
        root = mth(0, data.draw(st.integers(0, MOST).filter(lambda other: other != size)))
    else:
        index = data.draw(st.integers(-2, MOST + 2).filter(lambda other: other != index))
    with pytest.raises(ProofRejectedError):
        verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=proof, root=root)


@given(two_sizes())
def test_every_older_tree_has_a_proof_that_verifies(sizes: tuple[int, int]) -> None:
    old, new = sizes
    verify_consistency(old=head(old), new=head(new), proof=consistency_proof(old, new, read_node))


@given(two_sizes(), st.data())
def test_no_corrupted_consistency_proof_verifies(sizes: tuple[int, int], data: st.DataObject) -> None:
    old, new = sizes
    proof = list(consistency_proof(old, new, read_node))
    old_head, new_head = head(old), head(new)
    kind = data.draw(st.sampled_from(["flip", "drop", "add", "old root", "new root", "old size"]))
    if kind in ("flip", "drop"):
        assume(proof)
        at = data.draw(st.integers(0, len(proof) - 1))
        proof[at : at + 1] = [] if kind == "drop" else [bytes([proof[at][0] ^ 1]) + proof[at][1:]]
    elif kind == "add":
        proof.insert(data.draw(st.integers(0, len(proof))), data.draw(st.sampled_from([old_head.root, bytes(32), b""])))
    elif kind == "old root":
        old_head = TreeHead(old, leaf_hash(b"another"))
    elif kind == "new root":
        new_head = TreeHead(new, leaf_hash(b"another"))
    else:
        # the hashes bind no size (the proof 1→2 passes as 2→3), so sizes come with their roots from checkpoints
        old_head = head(data.draw(st.integers(0, MOST).filter(lambda other: other != old)))
    with pytest.raises(ProofRejectedError):
        verify_consistency(old=old_head, new=new_head, proof=proof)


@given(SIZES, SIZES, st.lists(st.sampled_from(HASHES), max_size=10))
def test_two_histories_have_no_consistency_proof(old: int, new: int, proof: list[bytes]) -> None:
    other = root_of([*HASHES[: old - 1], leaf_hash(b"another")])
    with pytest.raises(ProofRejectedError):
        verify_consistency(old=TreeHead(old, other), new=head(new), proof=proof)
