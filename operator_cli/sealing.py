"""Asks the running store for a seal and waits until anybody can see it."""

import contextlib
import time

from evidence_store import queries
from evidence_store.custody_queries import CustodyEntry
from evidence_store.housekeeping import ask_for_seal
from evidence_store.package_seals import newest_seal
from host_io import trust
from host_io.config import HomePaths
from host_io.trust import Trust
from operator_cli.errors import WaitedTooLongError
from operator_cli.texts import Texts

SEAL_SECONDS = 120
_LOOK_SECONDS = 0.2


def seal_now(paths: HomePaths, texts: Texts) -> CustodyEntry:
    """Return the new seal once the public log has it, cosigned where the site has witnesses.

    Raises:
        WaitedTooLongError: the store did not say it, or the witnesses did not cosign it, in `SEAL_SECONDS`.
    """
    known = trust.read_trust(paths.trust)
    until = time.monotonic() + SEAL_SECONDS
    with contextlib.closing(queries.open_catalogue(paths)) as db:
        before = newest_seal(db, known.centre.id)
        ask_for_seal(paths)
        while (sealed := newest_seal(db, known.centre.id)) == before or sealed is None:
            _wait(until, texts)
        while _public_size(paths, known) <= sealed[0]:
            _wait(until, texts)
        return queries.find_event(db, str(sealed[0]))


def _wait(until: float, texts: Texts) -> None:
    if time.monotonic() > until:
        raise WaitedTooLongError(texts("seal.waited", seconds=SEAL_SECONDS))
    time.sleep(_LOOK_SECONDS)


def _public_size(paths: HomePaths, known: Trust) -> int:
    return known.open_checkpoint((paths.log / "checkpoint").read_bytes()).size
