"""How far a docking is: one live line on a terminal, few plain ones in a log, and never a guess."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edge_agent.progress import Progress
from evidence_model.ids import SessionId
from evidence_model.known import Known, Unknown
from evidence_model.states import SessionState
from operator_cli.display import width_of
from operator_cli.invocation import Invocation
from operator_cli.progress_line import ProgressLine, duration_text, progress_text
from operator_cli.texts import Language, Texts
from tests.fakes.manual_clock import ManualClock

HALF = Progress(
    session_id=SessionId("s"),
    recorder_id="rec",
    state=SessionState.PULLING,
    files_done=3,
    files_total=8,
    bytes_done=1 << 30,
    bytes_total=2 << 30,
    bytes_per_second=512 << 20,
    eta_seconds=Known(2),
    current_file="FILE0004.MP4",
    waiting_for=None,
    updated_at=datetime(2026, 11, 22, tzinfo=UTC),
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_line_says_share_files_size_rate_and_time_left() -> None:
    line = progress_text(HALF, Texts(Language.EN), width=120)
    assert "[##########----------]  50%" in line
    assert "3/8" in line
    assert "1.0 GiB of 2.0 GiB" in line
    assert "512.0 MiB/s" in line
    assert "2 s left" in line


def test_an_unknown_time_left_is_left_out() -> None:
    line = progress_text(replace(HALF, eta_seconds=Unknown("not measured")), Texts(Language.EN), width=120)
    assert "left" not in line


def test_a_wait_says_for_what() -> None:
    line = progress_text(replace(HALF, waiting_for="CLI-010"), Texts(Language.ZH), width=120)
    assert "磁盘已满" in line


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("language", list(Language))
def test_the_line_fits_the_terminal(width: int, language: Language) -> None:
    hostile = replace(HALF, current_file="执法记录" * 40)
    assert width_of(progress_text(hostile, Texts(language), width=width)) <= width


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("language", list(Language))
def test_the_live_line_fits_the_terminal_it_is_on_wherever_the_answer_goes(columns: int, language: Language) -> None:
    """`evidock --json dock card > answer.json` in a narrow window: a wider line would begin anew at each change."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(slave, "w") as err, os.fdopen(master, "rb", buffering=0) as screen:
        line = ProgressLine(Invocation(out=io.StringIO(), err=err, language=language), mono=ManualClock().mono)
        line.show(replace(HALF, current_file="执法记录仪录像文件.MP4" * 4))
        line.say(Texts(language)("dock.receipts", done=3, total=8))
        data = b""
        while data.count(b"\r") < 2:
            data += screen.read(65536)
        shown = data.decode(errors="ignore").split("\r")
    assert all(width_of(each) < columns for each in shown), shown


@pytest.mark.parametrize("language", list(Language))
def test_what_a_docking_waits_for_is_read_from_its_beginning(language: Language) -> None:
    texts = Texts(language)
    line = progress_text(replace(HALF, waiting_for="EDGE-113"), texts, width=24)
    assert texts("dock.waiting_for", what=texts.finding("EDGE-113").title).startswith(line.removesuffix("…"))
    assert width_of(line) <= 24


def test_a_terminal_gets_one_line_that_changes_and_is_gone_at_the_end() -> None:
    err = Terminal()
    line = ProgressLine(Invocation(out=io.StringIO(), err=err), mono=ManualClock().mono)
    line.show(HALF)
    line.show(replace(HALF, bytes_done=2 << 30))
    line.done()
    assert "\n" not in err.getvalue()
    assert err.getvalue().endswith("\r")


def test_a_log_gets_a_line_at_each_change_of_state_and_else_every_five_seconds() -> None:
    err, clock = io.StringIO(), ManualClock()
    line = ProgressLine(Invocation(out=io.StringIO(), err=err), mono=clock.mono)
    for _ in range(20):
        line.show(HALF)
        clock.advance(0.5)
    line.show(replace(HALF, state=SessionState.PULLED))
    assert len(err.getvalue().splitlines()) == 3


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1:01"), (3723, "1:02:03")])
def test_durations_are_read_at_one_look(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
