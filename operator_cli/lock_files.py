"""Is a lock file held? Asked of the kernel, without taking the lock where that can be avoided."""

import fcntl
import os
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Say whether a process holds the lock file.

    The kernel's list is asked first, so that a lock that is held is never touched. The list may leave out an entry
    while it changes, so a lock that is not in it is tried for an instant, shared.
    """
    try:
        facts = path.stat()
        place = f" {os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino} "
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        locks, place = [], " "
    return any(" FLOCK " in line and place in line for line in locks) or _is_locked_by_trying(path)


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
