"""What a station cosigned last, as a file of its own.

`witness/<station>.last` holds the newest signed checkpoint that it cosigned, nothing before the first. It is made
before the witness's key: so a key without it means that it was lost, and a witness that does not know what it cosigned
must never do so again (it would cosign a second history). Its key is then retired, and another enrolled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.log_keys import open_logged
from chain_of_custody.signatures import Signer
from chain_of_custody.trust_entries import TrustedLog
from evidence_model.errors import DamageError, RefusedError
from evidence_model.ids import SourceId
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import make_signing_key
from host_io.trust import witness_key_path

_FOLDER = "witness"


class WitnessStateLostError(DamageError):
    """A witness's key is there, but not (or not readable) what it cosigned last."""

    code = "HOST-042"


@dataclass(frozen=True, slots=True)
class WitnessState:
    """The record of one witness; one process at a time uses it."""

    path: Path

    def last(self, *, log_key: bytes, before: Sequence[TrustedLog] = ()) -> Checkpoint | None:
        """Return the checkpoint that was cosigned last, None if none ever was; perhaps of a key `before` this one.

        Raises:
            WitnessStateLostError: the record is gone, or is not a checkpoint of this log.
        """
        why = "it is not there"
        if self.path.is_file():
            try:
                note = durable.read_plain(self.path)
                return open_logged(note, (*before, TrustedLog(key=log_key))) if note else None
            except RefusedError as error:
                why = str(error)
        raise WitnessStateLostError(
            f"{self.path}: what this witness cosigned last is lost ({why}); it signs nothing any more: retire its key "
            "and enrol a new one"
        )

    def note(self, note: bytes) -> None:
        """Remember a checkpoint as the last one; after return it is for good, and may be cosigned."""
        durable.write_file(self.path, note, mode=0o644)


def make_witness(paths: HomePaths, station: SourceId) -> Signer:
    """Make a witness's record and then its key, or return the key that is there."""
    key_path = witness_key_path(paths, station)
    state = witness_state(paths, station)
    if not key_path.exists() and not state.path.exists():
        durable.make_folders(state.path.parent, mode=0o755)
        state.note(b"")
    # if power fails here: a record whose key nobody has; the key is made next time
    return make_signing_key(key_path)


def forget_witness(paths: HomePaths, station: SourceId) -> None:
    """Throw a witness's key away, and then what is left of its record: it never cosigns again."""
    durable.unlink(witness_key_path(paths, station))
    # if power fails here: a record without a key; a new key goes on from it if it is whole, else this is done again
    if (folder := witness_state(paths, station).path.parent).is_dir():
        durable.unlink(folder / f"{station}.last")


def witness_state(paths: HomePaths, station: SourceId) -> WitnessState:
    """Return the record of a station's witness."""
    return WitnessState(paths.root / _FOLDER / f"{station}.last")
