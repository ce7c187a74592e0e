"""The only caller of now() and monotonic(); everything else is handed a `Clock`."""

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from evidence_model.instants import ClockReading, ClockSource
from evidence_model.known import Known, Unknown

_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), as far as it is read here; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 512),
    )


class SystemClock:
    """This machine's clocks: wall time, boot id, monotonic time, and what the kernel says of synchronisation."""

    def __init__(self) -> None:
        self._boot = _boot_id()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def read(self) -> ClockReading:
        """Return all clocks at this moment."""
        source, error_ms = self._synchronisation()
        return ClockReading(
            wall_at=datetime.now(tz=UTC), boot=self._boot, mono_ns=time.monotonic_ns(), source=source, error_ms=error_ms
        )

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return datetime.now(tz=UTC)

    def mono(self) -> float:
        """Return seconds since some moment; never goes back."""
        return time.monotonic()

    def _synchronisation(self) -> tuple[ClockSource, Known[int] | Unknown]:
        """Ask adjtimex(2), reading only: is the clock disciplined, and how far off may it be at most?"""
        timex = _Timex()
        state = self._libc.adjtimex(ctypes.byref(timex))
        if state < 0:
            return ClockSource.UNKNOWN, Unknown("adjtimex is not permitted here")
        if state == _TIME_ERROR or timex.status & _STA_UNSYNC:
            return ClockSource.RTC, Unknown("the kernel's clock is not synchronised")
        return ClockSource.NTP, Known(int(timex.maxerror) // 1000)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
