"""A real systemd as PID 1 on this machine's own files, with every write thrown away: no image to build, no VM.

The files are an overlay of `/` on a tmpfs, mounted in a mount namespace of its own, so that nothing is left behind
even if the test run is killed. In there: units, users, sandbox, watchdog, journal. Not in there: udev and disks, so
mounting a recorder is proved elsewhere (tests/end_to_end/qemu).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tests.installed_copy import copy_packages

_BOOT_SECONDS = 60.0
# In a mount namespace of its own; and the container must not outlive a test run that is killed.
_ALONE = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private")
_MADE_AND_BOOTED = """
set -e
mount -t tmpfs -o mode=0755 evidock-test "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" evidock-test "$1/root"
rm -f "$1/root/etc/machine-id"; : > "$1/root/etc/machine-id"
root=$1; shift
exec systemd-nspawn --quiet --directory="$root/root" "$@" /lib/systemd/systemd systemd.unit=basic.target
"""

_SURROUNDINGS: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "env": {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"},
}


class NoMachineError(Exception):
    """Here no systemd can be booted in a container; says why."""


class Machine:
    """One container: make it, `boot` it, and let a `with` end it."""

    def __init__(self, folder: Path, *, read_only: Sequence[tuple[Path, str]] = (), allowed_calls: str = "") -> None:
        self._log = folder / "nspawn.log"
        place = folder / "machine"
        place.mkdir(parents=True)
        arguments = [
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--console=pipe",
            f"--machine=ev{os.getpid()}",
        ]
        arguments += [f"--bind-ro={here}:{there}" for here, there in read_only]
        if allowed_calls:
            arguments.append(f"--system-call-filter={allowed_calls}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_ALONE, "sh", "-c", _MADE_AND_BOOTED, "sh", str(place), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.leader = 0

    @staticmethod
    def missing() -> str:
        """Return what this machine lacks for it, or nothing."""
        if os.geteuid() != 0:
            return "needs root"
        absent = [name for name in ("systemd-nspawn", "nsenter", "unshare", "setpriv") if shutil.which(name) is None]
        return f"needs {', '.join(absent)} (script/setup --test)" if absent else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end()

    def boot(self) -> None:
        """Return when the container's basic.target is reached.

        Raises:
            NoMachineError: that cannot be done on this machine.
        """
        try:
            wait_for(self._booted, seconds=_BOOT_SECONDS, what="basic.target")
        except NotYetError as error:
            raise NoMachineError(self._last_words()) from error

    def run(
        self, *command: str, user: str = "root", seconds: float = 60.0, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and return what it said; with `check`, its failure is the test's."""
        done = subprocess.run(
            self._inside(command, user), capture_output=True, text=True, timeout=seconds, check=False, **_SURROUNDINGS
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *command: str, user: str = "root") -> "subprocess.Popen[bytes]":
        """Start a command inside and do not wait for it; its words are thrown away."""
        return subprocess.Popen(
            self._inside(command, user), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_SURROUNDINGS
        )

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """Return what a unit said, for the text of a failure."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--lines=80", "--unit", unit, check=False).stdout

    def path(self, inside: str) -> Path:
        """Return where a file of the container is seen from outside."""
        return Path(f"/proc/{self.leader}/root") / inside.lstrip("/")

    def _inside(self, command: Sequence[str], user: str) -> list[str]:
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return ["nsenter", f"--target={self.leader}", "--all", "env", "--chdir=/", *become, *command]

    def _booted(self) -> bool:
        if self._process.poll() is not None:
            raise NoMachineError(self._last_words())
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self.leader = int(children[0])
        return self.run("systemctl", "is-active", "--quiet", "basic.target", check=False).returncode == 0

    def _end(self) -> None:
        self._process.terminate()  # nspawn asks its systemd to power off
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "systemd-nspawn said nothing"


class NotYetError(AssertionError):
    """What was waited for did not come true in time."""


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Wait until the condition holds and return how long that took.

    Raises:
        NotYetError: it did not within so many seconds.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise NotYetError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
    return time.monotonic() - started


PYTHON = "/opt/evidock-python"


def bound_python() -> list[tuple[Path, str]]:
    """Return what of this Python a container must see under another name: a home folder is closed to the units."""
    return [] if sys.base_prefix.startswith("/usr") else [(Path(sys.base_prefix), PYTHON)]


def install_evidock(machine: Machine, wheel: Path) -> None:
    """Make /opt/evidock inside as the guide does, with copies of the packages that are installed here."""
    version = f"python3.{sys.version_info.minor}"
    base = f"/usr/bin/{version}"
    if not sys.base_prefix.startswith("/usr"):
        base = f"{PYTHON}/bin/{version}"
        machine.path("/etc/ld.so.conf.d/evidock-python.conf").write_text(f"{PYTHON}/lib\n", encoding="ascii")
        machine.run("ldconfig")
    machine.run(base, "-m", "venv", "--without-pip", "/opt/evidock")
    copy_packages(machine.path("/opt/evidock"))
    inside = f"/opt/{wheel.name}"
    shutil.copyfile(wheel, machine.path(inside))
    pip = ["/opt/evidock/bin/python", "-m", "pip", "install", "--quiet", "--root-user-action=ignore"]
    machine.run(*pip, "--no-index", "--no-deps", inside, seconds=120)
