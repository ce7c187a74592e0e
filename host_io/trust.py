"""`trust.json`: the public keys that a home trusts, and where the private ones lie (contract.md, home).

One canonical form only, so that a changed byte is either not that form or names another key; the log's `key.enrolled`
events say the same once more, and `verify` compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chain_of_custody.checkpoint import log_note_key
from chain_of_custody.errors import KeyRejectedError
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.signatures import KeyId, Verifier, verifier_for
from chain_of_custody.witness_policy import NO_WITNESSES, Witness, WitnessPolicy, parse_policy
from evidence_model.canonical import JsonObject, canonical_bytes, parse_strict
from evidence_model.errors import DamageError, RefusedError, UnavailableError
from evidence_model.ids import SourceId, source_id
from host_io import durable
from host_io.config import HomePaths

_VERSION = "1"


class TrustMissingError(UnavailableError):
    """There is no `trust.json`."""

    code = "HOST-040"


class TrustDamagedError(DamageError):
    """`trust.json` is not in its one canonical form, or names a key that is none."""

    code = "HOST-041"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """Whose key it is, and the raw public key."""

    id: SourceId
    key: bytes

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key."""
        return KeyId.of(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All public keys of a site: its log, its centre, its stations, and whose cosignatures a checkpoint needs."""

    site: SourceId
    log_key: bytes
    centre: TrustedKey
    stations: tuple[TrustedKey, ...] = ()
    witnesses: WitnessPolicy = NO_WITNESSES
    """Names no log: it is about this site's."""

    def verifiers(self) -> Mapping[KeyId, Verifier]:
        """Return the verifiers of everyone who may sign events."""
        return {each.key_id: verifier_for(each.key) for each in (self.centre, *self.stations)}

    def station(self, wanted: SourceId) -> TrustedKey | None:
        """Return the station of this name, or None."""
        return next((each for each in self.stations if each.id == wanted), None)

    def policy(self) -> WitnessPolicy:
        """Return the witness policy with the log in it, as outsiders' tools read it."""
        return replace(self.witnesses, logs=(log_note_key(self.log_key),))

    def source_of(self, key_id: KeyId) -> SourceId | None:
        """Return who signs with this key, or None."""
        return next((each.id for each in (self.centre, *self.stations) if each.key_id == key_id), None)


def read_trust(path: Path) -> Trust:
    """Read `trust.json`.

    Raises:
        TrustMissingError: it is not there.
        TrustDamagedError: it is not what `write_trust` writes, or cannot be read.
    """
    try:
        data = durable.read_plain(path)
    except FileNotFoundError:
        raise TrustMissingError(f"{path}: not there; run `evidock init`, or copy it from the centre") from None
    except OSError as error:
        raise TrustDamagedError(f"{path}: cannot be read: {error.strerror}; restore it") from error
    return parse_trust(data, where=str(path))


def write_trust(path: Path, trust: Trust) -> None:
    """Put `trust` at `path` for good; everybody may read it."""
    durable.write_file(path, trust_bytes(trust), mode=0o644)


def trust_bytes(trust: Trust) -> bytes:
    """Return the one form in which `trust` is written."""
    document: JsonObject = {
        "centre": _as_json(trust.centre),
        "log_key": trust.log_key.hex(),
        "site": trust.site,
        "stations": [_as_json(each) for each in trust.stations],
        "version": _VERSION,
        "witnesses": trust.witnesses.text(),
    }
    return canonical_bytes(document) + b"\n"


def parse_trust(data: bytes, *, where: str) -> Trust:
    """Read the bytes of `trust.json`; `where` is for the message.

    Raises:
        TrustDamagedError: they are not what `trust_bytes` writes.
    """
    try:
        trust = _read(parse_strict(data))
    except (RefusedError, KeyError, TypeError, ValueError) as error:
        raise TrustDamagedError(f"{where}: not a trust file: {error}; restore it") from error
    if trust_bytes(trust) != data:
        raise TrustDamagedError(f"{where}: not in its canonical form, so something changed it; restore it")
    return trust


def log_key_path(paths: HomePaths) -> Path:
    """Return where the log's private key lies."""
    return paths.keys / "log.key"


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


def _as_json(each: TrustedKey) -> JsonObject:
    return {"id": each.id, "key": each.key.hex()}


def _read(document: JsonObject) -> Trust:
    if document["version"] != _VERSION:
        raise TrustDamagedError(f"version {document['version']!r:.20} is not known here")
    stations = document["stations"]
    if not isinstance(stations, list):
        raise TypeError("stations is not a list")
    log_key = bytes.fromhex(str(document["log_key"]))
    verifier_for(log_key)
    trust = Trust(
        site=source_id(str(document["site"])),
        log_key=log_key,
        centre=_read_key(document["centre"]),
        stations=tuple(_read_key(each) for each in stations),
        witnesses=parse_policy(str(document["witnesses"])),
    )
    keys = [trust.log_key, trust.centre.key, *(each.key for each in trust.stations)]
    keys += [each.key.public_key for each in trust.witnesses.witnesses]
    names = [trust.centre.id, *(each.id for each in trust.stations)]
    if len(set(keys)) != len(keys) or len(set(names)) != len(names):
        raise TrustDamagedError("one key or one name stands twice")
    if trust.witnesses.logs:
        raise TrustDamagedError("the witness policy names a log; it is about this site's")
    return trust


def _read_key(document: object) -> TrustedKey:
    if not isinstance(document, dict):
        raise TypeError("id and key were expected")
    key = bytes.fromhex(str(document["key"]))
    try:
        verifier_for(key)
    except KeyRejectedError as error:
        raise ValueError(str(error)) from error
    return TrustedKey(source_id(str(document["id"])), key)
