"""What can be known of the units without starting them."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from edge_agent import seal
from tests.systemd.unit_files import FOLDER, SERVICES, lines_of, said_by, unit_file, values

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (script/setup --test)"
)

# Reached with systemd 252; lower is better, 10 is no sandbox at all. The agent's difference is its right to mount.
EXPOSURE = {"evidock-broker": 1.1, "evidock-store": 1.6, "evidock-ingest": 1.6, "evidock-agent": 2.7}

SANDBOX = re.compile(
    r"UMask|NoNewPrivileges|Protect\w+|Private\w+|Restrict(?!.*ExitStatus)(?!art)\w+|ReadOnlyPaths|ReadWritePaths"
    r"|InaccessiblePaths|CapabilityBoundingSet|AmbientCapabilities|Device\w+|SystemCall\w+|LockPersonality|IPAddress\w+"
    r"|MemoryDenyWriteExecute|RemoveIPC|KeyringMode|ProcSubset|(State|Runtime)Directory\w*|MemoryMax|LimitCORE|NotifyAccess"
    r"|TimeoutStopSec|KillMode|OOMPolicy|RestartPreventExitStatus|StartLimitIntervalSec|WatchdogSec|RestartSec"
)


def installed(folder: Path) -> list[Path]:
    """Copy the units to `folder`; for programs that are not installed here they name one that is.

    That the real paths are right is proved where they exist: `test_started_for_real.py`.
    """
    copies = []
    for original in [FOLDER / "evidock.target", *map(unit_file, SERVICES)]:
        copy = folder / original.name
        text = original.read_text(encoding="utf-8")
        copy.write_text(re.sub(r"/opt/evidock/bin/\w+", sys.executable, text), encoding="utf-8")
        copies.append(copy)
    return copies


def test_systemd_finds_nothing_to_say_about_any_unit(tmp_path: Path) -> None:
    done = said_by("systemd-analyze", "verify", *map(str, installed(tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_misspelt_setting_would_be_noticed(tmp_path: Path) -> None:
    unit = installed(tmp_path)[1]
    unit.write_text(unit.read_text(encoding="utf-8").replace("ProtectSystem=", "ProtectSytem="), encoding="utf-8")
    done = said_by("systemd-analyze", "verify", str(unit))
    assert done.returncode == 0, "this is why the standard error counts and the exit code alone does not"
    assert "ProtectSytem" in done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_exposure_is_no_higher_than_what_was_reached(service: str) -> None:
    limit = str(round(EXPOSURE[service] * 10))
    arguments = ("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={limit}")
    done = said_by(*arguments, str(unit_file(service)))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_line_of_the_sandbox_has_its_reason(service: str) -> None:
    bare = [line.key for line in lines_of(unit_file(service)) if SANDBOX.fullmatch(line.key) and len(line.reason) < 15]
    assert not bare


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_given_a_reason_or_is_none_of_the_sandbox(service: str) -> None:
    plain = {
        "Description", "PartOf", "Wants", "After", "Type", "ExecStart", "Environment", "User", "Group",
        "Restart", "TasksMax", "TimeoutStartSec", "ConditionPathIsDirectory", "LimitNOFILE",
    }  # fmt: skip
    unknown = {line.key for line in lines_of(unit_file(service)) if not SANDBOX.fullmatch(line.key)} - plain
    assert not unknown, "name it in SANDBOX, so that its reason is asked for"


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_watched_restarted_and_stopped_in_ten_seconds(service: str) -> None:
    assert values(service, "Type") == ["notify"]
    assert values(service, "NotifyAccess") == ["main"]
    assert values(service, "Restart") == ["on-failure"]
    assert values(service, "TimeoutStopSec") == ["10"]
    assert values(service, "StartLimitIntervalSec") == ["0"], "a dock never gives up"
    assert len(values(service, "WatchdogSec")) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_runs_as_root_or_gains_rights(service: str) -> None:
    assert values(service, "User") == ["evidock"]
    assert values(service, "NoNewPrivileges") == ["yes"]
    rights = {name for line in values(service, "AmbientCapabilities") for name in line.split()}
    assert rights == ({"CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"} if service == "evidock-agent" else set())


def test_agent_may_open_what_forty_recorders_at_once_take() -> None:
    in_hand = seal.MOST_AT_ONCE + seal._QUEUE_LENGTH + 32  # finished copies, and the rest of a docking
    assert [int(value) >= 40 * in_hand for value in values("evidock-agent", "LimitNOFILE")] == [True]


def test_agent_may_write_to_no_disk() -> None:
    allowed = [value.split() for value in values("evidock-agent", "DeviceAllow")]
    assert allowed, "it reads recorders"
    assert {rights for _, rights in allowed} == {"r"}


def test_spool_and_vault_stay_one_mount_for_the_ingest_daemon() -> None:
    """A hard link cannot cross two mounts, and systemd makes a mount of each path that a unit names."""
    named = {
        path
        for key in ("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths")
        for path in values("evidock-ingest", key)
    }
    folders = {path.lstrip("-").removeprefix("/var/lib/evidock/") for value in named for path in value.split()}
    assert not folders & {"spool", "spool/footage", "spool/blobs", "vault", "vault/incoming"}


def test_settings_that_two_services_share_have_the_same_reason() -> None:
    reasons: dict[tuple[str, str], set[str]] = {}
    for service in SERVICES:
        for line in lines_of(unit_file(service)):
            if SANDBOX.fullmatch(line.key) and line.value == "yes":
                reasons.setdefault((line.key, line.value), set()).add(line.reason)
    assert {key: texts for key, texts in reasons.items() if len(texts) > 1} == {}


def test_target_wants_all_four_and_they_stop_with_it() -> None:
    (wanted,) = [line.value.split() for line in lines_of(FOLDER / "evidock.target") if line.key == "Wants"]
    assert set(wanted) == {f"{service}.service" for service in SERVICES}
    assert all(values(service, "PartOf") == ["evidock.target"] for service in SERVICES)


@pytest.mark.parametrize("drop_in", sorted((FOLDER / "drop-ins").iterdir()), ids=lambda path: path.name)
def test_drop_in_fits_its_unit(drop_in: Path, tmp_path: Path) -> None:
    service = "evidock-agent" if drop_in.name == "free-recorders.conf" else "evidock-store"
    installed(tmp_path)
    place = tmp_path / f"{service}.service.d"
    place.mkdir()
    text = drop_in.read_text(encoding="utf-8").replace("/opt/evidock/bin/python", sys.executable)
    (place / drop_in.name).write_text(text, encoding="utf-8")
    done = said_by("systemd-analyze", "verify", str(tmp_path / f"{service}.service"))
    unknown = set(re.findall(r"Unknown key(?: name)? '(\w+)'", done.stderr))
    older = _systemd_version() < 254
    expected = {"RestartSteps", "RestartMaxDelaySec"} if older and drop_in.name == "restart-steps.conf" else set()
    assert unknown == expected
    assert len(done.stderr.splitlines()) == len(expected), done.stderr


def _systemd_version() -> int:
    return int(said_by("systemctl", "--version").stdout.split()[1])
