"""Is a lock file held? Asked of the kernel, without taking the lock where that can be avoided."""

import fcntl
import os
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Say whether a process holds the lock file, without taking it if the kernel tells (a program may be starting)."""
    try:
        facts = path.stat()
    except OSError:
        return False
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return _is_locked_by_trying(path)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    held = {line.split()[5] for line in locks if " FLOCK " in line and "->" not in line}
    if place in held:
        return True
    # btrfs and overlayfs (containers) give stat another device number than the kernel's list of locks
    return (not locks or any(each.rsplit(":", 1)[-1] == str(facts.st_ino) for each in held)) and _is_locked_by_trying(
        path
    )


def _is_locked_by_trying(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)
