"""A workstation whose witness lost its record goes on receiving, says what it waits for, and is mended by a command."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operator_cli.simulated_recorder import make_recorder
from tests.workstation import Workstation, wait_until

pytestmark = pytest.mark.slow


def _open_codes(workstation: Workstation) -> set[str]:
    status = json.loads(workstation.evidock("--json", "status", check=False).stdout)
    return {finding["code"] for finding in status["findings"]}


def test_lost_shown_renewed_and_everything_is_receipted(tmp_path: Path) -> None:
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC))
    workstation = Workstation(tmp_path / "home")
    workstation.start()
    assert workstation.stop() == 0
    (workstation.home / "witness").rename(tmp_path / "witness")
    with workstation:
        workstation.evidock("dock", str(tmp_path / "card"), "--wait", "spooled")
        wait_until(lambda: {"HOST-042", "STO-095", "ING-020"} <= _open_codes(workstation), what="all findings")
        assert workstation.evidock("witness", "renew", check=False).returncode == 3  # while it runs
    assert json.loads(workstation.evidock("--json", "witness", "renew").stdout)["id"]
    with workstation:
        wait_until(workstation.all_receipted, what="every receipt")
        wait_until(lambda: not {"HOST-042", "STO-095", "ING-020"} & _open_codes(workstation), what="no finding")
    assert workstation.evidock("verify", str(workstation.home)).returncode == 0
