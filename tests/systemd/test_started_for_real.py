"""The shipped units with the real programs, under a real systemd: from `systemctl start` to the receipt, and back."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from operator_cli.simulated_recorder import NoFfmpegError, make_recorder
from tests.systemd.nspawn import Machine, wait_for
from tests.systemd.unit_files import SERVICES

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("nspawn")]

_HOME = "/var/lib/evidock"
_TARGET = "evidock.target"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LONG_PIECES = 512  # of a MiB: so much that a stop comes in the middle
_NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def evidock(machine: Machine, *words: str) -> Any:
    """Run a command as the units' user and return its JSON document."""
    done = machine.run(
        "/opt/evidock/bin/evidock", "--home", _HOME, "--json", *words, user="evidock", seconds=120, check=False
    )
    said = "".join(f"{service}: {machine.journal(f'{service}.service')[-1500:]}\n" for service in SERVICES)
    assert done.returncode == 0, f"evidock {' '.join(words)} → {done.returncode}\n{done.stdout}{done.stderr}\n{said}"
    return json.loads(done.stdout)


def is_active(machine: Machine, service: str) -> bool:
    """Say whether the service has said READY; a failed one is the test's failure at once, with its own words."""
    state = machine.show(f"{service}.service", "ActiveState")
    assert state != "failed", f"{service}: {machine.journal(f'{service}.service')}"
    return state == "active"


def is_running(machine: Machine, service: str) -> bool:
    return machine.show(f"{service}.service", "ActiveState") not in {"inactive", "failed"}


def wait_active(machine: Machine, *services: str) -> float:
    """Return how long it took until all are active."""
    return wait_for(
        lambda: all(is_active(machine, service) for service in services),
        seconds=_START_SECONDS,
        what=f"{', '.join(services)} to be active",
    )


def digests_below(folder: Path) -> set[str]:
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*") if file.is_file()}


def put_recorder(docks: Path, name: str, *, seed: int) -> Path:
    """Make a recorder that the machine sees as /srv/docks/<name>."""
    try:
        make_recorder(docks / name, seed=seed, now=_NOW)
    except NoFfmpegError as error:
        pytest.skip(f"needs ffmpeg (script/setup): {error}")
    return docks / name


@pytest.fixture(scope="module")
def running(machine: Machine) -> Iterator[Machine]:
    """A workstation whose four services are active."""
    evidock(machine, "init", "--role", "workstation")
    machine.run("systemctl", "start", _TARGET)
    wait_active(machine, *SERVICES)
    yield machine
    machine.run("systemctl", "stop", _TARGET)


def test_a_docked_recorder_is_receipted_and_its_bytes_are_in_the_vault(running: Machine, docks: Path) -> None:
    source = put_recorder(docks, "first", seed=1)
    document = evidock(running, "dock", "/srv/docks/first", "--wait", "received")
    assert document["receipted"] == len(document["files"]) > 0
    pulled = {item["sha256"].removeprefix("sha256:") for item in document["files"]}
    vault = {file.name for file in running.path(f"{_HOME}/vault/sha256").rglob("*") if file.is_file()}
    assert pulled <= vault
    assert pulled <= digests_below(source)
    assert pulled <= digests_below(running.path(f"{_HOME}/vault/sha256"))


def events(machine: Machine) -> list[dict[str, Any]]:
    """Return the predicates of all events in the log."""
    found = []
    for file in machine.path(f"{_HOME}/log/envelopes").rglob("*.dsse.json"):
        envelope = json.loads(file.read_bytes())
        found.append(json.loads(base64.b64decode(envelope["payload"]))["predicate"])
    return found


def test_the_sandbox_hides_neither_clock_nor_boot_nor_media_facts(running: Machine, docks: Path) -> None:
    """Each of them would silently become `unknown`, in every event, if a line of the sandbox were too strict."""
    put_recorder(docks, "facts", seed=2)
    evidock(running, "dock", "/srv/docks/facts", "--wait", "received")
    found = events(running)
    assert {event["time"]["clock"] for event in found} <= {"ntp", "rtc"}
    assert "unknown" not in {event["time"]["boot"] for event in found}
    rereads = [event["body"] for event in found if event["kind"] == "footage.reread"]
    assert any("h264" in json.dumps(body) for body in rereads), "ffprobe ran"


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_told_alive_by_its_program(running: Machine, service: str) -> None:
    before = int(running.show(f"{service}.service", "WatchdogTimestampMonotonic"))
    assert before > 0
    wait_for(
        lambda: int(running.show(f"{service}.service", "WatchdogTimestampMonotonic")) > before,
        seconds=60,
        what=f"a sign of life of {service}",
    )


@pytest.mark.parametrize("service", SERVICES)
def test_killed_program_is_started_again_and_goes_on(running: Machine, docks: Path, service: str) -> None:
    unit = f"{service}.service"
    restarts = int(running.show(unit, "NRestarts"))
    running.run("kill", "-KILL", running.show(unit, "MainPID"))
    wait_for(
        lambda: int(running.show(unit, "NRestarts")) == restarts + 1, seconds=20, what=f"{service} to be restarted"
    )
    wait_active(running, *SERVICES)
    name = f"after-{service}"
    put_recorder(docks, name, seed=10 + SERVICES.index(service))
    document = evidock(running, "dock", f"/srv/docks/{name}", "--wait", "received")
    assert document["receipted"] == len(document["files"]) > 0


def test_program_that_hangs_is_killed_and_started_again(running: Machine) -> None:
    unit = "evidock-agent.service"
    place = running.path(f"/run/systemd/system/{unit}.d/short.conf")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("[Service]\nWatchdogSec=3s\nTimeoutAbortSec=2s\n", encoding="ascii")
    running.run("systemctl", "daemon-reload")
    running.run("systemctl", "restart", unit)
    wait_active(running, "evidock-agent")
    pid = running.show(unit, "MainPID")
    running.run("kill", "-STOP", pid)
    wait_for(
        lambda: running.show(unit, "NRestarts") != "0" and running.show(unit, "MainPID") not in {"0", pid},
        seconds=30,
        what="the watchdog",
    )
    place.unlink()
    running.run("systemctl", "daemon-reload")
    running.run("systemctl", "restart", unit)
    wait_active(running, *SERVICES)


def test_target_stops_within_ten_seconds_and_cleanly_and_starts_again(running: Machine) -> None:
    running.run("systemctl", "stop", _TARGET)
    wait_for(
        lambda: not any(is_running(running, service) for service in SERVICES), seconds=_STOP_SECONDS, what="the stop"
    )
    for service in SERVICES:
        unit = f"{service}.service"
        seen = {name: running.show(unit, name) for name in ("ActiveState", "Result", "ExecMainStatus")}
        assert seen == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}, running.journal(unit)
    running.run("systemctl", "start", _TARGET)
    wait_active(running, *SERVICES)


def test_stopping_in_the_middle_of_a_pull_is_quick_and_loses_nothing(running: Machine, docks: Path) -> None:
    source = docks / "cut/DCIM"
    source.mkdir(parents=True)
    long = source / "LONG.MP4"
    with long.open("wb") as file:
        for number in range(_LONG_PIECES):
            file.write(hashlib.sha256(number.to_bytes(2, "big")).digest() * (1 << 15))
    docking = running.start("/opt/evidock/bin/evidock", "--home", _HOME, "dock", "/srv/docks/cut", user="evidock")
    half_copied = running.path(f"{_HOME}/spool/incoming")
    wait_for(lambda: any(part.stat().st_size for part in half_copied.iterdir()), seconds=30, what="the first bytes")
    running.run("systemctl", "stop", "evidock-agent.service", seconds=_STOP_SECONDS)
    assert running.show("evidock-agent.service", "Result") == "success", running.journal("evidock-agent.service")
    running.run("systemctl", "start", "evidock-agent.service")
    docking.wait(timeout=120)
    document = evidock(running, "dock", "/srv/docks/cut", "--wait", "received")
    assert document["receipted"] == len(document["files"]) == 1
    assert document["files"][0]["sha256"] == hashlib.sha256(long.read_bytes()).hexdigest()


def test_whole_home_verifies_at_the_end(running: Machine) -> None:
    done = running.run("/opt/evidock/bin/evidock", "--json", "verify", _HOME, user="evidock", check=False, seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr
