"""The doctor names what is missing, why it matters and the one command that mends it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from operator_cli.texts import message_catalogue
from tests.unit.operator_cli.cli import Called, evidock


def check(called: Called, name: str) -> dict[str, str]:
    [found] = [one for one in called.document["checks"] if one["id"] == name]
    return dict(found)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    evidock("init", "--role", "workstation", "--home", str(tmp_path / "h"))
    return tmp_path / "h"


def test_a_new_home_on_this_machine_is_well(home: Path) -> None:
    called = evidock("--json", "doctor", "--home", str(home))
    assert called.code == 0
    assert {one["verdict"] for one in called.document["checks"]} <= {"ok", "warn", "unknown"}


def test_every_check_has_its_reason_in_the_texts(home: Path) -> None:
    for one in evidock("--json", "doctor", "--home", str(home)).document["checks"]:
        assert f"doctor.{one['id']}" in message_catalogue()
        assert f"doctor.{one['id']}.why" in message_catalogue()


def test_without_a_home_it_still_looks_at_the_machine(tmp_path: Path) -> None:
    called = evidock("--json", "doctor", "--home", str(tmp_path / "none"))
    assert called.document["home"] is None
    assert check(called, "sqlite")["verdict"] == "ok"


def test_a_key_that_others_can_read_fails_with_its_cure(home: Path) -> None:
    (home / "keys" / "log.key").chmod(0o644)
    called = evidock("--json", "doctor", "--home", str(home))
    assert called.code == 1
    found = check(called, "permissions")
    assert (found["verdict"], found["fix"]) == ("fail", f"chmod -R go-rwx {home}/keys")


def test_a_missing_ffprobe_is_a_warning_because_footage_is_pulled_without_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = check(evidock("--json", "doctor", "--home", str(home)), "ffprobe")
    assert (found["verdict"], found["fix"]) == ("warn", "sudo apt-get install ffmpeg")


def test_a_damaged_trust_file_fails(home: Path) -> None:
    (home / "trust.json").write_text("{}")
    assert check(evidock("--json", "doctor", "--home", str(home)), "trust")["verdict"] == "fail"


def test_a_bad_configuration_fails_and_is_quoted(home: Path) -> None:
    with (home / "evidock.toml").open("a") as config:
        config.write("nonsense = 1\n")
    found = check(evidock("--json", "doctor", "--home", str(home)), "config")
    assert found["verdict"] == "fail"
    assert "nonsense" in found["found"]


def test_a_probe_leaves_nothing_behind(home: Path) -> None:
    before = sorted(path for path in home.rglob("*"))
    evidock("doctor", "--home", str(home))
    assert sorted(path for path in home.rglob("*")) == before
    assert not [path for path in home.rglob("*") if str(os.getpid()) in path.name]


@pytest.mark.root
@pytest.mark.parametrize("open_to_others", [True, False])
def test_of_somebody_else_s_home_doctor_says_whose_it_is_and_never_to_take_it(
    tmp_path: Path, open_to_others: bool
) -> None:
    home = tmp_path / "home"
    evidock("init", "--role", "workstation", "--home", str(home))
    assert evidock("doctor", "--home", str(home)).code in {0, 1}
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    home.chmod(0o755 if open_to_others else 0o700)
    os.seteuid(65534)
    try:
        called = evidock("--json", "doctor", "--home", str(home))
    finally:
        os.seteuid(0)
    assert called.code == 1
    [check] = [check for check in called.document["checks"] if check["id"] == "permissions"]
    assert check["verdict"] == "fail"
    assert check["fix"].startswith("sudo -u root ")
    assert "chown" not in called.out
