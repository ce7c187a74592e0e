"""Which units do something is decided by the home: a role's units that are not wanted are passed over, not failed."""

import pytest

from tests.systemd.nspawn import Machine
from tests.systemd.unit_files import SERVICES

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("nspawn")]

_HOME = "/var/lib/evidock"


def started(machine: Machine, role: str | None) -> set[str]:
    """Make a home of the role, start the target, and return the services whose program was started."""
    machine.run("systemctl", "stop", "evidock.target", check=False)
    machine.run("sh", "-c", f"rm -rf {_HOME}/* {_HOME}/.[!.]*")
    if role is not None:
        machine.run("/opt/evidock/bin/evidock", "--home", _HOME, "init", "--role", role, user="evidock")
    machine.run("systemctl", "start", "--no-block", "evidock.target")
    machine.run("systemctl", "is-system-running", "--wait", check=False)
    passed_over = {service for service in SERVICES if machine.show(f"{service}.service", "ConditionResult") == "no"}
    for service in passed_over:
        assert machine.show(f"{service}.service", "ActiveState") == "inactive"
    return set(SERVICES) - passed_over


def test_without_a_home_nothing_runs_and_nothing_fails(machine: Machine) -> None:
    assert started(machine, None) == set()


def test_centre_runs_broker_and_store(machine: Machine) -> None:
    assert started(machine, "centre") == {"evidock-broker", "evidock-store"}


def test_station_runs_agent_and_ingest_daemon(machine: Machine) -> None:
    assert started(machine, "station") == {"evidock-agent", "evidock-ingest"}


def test_wrong_configuration_waits_for_a_person_and_is_not_tried_for_ever(machine: Machine) -> None:
    started(machine, "workstation")
    machine.run("systemctl", "stop", "evidock.target")
    with machine.path(f"{_HOME}/evidock.toml").open("a", encoding="utf-8") as file:
        file.write("\n[nonsense]\nword = 1\n")
    machine.run("systemctl", "start", "evidock-broker.service", check=False)
    unit = "evidock-broker.service"
    seen = {name: machine.show(unit, name) for name in ("ActiveState", "Result", "ExecMainStatus", "NRestarts")}
    assert seen == {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2", "NRestarts": "0"}
    assert "nonsense" in machine.journal(unit), "it says what is wrong"
