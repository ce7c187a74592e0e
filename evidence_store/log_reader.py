"""Reads the events of the log back from its files, in order, for the catalogue and for checks."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from chain_of_custody.envelope import parse_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.leaf import Leaf
from chain_of_custody.tiles import TILE_WIDTH, Bundle, decode_bundle
from evidence_model.errors import EvidockError
from evidence_store.catalogue_events import LoggedEvent
from evidence_store.errors import LogFileMissingError
from evidence_store.log_folder import LogFolder
from evidence_store.stage import decode_stage


class LogReader:
    """The events between two sizes of one log; a leaf names its envelope by a hash of the hash, so names are mapped."""

    def __init__(self, folder: LogFolder) -> None:
        self._folder = folder
        self._by_checksum: dict[bytes, bytes] = {}
        self._staged: dict[bytes, bytes] = {}
        self._scanned = False

    def leaf(self, index: int, size: int) -> Leaf:
        """Return one leaf of the log of this size."""
        return self._leaves(index // TILE_WIDTH, size)[index % TILE_WIDTH]

    def events(
        self, start: int, size: int, *, lost: Callable[[int, bytes], None] | None = None
    ) -> Iterator[LoggedEvent]:
        """Yield the events from index `start` up to the log's `size`.

        `lost` is given place and checksum of each envelope that is not there, which is then passed over.

        Raises:
            LogFileMissingError: a bundle is not there, or an envelope, and there is no `lost`.
            DamageError, RefusedError: one is not what was logged.
        """
        self._forget()
        for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
            for place, leaf in enumerate(self._leaves(number, size)):
                index = number * TILE_WIDTH + place
                if index < start:
                    continue
                if lost is not None and self.envelope_hash(leaf.checksum) is None:
                    lost(index, leaf.checksum)
                else:
                    yield self._event(index, leaf)

    def envelope_hash(self, checksum: bytes) -> bytes | None:
        """Return the name of the envelope whose leaf has this checksum, or None if it is nowhere."""
        if not self._by_checksum:
            self._read_stages()
        if checksum not in self._by_checksum and not self._scanned:
            self._scanned = True
            for path in self._folder.envelope_names():
                self._remember_name(path)
        return self._by_checksum.get(checksum)

    def _leaves(self, number: int, size: int) -> list[Leaf]:
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        return [Leaf.parse(entry) for entry in decode_bundle(self._folder.read_bundle(Bundle(number, width)), width)]

    def _event(self, index: int, leaf: Leaf) -> LoggedEvent:
        envelope_hash = self.envelope_hash(leaf.checksum)
        if envelope_hash is None:
            raise LogFileMissingError(f"the envelope of entry {index} is not there; restore the log from a replica")
        envelope = parse_envelope(self.raw_envelope(envelope_hash))
        return LoggedEvent(index, envelope_hash, parse_event(envelope))

    def raw_envelope(self, envelope_hash: bytes) -> bytes:
        """Return an envelope's bytes, from its file, or from the stage as long as it has none or half of one.

        A file that is not what its name says, and is in no stage, is given as it is: who reads it tells.

        Raises:
            LogFileMissingError: it is in neither.
        """
        found: bytes | None = None
        for _ in range(2):  # the file may appear and the stage go while we look
            try:
                found = self._folder.envelope_path(envelope_hash).read_bytes()
            except FileNotFoundError:
                found = None
            if found is not None and sha256(found).digest() == envelope_hash:
                return found
            if envelope_hash not in self._staged:
                self._read_stages()
            if envelope_hash in self._staged:
                return self._staged[envelope_hash]
        if found is not None:
            return found
        raise LogFileMissingError(f"{self._folder.envelope_path(envelope_hash)}: not there; restore it from a replica")

    def _forget(self) -> None:
        self._by_checksum.clear()
        self._staged.clear()
        self._scanned = False

    def _read_stages(self) -> None:
        """The stages hold what was logged last: usually all that is asked for, without a look at a million names."""
        for stage in self._folder.stages():
            try:
                entries = decode_stage(stage.path.read_bytes(), where=str(stage.path)).entries
            except (FileNotFoundError, EvidockError):
                continue
            for entry in entries:
                self._remember(entry.hash)
                self._staged[entry.hash] = entry.raw

    def _remember_name(self, path: Path) -> None:
        try:
            self._remember(bytes.fromhex(path.name.split(".", 1)[0]))
        except ValueError:
            return

    def _remember(self, envelope_hash: bytes) -> None:
        self._by_checksum[sha256(envelope_hash).digest()] = envelope_hash
