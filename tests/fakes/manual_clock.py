"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from evidence_model.instants import ClockReading, ClockSource
from evidence_model.known import Known


class ManualClock:
    """Wall and monotonic time as a test sets them."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)) -> None:
        self.at = at
        self.seconds = 100.0

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds

    def set_wall(self, at: datetime) -> None:
        """Set the wall clock, as an administrator or a bad battery does; intervals do not notice."""
        self.at = at

    def read(self) -> ClockReading:
        """Return all clocks at this moment."""
        return ClockReading(
            wall_at=self.at, boot="boot", mono_ns=int(self.seconds * 1e9), source=ClockSource.NTP, error_ms=Known(1)
        )

    def now(self) -> datetime:
        """Return the wall clock in UTC."""
        return self.at

    def mono(self) -> float:
        """Return the monotonic clock."""
        return self.seconds
