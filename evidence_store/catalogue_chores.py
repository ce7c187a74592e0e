"""What the catalogue does when there is time: reads listings that arrived, groups items into recordings."""

import logging
import sqlite3
from collections.abc import Callable

from evidence_model.errors import RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.catalogue import BODY_MAKES_NO_SENSE, Catalogue
from evidence_store.regroup import regroup, stale_recorders
from evidence_store.vault import Vault
from host_io import logs

_LOG = logging.getLogger(__name__)
MAX_LISTING_BYTES = 1 << 30
_MAX_SUBJECT_CHARACTERS = 200


def do_one_chore(catalogue: Catalogue, vault: Vault, *, on_finding: Callable[[Finding], None] | None = None) -> bool:
    """Do one piece of work that waits; False if there is none.

    Items that cannot be grouped are told to `on_finding`, and left as they are until their recorder says more.
    """
    for dock, listing in catalogue.unread_listings()[:1]:
        path = vault.path_of(listing)
        size = path.stat().st_size
        lines = path.read_bytes() if size <= MAX_LISTING_BYTES else b""
        catalogue.load_listing(dock, lines)
        return True
    for recorder in stale_recorders(catalogue.db)[:1]:
        try:
            count = regroup(catalogue.db, recorder)
        except (RefusedError, ArithmeticError, LookupError, TypeError, ValueError, sqlite3.IntegrityError) as error:
            catalogue.not_grouped(recorder)
            problem = str(error)[:200]
            logs.event(_LOG, "recorder.not_grouped", level=logging.ERROR, recorder=recorder, problem=problem)
            if on_finding is not None:
                subject = f"recorder/{recorder}"[:_MAX_SUBJECT_CHARACTERS]
                on_finding(Finding(BODY_MAKES_NO_SENSE, Severity.FAULT, subject, {"error": problem}))
            return True
        logs.event(_LOG, "recorder.grouped", level=logging.DEBUG, recorder=recorder, recording_count=count)
        return True
    return False
