"""What each unit's sandbox forbids and allows, tried from inside it by a program that runs in place of the real one."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.systemd.nspawn import Machine
from tests.systemd.unit_files import SERVICES, unit_file

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("nspawn")]

_HOME = "/var/lib/evidock"
_NOWHERE_ELSE = ("write /etc", "write /usr", "write /opt/evidock", "write /var/lib", "write /home")
_NEVER = (
    *("make a namespace", "become root", "set the clock", "trace another process", "load a driver"),
    *("writable and executable memory", "packet socket", "make a device", "write keys", "write evidock.toml"),
)

# Like the media prober: limits itself, then starts a program, which says what rights it has.
_RIGHTS = """
import json, re, subprocess, sys
limited = '''
import subprocess
from edge_agent import media_child
media_child.limit()
subprocess.run(["cat", "/proc/self/status"])
'''
def rights(*command):
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.search(r"CapEff:\\s+(\\w+)", said)[1]
json.dump({
    "agent": rights("cat", "/proc/self/status"),
    "prober": rights(sys.executable, "-I", "-c", limited),
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def home(machine: Machine) -> Machine:
    """A workstation's home, with a folder of somebody else beside it, and no program running."""
    evidock = ("/opt/evidock/bin/evidock", "--home", _HOME, "--json")
    machine.run(*evidock, "init", "--role", "workstation", user="evidock")
    machine.run("install", "-d", "-m", "700", "/home/officer")
    for name in ("vault/sha256/probe", "vault/incoming/probe", "log/probe", "spool/footage/probe"):
        machine.run("touch", f"{_HOME}/{name}", user="evidock")
    probe = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    machine.path("/opt/probe.py").write_text(probe, encoding="utf-8")
    machine.path("/opt/rights.py").write_text(_RIGHTS, encoding="utf-8")
    return machine


def tried_in(machine: Machine, service: str, probe: str = "/opt/probe.py") -> Mapping[str, str]:
    """Run a probe in the unit as it is shipped, apart from what starts and watches the program."""
    text = unit_file(service).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart=/opt/evidock/bin/python -I {probe}", text)
    text = re.sub(r"(?m)^(WatchdogSec|Restart|NotifyAccess)=.*\n", "", text).replace("Type=notify", "Type=oneshot")
    text += f"StandardOutput=truncate:/run/{service}.json\n"
    machine.path(f"/run/systemd/system/{service}-probe.service").write_text(text, encoding="utf-8")
    machine.run("systemctl", "daemon-reload")
    done = machine.run("systemctl", "start", f"{service}-probe.service", check=False)
    assert done.returncode == 0, machine.journal(f"{service}-probe.service")
    outcomes: Mapping[str, str] = json.loads(machine.path(f"/run/{service}.json").read_text(encoding="ascii"))
    return outcomes


def test_systemd_has_nothing_to_say_about_the_installed_units(home: Machine) -> None:
    names = ["evidock.target", *(f"{service}.service" for service in SERVICES)]
    done = home.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{name}" for name in names))
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("service", SERVICES)
def test_service_writes_its_own_home_and_nowhere_else(home: Machine, service: str) -> None:
    tried = tried_in(home, service)
    assert tried["write own home"] == "ok"
    assert {name: tried[name] for name in _NOWHERE_ELSE if tried[name] not in {"EROFS", "EACCES"}} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_service_cannot_do_what_it_never_needs(home: Machine, service: str) -> None:
    tried = tried_in(home, service)
    assert {name: tried[name] for name in _NEVER if tried[name] == "ok"} == {}
    assert tried["read configuration"] == "ok"


@pytest.mark.parametrize("service", ["evidock-store", "evidock-ingest", "evidock-agent"])
def test_who_signs_events_can_say_how_well_the_clock_is_kept(home: Machine, service: str) -> None:
    tried = tried_in(home, service)
    assert (tried["read the clock's state"], tried["read boot id"]) == ("ok", "ok")


def test_only_the_store_writes_vault_and_log(home: Machine) -> None:
    for service in SERVICES:
        tried = tried_in(home, service)
        expected = service == "evidock-store"
        assert (tried["write vault"] == "ok") is expected, service
        assert (tried["write log"] == "ok") is expected, service
        assert (tried["read log key"] == "ok") is expected, service


def test_ingest_daemon_links_from_the_spool_into_the_vault(home: Machine) -> None:
    tried = tried_in(home, "evidock-ingest")
    assert tried["link spool to vault"] == "ok"
    assert tried["write vault/incoming"] == "ok"
    assert tried["write vault"] == "EROFS", "what the store has accepted"


def test_agent_alone_mounts_and_hears_udev_and_has_no_network(home: Machine) -> None:
    agent = tried_in(home, "evidock-agent")
    assert (agent["mount"], agent["udev socket"], agent["internet socket"]) == ("ok", "ok", "EAFNOSUPPORT")
    for service in set(SERVICES) - {"evidock-agent"}:
        others = tried_in(home, service)
        assert others["mount"] == "EPERM", service
        assert (others["udev socket"], others["internet socket"]) == ("EAFNOSUPPORT", "ok"), service


def test_media_prober_has_none_of_the_agents_rights(home: Machine) -> None:
    rights = tried_in(home, "evidock-agent", "/opt/rights.py")
    assert int(rights["agent"], 16) != 0, "it can mount"
    assert int(rights["prober"], 16) == 0, "what parses a stranger's file cannot"


def test_agent_leaves_no_mount_behind(home: Machine) -> None:
    assert tried_in(home, "evidock-agent")["mount"] == "ok"
    assert "probe" not in home.run("cat", "/proc/self/mountinfo").stdout


def test_homes_of_people_are_closed_but_to_the_agent(home: Machine) -> None:
    """An officer may name a folder there with `evidock dock`; the agent can read it and never write it."""
    for service in SERVICES:
        seen = tried_in(home, service)["list a private home"] == "ok"
        assert seen is (service == "evidock-agent"), service
