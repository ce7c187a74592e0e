"""A machine whose devices we make up (umockdev): plugs recorders in and out under the agent's own udev code.

Run as `umockdev-wrapper python -m tests.fakes.udev_testbed`; prints what the agent's code saw as one JSON object.
Needs Debian's umockdev, gir1.2-umockdev-1.0 and python3-gi.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path.append("/usr/lib/python3/dist-packages")  # PyGObject is Debian's

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

from edge_agent.docking import DockedVolume  # noqa: E402
from edge_agent.udev import UdevWatch  # noqa: E402

DEADLINE_SECONDS = 15.0
LABEL = "执法记录仪"


class Looks:
    """What the watch saw, look by look."""

    def __init__(self) -> None:
        self.looks: list[list[DockedVolume]] = []

    def __call__(self, volumes: list[DockedVolume]) -> None:
        self.looks.append(volumes)

    def until(
        self, condition: Callable[[list[DockedVolume]], bool], *, meanwhile: Callable[[], None] = lambda: None
    ) -> list[DockedVolume]:
        """Wait for a look of that kind; `meanwhile` happens fifty times a second."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (self.looks and condition(self.looks[-1])):
            if time.monotonic() > deadline:
                raise AssertionError(f"never seen; last look: {self.looks[-1:]}")
            meanwhile()
            time.sleep(0.02)
        return self.looks[-1]


class BreakingWatch(UdevWatch):
    """A watch whose monitor dies once with the error of an overrun socket."""

    broken = 0

    def _poll(self, monitor: Any, seconds: float) -> bool:
        if not self.broken:
            self.broken = 1
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        return super()._poll(monitor, seconds)


def plug(bed: Any, port: int, *, size: str = "65536", fs_type: str = "vfat") -> str:
    """Plug a recorder into socket 1-<port> and return its disk's place in /sys."""
    usb = bed.add_device("usb", f"1-{port}", None, ["busnum", "1"], ["DEVTYPE", "usb_device"])
    interface = bed.add_device("usb", f"1-{port}:1.0", usb, [], ["DEVTYPE", "usb_interface"])
    host = bed.add_device("scsi", f"host{port}", interface, [], ["DEVTYPE", "scsi_host"])
    properties = ["DEVTYPE", "disk", "DEVNAME", f"/dev/sd{port}", "ID_BUS", "usb", "ID_FS_TYPE", fs_type]
    properties += ["ID_FS_USAGE", "filesystem", "ID_FS_UUID", f"AAAA-000{port}", "ID_FS_LABEL", LABEL]
    return str(bed.add_device("block", f"sd{port}", host, ["size", size], properties))


def main() -> int:
    """Plug, unplug, break, and print what was seen."""
    bed = UMockdev.Testbed.new()
    looks = Looks()
    watch = BreakingWatch(looks, look_again_seconds=60.0)
    watch.start()
    try:
        looks.until(lambda volumes: volumes == [])
        deadline = time.monotonic() + DEADLINE_SECONDS
        while watch.rebuilt_count < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        looks.until(lambda _volumes: len(looks.looks) >= 2)  # after the break everything was looked at again
        first = plug(bed, 3)
        bed.uevent(first, "add")
        one = looks.until(lambda volumes: len(volumes) == 1)
        for port in (4, 5, 6):
            bed.uevent(plug(bed, port), "add")
        four = looks.until(lambda volumes: len(volumes) == 4)
        empty = plug(bed, 7, size="0")
        bed.uevent(empty, "add")
        bed.set_attribute(empty, "size", "1000")
        bed.uevent(empty, "change")  # case 25: the medium comes later
        five = looks.until(lambda volumes: len(volumes) == 5)
        bed.uevent(first, "remove")
        bed.remove_device(first)
        bed.uevent(empty, "change")
        gone = looks.until(lambda volumes: len(volumes) == 4)
        bed.uevent(plug(bed, 8), "add")
        beside = looks.until(lambda volumes: len(volumes) == 5, meanwhile=lambda: bed.uevent(empty, "change"))
    finally:
        watch.stop()
    print(  # noqa: T201 - this program's answer
        json.dumps(
            {
                "rebuilt": watch.rebuilt_count,
                "one": [[volume.key, volume.fs_type, volume.properties["ID_FS_LABEL"]] for volume in one],
                "four": [volume.key for volume in four],
                "five": [volume.key for volume in five],
                "gone": [volume.key for volume in gone],
                "beside one that flaps": [volume.key for volume in beside],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
