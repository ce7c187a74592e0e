"""The thread of a running store that reads the vault again: slowly, and never while anything else waits."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from evidence_model.errors import EvidockError
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_store.catalogue import open_catalogue_db
from evidence_store.fixity import Fixity, FixityRules
from evidence_store.fixity_book import FixityBook, open_fixity_db
from evidence_store.fixity_events import FixityReport
from evidence_store.vault import StoppedError, Vault
from host_io import logs
from host_io.config import CentreConfig, HomePaths

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_FIRST_SECONDS = 60.0  # a store that just started has better things to do
_PLAN_SECONDS = 3600.0
_YIELD_SECONDS = 0.25
_SAID_SECONDS = 600.0


def fixity_request(paths: HomePaths) -> Path:
    """Return the file whose appearance asks a running store to read the vault now; it may hold how many files."""
    return paths.run / "requests" / "fixity"


class Pace:
    """Lets so many bytes a second pass, and none while `is_waiting`; called with every block that was read."""

    def __init__(
        self,
        bytes_per_second: int,
        clock: Clock,
        *,
        wait: Callable[[float], bool],
        is_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._wait = wait  # waits so long, and returns True if the program stops
        self._is_waiting = is_waiting
        self._free_at = clock.mono()

    def __call__(self, size_bytes: int) -> None:
        """Return when the next block may be read.

        Raises:
            StoppedError: the program stops.
        """
        while self._is_waiting():
            if self._wait(_YIELD_SECONDS):
                raise StoppedError
        now = self._clock.mono()
        if self._bytes_per_second:  # what was not used while it waited is not made up for
            self._free_at = max(self._free_at, now) + size_bytes / self._bytes_per_second
        if self._wait(max(0.0, self._free_at - now)):
            raise StoppedError


class FixityWorker:
    """Plans every hour, works when something is due or asked for; what it finds goes to `on_report`."""

    def __init__(
        self,
        paths: HomePaths,
        vault: Vault,
        config: CentreConfig,
        *,
        site: SourceId,
        centre: SourceId,
        clock: Clock,
        is_waiting: Callable[[], bool],
        on_report: Callable[[FixityReport], None],
    ) -> None:
        self._paths = paths
        self._vault = vault
        self._config = config
        self._site = site
        self._centre = centre
        self._clock = clock
        self._on_report = on_report
        self._stop = threading.Event()
        self._pace = Pace(config.fixity_mib_per_second << 20, clock, wait=self._stop.wait, is_waiting=is_waiting)
        self._plan_at = clock.mono() + _FIRST_SECONDS
        self._thread = threading.Thread(target=self._run, name="store-fixity", daemon=True)

    def __enter__(self) -> Self:
        """Begin to work."""
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop between two blocks; the file is read again after the next start."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self._turn()
            except StoppedError:
                return
            except (OSError, sqlite3.Error, EvidockError, ValueError) as error:
                logs.event(_LOG, "store.fixity", level=logging.ERROR, problem=str(error))
                self._plan_at = self._clock.mono() + _PLAN_SECONDS

    def _turn(self) -> None:
        is_due = self._config.fixity_days > 0 and self._clock.mono() >= self._plan_at
        if not is_due and not self._is_asked():
            return
        started = self._clock.mono()
        with self._opened() as (book, fixity):
            self._take_request(book)
            count = fixity.work(fixity.planned(), is_enough=self._is_asked)
            is_more = book.asked() is not None
        self._plan_at = self._clock.mono() + (0.0 if is_more else _PLAN_SECONDS)
        took_ms = round((self._clock.mono() - started) * 1000)
        logs.event(_LOG, "store.fixity", file_count=count, took_ms=took_ms)

    def _is_asked(self) -> bool:
        return fixity_request(self._paths).exists()

    def _take_request(self, book: FixityBook) -> None:
        request = fixity_request(self._paths)
        with contextlib.suppress(FileNotFoundError):
            text = request.read_text(encoding="ascii", errors="replace").strip()
            book.ask(self._clock.now(), int(text) if text.isascii() and text.isdecimal() else None)
            # Power fails here: it is asked for, and asked for once more, which changes nothing.
            request.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[FixityBook, Fixity]]:
        with (
            contextlib.closing(open_fixity_db(self._paths)) as db,
            contextlib.closing(open_catalogue_db(self._paths.catalogue_db, read_only=True)) as catalogue,
        ):
            book = FixityBook(db)
            yield (
                book,
                Fixity(
                    self._vault,
                    book,
                    catalogue,
                    FixityRules.of(self._config),
                    site=self._site,
                    centre=self._centre,
                    clock=self._clock,
                    step=self._pace,
                    tell=self._tell,
                ),
            )

    def _tell(self, report: FixityReport) -> bool:
        """Hand a report to the sequencer's thread, and wait until it is signed; False if that takes too long."""
        self._on_report(report)
        until = self._clock.mono() + _SAID_SECONDS
        while not report.said.wait(_LOOK_SECONDS):
            if self._stop.is_set():
                raise StoppedError
            if self._clock.mono() > until:
                return False
        return True
