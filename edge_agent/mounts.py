"""Mounts a recorder's volume read-only by our own code, where nobody else looks, and lets go of it again.

Read-only, and without set-uid bits, devices and programs: the recorder is hostile (design.md, promise 5). Options fix
how stamps and names read, so that the machine's zone and locale never leak into evidence. Nothing is repaired: a check
of the file system would alter it. A mount point is used once (`run/slots/<dock>/<session>`), so that a stale mount is
never taken for a new one.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.errors import MountFailedError, UnknownVolumeError
from edge_agent.volume_facts import parse_mountinfo

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_NOATIME = 1, 2, 4, 8, 1024
_HARMLESS: Final = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOATIME
_MNT_DETACH: Final = 2
_FUSE_SECONDS: Final = 20.0
_LIBC = ctypes.CDLL(None, use_errno=True)

# The first set of options that the kernel takes is used; later ones leave out what older kernels do not know.
_OPTIONS: Final = {
    "vfat": ("utf8,iocharset=utf8,tz=UTC", "utf8,tz=UTC"),  # stamps as the recorder's wall clock wrote them
    "msdos": ("tz=UTC",),
    "exfat": ("iocharset=utf8,time_offset=0", "iocharset=utf8"),
    "ext2": ("",),
    "ext3": ("noload",),
    "ext4": ("noload",),  # replaying its journal would write to the card
    "xfs": ("norecovery",),
    "btrfs": ("rescue=nologreplay", ""),
    "f2fs": ("norecovery,disable_roll_forward", ""),
    "ntfs": ("",),
    "ntfs3": ("iocharset=utf8", ""),
    "hfsplus": ("nls=utf8", ""),
    "udf": ("iocharset=utf8", ""),
    "iso9660": ("iocharset=utf8", ""),
}
_ALSO: Final = {"ntfs": ("ntfs3",)}  # names of other drivers for the same format


@contextmanager
def mounted(devnode: str, fs_type: str, target: Path, *, writable: bool = False) -> Iterator[Path]:
    """Mount a volume at `target` for the block; afterwards it is let go of even if files are still open.

    `writable` is for freeing alone, after every file was pulled, receipted and re-checked.

    Raises:
        UnknownVolumeError: no driver here knows the file system.
        MountFailedError: the kernel refuses; nothing is mounted.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        mount(devnode, fs_type, target, writable=writable)
        yield target
    finally:
        let_go(target)


def mount(devnode: str, fs_type: str, target: Path, *, writable: bool = False) -> None:
    """Mount a volume; see `mounted`."""
    if fs_type not in _OPTIONS:
        raise UnknownVolumeError(f"{devnode}: file system {fs_type or 'unknown'!r} is not read here; never format it")
    flags = _HARMLESS | (0 if writable else _MS_RDONLY)
    failure = 0
    for driver in (fs_type, *_ALSO.get(fs_type, ())):
        for options in _OPTIONS.get(driver, ("",)):
            if writable:
                options = _without_read_only_options(options)  # noqa: PLW2901 - the same set, for writing
            failure = _mount(devnode, target, driver, flags, options)
            if not failure:
                return
            if failure != errno.EINVAL:
                break
    if failure == errno.ENODEV and fs_type == "exfat" and (helper := shutil.which("mount.exfat-fuse")):
        _mount_by_helper(helper, devnode, target, writable=writable)
        return
    if failure == errno.ENODEV:
        raise UnknownVolumeError(f"{devnode}: this kernel has no driver for {fs_type}; see `evidock doctor`")
    raise MountFailedError(f"{devnode}: {fs_type} cannot be mounted read-only: {os.strerror(failure)}")


def let_go(target: Path) -> None:
    """Unmount `target` now, or as soon as the last open file on it is closed, and remove the empty folder."""
    while _LIBC.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        pass
    with contextlib.suppress(OSError):
        target.rmdir()


def clean_stale(slots: Path) -> int:
    """Let go of everything that an earlier run left mounted below `slots`; return how many mounts there were."""
    root = os.fsencode(slots.resolve()) + b"/"
    points = [each.point for each in parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())]
    stale = [point for point in points if point.startswith(root)]
    for point in reversed(stale):
        let_go(Path(os.fsdecode(point)))
    if slots.is_dir():
        for session in slots.glob("*/*"):
            with contextlib.suppress(OSError):
                session.rmdir()
    return len(stale)


def is_mounted_elsewhere(devnode: str, slots: Path) -> bool:
    """Return whether somebody else has the device mounted: the system's own disk, or a desktop that was quicker."""
    try:
        number = os.stat(devnode).st_rdev  # noqa: PTH116 - a device's number, not a file's facts
    except OSError:
        return False
    device = f"{os.major(number)}:{os.minor(number)}"
    ours = os.fsencode(slots.resolve()) + b"/"
    return any(
        each.device == device and not each.point.startswith(ours)
        for each in parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    )


def _mount(devnode: str, target: Path, driver: str, flags: int, options: str) -> int:
    """Return 0, or the number of the error."""
    done = _LIBC.mount(
        os.fsencode(devnode), os.fsencode(target), driver.encode(), ctypes.c_ulong(flags), options.encode() or None
    )
    return 0 if done == 0 else ctypes.get_errno()


def _mount_by_helper(helper: str, devnode: str, target: Path, *, writable: bool) -> None:
    mode = "rw" if writable else "ro"
    try:
        done = subprocess.run(
            [helper, "-o", f"{mode},nosuid,nodev,noexec,noatime", devnode, str(target)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_FUSE_SECONDS,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MountFailedError(f"{devnode}: {helper} failed: {error}") from error
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise MountFailedError(f"{devnode}: exFAT cannot be mounted read-only: {' '.join(why)[:200]}")


def _without_read_only_options(options: str) -> str:
    return ",".join(
        option for option in options.split(",") if option not in {"noload", "norecovery", "disable_roll_forward"}
    )
