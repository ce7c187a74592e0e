"""A home is made whole, may be made again, and takes nothing that belongs to somebody else."""

from __future__ import annotations

import contextlib
import stat
import tomllib
from pathlib import Path

import pytest

from host_io import durable
from host_io.config import HomePaths, Role, read_config
from host_io.trust import read_trust
from operator_cli.home_making import HomeWish, make_home
from operator_cli.texts import Language, Texts
from tests.unit.operator_cli.cli import evidock

TEXTS = Texts(Language.EN)


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("role", list(Role))
def test_a_home_of_every_role_can_be_made_and_read(role: Role, tmp_path: Path) -> None:
    called = evidock("--json", "init", "--role", role.value, "--home", str(tmp_path / "h"), "--unit", "执法一中队")
    assert called.code == 0
    assert called.document["role"] == role.value
    config = read_config(HomePaths(tmp_path / "h"))
    assert (config.role, config.unit) == (role, "执法一中队")


def test_keys_are_this_user_s_alone(tmp_path: Path) -> None:
    evidock("init", "--role", "workstation", "--home", str(tmp_path / "h"))
    keys = tmp_path / "h" / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}


def test_the_trust_file_names_the_keys_that_were_made(tmp_path: Path) -> None:
    called = evidock("--json", "init", "--role", "workstation", "--home", str(tmp_path / "h"))
    trust = read_trust(tmp_path / "h" / "trust.json")
    assert [station.key.hex() for station in trust.stations] == [called.document["station_key"]]


def test_making_it_again_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "h"
    evidock("init", "--role", "workstation", "--home", str(home))
    before = contents(home)
    called = evidock("--json", "init", "--role", "workstation", "--home", str(home))
    assert (called.code, called.document["made"]) == (0, [])
    assert contents(home) == before


class PowerCutError(Exception):
    """The moment at which the machine stops."""


@pytest.mark.parametrize("step", range(1, 10))
def test_an_init_that_died_at_any_durable_step_is_finished_by_the_next(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, wish = HomePaths(tmp_path / "h"), HomeWish(role=Role.WORKSTATION)
    left = step
    rename = durable.rename

    def dies(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCutError
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "rename", dies)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # nobody tidies up after a power cut
        with contextlib.suppress(PowerCutError):
            make_home(paths, wish, TEXTS)
    after_the_cut = contents(paths.root)
    made = make_home(paths, wish, TEXTS)
    assert made.trusts_a_centre
    whole = contents(paths.root)
    kept = {name: data for name, data in after_the_cut.items() if not name.endswith(".part")}
    assert kept.items() <= whole.items()
    assert evidock("--json", "init", "--role", "workstation", "--home", str(paths.root)).document["made"] == []


def test_a_folder_with_something_else_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    called = evidock("--json", "init", "--role", "workstation", "--home", str(tmp_path))
    assert (called.code, called.document["error"]["code"]) == (3, "CLI-005")
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_a_fresh_disk_with_its_lost_and_found_is_empty_enough(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert evidock("init", "--role", "centre", "--home", str(tmp_path)).code == 0


def test_a_home_keeps_its_role(tmp_path: Path) -> None:
    evidock("init", "--role", "workstation", "--home", str(tmp_path / "h"))
    called = evidock("--json", "init", "--role", "centre", "--home", str(tmp_path / "h"))
    assert (called.code, called.document["error"]["code"]) == (3, "CLI-006")


def test_an_unknown_policy_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    called = evidock("init", "--role", "centre", "--policy", "lawless", "--home", str(tmp_path / "h"))
    assert called.code == 2
    assert "baseline" in called.err
    assert not (tmp_path / "h").exists()


def test_a_station_says_that_it_lacks_its_centre_s_keys(tmp_path: Path) -> None:
    called = evidock("--json", "init", "--role", "station", "--station", "desk-7", "--home", str(tmp_path / "h"))
    assert called.document["trusts_a_centre"] is False
    assert called.document["station"] == "desk-7"
    assert not (tmp_path / "h" / "trust.json").exists()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_setting_in_the_file_stands_under_its_explanation(language: str, tmp_path: Path) -> None:
    evidock("init", "--role", "workstation", "--lang", language, "--home", str(tmp_path / "h"))
    text = (tmp_path / "h" / "evidock.toml").read_text()
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[at - 1].startswith("# "), line
    assert set(tomllib.loads(text)) == {"home", "broker", "station", "centre"}
