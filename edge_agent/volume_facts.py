"""What can be learnt about a docked volume before anything is decided: device, file system, layout, status files.

Everything is gathered here and nothing concluded; each fact that is not to be had is `Unknown` with its reason.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from edge_agent.boot_sector import SECTOR_BYTES, BootSector, read_boot_sector
from edge_agent.profile_reader import ProfileSet
from edge_agent.volume import UnsafePathError, VolumeRoot
from evidence_model.known import Known, Unknown
from evidence_model.names import decode_name, display_name

LAYOUT_DEPTH = 3
MAX_LAYOUT = 2_000
MAX_SAMPLES = 60
MAX_STATUS_BYTES = 64 << 10
_FOLDER_ONLY = Unknown("a folder, not a volume of its own")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_FAT = frozenset({"vfat", "msdos"})


class StampMeaning(Enum):
    """What the file system's modification times on this volume count."""

    WALL = "wall"  # the recorder's wall clock, as if it were UTC (FAT mounted with tz=UTC)
    WALL_OR_INSTANT = "wall-or-instant"  # exFAT: an entry may bear an offset, then the kernel has applied it
    HOST_ZONE = "host-zone"  # FAT mounted without tz=UTC: this machine's zone was mixed in
    INSTANT = "instant"  # a file system that counts true UTC
    UNSURE = "unsure"  # FUSE and others that do not say


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """All facts about one docked volume or folder."""

    label: "Known[str] | Unknown"
    fs_uuid: "Known[str] | Unknown"
    fs_type: "Known[str] | Unknown"
    usb_id: "Known[str] | Unknown"  # "4255:0001"
    usb_serial: "Known[str] | Unknown"
    usb_vendor: "Known[str] | Unknown"
    usb_model: "Known[str] | Unknown"
    scsi_inquiry: "Known[str] | Unknown"
    port_path: "Known[str] | Unknown"  # "1-1.4.2": the socket, not the recorder
    folder_id: "Known[str] | Unknown"  # f_fsid:inode
    dirty: "Known[bool] | Unknown"
    media_failure: "Known[bool] | Unknown"
    read_only: bool
    stamp_meaning: StampMeaning
    layout: frozenset[str] = frozenset()  # paths of at most three parts
    samples: tuple[bytes, ...] = ()  # raw paths of some files, for trying name patterns
    status_texts: Mapping[str, bytes] = field(default_factory=dict)  # path as a profile names it → content


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    device: str  # "8:1"
    root: bytes
    point: bytes
    fs_type: str
    source: bytes
    options: frozenset[str]


def gather_facts(
    volume: VolumeRoot, profiles: ProfileSet, *, udev: Mapping[str, str] | None = None, sys_root: Path = Path("/sys")
) -> VolumeFacts:
    """Return what this machine says about the volume; never raises for what it cannot learn.

    Args:
        volume: held open.
        profiles: name the status files to read.
        udev: properties of the block device, where the caller has them from pyudev.
        sys_root: for tests with a made-up /sys.
    """
    mount = _mount_of(volume)
    whole = mount is not None and mount.root == b"/" and Path(os.fsdecode(mount.point)) == volume.path.resolve()
    device = _sys_facts(sys_root, volume.device) if whole else {}
    boot = _boot_sector(volume.device, sys_root=sys_root) if whole else _FOLDER_ONLY
    props = dict(udev or {}) if whole else {}
    layout, samples = _look_around(volume)
    use = volume.usage()
    why = Unknown("this machine does not tell") if whole else _FOLDER_ONLY
    from_boot = boot if isinstance(boot, BootSector) else None
    return VolumeFacts(
        label=_first(_unescape(props.get("ID_FS_LABEL_ENC", "")) or props.get("ID_FS_LABEL"), _label(from_boot), why),
        fs_uuid=_first(props.get("ID_FS_UUID"), Known(from_boot.fs_uuid) if from_boot else why, why),
        fs_type=Known(from_boot.fs_type) if from_boot else _first(mount.fs_type if mount else None, why, why),
        usb_id=_first(_usb_id(props), _fact(device.get("usb_id"), why), why),
        usb_serial=_first(_usb_serial(props), _fact(device.get("serial"), why), why),
        usb_vendor=_first(device.get("manufacturer"), _fact(props.get("ID_VENDOR"), why), why),
        usb_model=_first(device.get("product"), _fact(props.get("ID_MODEL"), why), why),
        scsi_inquiry=_fact(device.get("inquiry"), why),
        port_path=_fact(device.get("port"), why),
        folder_id=_folder_id(volume, mount),
        dirty=Known(from_boot.dirty) if from_boot else why,
        media_failure=Known(from_boot.media_failure) if from_boot else why,
        read_only=use.read_only,
        stamp_meaning=_stamp_meaning(mount),
        layout=layout,
        samples=samples,
        status_texts=_status_texts(volume, profiles, layout),
    )


def parse_mountinfo(text: bytes) -> list[Mount]:
    """Read /proc/self/mountinfo (proc(5)); lines of another form are passed over."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(b" - ")
        front, back = left.split(b" "), right.split(b" ", 2)
        if not dash or len(front) < 6 or len(back) < 3:  # noqa: PLR2004 - fields that every line has
            continue
        options = front[5].split(b",") + back[2].split(b",")
        mounts.append(
            Mount(
                device=front[2].decode("ascii", "replace"),
                root=_octal(front[3]),
                point=_octal(front[4]),
                fs_type=back[0].decode("ascii", "replace"),
                source=_octal(back[1]),
                options=frozenset(option.decode("utf-8", "replace") for option in options),
            )
        )
    return mounts


def _octal(field_text: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match.group(1), 8) & 0xFF]), field_text)


def _mount_of(volume: VolumeRoot) -> Mount | None:
    try:
        mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    except OSError:
        return None
    device = f"{os.major(volume.device)}:{os.minor(volume.device)}"
    here = os.fsencode(volume.path.resolve())
    same = [mount for mount in mounts if mount.device == device]
    at_point = [mount for mount in same if mount.point == here]
    chosen = at_point or same
    return chosen[-1] if chosen else None  # the last one lies on top


def _sys_facts(sys_root: Path, device: int) -> dict[str, str]:
    """Return what /sys says of the disk and of the USB device above it."""
    facts: dict[str, str] = {}
    try:
        node = (sys_root / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True)
    except OSError:
        return facts
    disk = node.parent if (node / "partition").exists() else node
    inquiry = f"{_sys_text(disk / 'device' / 'vendor')} {_sys_text(disk / 'device' / 'model')}".strip()
    facts["inquiry"] = inquiry
    for parent in disk.parents:
        if (parent / "idVendor").exists():
            facts["usb_id"] = f"{_sys_text(parent / 'idVendor')}:{_sys_text(parent / 'idProduct')}"
            facts["port"] = parent.name
            for name in ("serial", "manufacturer", "product"):
                facts[name] = _sys_text(parent / name)
            break
    return facts


def _sys_text(path: Path) -> str:
    try:
        return display_name(path.read_bytes()[:256].strip())
    except OSError:
        return ""


def _boot_sector(device: int, *, sys_root: Path) -> BootSector | Unknown:
    """Read the volume's first sector from its block device; needs the right to, which the agent's unit gives it."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        uevent = (sys_root / "dev" / "block" / number / "uevent").read_text(errors="replace")
    except OSError as error:
        return Unknown(f"block device {number}: {error.strerror}")
    names = [line.removeprefix("DEVNAME=") for line in uevent.splitlines() if line.startswith("DEVNAME=")]
    path = Path("/dev") / (names[0] if names else number)  # the kernel's name: there without any udev
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}")
    try:
        if os.fstat(fd).st_rdev != device:
            return Unknown(f"{path} is another device")
        return read_boot_sector(os.pread(fd, SECTOR_BYTES, 0))
    except OSError as error:
        return Unknown(f"{path}: {error.strerror}")
    finally:
        os.close(fd)


def _folder_id(volume: VolumeRoot, mount: Mount | None) -> "Known[str] | Unknown":
    try:
        fsid = os.fstatvfs(volume.fd).f_fsid & (1 << 64) - 1
    except OSError as error:
        return Unknown(error.strerror or "statvfs failed")
    if fsid == 0:  # FUSE: every root would be the same; where it comes from and lies tells two of them apart
        place = b"\0".join((mount.source if mount else b"", os.fsencode(volume.path.resolve())))
        return Known(f"place-{hashlib.sha256(place).hexdigest()[:16]}:{volume.inode}")
    return Known(f"{fsid:016x}:{volume.inode}")


def _look_around(volume: VolumeRoot) -> tuple[frozenset[str], tuple[bytes, ...]]:
    """Return the upper layout and some files' names; bounded, and nothing is taken for complete."""
    layout: set[str] = set()
    samples: list[bytes] = []
    level: list[bytes] = [b""]
    for depth in range(1, LAYOUT_DEPTH + 2):
        following: list[bytes] = []
        for folder in sorted(level):
            for name, is_folder in _entries(volume, folder):
                raw_path = folder + b"/" + name if folder else name
                if depth <= LAYOUT_DEPTH and len(layout) < MAX_LAYOUT:
                    layout.add(decode_name(raw_path)[0])
                if is_folder:
                    following.append(raw_path)
                elif len(samples) < MAX_SAMPLES:
                    samples.append(raw_path)
        level = following[:MAX_SAMPLES]
    return frozenset(layout), tuple(samples)


def _entries(volume: VolumeRoot, folder: bytes) -> list[tuple[bytes, bool]]:
    try:
        with volume.folder(folder) as fd, os.scandir(b"/proc/self/fd/%d" % fd) as entries:
            found = []
            for entry in entries:
                if entry.is_symlink():
                    continue
                found.append((entry.name, entry.is_dir(follow_symlinks=False)))
                if len(found) >= MAX_LAYOUT:
                    break
            return sorted(found)
    except (OSError, UnsafePathError):
        return []


def _status_texts(volume: VolumeRoot, profiles: ProfileSet, layout: frozenset[str]) -> dict[str, bytes]:
    wanted = {file.path for profile in profiles.profiles for file in profile.status_files}
    texts = {}
    for path in sorted(wanted):
        for found in sorted(layout):
            if found.casefold() != path.casefold():
                continue
            try:
                fd = volume.open_file(found.encode())
            except (OSError, UnsafePathError):
                continue
            try:
                texts[path] = os.pread(fd, MAX_STATUS_BYTES, 0)
            except OSError:
                continue
            finally:
                os.close(fd)
    return texts


def _stamp_meaning(mount: Mount | None) -> StampMeaning:
    if mount is None:
        return StampMeaning.UNSURE
    if mount.fs_type in _FAT:
        return StampMeaning.WALL if mount.options & {"tz=UTC", "time_offset=0"} else StampMeaning.HOST_ZONE
    if mount.fs_type == "exfat":
        # the kernel's default is offset 0, and it shows neither this nor sys_tz when not set
        return StampMeaning.HOST_ZONE if "sys_tz" in mount.options else StampMeaning.WALL_OR_INSTANT
    return StampMeaning.UNSURE if mount.fs_type.startswith("fuse") else StampMeaning.INSTANT


def _fact(text: str | None, why: Unknown) -> "Known[str] | Unknown":
    return Known(text) if text else why


def _first(text: str | None, other: "Known[str] | Unknown", why: Unknown) -> "Known[str] | Unknown":
    found = _fact(text, why)
    return found if isinstance(found, Known) else other


def _label(boot: BootSector | None) -> "Known[str] | Unknown":
    return boot.label if boot else Unknown("this machine does not tell")


def _usb_id(props: Mapping[str, str]) -> str:
    vendor, product = (
        props.get("ID_USB_VENDOR_ID") or props.get("ID_VENDOR_ID"),
        props.get("ID_USB_MODEL_ID") or props.get("ID_MODEL_ID"),
    )
    return f"{vendor}:{product}".lower() if vendor and product else ""


def _usb_serial(props: Mapping[str, str]) -> str:
    return props.get("ID_USB_SERIAL_SHORT") or (
        props.get("ID_SERIAL_SHORT", "") if props.get("ID_BUS") == "usb" else ""
    )


def _unescape(text: str) -> str:
    r"""Undo udev's `\x20`; what is no escape stays."""
    raw = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda match: bytes([int(match.group(1), 16)]), os.fsencode(text))
    return display_name(raw)
