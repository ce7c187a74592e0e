"""What pulling needs from the world: a recorder's files, and a way to wait that ends when told to stop."""

import os
from pathlib import Path
from typing import Protocol


class SourceFile(Protocol):
    """One file of a recorder, open for reading."""

    def read_at(self, view: memoryview, offset: int) -> int:
        """Fill `view` from `offset` on and return how many bytes came; 0 only at the end of the file.

        May be repeated at any offset.

        Raises:
            OSError: as the file system says (EIO for a bad sector, ENODEV for a device pulled out …).
        """
        ...

    def status(self) -> os.stat_result:
        """Return size and stamps as they are now."""
        ...

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        ...


class SourceVolume(Protocol):
    """A docked recorder's files by raw path."""

    @property
    def place(self) -> Path:
        """Where it is docked, for people."""
        ...

    def open_source(self, raw_path: bytes) -> SourceFile:
        """Open a regular file; no link is followed.

        Raises:
            UnsafePathError: the path leads out of the volume or is no regular file.
            OSError: as the file system says.
        """
        ...

    def stat_file(self, raw_path: bytes) -> os.stat_result:
        """Look at a file without opening it.

        Raises:
            UnsafePathError: the path leads out of the volume.
            OSError: as the file system says.
        """
        ...

    def check_present(self) -> None:
        """Return if the recorder is still there.

        Raises:
            VolumeGoneError: it went away; whatever was just read or listed says nothing.
        """
        ...


class Patience(Protocol):
    """Waiting that ends early when the program is told to stop; `threading.Event` is one."""

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds and return False; return True at once when told to stop."""
        ...

    def is_set(self) -> bool:
        """Say whether the program was told to stop."""
        ...
