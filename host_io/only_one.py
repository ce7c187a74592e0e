"""At most one process does a thing: an advisory lock that ends with its holder, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evidence_model.errors import EvidockError


@contextmanager
def only_one(path: Path, error: Callable[[], EvidockError]) -> Iterator[None]:
    """Hold the lock file while the block runs; raises what `error` makes if somebody else holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise error() from None
        yield
    finally:
        os.close(fd)
