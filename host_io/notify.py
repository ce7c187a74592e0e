"""READY, WATCHDOG, STATUS and STOPPING to systemd over its socket (sd_notify(3)); silent where there is no systemd."""

import os
import socket
import time

_PATIENCE_SECONDS = 0.5


class Notifier:
    """Tells the service manager how this program is; does nothing when none is listening."""

    def __init__(self, environment: "os._Environ[str] | dict[str, str]") -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_usec = environment.get("WATCHDOG_USEC", "")
        self._next_alive = 0.0
        self.watchdog_seconds = int(watchdog_usec) / 1_000_000 if watchdog_usec.isdigit() else None
        """How often at the least `alive` must be called, or None if nobody waits for it."""

    def ready(self) -> None:
        """Say that start-up is over."""
        self._send("READY=1")

    def alive(self) -> None:
        """Say that the main loop still turns; call it from the loop that does the work, never from a timer thread.

        Costs nothing where no watchdog waits, and speaks at most four times in its interval.
        """
        if self.watchdog_seconds is None:
            return
        now = time.monotonic()
        if now >= self._next_alive:
            self._next_alive = now + self.watchdog_seconds / 4
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={text.splitlines()[0][:200]}" if text else "STATUS=")

    def stopping(self) -> None:
        """Say that a clean stop has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_PATIENCE_SECONDS)  # a manager that does not listen must not hold up the work
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                return  # the manager is gone, restarting or busy; our work goes on
