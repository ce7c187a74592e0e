"""What the catalogue does when there is time: reads listings that arrived, groups items into recordings."""

import logging
from collections.abc import Callable, Iterator
from typing import BinaryIO

from evidence_model.findings import Finding, Severity
from evidence_store.catalogue import BODY_MAKES_NO_SENSE, MAKES_NO_SENSE, Catalogue
from evidence_store.errors import VaultReadError
from evidence_store.regroup import regroup, stale_recorders
from evidence_store.vault import Vault
from host_io import logs

_LOG = logging.getLogger(__name__)
_MAX_LINE_BYTES = 1 << 16  # a path has 4,096 bytes at most; what else stands in a line is short
_MAX_SUBJECT_CHARACTERS = 200


def do_one_chore(catalogue: Catalogue, vault: Vault, *, on_finding: Callable[[Finding], None] | None = None) -> bool:
    """Do one piece of work that waits; False if there is none.

    Items that cannot be grouped are told to `on_finding`, and left as they are until their recorder says more; so is a
    listing that cannot be read, which is tried again.
    """
    for dock, listing in catalogue.unread_listings():
        if vault.held(listing) is None:
            continue  # `verify` names it; what else there is to do does not wait for it
        try:
            with vault.path_of(listing).open("rb") as file:
                catalogue.load_listing(dock, _lines(file))
        except OSError as error:
            if on_finding is not None:
                details = {"error": str(error.strerror)}
                on_finding(Finding(VaultReadError.code, Severity.FAULT, f"sha256/{listing.hex}", details))
            continue
        return True
    for recorder in stale_recorders(catalogue.db)[:1]:
        try:
            count = regroup(catalogue.db, recorder)
        except MAKES_NO_SENSE as error:
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


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a listing one at a time; one that is too long to be an entry is passed over."""
    is_whole = True  # does what is read next begin a line?
    while part := file.readline(_MAX_LINE_BYTES):
        is_end = part.endswith(b"\n") or len(part) < _MAX_LINE_BYTES
        if is_whole and is_end:
            yield part
        is_whole = is_end
