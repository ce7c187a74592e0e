"""Canonical JSON out, strict JSON in (contract.md, custody event; custody-anchors attack 54)."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence_model.canonical import Json, MalformedJsonError, canonical_bytes, decimal, parse_strict

KEYS = st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32), max_size=8)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_written_canonically_reads_back_the_same_and_writes_the_same(value: dict[str, Json]) -> None:
    data = canonical_bytes(value)
    assert parse_strict(data) == value
    assert canonical_bytes(parse_strict(data)) == data


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_a_library_of_rfc_8785_that_is_not_ours_writes_the_same_bytes(value: dict[str, Json]) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


def test_members_are_sorted_and_text_is_utf8_as_rfc_8785_says() -> None:
    assert canonical_bytes({"b": "案号", "a": [True, None]}) == '{"a":[true,null],"b":"案号"}'.encode()


@pytest.mark.parametrize("value", [{"n": 1}, {"n": 1.5}, {"键": "x"}, {"b": b"x"}, {"s": "\ud800"}])
def test_what_two_programs_could_write_differently_is_not_written(value: object) -> None:
    with pytest.raises(MalformedJsonError):
        canonical_bytes(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"1","a":"2"}',
        b'{"a":1}',
        b'{"a":1.5}',
        b'{"a":NaN}',
        b'{"a":9007199254740992}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"[]",
        b"",
        b'{"a":"1"',
        b'{"a":"1"} x',
        b"{" * 3000,
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
        ('{"' + "é" + '":"x"}').encode(),
    ],
)
def test_bytes_that_could_be_read_in_two_ways_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        parse_strict(data)


def test_honest_twin_of_the_refused_bytes_is_read() -> None:
    assert parse_strict(b'{"a":"1","b":[null,true]}') == {"a": "1", "b": [None, True]}


@pytest.mark.parametrize("text", ["", " 5", "+5", "-1", "05", "٥", "0_5", "5.0", "1" * 21, 5, None, True])
def test_integers_that_python_would_read_leniently_are_refused(text: object) -> None:
    with pytest.raises(MalformedJsonError):
        decimal(text, what="seq")


@given(st.integers(min_value=0, max_value=10**20 - 1))
def test_decimal_reads_what_str_writes(number: int) -> None:
    assert decimal(str(number), what="n") == number


def test_canonical_bytes_are_plain_json_for_everybody_else() -> None:
    assert json.loads(canonical_bytes({"x": ["y", {"z": False}]})) == {"x": ["y", {"z": False}]}
