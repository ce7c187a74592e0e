"""What the catalogue does when there is time: reads listings that arrived, groups items into recordings."""

import logging

from evidence_store.catalogue import Catalogue
from evidence_store.regroup import regroup, stale_recorders
from evidence_store.vault import Vault
from host_io import logs

_LOG = logging.getLogger(__name__)
MAX_LISTING_BYTES = 1 << 30


def do_one_chore(catalogue: Catalogue, vault: Vault) -> bool:
    """Do one piece of work that waits; False if there is none."""
    for dock, listing in catalogue.unread_listings()[:1]:
        path = vault.path_of(listing)
        size = path.stat().st_size
        lines = path.read_bytes() if size <= MAX_LISTING_BYTES else b""
        catalogue.load_listing(dock, lines)
        return True
    for recorder in stale_recorders(catalogue.db)[:1]:
        count = regroup(catalogue.db, recorder)
        logs.event(_LOG, "recorder.grouped", level=logging.DEBUG, recorder=recorder, recording_count=count)
        return True
    return False
