"""Published inclusion and consistency proofs (transparency-dev/merkle), and what must not pass."""

from __future__ import annotations

import base64

import pytest

from chain_of_custody.errors import ProofIndexError, ProofLengthError, ProofRejectedError
from chain_of_custody.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from chain_of_custody.tree import TreeHead, leaf_hash, root_of

CT_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
HASHES = [leaf_hash(bytes.fromhex(text)) for text in CT_LEAVES]
ROOT = [root_of(HASHES[:size]) for size in range(9)]


def unbase64(*texts: str) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(text) for text in texts)


def read_node(level: int, index: int) -> bytes:
    return root_of(HASHES[index << level : (index + 1) << level])


INCLUSION = [
    (
        5,
        8,
        "QnGia+DYqE8L1UyMMC58s6O10fpngKQLzOKHNHfatlg=",
        unbase64(
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
            "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        ),
    ),
    (
        1,
        5,
        "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
        unbase64(
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
        ),
    ),
]
CONSISTENCY = [
    (
        6,
        7,
        unbase64(
            "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
            "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        ),
    ),
    (
        1,
        8,
        unbase64(
            "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
        ),
    ),
]


@pytest.mark.parametrize(("index", "size", "leaf", "proof"), INCLUSION)
def test_published_inclusion_proofs_are_made_and_accepted(
    index: int, size: int, leaf: str, proof: tuple[bytes, ...]
) -> None:
    assert unbase64(leaf) == (HASHES[index],)
    assert inclusion_proof(index, size, read_node) == proof
    verify_inclusion(leaf_hash=HASHES[index], index=index, size=size, proof=proof, root=ROOT[size])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_published_consistency_proofs_are_made_and_accepted(old: int, new: int, proof: tuple[bytes, ...]) -> None:
    assert consistency_proof(old, new, read_node) == proof
    verify_consistency(old=TreeHead(old, ROOT[old]), new=TreeHead(new, ROOT[new]), proof=proof)


def test_a_published_sigsum_leaf_is_included_at_its_index() -> None:
    """sigsum-go TestVerify: leaf 3 of 4."""
    verify_inclusion(
        leaf_hash=bytes.fromhex("3dc2f47aeae31b48bfd0756a527ed495cd344d95ea53480357ca780f84d6aabf"),
        index=3,
        size=4,
        proof=(
            bytes.fromhex("61010ae798308f5b97237615ab8c1b14f2c782c37616e97d0a170b617bc7a4ce"),
            bytes.fromhex("a5c3752be610d605ce5c64ee2e28ee5b94a1cc0a68742f18f24c9b5c82d07298"),
        ),
        root=bytes.fromhex("3ddc56fd46e71e517b6936b977a457da7d398108141fcdf5c8386cdd724ab7a8"),
    )


def test_an_index_outside_the_tree_is_refused_before_any_hash_is_compared() -> None:
    """Other verifiers accepted index 5 of size 4 (merkle vector treeSize-div-@2): the proof of 5 in 8, halved."""
    proof = inclusion_proof(5, 8, read_node)
    for size in (0, 4, 5):
        with pytest.raises(ProofIndexError):
            verify_inclusion(leaf_hash=HASHES[5], index=5, size=size, proof=proof, root=ROOT[8])
    with pytest.raises(ProofIndexError):
        verify_inclusion(leaf_hash=HASHES[0], index=-1, size=8, proof=proof, root=ROOT[8])
    with pytest.raises(ProofIndexError):
        inclusion_proof(8, 8, read_node)
    verify_inclusion(leaf_hash=HASHES[5], index=5, size=8, proof=proof, root=ROOT[8])


@pytest.mark.parametrize("index", [0, 2, 4, 5, 6])
def test_a_proof_is_of_one_index_only(index: int) -> None:
    proof = inclusion_proof(3, 7, read_node)
    with pytest.raises(ProofRejectedError):
        verify_inclusion(leaf_hash=HASHES[3], index=index, size=7, proof=proof, root=ROOT[7])


def test_a_proof_one_hash_short_or_long_is_refused_with_its_code() -> None:
    proof = inclusion_proof(5, 8, read_node)
    for wrong in (proof[:-1], proof[1:], (*proof, ROOT[8]), (*proof, b""), (*proof[:-1], proof[-1] + b"\0"), ()):
        with pytest.raises(ProofLengthError):
            verify_inclusion(leaf_hash=HASHES[5], index=5, size=8, proof=wrong, root=ROOT[8])


def test_the_root_in_place_of_a_proof_is_refused() -> None:
    with pytest.raises(ProofRejectedError):
        verify_inclusion(leaf_hash=ROOT[8], index=0, size=8, proof=(), root=ROOT[8])
    with pytest.raises(ProofRejectedError):
        verify_consistency(old=TreeHead(4, ROOT[8]), new=TreeHead(8, ROOT[8]), proof=())


def test_nothing_is_proved_about_the_empty_tree() -> None:
    """All merkle vectors with size1 = 0 are refused; a witness's first checkpoint is the witness layer's business."""
    for proof in ((), (ROOT[8],)):
        with pytest.raises(ProofIndexError):
            verify_consistency(old=TreeHead(0, ROOT[0]), new=TreeHead(8, ROOT[8]), proof=proof)
    with pytest.raises(ProofIndexError):
        consistency_proof(0, 8, read_node)


def test_a_log_that_shrank_is_refused() -> None:
    proof = consistency_proof(6, 7, read_node)
    with pytest.raises(ProofIndexError):
        verify_consistency(old=TreeHead(7, ROOT[7]), new=TreeHead(6, ROOT[6]), proof=proof)


def test_two_trees_of_one_size_are_consistent_only_if_equal() -> None:
    verify_consistency(old=TreeHead(7, ROOT[7]), new=TreeHead(7, ROOT[7]), proof=())
    with pytest.raises(ProofRejectedError):
        verify_consistency(old=TreeHead(7, ROOT[6]), new=TreeHead(7, ROOT[7]), proof=())
    with pytest.raises(ProofLengthError):
        verify_consistency(old=TreeHead(7, ROOT[7]), new=TreeHead(7, ROOT[7]), proof=(ROOT[7],))
