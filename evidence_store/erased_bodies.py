"""Reading a log some of whose events have no body any more: a tombstone that stands later in the log must name each.

Whether that tombstone is lawful is for `verify`; the catalogue must only not go on over what was simply lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from evidence_model.events import EventKind
from evidence_model.ids import SourceId
from evidence_store import body_reading as read
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.errors import LogFileMissingError
from evidence_store.log_reader import LogReader


@dataclass(slots=True)
class ErasedBodies:
    """One reading of a part of the log, from front to back."""

    centre: SourceId
    lost: dict[bytes, int] = field(default_factory=dict)  # checksum of an envelope that is not there → its place
    _named: dict[bytes, int] = field(default_factory=dict)  # checksum of an erased one → the tombstone's place

    def read(self, reader: LogReader, start: int, size: int) -> Iterator[LoggedEvent]:
        """Yield the events that there are.

        Raises:
            LogFileMissingError: at the end: one was lost that no tombstone after it names; or a bundle is not there.
            DamageError, RefusedError: one is not what was logged.
        """
        for event in reader.events(start, size, lost=self._lose):
            if event.view.kind == EventKind.DISPOSAL_DONE.value and event.view.source.id == self.centre:
                for envelope in read.hashes(event.view.body, "erased"):
                    self._named.setdefault(sha256(envelope).digest(), event.index)
            yield event
        for checksum, index in self.lost.items():
            if self._named.get(checksum, -1) <= index:
                raise LogFileMissingError(f"the envelope of entry {index} is not there; restore the log from a replica")

    def _lose(self, index: int, checksum: bytes) -> None:
        self.lost[checksum] = index
