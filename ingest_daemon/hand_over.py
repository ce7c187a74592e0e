"""The threads that bring bytes to the store: by link where it shares our disk, else by upload; one lane a thread.

Order of durable writes for each blob: the bytes are at the store (name synced, or the last chunk answered), then
`hand_over` says so. If power fails in between, the same is done again and finds its work done. Errors never end a
lane: a store that is away or full is asked again with growing waits, a missing copy is shown to people.
"""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from evidence_model.errors import DamageError, EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from host_io.config import HomeConfig, HomePaths
from host_io.keys import read_secret
from host_io.logs import event
from host_io.sqlite import DatabaseDamagedError
from host_io.trust import upload_secret_path
from ingest_daemon.errors import (
    SpoolCopyMissingError,
    SpoolCopyUnreadableError,
    StoreAwayError,
    StoreFullError,
    UploadRefusedError,
)
from ingest_daemon.hand_over_queue import HandOverQueue, Lane
from ingest_daemon.ledger import Ledger, SpoolBlob
from ingest_daemon.link_hand_over import LinkHandOver, check_copy
from ingest_daemon.tus_upload import StoppedError, StoreAccess, upload

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 256
_LOOK_SECONDS: Final = 5.0
_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0
_BROKEN_WAIT_SECONDS: Final = 300.0
_STORE: Final = "store"
_CODES: Final = (
    UploadRefusedError.code,
    StoreFullError.code,
    SpoolCopyMissingError.code,
    SpoolCopyUnreadableError.code,
)


class HandOver:
    """Works off a queue of blobs; `on_complete` is told which envelopes lack no bytes any more (from any thread)."""

    def __init__(
        self,
        *,
        paths: HomePaths,
        config: HomeConfig,
        clock: Clock,
        queue: HandOverQueue,
        on_complete: Callable[[Sequence[int]], None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._paths = paths
        self._config = config
        self._clock = clock
        self._queue = queue
        self._on_complete = on_complete
        self._on_fatal = on_fatal
        self._link = LinkHandOver(paths)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"hand-over-{lane.value}", daemon=True)
            for lane in Lane
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        """End after the chunk in hand; what is not finished goes on after the next start."""
        self._stopping.set()
        self._queue.close()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _run(self, lane: Lane) -> None:
        try:
            with Ledger(self._paths, self._clock) as ledger:
                worker = _Lane(
                    paths=self._paths,
                    config=self._config,
                    link=self._link,
                    ledger=ledger,
                    queue=self._queue,
                    is_stopping=self._stopping.is_set,
                )
                at_once = 1 if self._config.station.centre_url else _AT_ONCE  # links are many to a sync
                while not self._stopping.is_set():
                    blobs = self._queue.take(lane, limit=at_once, timeout_seconds=_LOOK_SECONDS)
                    if blobs and (complete := worker.work(blobs)):
                        self._on_complete(complete)
        except Exception as error:  # noqa: BLE001 - whatever it is, the main loop decides
            self._on_fatal(error)


class _Lane:
    """What one lane does; used by its thread alone."""

    def __init__(
        self,
        *,
        paths: HomePaths,
        config: HomeConfig,
        link: LinkHandOver,
        ledger: Ledger,
        queue: HandOverQueue,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._paths = paths
        self._config = config
        self._link = link
        self._ledger = ledger
        self._queue = queue
        self._is_stopping = is_stopping
        self._wait_seconds = _FIRST_WAIT_SECONDS
        self._shown = ledger.open_findings(_CODES)

    def work(self, blobs: Sequence[SpoolBlob]) -> list[int]:
        """Hand blobs over as far as possible; return the envelopes that are complete now."""
        complete: set[int] = set()
        to_upload = blobs if self._config.station.centre_url else self._link_all(blobs, complete)
        for place, blob in enumerate(to_upload):
            if self._is_stopping():
                break
            try:
                self._upload(blob)
            except StoppedError:
                break
            except DatabaseDamagedError:
                raise
            except DamageError as error:
                self._put_off([blob], error)
            except EvidockError as error:  # the store will say the same for all the others
                self._put_off(to_upload[place:], error)
                break
            else:
                complete.update(self._done([blob]))
        return sorted(complete)

    def _link_all(self, blobs: Sequence[SpoolBlob], complete: set[int]) -> Sequence[SpoolBlob]:
        """Link what can be linked, adding the envelopes that are complete now; return what is to be uploaded."""
        try:
            outcome = self._link.give(blobs)
        except OSError as error:  # the names are there, and may not be for good
            self._put_off(blobs, StoreAwayError(f"{self._paths.vault}: {error}"))
            return []
        complete.update(self._done(outcome.given))
        away = [(blob, problem) for blob, problem in outcome.failed if not isinstance(problem, DamageError)]
        if away:
            self._put_off([blob for blob, _ in away], away[0][1])
        for blob, problem in outcome.failed:
            if isinstance(problem, DamageError):
                self._put_off([blob], problem)
        return outcome.to_upload

    def _upload(self, blob: SpoolBlob) -> None:
        if not self._ledger.is_needed(blob.digest):
            return  # the receipts came meanwhile: another station brought the same bytes
        check_copy(blob, self._paths)
        upload(
            blob.path(self._paths),
            blob.digest,
            store=store_access(self._paths, self._config),
            upload_url=self._ledger.upload_url(blob.digest),
            remember=lambda url: self._ledger.note_upload(blob.digest, url),
            is_stopping=self._is_stopping,
        )
        event(_LOG, "blob.uploaded", size_bytes=blob.size_bytes, digest=blob.digest.short)

    def _done(self, blobs: Sequence[SpoolBlob]) -> list[int]:
        """Note for good that the store has these bytes."""
        if not blobs:
            return []
        with self._ledger.transaction():
            self._ledger.note_handed_over(blobs)
            for blob in blobs:
                self._cure(f"blob/{blob.digest.hex}")
            self._cure(_STORE)
            complete = self._ledger.completed_by(blobs)
        self._queue.done(blobs)
        self._wait_seconds = _FIRST_WAIT_SECONDS
        return complete

    def _put_off(self, blobs: Sequence[SpoolBlob], error: EvidockError) -> None:
        seconds = self._wait_seconds
        if isinstance(error, DamageError):
            seconds = _BROKEN_WAIT_SECONDS
            for blob in blobs:
                self._show(f"blob/{blob.digest.hex}", error)
        else:
            self._wait_seconds = min(self._wait_seconds * 2, _LONGEST_WAIT_SECONDS)
            if isinstance(error, RefusedError | StoreFullError):
                self._show(_STORE, error)
        for blob in blobs:
            self._queue.put_off(blob, seconds)
        event(_LOG, "hand_over.put_off", level=logging.WARNING, blobs=len(blobs), code=error.code, reason=str(error))

    def _show(self, subject: str, error: EvidockError) -> None:
        if (error.code, subject) in self._shown:
            return
        self._shown.add((error.code, subject))
        severity = Severity.DAMAGE if isinstance(error, DamageError) else Severity.FAULT
        self._ledger.find(Finding(error.code, severity, subject, {"reason": str(error)[:300]}))

    def _cure(self, subject: str) -> None:
        for code in _CODES:
            if (code, subject) in self._shown:
                self._shown.discard((code, subject))
                self._ledger.cure(code, subject)


def store_access(paths: HomePaths, config: HomeConfig) -> StoreAccess:
    """Return where this station uploads to, and with which token.

    Raises:
        StoreAwayError: the store of this home is not running.
        KeyMissingError, KeyOpenToOthersError: the token cannot be used.
    """
    broker = config.broker
    return StoreAccess(
        url=config.station.centre_url or _own_store_url(paths),
        token=read_secret(upload_secret_path(paths, config.station.id)),
        ca=paths.root / broker.tls_ca if broker.tls_ca else None,
        certificate=paths.root / broker.tls_certificate if broker.tls_certificate else None,
        key=paths.root / broker.tls_key if broker.tls_key else None,
    )


def _own_store_url(paths: HomePaths) -> str:
    said: Path = paths.run / "store.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(said.read_bytes())["url"])
    raise StoreAwayError(f"{said}: the store is not running; start it with `evidock run`")
