"""Which volumes of recorders are docked now, from what udev says of block devices; pure.

Events are hints: whatever they say, the agent looks at all block devices and compares with what it knew. So a lost, a
doubled or a late event changes nothing. The key of a dock is the USB port path (`1-1.4`), not the recorder: serial
numbers repeat and are missing, sockets do not (recorders.md section 6).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_PORT = re.compile(r"/(\d+-\d+(?:\.\d+)*)/\1:\d+\.\d+/")
_LUN = re.compile(r"/(\d+):(\d+):(\d+):(\d+)/block/")
_SAFE = re.compile(r"[^A-Za-z0-9.-]")
MARK: Final = "EVIDOCK_DOCK"  # by udev rule (systemd/udev): 1 this is a dock, 0 this is none, whatever else it is


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDevice:
    """One block device as udev knows it."""

    devnode: str
    sys_path: str
    is_partition: bool
    size_bytes: int
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockedVolume:
    """One volume in one dock; equal as long as it is the same stay."""

    key: str  # socket, unit of a multi-card device, partition: "1-1.4", "1-1.4-0-p1"
    port_path: str
    devnode: str
    fs_type: str  # empty: no file system that udev knows
    stay: str  # changes when something else is plugged into the same socket between two looks
    properties: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Docked:
    """A volume is there that was not."""

    volume: DockedVolume


@dataclass(frozen=True, slots=True)
class Undocked:
    """A volume that was there is not any more."""

    volume: DockedVolume


def port_path_of(sys_path: str) -> str | None:
    """Return the USB port path in a device's place in /sys, the hub nearest to it last; None if it is not on USB."""
    found = _PORT.findall(sys_path)
    return found[-1] if found else None


def volumes(devices: Iterable[BlockDevice]) -> list[DockedVolume]:
    """Return the volumes among all block devices of the machine, in the order of their keys.

    A disk with partitions counts by them, one without as a whole; a reader without a card (size 0) not at all, nor
    disks that are on no USB socket and bear no mark of the site.
    """
    by_disk: dict[str, list[BlockDevice]] = {}
    whole: list[BlockDevice] = []
    for device in devices:
        if device.size_bytes <= 0 or not _is_dock(device):
            continue
        if device.is_partition:
            by_disk.setdefault(device.sys_path.rsplit("/", 1)[0], []).append(device)
        else:
            whole.append(device)
    found = [
        _volume(part, part.properties.get("PARTN") or _number(part)) for parts in by_disk.values() for part in parts
    ]
    found += [_volume(disk, "") for disk in whole if disk.sys_path not in by_disk and not _has_table_only(disk)]
    return sorted(found, key=lambda volume: volume.key)


def reconcile(
    known: Mapping[str, DockedVolume], present: Iterable[DockedVolume]
) -> tuple[list[Undocked | Docked], dict[str, DockedVolume]]:
    """Return what changed and what is docked now; what went comes before what came."""
    now = {volume.key: volume for volume in present}
    gone: list[Undocked | Docked] = [Undocked(old) for key, old in known.items() if now.get(key) != old]
    came: list[Undocked | Docked] = [Docked(new) for key, new in now.items() if known.get(key) != new]
    return gone + came, now


def folder_name(key: str) -> str:
    """Return a key as a folder's name below `run/slots`."""
    return _SAFE.sub("_", key) or "_"


def _is_dock(device: BlockDevice) -> bool:
    if device.devnode.startswith("/dev/sr"):
        return False  # a disc drive on USB is no recorder
    if device.properties.get(MARK) == "1":
        return True
    return device.properties.get(MARK) != "0" and (
        device.properties.get("ID_BUS") == "usb" or port_path_of(device.sys_path) is not None
    )


def _has_table_only(disk: BlockDevice) -> bool:
    """Return whether the disk has a partition table whose partitions this kernel has not shown (yet)."""
    return bool(disk.properties.get("ID_PART_TABLE_TYPE")) and not disk.properties.get("ID_FS_TYPE")


def _volume(device: BlockDevice, partition: str) -> DockedVolume:
    properties = device.properties
    port = port_path_of(device.sys_path) or properties.get("ID_PATH") or device.devnode.rsplit("/", 1)[-1]
    unit = _LUN.search(device.sys_path)
    parts = [port]
    if unit and unit.group(4) != "0":
        parts.append(f"lun{unit.group(4)}")
    if partition:
        parts.append(f"p{partition}")
    stay = "/".join(
        (
            device.devnode,
            properties.get("DISKSEQ", ""),
            properties.get("ID_FS_UUID", ""),
            properties.get("ID_SERIAL", ""),
        )
    )
    return DockedVolume(
        key="-".join(parts),
        port_path=port,
        devnode=device.devnode,
        fs_type=properties.get("ID_FS_TYPE", ""),
        stay=stay,
        properties=dict(properties),
    )


def _number(device: BlockDevice) -> str:
    match = re.search(r"(\d+)$", device.devnode)
    return match.group(1) if match else "1"
