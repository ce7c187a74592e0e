"""The files of the log: tiles, bundles and envelopes, which never change once they are written, and the stages.

Nothing here is fsynced. What is written here stands in a stage file that *is* on the medium; the ledger removes the
stage only after the whole file system was synced, and until then writes the same bytes again after every start.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from chain_of_custody.leaf import LEAF_BYTES
from chain_of_custody.tiles import TILE_WIDTH, Bundle, Tile
from chain_of_custody.tree import HASH_BYTES
from evidence_store.errors import LogFileMissingError
from evidence_store.stage import parse_stage_name
from host_io.durable import AlreadyDifferentError, write_all

_ENVELOPE_SUFFIX = ".dsse.json"
ENTRY_BYTES = 2 + LEAF_BYTES  # an entry in a bundle stands behind its length


class Existing(Enum):
    """What a file that is there already may look like."""

    EQUAL = "equal"  # the live path: anything else is damage
    EQUAL_OR_TORN = "torn"  # recovery: power or the process died while it was being written


@dataclass(frozen=True, slots=True, order=True)
class StageFile:
    """A stage that lies in the folder."""

    old_size: int
    new_size: int
    path: Path


class LogFolder:
    """`log/` of a home, read and written by the names of C2SP tlog-tiles."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known_folders: set[Path] = set()

    @property
    def signed(self) -> Path:
        """What was signed last: the commit point."""
        return self.root / "signed"

    @property
    def checkpoint(self) -> Path:
        """What is public."""
        return self.root / "checkpoint"

    @property
    def stage(self) -> Path:
        """The folder of the stages."""
        return self.root / "stage"

    @property
    def envelopes(self) -> Path:
        """The folder of the envelopes."""
        return self.root / "envelopes"

    def envelope_path(self, envelope_hash: bytes) -> Path:
        """Return where the envelope of this hash lies."""
        name = envelope_hash.hex()
        return self.envelopes / name[:2] / f"{name}{_ENVELOPE_SUFFIX}"

    def read_tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes; a partial one that was cleared away is read out of the full one (tlog-tiles).

        Raises:
            LogFileMissingError: neither is there.
        """
        return self._read(tile.path, Tile(tile.level, tile.index).path, tile.width * HASH_BYTES)

    def read_bundle(self, bundle: Bundle) -> bytes:
        """Return a bundle's bytes, like `read_tile`."""
        return self._read(bundle.path, Bundle(bundle.index).path, bundle.width * ENTRY_BYTES)

    def put(self, path: str, data: bytes, *, existing: Existing = Existing.EQUAL) -> None:
        """Write a file that never changes, if it is not there.

        Raises:
            AlreadyDifferentError: it is there with other content, which is left as it is.
        """
        self._put(self.root / path, data, existing)

    def put_envelope(self, envelope_hash: bytes, raw: bytes, *, existing: Existing = Existing.EQUAL) -> None:
        """Write an envelope, like `put`."""
        self._put(self.envelope_path(envelope_hash), raw, existing)

    def publish(self, note: bytes) -> None:
        """Show the newest checkpoint; not durable, since every start publishes what is signed."""
        part = self.root / ".checkpoint.part"
        part.write_bytes(note)
        part.replace(self.checkpoint)

    def stages(self) -> list[StageFile]:
        """Return the stages that are there, in the order of the log."""
        found = []
        for entry in os.scandir(self.stage) if self.stage.is_dir() else ():
            sizes = parse_stage_name(entry.name)
            if sizes is not None:
                found.append(StageFile(*sizes, Path(entry.path)))
        return sorted(found)

    def is_empty(self) -> bool:
        """Say whether nothing was ever logged here."""
        if self.signed.exists() or self.checkpoint.exists() or self.stages():
            return False
        return next(self.tile_paths(), None) is None and next(self.envelope_names(), None) is None

    def clear_superseded(self, folder: str) -> None:
        """Remove the partial tiles of a tile that is full and on the medium now; failing costs a few kilobytes."""
        shutil.rmtree(self.root / folder, ignore_errors=True)
        self._known_folders.discard(self.root / folder)

    def shows_more_than(self, size: int) -> Path | None:
        """Return a tile or bundle that only a larger log has, or None; such files are written after the signature."""
        number, width = divmod(size, TILE_WIDTH)
        for full in (Tile(0, number).path, Bundle(number).path):
            if (self.root / full).exists():
                return self.root / full
            partial = self.root / f"{full}.p"
            for path in partial.iterdir() if partial.is_dir() else ():
                if path.name.isdecimal() and int(path.name) > width:
                    return path
        return None

    def tile_paths(self) -> Iterator[str]:
        """Yield the path under `log/` of every file in `tile/`."""
        for folder, _, names in os.walk(self.root / "tile"):
            for name in names:
                yield str((Path(folder) / name).relative_to(self.root))

    def envelope_names(self) -> Iterator[Path]:
        """Yield every file in `envelopes/`."""
        for folder, _, names in os.walk(self.envelopes):
            for name in names:
                yield Path(folder) / name

    def _read(self, path: str, full_path: str, size_bytes: int) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            pass
        try:
            data = (self.root / full_path).read_bytes()
        except FileNotFoundError:
            raise LogFileMissingError(f"{self.root / path}: not there; restore the log from a replica") from None
        return data[:size_bytes]

    def _put(self, path: Path, data: bytes, existing: Existing) -> None:
        if path.parent not in self._known_folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._known_folders.add(path.parent)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        except FileExistsError:
            self._compare(path, data, existing)
            return
        try:
            write_all(fd, data)
        finally:
            os.close(fd)

    def _compare(self, path: Path, data: bytes, existing: Existing) -> None:
        found = path.read_bytes()
        if found == data:
            return
        if existing is Existing.EQUAL or not is_torn(found, data):
            raise AlreadyDifferentError(f"{path}: this file is never rewritten, and what is there differs")
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        part.chmod(0o444)
        part.replace(path)


def is_torn(found: bytes, expected: bytes) -> bool:
    """Say whether `found` is what a cut-off write of `expected` can leave: too short, or with holes of zeros."""
    return len(found) <= len(expected) and all(
        mine in (theirs, 0) for mine, theirs in zip(found, expected, strict=False)
    )
