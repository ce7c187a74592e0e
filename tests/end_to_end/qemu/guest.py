"""Drives a QEMU guest: boots or resumes it, runs commands, plugs in USB sticks and pulls them out.

Always plain emulation (TCG): there are machines with a /dev/kvm on which a guest never gets past its decompressor, so
"KVM where it is" would hang. Booted once, the guest's memory is kept; a test then starts from there in a second.
"""

import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_MEMORY_MIB = 1024
_KERNEL_LINE = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on systemd.show_status=no"


class GuestError(AssertionError):
    """The guest or QEMU did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command in the guest ended."""

    code: int
    out: str
    err: str


class Guest:
    """One running guest; use it in a `with`, which ends it."""

    def __init__(self, image: Path, *, root: Path, payload: Path, kept: bool, state: Path | None = None) -> None:
        """Start QEMU.

        Args:
            image: folder with vmlinuz and initrd.
            root: the guest's disk, qcow2.
            payload: a raw disk handed in, read-only.
            kept: writes go into `root`; else they are thrown away.
            state: go on from this memory, which must fit `root`.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="guest-"))
        snapshot = "off" if kept else "on"
        command = [
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35,usb=off"),
            *("-m", str(_MEMORY_MIB), "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{self._folder}/serial.log"),
            *("-qmp", f"unix:{self._folder}/qmp,server=on,wait=off"),
            *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", _KERNEL_LINE),
            *("-drive", f"if=none,id=root,cache=unsafe,snapshot={snapshot},file={root},format=qcow2"),
            *("-device", "virtio-blk-pci,drive=root"),
            *("-drive", f"if=none,id=payload,readonly=on,file={payload},format=raw"),
            *("-device", "virtio-blk-pci,drive=payload"),
            *("-device", "qemu-xhci,id=xhci,p2=8,p3=8", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=commands,path={self._folder}/commands,server=on,wait=off"),
            *("-device", "virtserialport,chardev=commands,name=commands"),
        ]
        if state is not None:
            command += ["-incoming", f"exec:cat {state}"]
        with (self._folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._numbers = itertools.count()
        self._connections: list[socket.socket] = []
        try:
            self._qmp = _LineSocket(self._connect("qmp"))
            self._qmp.read(seconds=30)
            self.qmp("qmp_capabilities")
            self._commands = _LineSocket(self._connect("commands"))
            if state is None:
                self._commands.read(seconds=300)  # "up"
            else:
                wait_for(lambda: self.qmp("query-status")["status"] != "inmigrate", seconds=60, what="the memory")
                self.qmp("cont")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ commands
    def run(self, command: str, *, seconds: float = 120.0) -> Said:
        """Run a shell command in the guest and return how it ended."""
        self._commands.write({"command": command, "seconds": str(seconds)})
        answer = self._commands.read(seconds=seconds + 60)
        return Said(int(answer["code"]), str(answer["out"]), str(answer["err"]))

    def out(self, command: str, *, seconds: float = 120.0) -> str:
        """Run a command that must succeed and return what it said."""
        said = self.run(command, seconds=seconds)
        if said.code != 0:
            raise GuestError(f"{command} → {said.code}\n{said.out}\n{said.err}")
        return said.out.strip()

    # ------------------------------------------------------------------------------------------------ USB
    def plug(
        self,
        image: Path,
        *,
        serial: str,
        bytes_per_second: int = 0,
        bad_sector: int | None = None,
        writable: bool = False,
    ) -> str:
        """Plug in a USB stick with this content; returns its name for `unplug`.

        Args:
            image: a raw disk.
            serial: the USB serial number.
            bytes_per_second: a slow stick; 0 is as fast as it goes.
            bad_sector: reading this sector fails, every time.
            writable: as a recorder is; else even QEMU would refuse a write.
        """
        name = f"usb{next(self._numbers)}"
        file: dict[str, object] = {"driver": "file", "filename": str(image), "read-only": not writable}
        if bad_sector is not None:
            fault = {"event": "none", "iotype": "read", "sector": bad_sector, "errno": 5, "once": False}
            file = {"driver": "blkdebug", "image": file, "inject-error": [fault], "read-only": not writable}
        node: dict[str, object] = {"driver": "raw", "file": file, "read-only": not writable}
        if bytes_per_second:
            limits = {"bps-read": bytes_per_second, "bps-read-max": bytes_per_second}
            self.qmp("object-add", **{"qom-type": "throttle-group", "id": f"{name}-pace", "limits": limits})
            node = {"driver": "throttle", "throttle-group": f"{name}-pace", "file": node, "read-only": not writable}
        self.qmp("blockdev-add", **{**node, "node-name": f"{name}-node"})
        self.qmp(
            "device_add",
            driver="usb-storage",
            id=name,
            bus="xhci.0",
            drive=f"{name}-node",
            serial=serial,
            removable=True,
        )
        return name

    def unplug(self, name: str) -> None:
        """Pull the stick out, whatever is going on."""
        self.qmp("device_del", id=name)

    # ------------------------------------------------------------------------------------------------ QEMU
    def qmp(self, command: str, **arguments: object) -> Any:
        """Ask QEMU."""
        self._qmp.write({"execute": command, "arguments": arguments})
        while True:
            answer = self._qmp.read(seconds=60)
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def keep_memory(self, place: Path) -> None:
        """Stop the guest and write its memory; another one with the same disk can go on from there."""
        self.qmp("stop")
        self.qmp("migrate", uri=f"exec:cat > {place}")
        wait_for(lambda: self.qmp("query-migrate").get("status") == "completed", seconds=120, what="the memory's copy")

    def close(self) -> None:
        """End QEMU."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for connection in self._connections:
            connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self, name: str) -> socket.socket:
        path = self._folder / name
        wait_for(lambda: path.exists() or self._process.poll() is not None, seconds=30, what=f"QEMU's {name}")
        if self._process.poll() is not None:
            raise GuestError((self._folder / "qemu.log").read_text(errors="replace"))
        connection = socket.socket(socket.AF_UNIX)
        self._connections.append(connection)
        connection.connect(os.fspath(path))
        return connection


class _LineSocket:
    """JSON objects, a line each, both ways."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting = b""

    def write(self, message: Mapping[str, object]) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def read(self, *, seconds: float) -> dict[str, Any]:
        self._connection.settimeout(seconds)
        while b"\n" not in self._waiting:
            piece = self._connection.recv(65536)
            if not piece:
                raise GuestError("QEMU ended")
            self._waiting += piece
        line, _, self._waiting = self._waiting.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def wait_for(condition: Callable[[], object], *, seconds: float, what: str) -> float:
    """Wait until the condition holds and return how long that took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise GuestError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - started


def missing_programs(names: Sequence[str]) -> list[str]:
    """Return which of these programs are not on this machine."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return [name for name in names if shutil.which(name, path=path) is None]
