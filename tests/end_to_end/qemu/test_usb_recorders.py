"""Real USB sticks in a real kernel under the shipped units: plugged, pulled out in mid-copy, with a bad sector.

The only place where USB, FAT and exFAT drivers, udev, the agent's right to mount and its device list meet.
"""

import hashlib
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from operator_cli.simulated_recorder import NoFfmpegError, make_recorder
from tests.end_to_end.qemu.guest import Guest, wait_for
from tests.end_to_end.qemu.recorder_images import Layout, make_image

pytestmark = [pytest.mark.full, pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

_HOME = "/var/lib/evidock"
_AGENT_WORDS = "journalctl --no-pager -o cat -u evidock-agent"
_QUERY = """
import json, sqlite3
db = sqlite3.connect("file:/var/lib/evidock/station.db?mode=ro", uri=True)
items = db.execute("select raw_path, lower(hex(digest)), size_bytes, state from item_state").fetchall()
sessions = db.execute("select state, problem, port_path, recorder_id from session order by started_unix_ms").fetchall()
print(json.dumps({"items": [[path.decode(), *rest] for path, *rest in items], "sessions": sessions}))
"""


def station(guest: Guest) -> dict[str, Any]:
    """Return items and sessions of the station in the guest."""
    found: dict[str, Any] = json.loads(guest.out(f"/opt/evidock/bin/python -I -c '{_QUERY}'"))
    return found


def receipted(guest: Guest) -> dict[str, str]:
    """Return path → digest of all files that the store has receipted."""
    return {path: digest for path, digest, _, state in station(guest)["items"] if state == "receipted"}


def wait_receipted(guest: Guest, count: int, *, seconds: float = 240) -> None:
    try:
        wait_for(lambda: len(receipted(guest)) >= count, seconds=seconds, what=f"{count} receipts")
    except AssertionError as error:
        words = guest.run("journalctl --no-pager -o cat -n 60 -u evidock-agent; lsblk; dmesg | tail -20").out
        raise AssertionError(f"{error}: {station(guest)}\n{words}") from error


def digests(folder: Path) -> dict[str, str]:
    """Return path → digest of all files below the folder."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tree of a recorder."""
    folder = tmp_path_factory.mktemp("footage") / "recorder"
    try:
        make_recorder(folder, now=datetime(2026, 11, 22, 9, 0, tzinfo=UTC))
    except NoFfmpegError as error:
        pytest.skip(f"needs ffmpeg (script/setup): {error}")
    return folder


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("fs_type", ["vfat", "exfat"])
def test_plugged_recorder_is_pulled_and_not_one_byte_of_it_changes(
    guest: Guest, footage: Path, tmp_path: Path, fs_type: str, layout: Layout
) -> None:
    image = tmp_path / "recorder.img"
    make_image(image, footage, fs_type=fs_type, layout=layout)
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    expected = {path: digest for path, digest in digests(footage).items() if path.startswith(("DCIM", "IMP", "AUDIO"))}
    guest.plug(image, serial="YZ0012345", writable=True)
    wait_receipted(guest, len(expected))
    pulled = receipted(guest)
    assert {path: pulled.get(path) for path in expected} == expected
    assert guest.out("cat /proc/mounts | grep -c ' /var/lib/evidock/run/slots' || true") == "0", (
        "in the agent's view only"
    )
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before


def freeing_guest(guest: Guest, footage: Path, image: Path, *, allowed: bool) -> None:
    """Plug a writable recorder into a station that wants to free it, with or without the drop-in that lets it."""
    make_image(image, footage, fs_type="vfat", layout=Layout.WHOLE)
    guest.out(f"sed -i 's/^free_recorders = false/free_recorders = true/' {_HOME}/evidock.toml")
    if allowed:
        place = "/etc/systemd/system/evidock-agent.service.d"
        guest.out(
            f"install -D -m 644 -t {place} /payload/systemd/drop-ins/free-recorders.conf; systemctl daemon-reload"
        )
    guest.out("systemctl restart evidock-agent.service")
    guest.plug(image, serial="YZ0012345", writable=True)


def on_the_image(image: Path) -> set[str]:
    """Return the names of the files in the image's DCIM folder."""
    said = subprocess.run(["mdir", "-b", "-i", str(image), "::/DCIM"], capture_output=True, text=True, check=True)
    return set(said.stdout.split())


def test_recorder_is_freed_where_site_and_unit_allow_it(guest: Guest, footage: Path, tmp_path: Path) -> None:
    image = tmp_path / "recorder.img"
    freeing_guest(guest, footage, image, allowed=True)
    wait_for(lambda: "recorder.freed" in guest.out(_AGENT_WORDS), seconds=240, what="the recorder to be freed")
    states = {path: state for path, _, _, state in station(guest)["items"]}
    assert {state for path, state in states.items() if path.startswith("DCIM")} == {"freed"}
    assert on_the_image(image) == set()
    vault = set(guest.out(f"find {_HOME}/vault/sha256 -type f -printf '%f\\n'").split())
    assert set(digests(footage / "DCIM").values()) <= vault


def test_recorder_is_not_freed_by_configuration_alone(guest: Guest, footage: Path, tmp_path: Path) -> None:
    image = tmp_path / "recorder.img"
    freeing_guest(guest, footage, image, allowed=False)
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    wait_for(lambda: "recorder.not-freed" in guest.out(_AGENT_WORDS), seconds=240, what="the agent to try")
    assert "freed" not in {state for *_, state in station(guest)["items"]}
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before


def test_agent_cannot_write_to_the_recorder_it_reads(guest: Guest, footage: Path, tmp_path: Path) -> None:
    """The kernel refuses, by the unit's device list; the same open for reading is what the agent does all the time."""
    image = tmp_path / "recorder.img"
    make_image(image, footage, fs_type="vfat", layout=Layout.WHOLE)
    guest.plug(image, serial="YZ0012345")
    guest.out("udevadm settle; until [ -b /dev/sda ]; do sleep 0.2; done")
    pid = guest.out("systemctl show --value -p MainPID evidock-agent.service")
    cgroup = guest.out(f"cut -d: -f3 /proc/{pid}/cgroup")
    enter = f"echo $$ >/sys/fs/cgroup{cgroup}/cgroup.procs"
    assert guest.run(f"{enter}; head -c 512 /dev/sda >/dev/null").code == 0
    refused = guest.run(f"{enter}; printf x | dd of=/dev/sda conv=notrunc status=none")
    assert refused.code != 0
    assert "Operation not permitted" in refused.err


def test_memory_limit_of_each_service_is_in_force(guest: Guest) -> None:
    """Only a machine with all of cgroup v2 can show it, which the container of tests/systemd is not everywhere."""
    for service, limit_mib in (("agent", 1024), ("ingest", 512), ("store", 2048), ("broker", 1024)):
        folder = f"/sys/fs/cgroup/system.slice/evidock-{service}.service"
        assert int(guest.out(f"cat {folder}/memory.max")) == limit_mib << 20, service
        assert int(guest.out(f"cat {folder}/memory.current")) < limit_mib << 18, f"{service}: a quarter of it at rest"


def test_recorder_pulled_out_in_mid_copy_is_finished_when_it_comes_back(guest: Guest, tmp_path: Path) -> None:
    tree = tmp_path / "tree/DCIM"
    tree.mkdir(parents=True)
    for number in range(3):
        piece = hashlib.sha256(bytes([number])).digest()
        (tree / f"VID_{number:04}.MP4").write_bytes(
            b"".join(hashlib.sha256(piece + bytes([n % 251])).digest() * 2048 for n in range(192))
        )
    image = tmp_path / "recorder.img"
    make_image(image, tree.parent, fs_type="exfat", layout=Layout.PARTITION, size_mib=128)
    slow = guest.plug(image, serial="YZ0012345", bytes_per_second=4 << 20)
    copying = f"ls -s {_HOME}/spool/incoming | awk 'NR > 1 && $1 > 3000'"
    wait_for(lambda: bool(guest.run(copying).out.strip()), seconds=120, what="a file to be half copied")
    guest.unplug(slow)
    wait_for(
        lambda: station(guest)["sessions"][-1][0] in {"interrupted", "failed"}, seconds=60, what="the session's end"
    )
    assert station(guest)["sessions"][-1][0] == "interrupted"
    guest.plug(image, serial="YZ0012345")
    wait_receipted(guest, 3)
    assert receipted(guest) == digests(tree.parent)
    recorders = {recorder for *_, recorder in station(guest)["sessions"]}
    assert len(recorders) == 1, "the same recorder both times"


def test_bad_sector_costs_its_own_file_only(guest: Guest, tmp_path: Path) -> None:
    tree = tmp_path / "tree/DCIM"
    tree.mkdir(parents=True)
    names = [f"VID_{number:04}.MP4" for number in range(3)]
    for number, name in enumerate(names):
        (tree / name).write_bytes(hashlib.sha256(bytes([number, 7])).digest() * 32768)
    image = tmp_path / "recorder.img"
    make_image(image, tree.parent, fs_type="vfat", layout=Layout.WHOLE)
    whole = image.read_bytes()
    start = whole.index((tree / names[1]).read_bytes()[:4096])
    guest.plug(image, serial="YZ0012345", bad_sector=(start + (512 << 10)) // 512)
    wait_receipted(guest, 3, seconds=300)
    pulled, expected = receipted(guest), digests(tree.parent)
    same = {path for path in expected if pulled.get(path) == expected[path]}
    assert same == {f"DCIM/{names[0]}", f"DCIM/{names[2]}"}
    assert f"DCIM/{names[1]}" in pulled, "pulled all the same, with a map of its holes"
