"""RFC 6962 §2.1 hashing, against published values (transparency-dev/merkle, CT)."""

from __future__ import annotations

import base64

import pytest

from chain_of_custody.errors import ProofLengthError
from chain_of_custody.tree import EMPTY_ROOT, CompactRange, TreeHead, leaf_hash, node_hash, root_of

CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    base64.b64decode(text)
    for text in (
        "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
        "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=",
        "rra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
        "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=",
        "duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8=",
        "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=",
        "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=",
    )
]


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(leaf_hash(leaf) for leaf in CT_LEAVES[:size]) == CT_ROOTS[size - 1]


def test_a_tree_grown_leaf_by_leaf_has_the_same_roots() -> None:
    growing = CompactRange.empty()
    assert growing.head() == TreeHead(0, EMPTY_ROOT)
    for leaf, root in zip(CT_LEAVES, CT_ROOTS, strict=True):
        growing = growing.append(leaf_hash(leaf))
        assert growing.root() == root
    assert growing.size == 8


def test_the_go_checksum_database_note_has_the_root_of_one_record() -> None:
    """x/mod sumdb tlog: the tree note's root is RecordHash("hello world")."""
    assert base64.b64encode(leaf_hash(b"hello world")) == b"TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0="


def test_tessera_test_log_has_its_published_root() -> None:
    words = "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
    root = root_of(leaf_hash(word.encode()) for word in words.split())
    assert base64.b64encode(root) == b"rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="


@pytest.mark.parametrize(
    ("size", "hashes"), [(1, ()), (2, (bytes(32), bytes(32))), (-1, ()), (1, (bytes(31),)), (1 << 63, (bytes(32),))]
)
def test_a_range_with_the_wrong_number_of_hashes_is_refused(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ProofLengthError):
        CompactRange(size, hashes)
