"""What can go wrong while footage is taken from a recorder, as the families that tell the caller what to do."""

import errno
from typing import Final

from evidence_model.errors import ConflictError, DamageError, RefusedError, UnavailableError
from evidence_model.sizes import people_size


class AgentRunningError(ConflictError):
    """The agent of this home runs; ask it by a request instead of working beside it."""

    code = "EDGE-001"


class StopRequestedError(UnavailableError):
    """The program was told to stop; what was copied so far is kept, the next docking goes on from there."""

    code = "EDGE-002"


class MountFailedError(UnavailableError):
    """A recorder's volume cannot be mounted read-only."""

    code = "EDGE-003"


class UnknownVolumeError(UnavailableError):
    """The volume's file system is none that is mounted here (encrypted, foreign, destroyed)."""

    code = "EDGE-004"


class MalformedRequestError(RefusedError):
    """A request file does not say which folder is to be docked."""

    code = "EDGE-005"


class OwnFolderError(RefusedError):
    """What was to be docked is this home itself, or holds it: its spool would be pulled into its spool."""

    code = "EDGE-006"


class SessionFailedError(UnavailableError):
    """A docking ended by a mistake of ours; nothing sealed is touched, docking again goes on."""

    code = "EDGE-009"


_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def refuse_if_exhausted(error: OSError) -> None:
    """Return unless an error tells of this machine alone: no descriptor or memory is left.

    Raises:
        SessionFailedError: it does; nothing of it is to be said of a recorder or a disk.
    """
    if error.errno in _EXHAUSTED:
        raise SessionFailedError(f"{error.strerror}: this station has too much to do at once") from error


class NoRoomError(UnavailableError):
    """The spool has no room for a file; nothing is evicted, pulling goes on by itself when there is room."""

    code = "EDGE-101"

    def __init__(self, *, needed_bytes: int, free_bytes: int, reserve_bytes: int) -> None:
        self.needed_bytes, self.free_bytes, self.reserve_bytes = needed_bytes, free_bytes, reserve_bytes
        super().__init__(
            f"spool: {people_size(needed_bytes)} needed, {people_size(max(free_bytes, 0))} free beyond the reserve of "
            f"{people_size(reserve_bytes)}; waiting until the store has taken what lies here"
        )


class SpoolWriteError(DamageError):
    """Our own disk did not take the bytes; the copy is dropped, the recorder still has them."""

    code = "EDGE-102"


class SpoolCopyDamagedError(DamageError):
    """The spool copy reads differently from what was written; it is quarantined and the file is pulled anew."""

    code = "EDGE-103"
