"""Columns stand straight with Chinese in them, and no name can command the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operator_cli.display import definitions, pad, safe, shorten, table, width_of, wrap


def test_chinese_takes_two_columns() -> None:
    assert width_of("记录仪A") == 7
    assert pad("记录仪", 8) == "记录仪  "
    assert pad("记录仪", 8, right=True) == "  记录仪"


def test_a_table_stands_straight_whatever_the_script() -> None:
    lines = table([("记录仪", "1"), ("recorder", "22")], heads=("名称", "n"), right=(1,))
    assert len({width_of(line) for line in lines}) == 1


def test_a_shortened_name_keeps_its_end() -> None:
    assert shorten("DCIM/100MEDIA/FILE0001.MP4", 12) == "…ILE0001.MP4"
    assert shorten("短", 12) == "短"


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\u202egpj.exe", "\x00", "\x9b31m", "\u2028"])
def test_what_could_command_a_terminal_is_shown_by_its_number(hostile: str) -> None:
    shown = safe(hostile)
    assert shown.isprintable()
    assert "\\" in shown


@given(st.text(alphabet="ab 文字，。()", max_size=200), st.integers(min_value=10, max_value=40))
def test_wrapping_loses_no_sign_and_keeps_to_the_width(text: str, width: int) -> None:
    words = [word for word in text.split() if word.isascii()]
    lines = wrap(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    longest = max((len(word) for word in words), default=0)
    closing = 2 * sum(sign in "，。" for sign in text)
    assert all(width_of(line) <= max(width, longest) + closing for line in lines)


def test_explanations_stand_beside_their_terms() -> None:
    lines = definitions([("--home PATH", "主目录"), ("--json", "only JSON")], width=80)
    assert lines == ["  --home PATH  主目录", "  --json       only JSON"]
