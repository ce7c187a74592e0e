"""Programs are killed while footage is on its way; afterwards every file is there once and every fact is said once."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from operator_cli.simulated_recorder import make_recorder
from tests.workstation import ROLES, Workstation, file_sha256, wait_until

pytestmark = pytest.mark.slow

ONCE = ("footage.pulled", "footage.reread", "store.received")


def dock_in_background(workstation: Workstation, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "operator_cli", "--home", str(workstation.home), "--json"),
            *("dock", str(folder), "--wait", "received"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def has_another_pid(workstation: Workstation, role: str, killed: set[int | None]) -> bool:
    return workstation.pid(role) not in killed


def all_said(workstation: Workstation, files: list[dict[str, str]]) -> bool:
    counts = workstation.event_counts()
    return all(counts[kind, file["id"]] for kind in ONCE for file in files)


@pytest.mark.parametrize("role", ROLES)
def test_a_program_killed_in_the_middle_loses_nothing_and_doubles_nothing(role: str, tmp_path: Path) -> None:
    card = tmp_path / "card"
    make_recorder(card, now=datetime.now(tz=UTC))
    with Workstation(tmp_path / "home") as workstation:
        docking = dock_in_background(workstation, card)
        wait_until(lambda: list((workstation.home / "run" / "progress").glob("*.json")), what="the docking to begin")
        for _ in range(2):
            wait_until(partial(workstation.pid, role), what=f"a living {role}")
            killed = {None, workstation.pid(role)}
            wait_until(partial(workstation.kill, role), what=f"a {role} to kill")
            wait_until(partial(has_another_pid, workstation, role, killed), what=f"a new {role}")
        out, err = docking.communicate(timeout=120)
        assert docking.returncode == 0, f"{out}\n{err}"
        files = json.loads(out)["files"]
        wait_until(workstation.all_receipted, what="every receipt")
        wait_until(partial(all_said, workstation, files), what="an envelope's file for each entry of the log")
        counts = workstation.event_counts()
        for file in files:
            assert [counts[kind, file["id"]] for kind in ONCE] == [1, 1, 1]
        on_the_card = {file_sha256(path) for path in card.rglob("*") if path.is_file()}
        assert {file["sha256"] for file in files} <= on_the_card & workstation.vault_digests()
        status = json.loads(workstation.evidock("--json", "status").stdout)
        [child] = [child for child in status["running"]["children"] if child["id"] == role]
        assert child["restarts"] >= 2
        workstation.evidock("verify", str(workstation.home))


def test_a_supervisor_killed_in_the_middle_leaves_no_orphan_and_the_next_run_goes_on(tmp_path: Path) -> None:
    card = tmp_path / "card"
    make_recorder(card, now=datetime.now(tz=UTC))
    with Workstation(tmp_path / "home") as workstation:
        docking = dock_in_background(workstation, card)
        wait_until(lambda: list((workstation.home / "run" / "progress").glob("*.json")), what="the docking to begin")
        pids = [workstation.pid(role) for role in ROLES]
        workstation.kill_supervisor()
        wait_until(lambda: not any(pid and Path(f"/proc/{pid}").exists() for pid in pids), what="the children to end")
        workstation.start()
        out, err = docking.communicate(timeout=120)
        assert docking.returncode == 0, f"{out}\n{err}"
        assert json.loads(out)["receipted"] == len(json.loads(out)["files"])
        workstation.evidock("verify", str(workstation.home))
