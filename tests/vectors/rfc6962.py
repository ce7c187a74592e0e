"""Inclusion and consistency proofs (RFC 6962), good ones and each with every kind of fault a verifier must notice.

The 196 cases are those of transparency-dev/merkle (testdata/inclusion, testdata/consistency), made anew by our own code
from the eight leaves of Certificate Transparency's test set; the names are those of its files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chain_of_custody.proofs import consistency_proof, inclusion_proof
from chain_of_custody.tree import leaf_hash, root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence_model.canonical import JsonObject

LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
HASHES = tuple(leaf_hash(bytes.fromhex(text)) for text in LEAVES)
ROOTS = tuple(root_of(HASHES[:size]) for size in range(len(HASHES) + 1))
EMPTY = hashlib.sha256(b"").digest()
_NOWHERE = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")  # a hash of no tree here
_ONE = bytes.fromhex("0d3aed023148ffd2a259fbd0cdc7fb3cf975658760d3775b82af6f90aacc2dfc")  # some leaf
_TEXT1, _TEXT2 = b"don't care 1", b"don't care 2"  # not of a hash's length, as are "WrongLeaf" and "WrongRoot"


@dataclass(frozen=True)
class Inclusion:
    """Is the leaf at this index of the tree with this size and root?"""

    name: str
    index: int
    size: int
    leaf: bytes
    root: bytes
    proof: tuple[bytes, ...]
    ok: bool = False

    def as_json(self) -> JsonObject:
        return {
            "index": str(self.index),
            "leaf": self.leaf.hex(),
            "name": self.name,
            "ok": self.ok,
            "proof": [each.hex() for each in self.proof],
            "root": self.root.hex(),
            "size": str(self.size),
        }


@dataclass(frozen=True)
class Consistency:
    """Does the tree with the second size and root begin with the one with the first?"""

    name: str
    size1: int
    size2: int
    root1: bytes
    root2: bytes
    proof: tuple[bytes, ...]
    ok: bool = False

    def as_json(self) -> JsonObject:
        return {
            "name": self.name,
            "ok": self.ok,
            "proof": [each.hex() for each in self.proof],
            "root1": self.root1.hex(),
            "root2": self.root2.hex(),
            "size1": str(self.size1),
            "size2": str(self.size2),
        }


def read_node(level: int, index: int) -> bytes:
    """Return a node of the tree of all leaves."""
    return root_of(HASHES[index << level : (index + 1) << level])


def inclusions() -> Iterator[Inclusion]:
    """Yield all 98."""
    for folder, (index, size) in enumerate(((0, 1), (0, 8), (5, 8), (2, 3), (1, 5))):
        proof = inclusion_proof(index, size, read_node)
        good = Inclusion(f"{folder}/happy-path", index, size, HASHES[index], ROOTS[size], proof, ok=True)
        yield good
        for name, bad in _faults_of_inclusion(good):
            yield replace(bad, name=f"{folder}/{name}", ok=False)
    for folder, (index, size) in enumerate(((0, 0), (0, 1), (1, 0), (2, 1))):
        for name, root, leaf in (
            ("empty-root", EMPTY, b""),
            ("empty-root-and-random-leaf", EMPTY, _NOWHERE),
            ("random-leaf", b"", _NOWHERE),
        ):
            yield Inclusion(f"additional/{folder}/{name}", index, size, leaf, root, ())
    for name, leaf, root in (
        ("empty-leaf", b"", _ONE),
        ("empty-root", _ONE, b""),
        ("empty-root-and-leaf", b"", b""),
        ("matching-root-and-leaf", _ONE, _ONE),
    ):
        yield Inclusion(f"single-entry/{name}", 0, 1, leaf, root, (), ok=leaf == root == _ONE)


def consistencies() -> Iterator[Consistency]:
    """Yield all 98."""
    for folder, (size1, size2) in enumerate(((1, 1), (1, 8), (6, 8), (2, 5), (6, 7))):
        proof = consistency_proof(size1, size2, read_node)
        good = Consistency(f"{folder}/happy-path", size1, size2, ROOTS[size1], ROOTS[size2], proof, ok=True)
        yield good
        for name, bad in _faults_of_consistency(good) if proof else ():
            yield replace(bad, name=f"{folder}/{name}", ok=False)
    for name, size1, size2, root1, root2, proof in (
        ("consistency-check-on-empty-tree-size1-is-zero-is-useless", 0, 1, EMPTY, EMPTY, (EMPTY,)),
        ("roots-do-not-match-and-sizes-are-zero", 0, 0, EMPTY, _TEXT2, ()),
        ("roots-do-not-not-match-and-sizes-are-one", 1, 1, EMPTY, _TEXT2, ()),
        ("size1-is-greater-than-size2", 1, 0, _TEXT1, _TEXT2, ()),
        ("size1-is-greater-than-size2-again", 2, 1, _TEXT1, _TEXT2, ()),
        ("size1-is-zero-and-does-not-equal-size2", 0, 1, _TEXT1, _TEXT2, ()),
        ("size1-is-zero-and-size2-is-not-zero", 0, 1, EMPTY, _TEXT2, ()),
        ("sizes-are-equal-one-and-proof-is-empty", 1, 1, _TEXT2, _TEXT2, ()),
        ("sizes-are-equal-one-but-roots-are-not", 1, 1, _TEXT1, _TEXT2, ()),
        ("sizes-are-equal-zero-and-proof-is-empty", 0, 0, _TEXT1, _TEXT1, ()),
        ("sizes-are-equal-zero-but-roots-are-not", 0, 0, _TEXT1, _TEXT2, ()),
        ("sizes-do-not-watch-and-proof-is-empty", 1, 2, _TEXT1, _TEXT2, ()),
        ("sizes-match-but-proof-is-not-empty-and-sizes-are-one", 1, 1, EMPTY, EMPTY, (EMPTY,)),
        ("sizes-match-but-proof-is-not-empty-and-sizes-are-zero", 0, 0, EMPTY, EMPTY, (EMPTY,)),
    ):
        ok = (size1, size2, root1, proof) == (1, 1, root2, ())
        yield Consistency(f"additional/{name}", size1, size2, root1, root2, proof, ok=ok)


def document() -> JsonObject:
    """Return all of it as it stands in `rfc6962.json`."""
    return {
        "consistency": [each.as_json() for each in consistencies()],
        "inclusion": [each.as_json() for each in inclusions()],
        "leaves": list(LEAVES),
        "roots": [root.hex() for root in ROOTS],
        "source": "transparency-dev/merkle, testdata/inclusion and testdata/consistency",
    }


def _faults_of_inclusion(good: Inclusion) -> Iterator[tuple[str, Inclusion]]:
    yield "leafIdx-sub-@1", replace(good, index=(good.index - 1) % (1 << 64))
    yield "leafIdx-plus-@1", replace(good, index=good.index + 1)
    yield "leafIdx-XOR-@2", replace(good, index=good.index ^ 2)
    yield "treeSize-mul-@2", replace(good, size=good.size * 2)
    yield "treeSize-div-@2", replace(good, size=good.size // 2)
    yield "wrong-leaf", replace(good, leaf=b"WrongLeaf")
    yield "empty-root", replace(good, root=EMPTY)
    yield "random-root", replace(good, root=_NOWHERE)
    for name, proof in _faults_of_path(good.proof, {"root": good.root}):
        yield name, replace(good, proof=proof)
    for at in range(len(good.proof)):
        yield f"modified-proof[{at}]-bit-@3", replace(good, proof=_flipped(good.proof, at, 8))
    if good.proof:
        yield "removed-component", replace(good, proof=good.proof[:-1])
    if len(good.proof) > 1:
        yield "inserted-component", replace(good, proof=(good.proof[0], _NOWHERE, *good.proof[1:]))


def _faults_of_consistency(good: Consistency) -> Iterator[tuple[str, Consistency]]:
    yield "size1-sub-@1", replace(good, size1=good.size1 - 1)
    yield "size1-plus-@1", replace(good, size1=good.size1 + 1)
    yield "size1-XOR-@2", replace(good, size1=good.size1 ^ 2)
    yield "size2-mul-@2", replace(good, size2=good.size2 * 2)
    yield "size2-div-@2", replace(good, size2=good.size2 // 2)
    yield "wrong-root1", replace(good, root1=b"WrongRoot")
    yield "wrong-root2", replace(good, root2=b"WrongRoot")
    yield "swapped-roots", replace(good, root1=good.root2, root2=good.root1)
    yield "empty-proof", replace(good, proof=())
    for name, proof in _faults_of_path(good.proof, {"root1": good.root1, "root2": good.root2}):
        yield name, replace(good, proof=proof)
    for at in range(len(good.proof)):
        yield f"modified-proof@{at}-bit-@4", replace(good, proof=_flipped(good.proof, at, 16))
    yield "preceding-proof-@0", replace(good, proof=(good.proof[0], *good.proof))
    yield "truncated-proof", replace(good, proof=good.proof[:-1])


def _faults_of_path(path: tuple[bytes, ...], roots: dict[str, bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield a path with something before or after it that does not belong."""
    for name, extra in {"garbage": b"", **roots}.items():
        yield f"preceding-{name}", (extra, *path)
        yield f"trailing-{name}", (*path, extra)


def _flipped(path: tuple[bytes, ...], at: int, bit: int) -> tuple[bytes, ...]:
    return (*path[:at], bytes([path[at][0] ^ bit]) + path[at][1:], *path[at + 1 :])
