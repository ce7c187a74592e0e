"""A workstation with a time-stamp authority: its log is stamped, its station hears of it, its packages say when."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from host_io.clock import SystemClock
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.signed_journal import JournalView
from host_io.station_db import open_station_db
from host_io.trust import read_trust, root_key_path
from operator_cli.simulated_recorder import make_recorder
from tests.time_authority import TimeAuthority, serving
from tests.trusts import put_trust
from tests.workstation import Workstation, wait_until

pytestmark = pytest.mark.slow


def heard_by_station(paths: HomePaths) -> bytes | None:
    with contextlib.closing(open_station_db(paths, read_only=True)) as db:
        return JournalView(db, clock=SystemClock()).remembered_stamp()


def test_a_recording_is_bounded_by_two_stamps(tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "tsa", "tsa-1")
    home = tmp_path / "home"
    workstation = Workstation(home)
    workstation.evidock("init", "--role", "workstation")
    paths = HomePaths(home)
    trust = replace(read_trust(paths.trust), authorities=(authority.authority,))
    put_trust(paths, trust, read_signing_key(root_key_path(paths)))
    config = (home / "evidock.toml").read_text().replace("watch_usb = true", "watch_usb = false")
    with serving(authority.answer) as url:
        config = config.replace("time_authorities = []", f'time_authorities = ["tsa-1={url}"]')
        (home / "evidock.toml").write_text(config.replace("stamp_minutes = 60", "stamp_minutes = 1"))
        with workstation:
            stamps = home / "log/timestamps"
            wait_until(lambda: list(stamps.glob("*.tsa-1.tsr")), what="the first stamp")
            [token] = stamps.glob("*.tsa-1.tsr")
            heard = sha256(token.read_bytes()).digest()
            wait_until(lambda: heard_by_station(paths) == heard, what="the station to hear of it over the broker")
            make_recorder(tmp_path / "card", now=datetime.now(tz=UTC))
            workstation.evidock("dock", str(tmp_path / "card"), "--wait", "received")
            wait_until(workstation.all_receipted, what="every receipt")
            status = json.loads(workstation.evidock("--json", "status", check=False).stdout)
            assert 0 <= status["stamp_age_seconds"] < 600
            assert "newest time stamp" in workstation.evidock("--lang", "en", "status", check=False).stdout
            wait_until(lambda: len(list(stamps.glob("*.tsa-1.tsr"))) > 1, seconds=90, what="the second stamp")
    done = workstation.evidock("--json", "verify", str(home), check=False)
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, []), done.stdout
    recordings = json.loads(workstation.evidock("--json", "recordings", "list").stdout)
    out = tmp_path / "package"
    workstation.evidock("custody", "export", "--recording", recordings[0]["id"], "--out", str(out))
    answer = json.loads(workstation.evidock("--json", "verify", str(out), "--trust", str(paths.trust)).stdout)
    assert answer["exit_code"] == 0
    assert all(item["not_before"] < item["not_after"] for item in answer["items"])
