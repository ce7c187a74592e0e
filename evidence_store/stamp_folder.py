"""`log/timestamps/`: checkpoints that were stamped, the stamps, and lists by which old stamps are stamped anew.

`<size>.checkpoint` is a whole checkpoint file, cosignatures included; `<size>.<authority>.tsr` is an authority's
answer over these bytes, as it came. `renewal-<number>.list` names old files by their SHA-256 as sha256sum does, and
`renewal-<number>.<authority>.tsr` is over that list.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint
from chain_of_custody.time_bounds import StampedLog
from chain_of_custody.time_stamp import Stamp, StampedOtherLogError, StampOfAnotherError, verify_stamp
from chain_of_custody.trust_entries import Authority
from evidence_model.errors import EvidockError, RefusedError
from evidence_model.ids import SourceId
from host_io import durable
from host_io.durable import AlreadyDifferentError

_SIZE = r"(?:[1-9][0-9]{0,18})"
_NAME = re.compile(rf"({_SIZE}|renewal-{_SIZE})\.(?:(checkpoint|list)|([a-z0-9](?:[a-z0-9-]{{0,46}}[a-z0-9])?)\.tsr)")


@dataclass(frozen=True, slots=True)
class StampFile:
    """An answer that lies here: over `stem`.checkpoint or `stem`.list."""

    stem: str
    authority: SourceId
    path: Path

    @property
    def size(self) -> int | None:
        """Return the size of the stamped log; None if it is over a list."""
        return int(self.stem) if self.stem.isdecimal() else None

    @property
    def over(self) -> Path:
        """Return the file that was stamped."""
        return self.path.with_name(f"{self.stem}.{'list' if self.size is None else 'checkpoint'}")


@dataclass(frozen=True, slots=True)
class Verified:
    """A stamp that was verified, and the checkpoint that it is over (None: it is over a list)."""

    file: StampFile
    stamp: Stamp
    note: bytes
    checkpoint: Checkpoint | None

    @property
    def stamped_log(self) -> StampedLog | None:
        """Return what it proves of the log."""
        return None if self.checkpoint is None else StampedLog(self.stamp, self.checkpoint.size)


@dataclass(frozen=True, slots=True)
class Unverified:
    """A file that proves nothing, and why."""

    path: Path
    authority: SourceId
    code: str
    why: str


class StampFolder:
    """The stamps of one log; the store's threads write through one object, anybody reads."""

    def __init__(self, log: Path) -> None:
        self.root = log / "timestamps"
        self._writing = threading.Lock()  # two authorities may stamp the same size

    def files(self) -> list[StampFile]:
        """Return the answers that lie here, the largest log last."""
        found = []
        for path in self.root.iterdir() if self.root.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match is not None and match[3]:
                found.append(StampFile(match[1], SourceId(match[3]), path))
        return sorted(found, key=lambda each: (each.size or 0, each.stem, each.authority))

    def strays(self) -> Iterator[Path]:
        """Yield what does not belong here."""
        for path in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if _NAME.fullmatch(path.name) is None and not path.name.endswith(".part"):
                yield path

    def checkpoint(self, size: int) -> bytes | None:
        """Return the checkpoint of this size that was stamped, if any; another authority stamps the same bytes."""
        try:
            return durable.read_plain(self.root / f"{size}.checkpoint")
        except FileNotFoundError:
            return None

    def next_list(self) -> str:
        """Return the name of a list that is not there yet."""
        names = (path.name.split(".")[0] for path in self.root.glob("renewal-*.list"))
        return f"renewal-{1 + max((int(each.removeprefix('renewal-')) for each in names), default=0)}"

    def keep(self, stem: str, data: bytes, authority: SourceId, answer: bytes) -> bool:
        """Keep an answer and what it is over, for good; False if other bytes lie there and the answer is over none.

        Raises:
            OSError: the disk is full; nothing is lost but this answer.
        """
        durable.make_folders(self.root, mode=0o755)
        kind = "checkpoint" if stem.isdecimal() else "list"
        with self._writing:
            try:
                durable.write_once(self.root / f"{stem}.{kind}", data)
                # Power fails here: a file without a stamp, which proves nothing; the authority is asked again.
                durable.write_once(self.root / f"{stem}.{authority}.tsr", answer)
                # Power fails here: the stamp is there and nobody has heard of it yet; the next start tells.
            except AlreadyDifferentError:
                return False
        return True

    def verified(
        self, authorities: Sequence[Authority], log_keys: Sequence[bytes]
    ) -> tuple[list[Verified], list[Unverified]]:
        """Return the stamps that count, and the files that do not with the reason."""
        known = {each.name: each for each in authorities}
        good: list[Verified] = []
        bad: list[Unverified] = []
        for file in self.files():
            code, why = StampedOtherLogError.code, f"{file.over.name} is not there"
            try:
                good.append(verify_file(file, known, log_keys))
                continue
            except FileNotFoundError:
                pass
            except EvidockError as error:
                code, why = error.code, str(error)[:200]
            except OSError as error:
                why = error.strerror or str(error)
            bad.append(Unverified(file.path, file.authority, code, why))
        return good, bad


def renewal_list(files: Sequence[StampFile]) -> bytes:
    """Return the list of some stamps and of what they are over, as `sha256sum -c` reads it."""
    paths = sorted({path for file in files for path in (file.path, file.over)})
    return "".join(f"{sha256(durable.read_plain(path)).hexdigest()}  {path.name}\n" for path in paths).encode()


def due_for_renewal(verified: Sequence[Verified], by: SourceId, before: datetime) -> list[StampFile]:
    """Return the stamps by certificates that end `before`, and that no list by a longer one of authority `by` names."""
    renewed: set[str] = set()
    for each in verified:
        if each.checkpoint is None and each.file.authority == by and each.stamp.certificate_ends_at >= before:
            renewed.update(each.note.decode("ascii", "replace").splitlines())
    return [
        each.file
        for each in verified
        if each.stamp.certificate_ends_at < before and f"{each.stamp.token.hex()}  {each.file.path.name}" not in renewed
    ]


def verify_file(file: StampFile, known: Mapping[SourceId, Authority], log_keys: Sequence[bytes]) -> Verified:
    """Return a stamp that counts.

    Raises:
        RefusedError: it does not.
        OSError: it, or what it is over, cannot be read.
    """
    authority = known.get(file.authority)
    if authority is None:
        raise StampOfAnotherError(f"the trust document names no authority {file.authority}")
    note = durable.read_plain(file.over)
    stamp = verify_stamp(durable.read_plain(file.path), note, authority)
    return Verified(file, stamp, note, None if file.size is None else _open(file, note, log_keys))


def _open(file: StampFile, note: bytes, log_keys: Sequence[bytes]) -> Checkpoint:
    for key in log_keys:
        try:
            checkpoint = open_checkpoint(note, log_key=key)
        except RefusedError:
            continue
        if checkpoint.size == file.size:
            return checkpoint
    raise StampedOtherLogError(f"{file.over.name}: no checkpoint of this log and size")
