"""Run inside a unit in place of its program: tries what the sandbox should allow and refuse, prints what happened.

One JSON object on standard output: attempt → "ok", or the name of the error. Nothing of the project is imported.
"""

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

HOME = Path("/var/lib/evidock")
_LIBC = ctypes.CDLL(None, use_errno=True)
_SPACE = ctypes.c_byte * 4096  # zeroed room for a struct that a system call reads


def main() -> int:
    """Try everything once."""
    attempts: dict[str, Callable[[], object]] = {
        "write /etc": lambda: _write(Path("/etc/evidock-probe")),
        "write /usr": lambda: _write(Path("/usr/evidock-probe")),
        "write /opt/evidock": lambda: _write(Path("/opt/evidock/evidock-probe")),
        "write /var/lib": lambda: _write(Path("/var/lib/evidock-probe")),
        "write /home": lambda: _write(Path("/home/evidock-probe")),
        "write own home": lambda: _write(HOME / "probe"),
        "write keys": lambda: _write(HOME / "keys/probe"),
        "write evidock.toml": lambda: _write(HOME / "evidock.toml"),
        "write vault": lambda: _write(HOME / "vault/sha256/probe"),
        "write vault/incoming": lambda: _write(HOME / "vault/incoming/probe"),
        "write log": lambda: _write(HOME / "log/probe"),
        "write spool": lambda: _write(HOME / "spool/footage/probe"),
        "read log key": lambda: _read(HOME / "keys/log.key"),
        "read configuration": lambda: _read(HOME / "evidock.toml"),
        "read boot id": lambda: _read(Path("/proc/sys/kernel/random/boot_id")),
        "list a private home": lambda: list(Path("/home/officer").iterdir()),
        "link spool to vault": _link,
        "internet socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "udev socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
        "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "mount": lambda: _call(_LIBC.mount(b"probe", b"/run", b"tmpfs", 0, None)),
        "make a namespace": lambda: _call(_LIBC.unshare(0x00020000)),
        "become root": lambda: os.setuid(0),
        "read the clock's state": lambda: _call(min(0, _LIBC.adjtimex(_SPACE()))),
        "set the clock": lambda: _call(_LIBC.clock_settime(0, _SPACE())),
        "trace another process": lambda: _call(_LIBC.ptrace(16, os.getppid(), None, None)),
        "writable and executable memory": _writable_code,
        "make a device": lambda: os.mknod(HOME / "probe-device", 0o60600, os.makedev(8, 0)),
        "load a driver": lambda: _call(_LIBC.syscall(313, -1, b"", 0)),
    }
    json.dump({name: _outcome(attempt) for name, attempt in attempts.items()}, sys.stdout)
    return 0


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def _write(path: Path) -> None:
    with path.open("ab"):  # appends nothing: what is there stays as it is
        pass


def _read(path: Path) -> None:
    if not path.read_bytes():  # what InaccessiblePaths= puts there can be opened with CAP_DAC_READ_SEARCH, and is empty
        raise OSError(errno.ENODATA, "empty")


def _link() -> None:
    source, target = HOME / "spool/footage/probe-link", HOME / "vault/incoming/probe-link"
    source.write_bytes(b"one")
    os.link(source, target)
    target.unlink()


def _writable_code() -> None:
    import mmap  # noqa: PLC0415 - its only use

    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _call(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


if __name__ == "__main__":
    sys.exit(main())
