"""SHA-256 and, where a site asks for it, SM3 of the same bytes, as one hash that a copy fills."""

import hashlib
from typing import Protocol

from evidence_model.digests import new_sm3


class Filled(Protocol):
    """What a copy feeds: `hashlib`'s own, or both digests at once."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in what comes next."""
        ...

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was taken in."""
        ...


class BothDigests:
    """SHA-256 of what was taken in, and its SM3 if that was asked for and this Python can make it."""

    def __init__(self, *, with_sm3: bool) -> None:
        self._sha256 = hashlib.sha256()
        self._sm3 = new_sm3() if with_sm3 else None

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in what comes next."""
        self._sha256.update(data)
        if self._sm3 is not None:
            self._sm3.update(data)

    def digest(self) -> bytes:
        """Return the SHA-256."""
        return self._sha256.digest()

    def sm3(self) -> bytes | None:
        """Return the SM3, None if there is none."""
        return None if self._sm3 is None else self._sm3.digest()
