"""What `evidock run` promises of the programs it keeps, told over small real processes."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from operator_cli.supervisor import back_off_seconds
from tests.fakes.small_disk import small_disk
from tests.workstation import wait_until

ROOT = Path(__file__).parents[3]


@contextmanager
def supervised(folder: Path, *children: str) -> Iterator[subprocess.Popen[str]]:
    """Run the supervisor over small programs in `folder`; it is gone afterwards."""
    with (folder / "reports").open("w") as reports:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.small_supervisor", str(folder), *children],
            stdout=reports,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def running_pid(folder: Path, name: str) -> int:
    return int((folder / "run" / f"{name}.pid").read_text())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_each_program_starts_when_the_one_before_it_is_ready(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with supervised(tmp_path, f"first:ready-after={gate}", "second"):
        wait_until(lambda: lines(tmp_path / "first.starts"), what="the first start")
        wait_until(lambda: "first starting" in lines(tmp_path / "reports"), what="the first report")
        assert not lines(tmp_path / "second.starts")
        gate.touch()
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
    reports = lines(tmp_path / "reports")
    assert reports.index("first ready") < reports.index("second starting")


def test_sigterm_stops_all_in_reverse_order_and_exits_zero(tmp_path: Path) -> None:
    with supervised(tmp_path, "first", "second", "third") as process:
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    assert lines(tmp_path / "stops") == ["third", "second", "first"]
    assert not list((tmp_path / "run").glob("*.pid"))
    assert not (tmp_path / "run" / "supervisor.json").exists()


@pytest.mark.slow
def test_a_program_that_does_not_listen_is_killed_within_ten_seconds(tmp_path: Path) -> None:
    with supervised(tmp_path, "first", "second:deaf") as process:
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
        deaf = running_pid(tmp_path, "second")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert not is_alive(deaf)
    assert lines(tmp_path / "stops") == ["first"]


def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    with supervised(tmp_path, "first", "second"):
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
        os.kill(running_pid(tmp_path, "first"), signal.SIGKILL)
        wait_until(lambda: len(lines(tmp_path / "first.starts")) == 2, what="the second start")
        wait_until(lambda: lines(tmp_path / "reports").count("first ready") == 2, what="ready again")
        state = json.loads((tmp_path / "run" / "supervisor.json").read_text())
        assert [(child["id"], child["restarts"]) for child in state["children"]] == [("first", 1), ("second", 0)]
        assert state["children"][1]["says"] == "second at work"
    assert len(lines(tmp_path / "second.starts")) == 1


@pytest.mark.root
def test_a_full_disk_ends_no_run_and_a_program_that_dies_on_it_comes_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", tmp_path / "home", size_bytes=8 << 20):
        home = tmp_path / "home"
        with supervised(home, "first", "second") as process:
            wait_until(lambda: "all ready" in lines(home / "reports"), what="all ready")
            with (home / "fill").open("wb", buffering=0) as fill, suppress(OSError):
                while fill.write(bytes(512)):
                    pass
            os.kill(running_pid(home, "first"), signal.SIGKILL)
            wait_until(lambda: lines(home / "reports").count("first ready") == 2, what="the second start")
            noted = lines(home / "run" / "first.pid")
            assert noted in ([], lines(home / "first.starts")[-1:]), "an old process id is worse than none"
            (home / "fill").unlink()
            first = int(lines(home / "first.starts")[-1])
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: lines(home / "reports").count("first ready") == 3, what="the third start")
            assert running_pid(home, "first") == int(lines(home / "first.starts")[-1])
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == 0


def test_a_program_that_refuses_to_start_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    with supervised(tmp_path, "first", "second:exit=2") as process:
        assert process.wait(timeout=15) == 4
    assert "CLI-009 second: second cannot go on" in lines(tmp_path / "reports")
    assert lines(tmp_path / "stops") == ["first"]


def test_a_program_that_keeps_failing_before_it_was_ever_ready_ends_the_run(tmp_path: Path) -> None:
    with supervised(tmp_path, "first:exit=4") as process:
        assert process.wait(timeout=15) == 4
    assert len(lines(tmp_path / "first.starts")) > 1


def test_a_program_whose_work_somebody_else_does_just_now_waits_for_its_turn(tmp_path: Path) -> None:
    """`evidock run &` and right after it `evidock dock`: whoever is first docks, and the run goes on."""
    busy = tmp_path / "busy"
    busy.touch()
    fd = os.open(tmp_path / "first.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with supervised(tmp_path, f"first:exit4-while={busy}") as process:
        wait_until(lambda: len(lines(tmp_path / "first.starts")) == 5, what="a try past the time for first tries")
        assert process.poll() is None
        busy.unlink()
        os.close(fd)
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")


def test_damage_that_a_program_finds_is_the_run_s_exit_code(tmp_path: Path) -> None:
    with supervised(tmp_path, "first:exit=5") as process:
        assert process.wait(timeout=15) == 5


def test_programs_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "first", "second") as process:
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
        pids = [running_pid(tmp_path, name) for name in ("first", "second")]
        process.kill()
        process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), what="the orphans to end")


def test_a_second_run_in_the_same_home_is_refused(tmp_path: Path) -> None:
    with supervised(tmp_path, "first"):
        wait_until(lambda: "all ready" in lines(tmp_path / "reports"), what="all ready")
        second = subprocess.run(
            [sys.executable, "-m", "tests.fakes.small_supervisor", str(tmp_path), "first"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=30,
        )
        assert second.returncode == 3
        assert second.stdout.startswith("CLI-004")
        assert len(lines(tmp_path / "first.starts")) == 1


def test_the_back_off_grows_and_ends_at_ten_seconds() -> None:
    waits = [back_off_seconds(failures) for failures in range(1, 10)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == 10.0
