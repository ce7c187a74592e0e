"""What a centre does beside its events: log onto the medium, old uploads forgotten, reconciliation and seal daily."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from evidence_model.errors import DamageError, UnavailableError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_store.catalogue import open_catalogue_db
from evidence_store.centre_book import Moment, moments, open_centre_db
from evidence_store.ledger import Ledger
from evidence_store.reconcile import Reconciliation, reconcile
from evidence_store.sealing import Sealing, is_seal_due, make_seal
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


def seal_request(paths: HomePaths) -> Path:
    """Return the file whose appearance asks a running store to seal the log now."""
    return paths.run / "requests" / "seal"


def ask_for_seal(paths: HomePaths) -> None:
    """Ask a running store to seal the log; if the request is lost with the power, it is asked again."""
    seal_request(paths).parent.mkdir(mode=0o700, exist_ok=True)
    seal_request(paths).touch()


class Housekeeper:
    """A thread of its own, with connections of its own; nothing here holds up an event."""

    def __init__(
        self,
        paths: HomePaths,
        *,
        ledger: Ledger,
        uploads: Uploads,
        clock: Clock,
        centre: SourceId,
        applied_size: Callable[[], int],
        seal_every: timedelta,
        on_reconciled: Callable[[Reconciliation], None],
        on_sealed: Callable[[Sealing], None],
        on_finding: Callable[[Finding], None],
    ) -> None:
        self._paths = paths
        self._ledger = ledger
        self._uploads = uploads
        self._clock = clock
        self._centre = centre
        self._applied_size = applied_size
        self._seal_every = seal_every
        self._on_reconciled = on_reconciled
        self._on_sealed = on_sealed
        self._on_finding = on_finding
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-housekeeper", daemon=True)
        self._look_at = float("-inf")
        self._not_before = float("-inf")
        self._seal_look_at = float("-inf")

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
                self._seal_if_due()
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

    def _seal_if_due(self) -> None:
        """Have the log sealed if that was asked for, or if its newest seal is too old (or there is none)."""
        request = seal_request(self._paths)
        is_asked = request.exists()
        started = self._clock.mono()
        if not is_asked and (started < self._seal_look_at or not self._seal_every):
            return
        request.unlink(missing_ok=True)
        self._seal_look_at = started + _LOOK_EVERY_SECONDS
        with contextlib.closing(open_catalogue_db(self._paths.catalogue_db, read_only=True)) as db:
            if not is_asked and not is_seal_due(db, source=self._centre, now=self._clock.now(), every=self._seal_every):
                return
            self._seal_look_at = started + _NOT_AGAIN_WITHIN_SECONDS  # until then it is in the log, whatever the clock
            sealing = make_seal(db, now=self._clock.now())
        took_ms = round((self._clock.mono() - started) * 1000)
        logs.event(_LOG, "store.sealed", size=sealing.seal.size, item_count=sealing.seal.count, took_ms=took_ms)
        # If the process dies here or before it is signed, nothing was said: the next start finds it due.
        self._on_sealed(sealing)
