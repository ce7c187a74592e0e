"""A workstation whose log and centre sign in a PKCS#11 token: the whole way, and a token that is pulled out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.pkcs11_keys import TokenAbsentError
from host_io.trust import read_trust
from operator_cli.simulated_recorder import make_recorder
from tests.tokens import SoftToken
from tests.workstation import Workstation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("softhsm")]


def findings(workstation: Workstation) -> str:
    return workstation.evidock("--json", "status", check=False).stdout


def test_a_home_with_its_log_key_in_a_token_takes_footage_and_waits_for_a_token_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, home = SoftToken(tmp_path, monkeypatch), tmp_path / "home"
    (home / "keys").mkdir(parents=True, mode=0o700)
    for name in ("log", "centre"):
        token.make_key(name)
        token.key_file(home / "keys" / f"{name}.key", name)
    make_recorder(tmp_path / "card", now=datetime.now(tz=UTC))
    with Workstation(home) as workstation:
        workstation.evidock("dock", str(tmp_path / "card"), "--wait", "received")
        wait_until(workstation.all_receipted, what="every receipt")
        log_key = read_signing_key(home / "keys" / "log.key").public_key
        note = (home / "log" / "checkpoint").read_bytes()
        assert open_checkpoint(note, log_key=log_key).size == workstation.log_size()
        assert read_trust(HomePaths(home).trust).log_key == log_key
        workstation.evidock("verify", str(home))

        size = workstation.log_size()
        token.pull_out()
        (tmp_path / "card" / "later.mp4").write_bytes(b"taken while the token was away" * 1000)
        workstation.evidock("dock", str(tmp_path / "card"), "--wait", "spooled")
        wait_until(lambda: TokenAbsentError.code in findings(workstation), what="the token to be missed")
        assert workstation.log_size() == size
        token.plug_in()
        wait_until(workstation.all_receipted, what="every receipt, by itself")
        assert TokenAbsentError.code not in findings(workstation)
        assert workstation.log_size() > size
        said = json.loads(workstation.evidock("--json", "verify", str(home)).stdout)
        assert not said["findings"], said
    token.pull_out()
    said = json.loads(workstation.evidock("--json", "verify", str(home)).stdout)  # where the token is not: no damage
    assert {each["subject"] for each in said["findings"]} == {"keys/log.key", "keys/centre.key"}
