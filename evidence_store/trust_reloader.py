"""A running store goes on with the next trust document, if its roots signed it; never as another centre.

What cannot be used is a finding as long as it lies there, and the keys that were trusted before are trusted still.
"""

import logging

from evidence_model.errors import EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.centre_book import CentreBook
from evidence_store.sequencer import Sequencer
from host_io import logs
from host_io.config import HomePaths
from host_io.trust import (
    RootsDamagedError,
    Trust,
    TrustDamagedError,
    TrustMissingError,
    check_roots_between,
    read_trust,
)

_LOG = logging.getLogger(__name__)
_SUBJECT = "trust.json"


class AnotherTrustError(RefusedError):
    """The trust file is that of another site, log or centre than runs here."""

    code = "STO-093"


_CODES = frozenset({AnotherTrustError.code, TrustMissingError.code, TrustDamagedError.code, RootsDamagedError.code})


class TrustReloader:
    """Used by the sequencer's thread, which looks before each step."""

    def __init__(self, paths: HomePaths, sequencer: Sequencer, book: CentreBook) -> None:
        self._paths = paths
        self._sequencer = sequencer
        self._book = book
        self._seen = self._state()
        self._tell("", "")  # the store has just started with it

    def look(self) -> None:
        """Go on with what the file says if it changed and is of this centre."""
        state = self._state()
        if state == self._seen:
            return
        try:
            trust = read_trust(self._paths.trust)
            check_same_centre(self._sequencer.trusted, trust)
            check_roots_between(self._paths, self._sequencer.trusted, trust)
            self._sequencer.trust(trust)
        except (OSError, EvidockError) as error:
            self._tell(error.code if isinstance(error, EvidockError) else TrustMissingError.code, str(error))
        else:
            self._tell("", "")
            logs.event(_LOG, "trust.reloaded", number=trust.number, station_count=len(trust.stations))
        self._seen = state

    def _state(self) -> tuple[int, int] | None:
        try:
            info = self._paths.trust.stat()
        except OSError:
            return None
        return info.st_mtime_ns, info.st_ino

    def _tell(self, code: str, problem: str) -> None:
        for other in _CODES - {code}:
            self._book.clear(other, _SUBJECT)
        if code:
            logs.event(_LOG, "trust.not_reloaded", level=logging.ERROR, code=code, problem=problem)
            self._book.note(Finding(code, Severity.FAULT, _SUBJECT))


def check_same_centre(known: Trust, found: Trust) -> None:
    """Return if two trust documents are of the same centre and log; their keys change only while the store is stopped.

    Raises:
        AnotherTrustError: site, log or centre differ.
    """
    found_keys, known_keys = (found.log_key, found.centre.key), (known.log_key, known.centre.key)
    if (found.site, found.centre.id, found_keys) != (known.site, known.centre.id, known_keys):
        raise AnotherTrustError(
            f"trust.json is of site {found.site} and centre {found.centre.id}, or of another log, and here runs"
            f" {known.centre.id} of {known.site}; it is not used, put the right one back"
        )
