"""`trust.json`: the newest trust document, and `trust/`: every one that was ever published, signed (contract.md, home).

`trust.json` is written last: whoever reads it finds the signed document beside it.
"""

from pathlib import Path

from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.trust_document import Trust, document_bytes, parse_document
from chain_of_custody.trust_entries import TrustedSource
from chain_of_custody.trust_root import check_root, check_roots
from chain_of_custody.witness_policy import Witness
from evidence_model.errors import DamageError, RefusedError, UnavailableError
from evidence_model.ids import SourceId
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import read_signing_key

__all__ = [
    "RootsDamagedError",
    "Trust",
    "TrustDamagedError",
    "TrustMissingError",
    "TrustedSource",
    "centre_key_path",
    "check_home_roots",
    "check_roots_between",
    "log_key_path",
    "next_log_key_path",
    "parse_trust",
    "publish_root",
    "read_roots",
    "read_trust",
    "restore_trust",
    "root_key_path",
    "root_path",
    "station_key_path",
    "station_witness",
    "take_over_log_key",
    "trust_bytes",
    "upload_secret_path",
    "witness_key_path",
    "witness_name",
]


class TrustMissingError(UnavailableError):
    """There is no `trust.json`."""

    code = "HOST-040"


class TrustDamagedError(DamageError):
    """`trust.json` is not in its one canonical form, or breaks a rule of trust documents."""

    code = "HOST-041"


class RootsDamagedError(DamageError):
    """The signed documents in `trust/` do not lead to `trust.json`."""

    code = "HOST-043"


def read_trust(path: Path) -> Trust:
    """Read `trust.json`; whether roots signed it is for `check_home_roots`.

    Raises:
        TrustMissingError: it is not there.
        TrustDamagedError: it is no trust document, or cannot be read.
    """
    try:
        data = durable.read_plain(path)
    except FileNotFoundError:
        raise TrustMissingError(f"{path}: not there; run `evidock init`, or copy it from the centre") from None
    except OSError as error:
        raise TrustDamagedError(f"{path}: cannot be read: {error.strerror}; restore it") from error
    return parse_trust(data, where=str(path))


def trust_bytes(trust: Trust) -> bytes:
    """Return the one form in which `trust.json` is written."""
    return document_bytes(trust) + b"\n"


def parse_trust(data: bytes, *, where: str) -> Trust:
    """Read the bytes of `trust.json`; `where` is for the message.

    Raises:
        TrustDamagedError: they are not what `trust_bytes` writes.
    """
    if not data.endswith(b"\n"):
        raise TrustDamagedError(f"{where}: not a trust file: its line end is missing; restore it")
    try:
        return parse_document(data[:-1])
    except RefusedError as error:
        raise TrustDamagedError(f"{where}: not a trust file: {error}; restore it") from error


def read_roots(paths: HomePaths) -> list[bytes]:
    """Return the signed documents of `trust/` in their order, from the first to the first that is not there.

    Raises:
        RootsDamagedError: one cannot be read.
    """
    found: list[bytes] = []
    try:
        while True:
            found.append(durable.read_plain(root_path(paths, len(found) + 1)))
    except (FileNotFoundError, NotADirectoryError):
        return found
    except OSError as error:
        raise RootsDamagedError(f"{paths.trust_roots}: cannot be read: {error.strerror}; restore it") from error


def check_home_roots(paths: HomePaths, trust: Trust) -> list[bytes]:
    """Return the signed documents of a home if they lead to its `trust.json`.

    A newer one that lies there already is none of it yet: power failed before `trust.json` was written.

    Raises:
        RootsDamagedError: they do not, so somebody changed one or the other.
    """
    roots = read_roots(paths)[: trust.number]
    try:
        newest = check_roots(roots)
    except RefusedError as error:
        raise RootsDamagedError(f"{paths.trust_roots}: {error}; restore it from the centre's copy") from error
    if newest != trust:
        raise RootsDamagedError(f"{paths.trust}: it is not what the roots signed as number {newest.number}; restore it")
    return roots


def check_roots_between(paths: HomePaths, known: Trust, found: Trust) -> None:
    """Return if the signed documents lead from one that is in force to another that is found.

    Raises:
        RootsDamagedError: they do not: nobody who may has signed it.
    """
    if found == known:
        return
    try:
        newest = known
        for raw in read_roots(paths)[known.number : found.number]:
            newest = check_root(raw, newest)
    except RefusedError as error:
        raise RootsDamagedError(f"{paths.trust_roots}: {error}; the one before it stays in force") from error
    if newest != found:
        raise RootsDamagedError(
            f"{paths.trust}: number {found.number} is not signed by those who decide after number {known.number}; "
            "the one before it stays in force"
        )


def publish_root(paths: HomePaths, raw: bytes) -> Trust:
    """Let a signed document be what this home goes by, if it may follow what it goes by now.

    Raises:
        RefusedError: it may not (see `check_root`).
        TrustDamagedError, RootsDamagedError: what it goes by now cannot be read.
    """
    trust = check_root(raw, _in_force(paths))
    durable.make_folders(paths.trust_roots, mode=0o755)
    durable.write_file(root_path(paths, trust.number), raw, mode=0o444)
    # Power fails here: the old document is in force, the new one lies ready and is published again.
    durable.write_file(paths.trust, trust_bytes(trust), mode=0o644)
    return trust


def restore_trust(paths: HomePaths) -> Trust | None:
    """Write `trust.json` anew from the signed documents: an `init` died before it, or it is lost. None without any.

    Raises:
        RefusedError: they do not follow one another.
        RootsDamagedError: one cannot be read.
    """
    roots = read_roots(paths)
    if not roots:
        return None
    trust = check_roots(roots)
    durable.write_file(paths.trust, trust_bytes(trust), mode=0o644)
    return trust


def _in_force(paths: HomePaths) -> Trust | None:
    if paths.trust.exists():
        return read_trust(paths.trust)
    roots = read_roots(paths)
    return check_roots(roots) if roots else None


def root_path(paths: HomePaths, number: int) -> Path:
    """Return where the signed document of this number lies."""
    return paths.trust_roots / f"{number}.dsse.json"


def root_key_path(paths: HomePaths) -> Path:
    """Return where the root key of a single machine lies, which guards itself."""
    return paths.keys / "root.key"


def log_key_path(paths: HomePaths) -> Path:
    """Return where the log's private key lies."""
    return paths.keys / "log.key"


def next_log_key_path(paths: HomePaths) -> Path:
    """Return where the key lies that is to sign the log after a hand-over."""
    return paths.keys / "log-next.key"


def take_over_log_key(paths: HomePaths, trust: Trust) -> None:
    """Let the key that the trust document names sign the log; also what a cut-off hand-over left to do.

    Raises:
        KeyMissingError, KeyOpenToOthersError, TokenUnavailableError: the next key cannot be read.
    """
    new, now = next_log_key_path(paths), log_key_path(paths)
    if not new.exists() or read_signing_key(new).public_key != trust.log_key:
        return
    kept = paths.keys / f"log-until-{trust.logs[-1].start}.key"
    durable.link(now, kept)
    # Power fails here: the key before has two names, and this is done again.
    durable.rename(new, now)


def centre_key_path(paths: HomePaths) -> Path:
    """Return where the centre's private key lies."""
    return paths.keys / "centre.key"


def station_key_path(paths: HomePaths, station: SourceId) -> Path:
    """Return where a station's private key lies."""
    return paths.keys / f"station-{station}.key"


def witness_key_path(paths: HomePaths, station: SourceId) -> Path:
    """Return where the private key lies with which a station cosigns checkpoints; it signs nothing else."""
    return paths.keys / f"witness-{station}.key"


def witness_name(site: SourceId, station: SourceId) -> str:
    """Return a station's name in its cosignatures."""
    return f"{site}/{station}"


def station_witness(site: SourceId, station: SourceId, public_key: bytes) -> Witness:
    """Return a station as a witness of the policy."""
    return Witness(station, NoteKey(witness_name(site, station), NoteAlgorithm.COSIGNATURE_V1, public_key))


def upload_secret_path(paths: HomePaths, station: SourceId) -> Path:
    """Return where the secret lies with which a station may upload."""
    return paths.keys / f"upload-station-{station}.secret"
