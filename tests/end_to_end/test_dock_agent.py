"""The agent as a program of its own: dock folders, requests, clean stops, kills."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.by_hand import agent_is_running, dock_inline, read_progress, read_result, request_dock
from edge_agent.errors import AgentRunningError
from edge_agent.session_book import SessionResult
from evidence_model.ids import SessionId
from evidence_model.states import SessionState
from tests.docking import RECORDER, DockHome, dock_home, noise, put

MIB = 1 << 20
DEADLINE_SECONDS = 30.0
REPOSITORY = Path(__file__).resolve().parents[2]


def _start(dock: DockHome, *before: str) -> "subprocess.Popen[bytes]":
    program = [*before, "--"] if before else ["edge_agent"]
    with (dock.home.paths.run / "agent.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *program, "--home", str(dock.home.paths.root)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@contextmanager
def _agent(dock: DockHome) -> Iterator["subprocess.Popen[bytes]"]:
    process = _start(dock)
    try:
        _until(lambda: agent_is_running(dock.home.paths) or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.wait()


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _result(dock: DockHome, session_id: SessionId) -> SessionResult:
    _until(lambda: read_result(dock.home.paths, session_id) is not None)
    result = read_result(dock.home.paths, session_id)
    assert result is not None
    return result


def _log(dock: DockHome) -> list[dict[str, object]]:
    return [json.loads(line) for line in (dock.home.paths.run / "agent.log").read_text().splitlines()]


def test_a_recorder_in_a_dock_folder_is_pulled_without_being_asked_for(tmp_path: Path) -> None:
    docks = tmp_path / "docks"
    docks.mkdir()
    dock = dock_home(tmp_path / "home", extra_toml=f'[station]\nwatch_usb = false\ndock_folders = ["{docks}/*"]\n')
    put(docks / "slot-1", "DCIM/1.MP4", noise(3 * MIB, seed=1))
    with _agent(dock) as process:
        _until(lambda: len(dock.rows("select 1 from item where reread_seq is not null")) == 1)
        put(tmp_path / "next", "DCIM/1.MP4", noise(3 * MIB, seed=2))
        (tmp_path / "next").rename(docks / "slot-2")  # docked while the agent runs
        _until(lambda: len(dock.rows("select 1 from item where reread_seq is not null")) == 2)
        put(docks / "slot-1", "DCIM/2.MP4", noise(MIB, seed=3))  # and one more file on the first
        _until(lambda: len(dock.rows("select 1 from item where reread_seq is not null")) == 3)
        _until(lambda: not dock.rows("select 1 from session where ended_unix_ms is null"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert {str(view.body["recorder"]) for view in dock.events("footage.pulled")} == {
        str(row[0]) for row in dock.rows("select recorder_id from recorder")
    }
    assert len(dock.rows("select 1 from recorder")) == 2
    dock.check_sound()
    for slot in docks.iterdir():
        dock.check_has(slot)


def test_a_request_is_done_by_the_running_agent_and_only_by_it(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = false\n")
    card = tmp_path / "card"
    put(card, "DCIM/1.MP4", noise(3 * MIB))
    with _agent(dock):
        with pytest.raises(AgentRunningError):
            dock_inline(dock.home.paths, dock.home.config, card)
        session_id = request_dock(dock.home.paths, card, recorder=RECORDER)
        result = _result(dock, session_id)
        assert result.ok
        assert (result.recorder_id, len(result.files)) == (RECORDER, 1)
        progress = read_progress(dock.home.paths, session_id)
        assert progress is not None
        assert progress.state is SessionState.PULLED
        _until(lambda: not list((dock.spool / "requests").iterdir()))
        nothing = _result(dock, request_dock(dock.home.paths, tmp_path / "absent"))
        assert nothing.state is SessionState.INTERRUPTED
        (dock.spool / "requests" / "nonsense.json").write_text("{")
        again = _result(dock, request_dock(dock.home.paths, card, recorder=RECORDER))
        assert [file.is_new for file in again.files] == [False]
    dock.check_sound()


def test_told_to_stop_in_the_middle_it_ends_within_10_s_and_goes_on_after_the_next_start(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = false\n")
    card = tmp_path / "card"
    for number in range(4):
        put(card, f"{number}.mp4", noise(1, seed=number) * (64 * MIB))
    with _agent(dock) as process:
        session_id = request_dock(dock.home.paths, card, recorder=RECORDER)
        _until(lambda: dock.rows("select 1 from item"))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
    assert not agent_is_running(dock.home.paths)
    with _agent(dock):
        assert _result_with(dock, session_id, SessionState.PULLED).ok
    dock.check_sound()
    assert len(dock.events("footage.pulled")) == 4
    assert _log(dock)[0]["event"] == "spool.recovered"


def _result_with(dock: DockHome, session_id: SessionId, state: SessionState) -> SessionResult:
    _until(lambda: (found := read_result(dock.home.paths, session_id)) is not None and found.state is state)
    return _result(dock, session_id)


def test_a_second_agent_does_not_start(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = false\n")
    with _agent(dock):
        second = _start(dock)
        assert second.wait(DEADLINE_SECONDS) == 4


def test_without_a_home_it_says_so_and_exits_4(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent", "--home", str(tmp_path / "absent")],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4
    assert json.loads(done.stderr.splitlines()[-1])["code"] == "HOST-021"


@pytest.mark.slow
def test_killed_at_random_moments_every_file_arrives_once_and_whole(tmp_path: Path) -> None:
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = false\n")
    card = tmp_path / "card"
    for number in range(12):
        put(card, f"DCIM/{number:02d}.MP4", noise(1, seed=number) * (8 * MIB + number))
    chance = random.Random(20261122)
    for number in range(12):
        with _agent(dock) as process:
            if not list((dock.spool / "requests").iterdir()):
                request_dock(dock.home.paths, card, recorder=RECORDER)
            time.sleep(chance.uniform(0.0, 0.15))
            process.kill()
            process.wait()
        dock.home.paths.run.joinpath("agent.lock").touch()
        assert number >= 0
    with _agent(dock):
        session_id = request_dock(dock.home.paths, card, recorder=RECORDER)
        assert _result(dock, session_id).ok
        _until(lambda: not list((dock.spool / "requests").iterdir()))
        _until(lambda: dock.rows("select count(*) from item where reread_seq is null") == [(0,)])
    assert len(dock.events("footage.pulled")) == 12
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_durable_steps_of_the_program_nothing_is_lost_or_doubled(tmp_path: Path, when: str) -> None:
    dock = dock_home(tmp_path / "home", extra_toml="[station]\nwatch_usb = false\n")
    card = tmp_path / "card"
    for number in range(3):
        put(card, f"DCIM/{number}.MP4", noise(2 * MIB, seed=number))
    request_dock(dock.home.paths, card, recorder=RECORDER)
    for at in (3, 9, 14, 19, 24, 29, 34, 39, 44):
        process = _start(dock, "tests.crash.killer", "--at", str(at), "--when", when, "--module", "edge_agent")
        with _ended(process):
            _until(lambda process=process: process.poll() is not None or not list((dock.spool / "requests").iterdir()))  # type: ignore[misc]
    with _agent(dock):
        assert _result(dock, request_dock(dock.home.paths, card, recorder=RECORDER)).ok
        _until(lambda: dock.rows("select count(*) from item where reread_seq is null") == [(0,)])
        _until(lambda: not list((dock.spool / "requests").iterdir()))
    assert len(dock.events("footage.pulled")) == 3
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        assert process.wait() in {-signal.SIGKILL, 0}


@pytest.mark.slow
def test_an_idle_agent_costs_next_to_nothing(tmp_path: Path) -> None:
    docks = tmp_path / "docks"
    put(docks / "slot-1", "DCIM/1.MP4", noise(MIB))
    dock = dock_home(tmp_path / "home", extra_toml=f'[station]\nwatch_usb = false\ndock_folders = ["{docks}/*"]\n')
    with _agent(dock) as process:
        _until(lambda: dock.rows("select 1 from item where reread_seq is not null"))
        time.sleep(2.0)  # the docking ends; from here on nothing is to be done
        before = _cpu_seconds(process.pid)
        time.sleep(6.0)
        used = _cpu_seconds(process.pid) - before
    assert used / 6.0 < 0.01  # goal 0.005 of a core; a tick of the kernel's clock is 0.01 s


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
