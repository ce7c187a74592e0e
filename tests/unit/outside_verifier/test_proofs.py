"""RFC 6962 as everybody has it: the published vectors, pymerkle, Sigsum's own proof; and our own code elsewhere."""

from __future__ import annotations

import base64
import random
from hashlib import sha256

import pytest
from pymerkle import InmemoryTree

from chain_of_custody.errors import ProofRejectedError
from chain_of_custody.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from chain_of_custody.tiles import node_reader
from chain_of_custody.tree import CompactRange, TreeHead
from outside_verifier.keys import Key
from outside_verifier.merkle import check_consistency, check_inclusion, leaf_hash, node_hash
from outside_verifier.notes import LOG, WITNESS, Signer, origin_of
from outside_verifier.sigsum import Leaf, parse_proof
from outside_verifier.strict import RefusedError

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [  # of the first 1 to 8 leaves (certificate transparency's test set)
    "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
    "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=",
    "rra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=",
    "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=",
    "duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8=",
    "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=",
    "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=",
]
INCLUSION = [  # index, size, leaf, path
    (
        5,
        8,
        "QnGia+DYqE8L1UyMMC58s6O10fpngKQLzOKHNHfatlg=",
        ["vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=", "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=", ROOTS[3]],
    ),
    (
        1,
        5,
        "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
        [
            ROOTS[0],
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
        ],
    ),
]
CONSISTENCY = [  # old, new, path
    (
        6,
        7,
        ["DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=", ROOTS[3]],
    ),
    (
        1,
        8,
        [
            "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
            "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
        ],
    ),
]
# sigsum-go, pkg/proof, TestVerify
SIGSUM = """version=2
log=7c5fafc796c201e0fcd7567c5033a2777ec28363f54ea0ba97b57bece0d96acd
leaf=8a578b9649ba01b7d29dd557906975d68a3aec50e3f9c08690420b8c6426856d \
79b489a38548a67d78f06221b014d41be58b703237d17b4f203f0dd4ead9e259\
7149c2f118894581ce7473a61fa880716af6ff2138bade2cecc4b297099bf104

size=4
root_hash=3ddc56fd46e71e517b6936b977a457da7d398108141fcdf5c8386cdd724ab7a8
signature=ccbdd8c784726b732b8edd2039fbad5506e4acccd56e3e5d86c0ee109b3d2662\
e6881fe3d09fc48f9ddd31494463c5ec44926ff9158785ad1dd9b5d6434b0804
cosignature=bd8385aa82e07c3e1e297a1600c12bb25ce7a9490b5c1287ec30e09ac4c8b884 1683202758 \
e8d6c447d7847d5c1431ef86f8c60fa0cbacd975388b2a8f202fe4b0f9d0d544\
989c9d9351752d86aae2df72b9d7135b6b09de2ccaa6d68edf638105d69be609

leaf_index=3
node_hash=61010ae798308f5b97237615ab8c1b14f2c782c37616e97d0a170b617bc7a4ce
node_hash=a5c3752be610d605ce5c64ee2e28ee5b94a1cc0a68742f18f24c9b5c82d07298
"""
SIGSUM_KEYS = [
    base64.b64decode(f"AAAAC3NzaC1lZDI1NTE5AAAAI{text}")[-32:]
    for text in (
        "KwmwKhVrEUaZTlHjhoWA4jwJLOF8TY+/NpHAXAHbAHl",
        "MdLcxVjCAQUHbD4jCfFP+f8v1nmyjWkq6rXiexrK8II",
        "MvjV+a0ZASecDt75siSARk6zCoYwJWwaRqvULmx4VeK",
    )
]


def b64(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


def refuses_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Say what both say; they must say the same."""
    try:
        check_inclusion(leaf, index, size, proof, root)
    except RefusedError:
        ours = True
    else:
        ours = False
    try:
        verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=proof, root=root)
    except ProofRejectedError:
        assert ours
    else:
        assert not ours
    return ours


def test_leaf_and_node_hashes_are_the_published_ones() -> None:
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize(("index", "size", "leaf", "path"), INCLUSION)
def test_published_inclusion_proofs_hold_and_altered_ones_do_not(
    index: int, size: int, leaf: str, path: list[str]
) -> None:
    value, proof, root = base64.b64decode(leaf), b64(path), base64.b64decode(ROOTS[size - 1])
    assert not refuses_inclusion(value, index, size, proof, root)
    assert refuses_inclusion(value, index, size, proof[:-1], root)
    assert refuses_inclusion(value, index, size, [*proof, root], root)
    assert refuses_inclusion(value, index ^ 1, size, proof, root)
    assert refuses_inclusion(value, size, size, proof, root)
    assert refuses_inclusion(value, index, index, proof, root)
    assert refuses_inclusion(root, index, size, proof, root)
    assert refuses_inclusion(root, 0, 1, [], value)


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCY)
def test_published_consistency_proofs_hold_and_altered_ones_do_not(old: int, new: int, path: list[str]) -> None:
    old_root, root, proof = base64.b64decode(ROOTS[old - 1]), base64.b64decode(ROOTS[new - 1]), b64(path)
    check_consistency(old, old_root, new, root, proof)
    wrong: list[tuple[int, bytes, int, bytes, list[bytes]]] = [
        (old, root, new, root, proof),
        (old, old_root, new, old_root, proof),
        (old, old_root, new, root, proof[:-1]),
        (old, old_root, new, root, [*proof, root]),
        (old, old_root, new, root, []),
        (0, old_root, new, root, proof),
        (new + 1, old_root, new, root, proof),
        (new, old_root, new, root, []),
        (new, root, new, root, proof),
    ]
    for arguments in wrong:
        with pytest.raises(RefusedError):
            check_consistency(*arguments)
    check_consistency(new, root, new, root, [])


def test_every_proof_of_small_trees_is_what_our_log_makes_and_what_pymerkle_has_as_root() -> None:
    entries = [bytes([number]) * 3 for number in range(20)]
    hashes = [leaf_hash(entry) for entry in entries]
    tree = InmemoryTree(algorithm="sha256")
    rng = random.Random(6962)
    roots = [b""]
    for size in range(1, len(entries) + 1):
        tree.append_entry(entries[size - 1])
        root = CompactRange.empty().extend(hashes[:size]).root()
        roots.append(root)
        assert tree.get_root() == root
        read_node = node_reader(size, lambda _, size=size: b"".join(hashes[:size]))  # type: ignore[misc]
        for index in range(size):
            proof = list(inclusion_proof(index, size, read_node))
            assert not refuses_inclusion(hashes[index], index, size, proof, root)
            other = rng.randrange(size + 1)
            assert refuses_inclusion(hashes[index], other, size, proof, root) == (other != index)
        for old in range(1, size + 1):
            path = consistency_proof(old, size, read_node)
            check_consistency(old, roots[old], size, root, path)
            verify_consistency(old=TreeHead(old, roots[old]), new=TreeHead(size, root), proof=path)


def test_a_proof_of_the_sigsum_project_verifies_to_the_last_signature() -> None:
    log, submitter, witness = (Key(raw) for raw in SIGSUM_KEYS)
    proof = parse_proof(SIGSUM.encode())
    message = b" " * 26 + b"foo-4\n"
    leaf = Leaf(sha256(message).digest(), proof.leaf_signature, proof.key_hash)
    assert leaf.is_signed_by(submitter)
    assert not leaf.is_signed_by(log)
    assert not Leaf(bytes(32), proof.leaf_signature, proof.key_hash).is_signed_by(submitter)
    assert leaf_hash(leaf.entry).hex() == "3dc2f47aeae31b48bfd0756a527ed495cd344d95ea53480357ca780f84d6aabf"
    proof.check_inclusion(leaf)
    assert proof.log_id == log.id
    head = f"{origin_of(log)}\n{proof.size}\n{base64.b64encode(proof.root).decode()}\n"
    assert Signer(origin_of(log), LOG, log).signed(head, proof.signature)
    line = SIGSUM.split("cosignature=")[1].split("\n", maxsplit=1)[0].split()
    cosignature = int(line[1]).to_bytes(8, "big") + bytes.fromhex(line[2])
    assert Signer("any", WITNESS, witness).signed(head, cosignature)
    assert not Signer("any", WITNESS, witness).signed(head, (1).to_bytes(8, "big") + bytes.fromhex(line[2]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version=2", "version=1"),
        ("version=2", "version=02"),
        ("leaf_index=3", "leaf_index=03"),
        ("leaf_index=3\n", ""),
        ("size=4", "size=1"),
        ("size=4", "size=+4"),
        ("node_hash=61010a", "node_hash=61010A"),
        ("\n\nleaf_index", "\r\n\nleaf_index"),
        ("root_hash=3d", "root_hash="),
    ],
)
def test_a_sigsum_proof_has_one_form(old: str, new: str) -> None:
    assert old in SIGSUM
    with pytest.raises(RefusedError):
        parse_proof(SIGSUM.replace(old, new, 1).encode())


def test_the_proof_of_a_tree_with_one_leaf_has_no_last_part() -> None:
    alone = SIGSUM.split("\n\nleaf_index", maxsplit=1)[0].replace("size=4", "size=1") + "\n"
    assert (parse_proof(alone.encode()).index, parse_proof(alone.encode()).path) == (0, ())
    with pytest.raises(RefusedError):
        parse_proof(alone.replace("size=1", "size=2").encode())
