"""Watches the machine's block devices through udev and tells what is docked, whatever happens to the events.

Its own loop, not pyudev's observer: that one dies with the first overrun of the socket (recorders.md case 37). On any
error the monitor is made anew and everything is looked at again; and so it is every quarter of a minute.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pyudev

from edge_agent.docking import BlockDevice, DockedVolume, volumes
from host_io import logs

RECEIVE_BUFFER_BYTES: Final = 8 << 20  # forty recorders docked at once must fit
LOOK_AGAIN_SECONDS: Final = 15.0
_SETTLE_SECONDS: Final = 0.3  # one plug makes several events within a moment
_MOST_SETTLE_SECONDS: Final = 3.0  # a device with a loose contact makes them without end
_PAUSE_AFTER_ERROR_SECONDS: Final = 1.0
_SECTOR_BYTES: Final = 512
_LOG = logging.getLogger("edge_agent.udev")


class UdevWatch:
    """Calls `on_present` with all docked volumes at start, after every event, and now and then."""

    def __init__(
        self,
        on_present: Callable[[list[DockedVolume]], None],
        *,
        source: str = "udev",
        look_again_seconds: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        self._on_present = on_present
        self._source = source
        self._look_again_seconds = look_again_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udev", daemon=True)
        self.rebuilt_count = 0

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End within about a second."""
        self._stop.set()
        self._thread.join(timeout=3.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001 - whatever it was: begin anew, and look at everything
                self.rebuilt_count += 1
                logs.event(_LOG, "udev.rebuilt", level=logging.WARNING, error=f"{type(error).__name__}: {error}")
                self._stop.wait(_PAUSE_AFTER_ERROR_SECONDS)

    def _watch(self) -> None:
        context = pyudev.Context()
        monitor = pyudev.Monitor.from_netlink(context, source=self._source)
        monitor.filter_by("block")
        # Without CAP_NET_ADMIN (the unit has it not) it grows to net.core.rmem_max only: an overrun then just means
        # that everything is looked at.
        with contextlib.suppress(PermissionError):
            monitor.set_receive_buffer_size(RECEIVE_BUFFER_BYTES)
        monitor.start()  # before the first look: what comes in between is then an event
        self._on_present(present_volumes(context))
        waited = 0.0
        while not self._stop.is_set():
            if self._poll(monitor, 1.0):
                until = time.monotonic() + _MOST_SETTLE_SECONDS
                while time.monotonic() < until and self._poll(monitor, _SETTLE_SECONDS):
                    pass
            else:
                waited += 1.0
                if waited < self._look_again_seconds:
                    continue
            waited = 0.0
            self._on_present(present_volumes(context))

    def _poll(self, monitor: Any, seconds: float) -> bool:
        """Wait for an event; what it says is of no interest, only that there was one."""
        return monitor.poll(timeout=seconds) is not None


def present_volumes(context: Any) -> list[DockedVolume]:
    """Look at all block devices of the machine."""
    return volumes(_block_device(device) for device in context.list_devices(subsystem="block"))


def _block_device(device: Any) -> BlockDevice:
    properties = {str(key): str(device.properties[key]) for key in device.properties}
    try:
        size = int(device.attributes.get("size") or b"0") * _SECTOR_BYTES
    except (ValueError, OSError):
        size = 0
    return BlockDevice(
        devnode=str(device.device_node or ""),
        sys_path=str(device.sys_path),
        is_partition=device.device_type == "partition",
        size_bytes=size,
        properties=properties,
    )
