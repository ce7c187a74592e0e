"""sysusers.d, tmpfiles.d, and the script that puts everything into /etc."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.systemd.unit_files import FOLDER, SERVICES, said_by

INSTALL = FOLDER / "install-units"

needs_sysusers = pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="needs systemd-sysusers")


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def make_user(root: Path) -> list[str]:
    """Let systemd-sysusers make the user below `root`; returns its line of passwd."""
    (root / "etc").mkdir()
    done = said_by("systemd-sysusers", f"--root={root}", str(FOLDER / "sysusers.d/evidock.conf"))
    assert done.returncode == 0, done.stderr
    (line,) = (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
    return line.split(":")


@needs_sysusers
def test_user_owns_nothing_and_cannot_log_in(tmp_path: Path) -> None:
    fields = make_user(tmp_path)
    assert fields[0] == "evidock"
    assert 0 < int(fields[2]) < 1000, "a system user"
    assert fields[5:] == ["/", "/usr/sbin/nologin"], "a home folder of its own would put dot files into Evidock's home"


@needs_sysusers
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder away")
def test_home_is_made_empty_and_for_its_user_alone(tmp_path: Path) -> None:
    user = make_user(tmp_path)
    done = said_by("systemd-tmpfiles", f"--root={tmp_path}", "--create", str(FOLDER / "tmpfiles.d/evidock.conf"))
    assert (done.returncode, done.stderr) == (0, "")
    home = tmp_path / "var/lib/evidock"
    assert list(home.iterdir()) == [], "`evidock init` takes an empty folder only"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert home.stat().st_uid == int(user[2]) != 0


@needs_sysusers
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder away")
def test_what_the_boot_before_left_in_run_goes_at_boot_and_only_then(tmp_path: Path) -> None:
    make_user(tmp_path)
    stale = tmp_path / "var/lib/evidock/run/agent.pid"
    kept = tmp_path / "var/lib/evidock/spool/footage/0"
    for file in (stale, kept):
        file.parent.mkdir(parents=True)
        file.write_text("1\n", encoding="ascii")
    rules = str(FOLDER / "tmpfiles.d/evidock.conf")
    assert said_by("systemd-tmpfiles", f"--root={tmp_path}", "--create", "--remove", rules).returncode == 0
    assert stale.exists()
    assert said_by("systemd-tmpfiles", f"--root={tmp_path}", "--create", "--remove", "--boot", rules).returncode == 0
    assert not stale.exists()
    assert kept.exists()


def test_install_units_puts_everything_in_place_and_may_be_run_again(tmp_path: Path) -> None:
    expected = {
        "etc/systemd/system/evidock.target",
        *(f"etc/systemd/system/{service}.service" for service in SERVICES),
        "etc/sysusers.d/evidock.conf",
        "etc/tmpfiles.d/evidock.conf",
        "etc/udev/rules.d/70-evidock.rules",
    }
    for _ in range(2):
        done = said_by(str(INSTALL), "--root", str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        assert {name for name in files_below(tmp_path) if "restart-steps" not in name} == expected


def test_install_units_takes_away_what_it_brought_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "etc/systemd/system/evidock-store.service.d/mine.conf"
    mine.parent.mkdir(parents=True)
    mine.write_text("[Service]\nNice=1\n", encoding="ascii")
    assert said_by(str(INSTALL), "--root", str(tmp_path), "--no-automount").returncode == 0
    assert "etc/udev/rules.d/71-evidock-no-automount.rules" in files_below(tmp_path)
    assert said_by(str(INSTALL), "--root", str(tmp_path), "--remove").returncode == 0
    assert files_below(tmp_path) == {str(mine.relative_to(tmp_path))}


def test_install_units_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    done = said_by(str(INSTALL), "--root", str(tmp_path), "--purge")
    assert done.returncode == 2
    assert "--purge" in done.stderr
    assert files_below(tmp_path) == set()
