"""What a centre does beside its events: brings the log onto the medium, forgets old uploads, reconciles every day."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from evidence_model.errors import DamageError, UnavailableError
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from evidence_store.catalogue import open_catalogue_db
from evidence_store.centre_book import Moment, moments, open_centre_db
from evidence_store.ledger import Ledger
from evidence_store.reconcile import Reconciliation, reconcile
from evidence_store.uploads import Uploads
from host_io import logs
from host_io.config import HomePaths

_LOG = logging.getLogger(__name__)
_PERIOD_SECONDS = 1.0
RECONCILE_EVERY = timedelta(hours=24)
_NOT_AGAIN_WITHIN_SECONDS = 3600.0  # whatever the wall clock does meanwhile
_LOOK_EVERY_SECONDS = 60.0


def reconcile_request(paths: HomePaths) -> Path:
    """Return the file whose appearance asks a running store to reconcile now."""
    return paths.run / "requests" / "reconcile"


class Housekeeper:
    """A thread of its own, with connections of its own; nothing here holds up an event."""

    def __init__(
        self,
        paths: HomePaths,
        *,
        ledger: Ledger,
        uploads: Uploads,
        clock: Clock,
        applied_size: Callable[[], int],
        on_reconciled: Callable[[Reconciliation], None],
        on_finding: Callable[[Finding], None],
    ) -> None:
        self._paths = paths
        self._ledger = ledger
        self._uploads = uploads
        self._clock = clock
        self._applied_size = applied_size
        self._on_reconciled = on_reconciled
        self._on_finding = on_finding
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-housekeeper", daemon=True)
        self._look_at = float("-inf")
        self._not_before = float("-inf")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """End, and leave nothing behind that only the page cache holds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        with contextlib.suppress(OSError, DamageError):  # the next start finds it again
            self._ledger.settle(up_to=self._applied_size())

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            try:
                self._ledger.settle(up_to=self._applied_size())
                if self._is_due():
                    self._reconcile()
            except DamageError as error:
                self._on_finding(Finding(error.code, Severity.DAMAGE, "log", {"error": str(error)[:300]}))
            except (OSError, sqlite3.Error, UnavailableError) as error:
                logs.event(_LOG, "store.housekeeping", level=logging.ERROR, problem=str(error))

    def _is_due(self) -> bool:
        """Say whether to reconcile: asked for, or a day has gone by. The wall clock may jump; asking again is cheap."""
        request = reconcile_request(self._paths)
        if request.exists():
            request.unlink(missing_ok=True)
            return True
        if self._clock.mono() < self._look_at:
            return False
        self._look_at = self._clock.mono() + _LOOK_EVERY_SECONDS
        self._uploads.expire()
        if self._clock.mono() < self._not_before:
            return False
        with contextlib.closing(open_centre_db(self._paths, read_only=True)) as db:
            last: datetime | None = moments(db).get(Moment.RECONCILIATION)
        return last is None or not timedelta() <= self._clock.now() - last < RECONCILE_EVERY

    def _reconcile(self) -> None:
        started = self._clock.mono()
        self._not_before = started + _NOT_AGAIN_WITHIN_SECONDS
        with contextlib.closing(open_catalogue_db(self._paths.catalogue_db, read_only=True)) as db:
            result = reconcile(db, now=self._clock.now())
        took_ms = round((self._clock.mono() - started) * 1000)
        logs.event(_LOG, "store.reconciled", file_count=result.file_count, took_ms=took_ms)
        self._on_reconciled(result)
