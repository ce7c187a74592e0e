"""Raw names are lossless, shown names obey nothing, local names are safe everywhere (recorders.md case 20)."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence_model.names import (
    MAX_LOCAL_BYTES,
    MalformedNameError,
    NameEncoding,
    RawName,
    display_name,
    fold_name,
    safe_local_name,
)
from tests.hostile_names import NAMES

RAW_NAMES = st.binary(min_size=1, max_size=255).filter(lambda raw: b"/" not in raw and b"\0" not in raw)
WINDOWS_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")


@given(RAW_NAMES)
def test_raw_name_survives_the_event_and_comes_back_byte_for_byte(raw: bytes) -> None:
    assert RawName.from_hex(RawName(raw).hex).raw == raw


@pytest.mark.parametrize("text", ["0", "zz", "AB", " ab", "ab\n", "é"])
def test_hex_that_an_event_would_never_carry_is_refused(text: str) -> None:
    with pytest.raises(MalformedNameError):
        RawName.from_hex(text)


@given(RAW_NAMES)
def test_shown_name_has_no_character_that_a_terminal_obeys_or_that_hides(raw: bytes) -> None:
    shown = display_name(raw)
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]


def test_case_20_gbk_names_are_shown_as_their_makers_meant_them() -> None:
    raw = "执法记录_张三_0001.mp4".encode("gbk")
    assert RawName(raw).display == "执法记录_张三_0001.mp4"
    assert RawName(raw).encoding is NameEncoding.GB18030


def test_case_20_bytes_of_no_encoding_are_shown_as_escapes_and_not_guessed() -> None:
    raw = b"\xff\xfe\x80.mp4"
    assert RawName(raw).display == r"\xff\xfe\x80.mp4"
    assert RawName(raw).encoding is NameEncoding.ESCAPED


def test_utf8_names_are_shown_as_they_are_with_emoji() -> None:
    assert display_name("执法🎥.mp4".encode()) == "执法🎥.mp4"


def test_terminal_escape_newline_and_bidi_are_shown_as_code_points() -> None:
    assert display_name(b"\x1b[2J\nx") == r"\u{1b}[2J\u{a}x"
    assert display_name("a\u202eb".encode()) == r"a\u{202e}b"


def test_a_backslash_cannot_imitate_an_escape() -> None:
    assert display_name(rb"\u{1b}") != display_name(b"\x1b")


@given(RAW_NAMES)
def test_local_name_is_safe_on_every_common_system(raw: bytes) -> None:
    name = safe_local_name(raw)
    assert 1 <= len(name.encode()) <= MAX_LOCAL_BYTES
    assert not set(name) & set('<>:"/\\|?*')
    assert not [char for char in name if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert name not in {".", ".."}
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert not WINDOWS_RESERVED.fullmatch(name)


@given(RAW_NAMES)
def test_local_name_depends_on_the_raw_name_alone(raw: bytes) -> None:
    assert safe_local_name(raw) == safe_local_name(bytes(raw))


@given(st.sets(RAW_NAMES, max_size=30))
def test_different_raw_names_in_one_folder_never_meet_even_where_case_is_ignored(raws: set[bytes]) -> None:
    taken: set[str] = set()
    for raw in sorted(raws):
        name = safe_local_name(raw, taken=taken)
        assert fold_name(name) not in taken
        taken.add(fold_name(name))
    assert len(taken) == len(raws)


def test_hostile_names_get_distinct_safe_names() -> None:
    taken: set[str] = set()
    for raw in NAMES:
        name = safe_local_name(raw, taken=taken)
        taken.add(fold_name(name))
        assert "\x1b" not in name
        assert "/" not in name
    assert len(taken) == len(NAMES)


def test_the_same_raw_name_twice_is_numbered() -> None:
    taken: set[str] = set()
    names = []
    for _ in range(4):
        names.append(safe_local_name(b"AMBA0001.MP4", taken=taken))
        taken.add(fold_name(names[-1]))
    assert len(set(names)) == 4
    assert names[0] == "AMBA0001.MP4"
    assert all(name.endswith(".MP4") for name in names)


def test_a_plain_name_stays_as_it_is() -> None:
    assert safe_local_name(b"YZ0012345_012345_20261122101500_0001.mp4") == "YZ0012345_012345_20261122101500_0001.mp4"


def test_a_path_that_climbs_becomes_one_harmless_name() -> None:
    name = safe_local_name(b"../../etc/passwd")
    assert "/" not in name
    assert not name.startswith(".")


@pytest.mark.parametrize(
    "name", ["CON", "con.mp4", "Nul.tar.gz", "COM1", "com0.txt", "LPT\u00b9.mp4", "AUX .mp4", "CONIN$"]
)
def test_a_name_that_windows_keeps_for_a_device_is_changed(name: str) -> None:
    assert safe_local_name(name.encode()).startswith("_")


@pytest.mark.parametrize("name", ["CONTACT.mp4", "COM10.mp4", "NULL.txt", "AUXILIARY"])
def test_a_name_that_only_resembles_a_device_stays(name: str) -> None:
    assert safe_local_name(name.encode()) == name
