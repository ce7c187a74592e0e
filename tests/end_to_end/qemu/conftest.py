"""A guest in which the shipped units run, ready to have recorders plugged in; built once, resumed for each test."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.qemu.guest import Guest, missing_programs
from tests.installed_copy import REPOSITORY, copy_packages

_HERE = Path(__file__).parent
_BUILT = REPOSITORY / ".work/qemu-guest"
_PROGRAMS = (
    *("qemu-system-x86_64", "qemu-img", "mmdebstrap", "busybox", "modprobe", "cpio", "zstd", "mke2fs", "sfdisk"),
    *("mkfs.vfat", "mcopy", "mkfs.exfat", "mount.exfat-fuse"),
)
_OFFLINE = ("wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
_PAYLOAD_MIB = 256
_ENTRY = """#!/opt/evidock/bin/python
import sys
from operator_cli.main import main
sys.exit(main())
"""
_INSTALL = """
set -e
mkdir -p /payload && mount -o ro /dev/vdb /payload
python3 -m venv --without-pip /opt/evidock
cp -a /payload/evidock/. /opt/evidock/
/payload/systemd/install-units 2>&1
udevadm control --reload
"""
_START = """
set -e
runuser -u evidock -- /opt/evidock/bin/evidock --home /var/lib/evidock init --role workstation
systemctl start evidock.target
"""


@dataclass(frozen=True, slots=True)
class ReadyGuest:
    """What a test resumes: all four services are active, nothing is plugged in."""

    image: Path
    root: Path
    payload: Path
    memory: Path

    def resume(self) -> Guest:
        """Go on from there; what the test does is thrown away."""
        return Guest(self.image, root=self.root, payload=self.payload, kept=False, state=self.memory)


@pytest.fixture(scope="session")
def ready_guest(tmp_path_factory: pytest.TempPathFactory) -> ReadyGuest:
    """Build the guest unless there is one, boot it, install Evidock as the guide says, and keep its memory."""
    if os.geteuid() != 0:
        pytest.skip("needs root: builds a guest")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("needs Python 3.11, as the guest's: its packages are copies of those here")
    if absent := missing_programs(_PROGRAMS):
        packages = "qemu-system-x86 qemu-utils mmdebstrap busybox-static kmod cpio zstd e2fsprogs fdisk"
        pytest.skip(f"needs {', '.join(absent)}: apt-get install {packages} dosfstools mtools exfatprogs exfat-fuse")
    folder = tmp_path_factory.mktemp("guest")
    image = _image()
    ready = ReadyGuest(image, folder / "root.qcow2", folder / "payload.img", folder / "memory")
    _make_payload(ready.payload, folder)
    base = ("-b", str(image / "root.img"), "-F", "raw")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, str(ready.root)], check=True)
    with Guest(image, root=ready.root, payload=ready.payload, kept=True) as guest:
        guest.out(_INSTALL, seconds=300)
        guest.out(_START, seconds=300)
        guest.out("systemctl is-active evidock-broker evidock-store evidock-ingest evidock-agent")
        guest.keep_memory(ready.memory)
    return ready


@pytest.fixture
def guest(ready_guest: ReadyGuest) -> Iterator[Guest]:
    """Resume the guest for one test."""
    with ready_guest.resume() as guest:
        yield guest


def _image() -> Path:
    """Return the guest's kernel and disk, made anew when what they are made by has changed."""
    script = _HERE / "build-guest"
    recipe = hashlib.sha256(script.read_bytes() + (_HERE / "guest_commands.py").read_bytes()).hexdigest()[:16]
    image = _BUILT / recipe
    if not (image / "root.img").exists():
        part = _BUILT / f"{recipe}.part"
        shutil.rmtree(part, ignore_errors=True)
        done = subprocess.run([str(script), str(part)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        part.rename(image)
    return image


def _make_payload(payload: Path, folder: Path) -> None:
    """Make a disk with our wheel and the packages it needs, laid out for /opt/evidock, and the systemd folder."""
    content = folder / "payload"
    venv = content / "evidock"
    copy_packages(venv)
    made = folder / "wheel"
    pip = [sys.executable, "-m", "pip", *_OFFLINE, "--wheel-dir", str(made), str(REPOSITORY)]
    subprocess.run(pip, check=True)
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(venv / "lib/python3.11/site-packages")
    entry = venv / "bin/evidock"
    entry.parent.mkdir(exist_ok=True)
    entry.write_text(_ENTRY, encoding="ascii")
    entry.chmod(0o755)
    shutil.copytree(REPOSITORY / "systemd", content / "systemd")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(content), str(payload), f"{_PAYLOAD_MIB}M"], check=True)
    shutil.rmtree(content)
