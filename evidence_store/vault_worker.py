"""The threads that adopt what is handed over, so that a file of 10 GiB never delays an event or a small file.

One thread takes the smallest file that waits, the other the one that waits longest: small ones pass by a big one, and
the big one's turn comes all the same.
"""

import logging
import threading
from collections.abc import Callable
from enum import Enum

from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from evidence_store.errors import VaultFullError, VaultReadError
from evidence_store.vault import Adopted, Handed, Rejected, StoppedError, Vault
from host_io import logs

_LOG = logging.getLogger(__name__)
VAULT_FILE_REPLACED = "STO-039"
_SCAN_SECONDS = 1.0
_RETRY_SECONDS = 30.0


class _Turn(Enum):
    SMALLEST = "smallest"
    OLDEST = "oldest"


class VaultWorker:
    """Watches `incoming/` and adopts; results go to `on_result`, from its own threads."""

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        *,
        on_result: Callable[[Adopted | Rejected], None],
        on_finding: Callable[[Finding], None],
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._on_result = on_result
        self._on_finding = on_finding
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._busy: set[Digest] = set()
        self._not_before: dict[Handed, float] = {}
        self._woken = 0
        self._stopping = threading.Event()
        self._full = False
        self._threads = [
            threading.Thread(target=self._run, args=(turn,), name=f"vault-{turn.value}", daemon=True) for turn in _Turn
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    @property
    def is_busy(self) -> bool:
        """Say whether something that was handed over is being read."""
        return bool(self._busy)

    def wake(self) -> None:
        """Look into `incoming/` now."""
        with self._wake:
            self._woken += 1
            self._wake.notify_all()

    def stop(self) -> None:
        """Stop between two blocks; what was being read is read again after the next start."""
        with self._wake:
            self._stopping.set()
            self._wake.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, turn: _Turn) -> None:
        while not self._stopping.is_set():
            with self._wake:
                woken = self._woken
            try:
                handed = self._take(turn)
            except OSError as error:
                logs.event(_LOG, "vault.unreadable", level=logging.ERROR, error=str(error))
                handed = None
            if handed is not None:
                self._adopt(handed)
                continue
            with self._wake:
                if woken == self._woken and not self._stopping.is_set():
                    self._wake.wait(_SCAN_SECONDS)

    def _take(self, turn: _Turn) -> Handed | None:
        waiting = self._vault.waiting()
        if waiting and not self._check_room():
            return None
        if turn is _Turn.OLDEST:
            waiting.sort(key=lambda handed: handed.since_ns)
        now = self._clock.mono()
        with self._lock:
            self._not_before = {handed: at for handed, at in self._not_before.items() if at > now}
            for handed in waiting:
                if handed.digest not in self._busy and handed not in self._not_before:
                    self._busy.add(handed.digest)
                    return handed
        return None

    def _check_room(self) -> bool:
        has_room = self._vault.has_room()
        if not has_room and not self._full:
            self._on_finding(Finding(VaultFullError.code, Severity.FAULT, str(self._vault.root)))
        self._full = not has_room
        return has_room

    def _adopt(self, handed: Handed) -> None:
        started = self._clock.mono()
        try:
            result = self._vault.adopt(handed, is_stopping=self._stopping.is_set)
        except StoppedError:
            return
        except FileNotFoundError:
            return  # taken back by who handed it over
        except (VaultReadError, OSError) as error:
            with self._lock:
                self._not_before[handed] = self._clock.mono() + _RETRY_SECONDS
            details = {"error": str(error)[:300]}
            self._on_finding(Finding(VaultReadError.code, Severity.FAULT, f"sha256/{handed.digest.hex}", details))
            logs.event(_LOG, "blob.unreadable", level=logging.ERROR, digest=handed.digest.hex, error=str(error))
            return
        finally:
            with self._lock:
                self._busy.discard(handed.digest)
        took_ms = round((self._clock.mono() - started) * 1000)
        name = "blob.adopted" if isinstance(result, Adopted) else "blob.rejected"
        logs.event(_LOG, name, digest=handed.digest.hex, size_bytes=handed.size_bytes, took_ms=took_ms)
        if isinstance(result, Adopted) and result.replaced is not None:
            details = {"quarantined": result.replaced.name}
            self._on_finding(Finding(VAULT_FILE_REPLACED, Severity.FAULT, f"vault/sha256/{result.digest.hex}", details))
        self._on_result(result)
