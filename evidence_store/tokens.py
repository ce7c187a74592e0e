"""Whose upload token is this? Every station has a secret of its own in `keys/`, made where both can read it."""

import hmac
import threading
from collections.abc import Callable, Iterable

from evidence_model.errors import EvidockError
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from host_io.config import HomePaths
from host_io.keys import read_secret
from host_io.trust import upload_secret_path

_LOOK_AGAIN_SECONDS = 1.0


class TokenBook:
    """The stations' upload secrets; looks at the files again when a token is not known."""

    def __init__(self, paths: HomePaths, clock: Clock, *, stations: Callable[[], Iterable[SourceId]]) -> None:
        self._paths = paths
        self._clock = clock
        self._stations = stations
        self._lock = threading.Lock()
        self._secrets: dict[SourceId, bytes] = {}
        self._looked_at = float("-inf")

    def station_of(self, token: str) -> SourceId | None:
        """Return whose token it is, or None; takes as long for a wrong one as for a right one."""
        return self._match(token) or (self._match(token) if self._look() else None)

    def _match(self, token: str) -> SourceId | None:
        found = None
        for station, secret in self._secrets.items():
            if hmac.compare_digest(secret, token.encode("utf-8", "replace")):
                found = station
        return found

    def _look(self) -> bool:
        with self._lock:
            now = self._clock.mono()
            if now - self._looked_at < _LOOK_AGAIN_SECONDS:
                return False
            self._looked_at = now
            secrets: dict[SourceId, bytes] = {}
            for station in self._stations():
                try:
                    secrets[station] = read_secret(upload_secret_path(self._paths, station)).encode()
                except EvidockError:
                    continue  # this station does not upload here
            self._secrets = {station: secret for station, secret in secrets.items() if secret}
            return True
