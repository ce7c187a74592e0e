"""A real small file system of its own on a loop device, which can lose power: root and mkfs.ext4 needed."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.brokers import wait_for

_FS_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING_THE_LOG = 2


@dataclass
class SmallDisk:
    """An ext4 on a loop device, mounted at `folder`."""

    image: Path
    folder: Path

    def mount(self) -> None:
        """Mount it; what the journal has is replayed."""
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def unmount(self) -> None:
        """Unmount it, as soon as nobody has a file open any more: a child that died may take a moment to let go."""
        wait_for(self._is_unmounted, what=f"{self.folder} to be let go of")

    def _is_unmounted(self) -> bool:
        done = subprocess.run(["umount", str(self.folder)], check=False, capture_output=True, text=True)
        assert done.returncode == 0 or "busy" in done.stderr, done.stderr
        return done.returncode == 0

    def cut_power(self) -> None:
        """Stop the file system as a power cut does: what was not made durable is gone, nothing more is written."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _FS_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_LOG))
        finally:
            os.close(fd)


@contextmanager
def small_disk(image: Path, folder: Path, *, size_bytes: int) -> Iterator[SmallDisk]:
    """Make and mount a file system of so many bytes for the block."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    folder.mkdir(parents=True, exist_ok=True)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    disk = SmallDisk(image, folder)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
