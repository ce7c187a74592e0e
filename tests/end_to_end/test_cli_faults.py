"""What people see when something is in the way: interrupted, late, refused, nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from operator_cli.lock_files import is_locked
from operator_cli.simulated_recorder import make_recorder
from tests.workstation import Workstation, file_sha256, wait_until

pytestmark = pytest.mark.slow

LARGE_BYTES = 400 << 20


@pytest.fixture
def stopped(tmp_path: Path) -> Workstation:
    """A home in which nothing runs."""
    workstation = Workstation(tmp_path / "home")
    workstation.evidock("init", "--role", "workstation")
    return workstation


def started(workstation: Workstation, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "operator_cli", "--home", str(workstation.home), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(workstation: Workstation, *words: str, code: int) -> Any:
    done = workstation.evidock("--json", *words, check=False)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def bytes_copied(workstation: Workstation) -> int:
    return max((part.stat().st_size for part in (workstation.home / "spool" / "incoming").glob("*")), default=0)


def test_ctrl_c_ends_a_docking_with_exit_four_and_the_next_one_finishes_it(
    stopped: Workstation, tmp_path: Path
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    with (card / "FILE0001.MP4").open("wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    docking = started(stopped, "dock", str(card))
    wait_until(lambda: bytes_copied(stopped) > 0, what="the first bytes in the spool")
    docking.send_signal(signal.SIGINT)
    _, err = docking.communicate(timeout=60)
    assert docking.returncode == 4
    assert "CLI-003" in err
    assert "Traceback" not in err
    [file_] = answer(stopped, "dock", str(card), code=0)["files"]
    assert file_["sha256"] == file_sha256(card / "FILE0001.MP4")


def test_ms_d9_footage_that_is_not_in_the_store_a_day_after_its_end_is_overdue(
    stopped: Workstation, tmp_path: Path
) -> None:
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC) - timedelta(days=2))
    answer(stopped, "dock", str(tmp_path / "card"), code=0)
    status = answer(stopped, "status", code=1)
    overdue = [deadline for deadline in status["deadlines"] if deadline["overdue"]]
    assert overdue
    assert all("MS-D9" in deadline["rules"] for deadline in overdue)
    shown = stopped.evidock("--lang", "zh", "status", check=False)
    assert "已超期" in shown.stdout
    assert "没有运行" in shown.stdout
    with stopped:
        wait_until(stopped.all_receipted, what="every receipt")
        assert answer(stopped, "status", code=0)["deadlines"] == []


def test_footage_of_today_is_due_and_not_overdue(stopped: Workstation, tmp_path: Path) -> None:
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC) - timedelta(hours=1))
    answer(stopped, "dock", str(tmp_path / "card"), code=0)
    status = answer(stopped, "status", code=0)
    assert status["deadlines"]
    assert not any(deadline["overdue"] for deadline in status["deadlines"])
    assert status["waiting_for_receipt"] > 0


def test_a_recorder_is_not_cleared_unless_it_is_switched_on_and_receipted(stopped: Workstation, tmp_path: Path) -> None:
    card = tmp_path / "card"
    make_recorder(card, now=datetime.now(tz=UTC))
    before = {path: file_sha256(path) for path in card.rglob("*") if path.is_file()}
    refused = answer(stopped, "recorder", "free", str(card), code=3)
    assert refused
    assert all(not one["freed"] and "freeing-is-off" in one["keep"] for one in refused)
    config = stopped.home / "evidock.toml"
    config.write_text(config.read_text().replace("free_recorders = false", "free_recorders = true"))
    no_receipt = answer(stopped, "recorder", "free", str(card), code=3)
    assert all("no-receipt-verified-by-this-station" in one["keep"] for one in no_receipt)
    assert {path: file_sha256(path) for path in card.rglob("*") if path.is_file()} == before


def test_a_receipted_recorder_is_cleared_but_for_what_is_locked_on_it(stopped: Workstation, tmp_path: Path) -> None:
    card = tmp_path / "card"
    make_recorder(card, now=datetime.now(tz=UTC))
    with stopped:
        docked = answer(stopped, "dock", str(card), "--wait", "received", code=0)
        # on a slow machine dock may have been first, and the agent waits for its turn
        wait_until(lambda: is_locked(stopped.home / "run" / "agent.lock"), what="the agent to be at work")
        at_work = stopped.evidock("recorder", "free", str(card), check=False)
        assert (at_work.returncode, "CLI-016" in at_work.stderr) == (3, True)
        wait_until(stopped.all_receipted, what="every receipt")
    config = stopped.home / "evidock.toml"
    config.write_text(config.read_text().replace("free_recorders = false", "free_recorders = true"))
    outcomes = {one["id"]: one for one in answer(stopped, "recorder", "free", str(card), code=3)}
    for file in docked["files"]:
        on_the_card = card / os.fsdecode(bytes.fromhex(file["path_hex"]))
        assert on_the_card.exists() == file["locked"]
        assert outcomes[file["id"]]["freed"] != file["locked"]
    with stopped:
        wait_until(stopped.all_receipted, what="the receipts of the clearing")
        wait_until(partial(said, stopped, "recorder.freed"), what="recorder.freed in the log")
        stopped.evidock("verify", str(stopped.home))


def said(workstation: Workstation, kind: str) -> bool:
    return any(event.kind == kind for event in workstation.events())


def test_run_with_json_says_one_object_a_line_and_nothing_else(stopped: Workstation) -> None:
    running = started(stopped, "--json", "run")
    wait_until(lambda: stopped.pid("agent"), what="the agent")
    wait_until((stopped.home / "run" / "store.json").exists, what="the store")
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=15)
    assert running.returncode == 0
    said_lines = [json.loads(line) for line in out.splitlines()]
    assert {line["event"] for line in said_lines} <= {"child", "ready"}
    assert [line["id"] for line in said_lines if line.get("state") == "stopped"] == [
        "agent",
        "ingest",
        "store",
        "broker",
    ]


def test_a_second_run_is_refused_and_the_first_goes_on(stopped: Workstation) -> None:
    with stopped:
        second = stopped.evidock("run", check=False)
        assert (second.returncode, "CLI-004" in second.stderr) == (3, True)
        assert answer(stopped, "status", code=0)["running"]["supervisor"]


def test_a_docking_and_a_run_started_at_once_do_not_throw_each_other_out(stopped: Workstation, tmp_path: Path) -> None:
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC))
    running = started(stopped, "run")
    docking = started(stopped, "--json", "dock", str(tmp_path / "card"), "--wait", "received")
    out, err = docking.communicate(timeout=120)
    assert docking.returncode == 0, err
    document = json.loads(out)
    assert document["receipted"] == len(document["files"]) > 0
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=15) == 0
    running.communicate()


def test_a_report_can_be_taken_into_a_spreadsheet(stopped: Workstation, tmp_path: Path) -> None:
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC))
    with stopped:
        answer(stopped, "dock", str(tmp_path / "card"), "--wait", "received", code=0)
        done = stopped.evidock("report", "reconciliation", "--format", "csv")
        assert done.stdout.splitlines() == ["code,subject"]


@pytest.mark.parametrize("role", ["station", "centre"])
def test_a_home_of_one_half_says_what_it_cannot_do(role: str, tmp_path: Path) -> None:
    workstation = Workstation(tmp_path / "home")
    workstation.evidock("init", "--role", role)
    answer(workstation, "status", code=0)
    if role == "centre":
        answer(workstation, "dock", str(tmp_path), code=2)
    else:
        answer(workstation, "store", "rebuild", code=2)
        answer(workstation, "custody", "log", code=2)
