"""A running store goes on with a changed `trust.json` (a station was enrolled), but never as another centre.

What cannot be used is a finding as long as it lies there, and the keys that were trusted before are trusted still.
"""

import logging
from pathlib import Path

from evidence_model.errors import EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.centre_book import CentreBook
from evidence_store.sequencer import Sequencer
from host_io import logs
from host_io.trust import Trust, TrustDamagedError, TrustMissingError, read_trust

_LOG = logging.getLogger(__name__)
_SUBJECT = "trust.json"


class AnotherTrustError(RefusedError):
    """The trust file is that of another site, log or centre than runs here."""

    code = "STO-093"


_CODES = frozenset({AnotherTrustError.code, TrustMissingError.code, TrustDamagedError.code})


class TrustReloader:
    """Used by the sequencer's thread, which looks before each step."""

    def __init__(self, path: Path, sequencer: Sequencer, book: CentreBook) -> None:
        self._path = path
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
            trust = read_trust(self._path)
            check_same_centre(self._sequencer.trusted, trust)
            self._sequencer.trust(trust)
        except (OSError, EvidockError) as error:
            self._tell(error.code if isinstance(error, EvidockError) else TrustMissingError.code, str(error))
        else:
            self._tell("", "")
            logs.event(_LOG, "trust.reloaded", station_count=len(trust.stations))
        self._seen = state

    def _state(self) -> tuple[int, int] | None:
        try:
            info = self._path.stat()
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
    """Return if two trust files differ in their stations at most.

    Raises:
        AnotherTrustError: site, log or centre differ; a log has one of each for ever.
    """
    if (found.site, found.log_key, found.centre) != (known.site, known.log_key, known.centre):
        raise AnotherTrustError(
            f"trust.json is of site {found.site} and centre {found.centre.id}, or of another log, and here runs"
            f" {known.centre.id} of {known.site}; it is not used, put the right one back"
        )
