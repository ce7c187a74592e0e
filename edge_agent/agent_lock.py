"""One agent a home: a lock on `run/agent.lock` that dies with its process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edge_agent.errors import AgentRunningError
from host_io.config import HomePaths


@contextmanager
def agent_lock(paths: HomePaths) -> Iterator[None]:
    """Hold the home's agent lock for the block.

    Raises:
        AgentRunningError: another process holds it.
    """
    paths.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(paths.run / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AgentRunningError(f"{paths.root}: the agent of this home runs; ask it, or stop it first") from None
        yield
    finally:
        os.close(fd)  # the lock goes with the descriptor


def agent_is_running(paths: HomePaths) -> bool:
    """Say whether a process holds the home's agent lock."""
    try:
        fd = os.open(paths.run / "agent.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
