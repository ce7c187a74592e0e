"""The same roots and proofs as pymerkle, a Merkle tree that is not ours."""

from __future__ import annotations

import pytest
from pymerkle import InmemoryTree, verify_inclusion
from pymerkle import verify_consistency as verify_their_consistency

from chain_of_custody.proofs import consistency_proof, inclusion_proof, verify_consistency
from chain_of_custody.tree import TreeHead, leaf_hash, root_of

ENTRIES = [bytes([number]) * number for number in range(40)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]
TREE = InmemoryTree(algorithm="sha256")
for each in ENTRIES:
    TREE.append_entry(each)


def read_node(level: int, index: int) -> bytes:
    return root_of(HASHES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(1, 41))
def test_roots_agree(size: int) -> None:
    assert TREE.get_root(size) == root_of(HASHES[:size])


@pytest.mark.parametrize("size", [1, 2, 7, 8, 33, 40])
def test_their_proofs_are_over_our_nodes(size: int) -> None:
    """There the path holds the leaf itself and is ordered by other rules, so the sets of hashes are compared."""
    for index in range(1, size + 1):
        theirs = TREE.prove_inclusion(index, size)
        verify_inclusion(HASHES[index - 1], root_of(HASHES[:size]), theirs)
        assert set(theirs.path) - {HASHES[index - 1]} == set(inclusion_proof(index - 1, size, read_node))


@pytest.mark.parametrize(("old", "new"), [(1, 2), (3, 7), (4, 8), (6, 40), (32, 33)])
def test_consistency_agrees(old: int, new: int) -> None:
    theirs = TREE.prove_consistency(old, new)
    verify_their_consistency(root_of(HASHES[:old]), root_of(HASHES[:new]), theirs)
    ours = consistency_proof(old, new, read_node)
    verify_consistency(old=TreeHead(old, TREE.get_root(old)), new=TreeHead(new, TREE.get_root(new)), proof=ours)
