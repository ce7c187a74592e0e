"""The udev rules as the real udev reads them, for disks that umockdev makes up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.unit_files import FOLDER

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: hides this machine's udev rules in a mount namespace"),
    pytest.mark.skipif(shutil.which("umockdev-run") is None, reason="needs umockdev (script/setup --test)"),
    pytest.mark.skipif(shutil.which("udevadm") is None, reason="needs udev (script/setup --test)"),
]

_USB = "/devices/pci0000:00/0000:00:14.0/usb1/1-4"
_RECORDER = f"{_USB}/1-4:1.0/host6/target6:0:0/6:0:0:0/block/sda"
_CARD_PARTITION = f"{_RECORDER}/sda1"
_BURNER = f"{_USB}/1-4:1.0/host7/target7:0:0/7:0:0:0/block/sr0"
_BUILT_IN = "/devices/pci0000:00/0000:00:1f.2/ata1/block/sdb"
_STICK_INPUT = f"{_USB}/1-4:1.1/input/input7"

_DEVICES = f"""\
P: {_USB}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: DEVNAME=bus/usb/001/004
A: idVendor=4255
A: idProduct=0001

P: {_RECORDER}
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=sda
E: MAJOR=8
E: MINOR=0

P: {_CARD_PARTITION}
E: SUBSYSTEM=block
E: DEVTYPE=partition
E: DEVNAME=sda1
E: MAJOR=8
E: MINOR=1
A: partition=1

P: {_BURNER}
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=sr0
E: MAJOR=11
E: MINOR=0

P: {_BUILT_IN}
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=sdb
E: MAJOR=8
E: MINOR=16

P: {_STICK_INPUT}
E: SUBSYSTEM=input
"""

# Only our rules and this machine's own are read, and udev's database is written into the namespace's /run.
_ALONE = ("unshare", "--mount", "--propagation=private")
_IN_PRIVATE = (
    'mount -t tmpfs t /run && mkdir -p /run/udev/rules.d && cp "$1"/*.rules /run/udev/rules.d/ && shift && exec "$@"'
)


def properties(device: str, rules: Path, devices: Path) -> dict[str, str]:
    """Return the properties udev gives a device, and with key `errors` what it says against the rules."""
    made_up = ["umockdev-run", "--device", str(devices), "--"]
    asked = ["udevadm", "test", "--action=add", f"/sys{device}"]
    done = subprocess.run(
        [*_ALONE, "sh", "-c", _IN_PRIVATE, "sh", str(rules), *made_up, *asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    found = dict(line.split("=", 1) for line in said.splitlines() if line.split("=", 1)[0].isupper() and "=" in line)
    found["errors"] = "\n".join(
        line for line in said.splitlines() if "/run/udev/rules.d/7" in line and "Reading" not in line
    )
    return found


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    file = tmp_path / "devices.umockdev"
    file.write_text(_DEVICES, encoding="ascii")
    return file


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    shutil.copy(FOLDER / "udev/70-evidock.rules", folder)
    return folder


@pytest.mark.parametrize("device", [_RECORDER, _CARD_PARTITION])
def test_a_disk_on_usb_is_marked_as_a_dock(device: str, rules: Path, devices: Path) -> None:
    found = properties(device, rules, devices)
    assert found["EVIDOCK_DOCK"] == "1"
    assert "evidock" in found["TAGS"].split(":")
    assert "UDISKS_IGNORE" not in found, "an option, and not taken here"
    assert found["errors"] == ""


@pytest.mark.parametrize("device", [_BURNER, _BUILT_IN, _STICK_INPUT])
def test_burners_built_in_disks_and_keyboards_are_no_docks(device: str, rules: Path, devices: Path) -> None:
    found = properties(device, rules, devices)
    assert "EVIDOCK_DOCK" not in found
    assert "evidock" not in found.get("TAGS", "").split(":")


def test_desktop_keeps_its_hands_off_a_dock_where_that_was_chosen(rules: Path, devices: Path) -> None:
    shutil.copy(FOLDER / "udev/71-evidock-no-automount.rules", rules)
    assert properties(_RECORDER, rules, devices)["UDISKS_IGNORE"] == "1"
    assert "UDISKS_IGNORE" not in properties(_BUILT_IN, rules, devices)


def test_a_rule_of_the_sites_own_takes_a_port_out(rules: Path, devices: Path) -> None:
    (rules / "72-site.rules").write_text(f'DEVPATH=="{_USB}/*", ENV{{EVIDOCK_DOCK}}="0"\n', encoding="ascii")
    assert properties(_RECORDER, rules, devices)["EVIDOCK_DOCK"] == "0"


def test_rules_start_nothing() -> None:
    for file in (FOLDER / "udev").iterdir():
        keys = {
            word
            for line in file.read_text(encoding="utf-8").splitlines()
            if not line.startswith("#")
            for word in line.split()
        }
        assert not [word for word in keys if word.startswith(("RUN", "PROGRAM", "IMPORT"))]
