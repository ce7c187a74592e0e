"""Makes a home: configuration, folders, keys, trust. May be run again at any time, also after a crash in the middle.

The configuration is written first and durably: from then on the folder is a home of that role, and everything after it
is made only where it is missing. If power fails on any line, the next `init` goes on from there.
"""

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from chain_of_custody.signatures import Signer
from chain_of_custody.trust_document import prove_possession
from chain_of_custody.trust_entries import PolicyFrom, RootKey, Roots, SourceRole, TrustedLog
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import NO_WITNESSES, WitnessPolicy
from evidence_model.errors import UsageError
from evidence_model.ids import MalformedIdError, SourceId, source_id
from host_io import broker_access, durable, keys, trust
from host_io.config import BrokerKind, HomeConfig, HomePaths, Role, parse_config, read_config
from host_io.witness_state import make_witness
from operator_cli.errors import ForeignFolderError, OtherRoleError
from operator_cli.settings import Value, config_text
from operator_cli.texts import Texts

_OURS_UNFINISHED = re.compile(r"\.evidock\.toml\.[0-9a-f]{8}\.part")
_HARMLESS = frozenset({"lost+found"})  # a fresh file system brings it
_OF_KEYS = frozenset({".key", ".pin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeWish:
    """What `init` was asked for."""

    role: Role
    policy: str = "baseline"
    unit: str = ""
    station: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeMade:
    """What is there now."""

    config: HomeConfig
    made: tuple[str, ...]
    """What this run added; empty if everything was there."""
    station_key: str
    """This station's public key in hexadecimal, empty for a centre."""
    trusts_a_centre: bool


def make_home(paths: HomePaths, wish: HomeWish, texts: Texts) -> HomeMade:
    """Make what is missing of the home.

    Raises:
        ForeignFolderError: the folder holds something that is no home of ours; nothing was touched.
        OtherRoleError: it is a home of another role.
        ConfigError: its configuration has mistakes.
    """
    made: list[str] = []
    config = _configuration(paths, wish, texts, made)
    for folder in _folders(paths, config.role):
        if not folder.is_dir():
            durable.make_folders(folder)
            made.append(str(folder.relative_to(paths.root)))
    paths.keys.chmod(0o700)
    station_key = _keys(paths, config, made)
    return HomeMade(
        config=config, made=tuple(made), station_key=station_key, trusts_a_centre=_trust(paths, config, made)
    )


def suggested_station() -> SourceId:
    """Return this machine's name as a station's id, or `station-1` where it is no name to tell stations apart by."""
    name = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")[:48].strip("-")
    if name in {"", "localhost", "debian", "ubuntu"}:
        return SourceId("station-1")
    return source_id(name)


def _configuration(paths: HomePaths, wish: HomeWish, texts: Texts, made: list[str]) -> HomeConfig:
    if paths.config.exists():
        config = read_config(paths)
        if config.role is not wish.role:
            raise OtherRoleError(texts("init.other_role", home=paths.root, role=texts(f"role.{config.role.value}")))
        return config
    _refuse_foreign(paths.root, texts)
    durable.make_folders(paths.root)
    text = config_text(_values(wish), sections=_sections(wish.role), texts=texts)
    config = parse_config(text, where=str(paths.config))
    # If power fails before this line there is an empty folder, after it a home whose other parts are made next time.
    durable.write_file(paths.config, text.encode(), mode=0o644)
    made.append(paths.config.name)
    return config


def _refuse_foreign(root: Path, texts: Texts) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise ForeignFolderError(texts("init.no_folder", home=root))
    names = sorted(entry.name for entry in root.iterdir() if entry.name not in _HARMLESS and not _is_prepared(entry))
    foreign = [name for name in names if not _OURS_UNFINISHED.fullmatch(name)]
    if foreign:
        raise ForeignFolderError(texts("init.foreign", home=root, name=foreign[0], count=len(foreign)))
    for name in names:
        durable.unlink(root / name)  # what an `init` that died left behind


def _is_prepared(entry: Path) -> bool:
    """Say whether this is a `keys/` that somebody filled before `init`, with keys that live in a token, say."""
    return entry.name == "keys" and entry.is_dir() and all(each.suffix in _OF_KEYS for each in entry.iterdir())


def _values(wish: HomeWish) -> dict[str, Value]:
    values: dict[str, Value] = {"home.role": wish.role.value, "home.policy": wish.policy, "home.unit": wish.unit}
    if wish.site:
        values["home.site"] = _name("--site", wish.site)
    values["station.id"] = _name("--station", wish.station) if wish.station else suggested_station()
    if wish.role is Role.STATION:
        values["broker.kind"] = BrokerKind.EXTERNAL.value
    return values


def _name(option: str, text: str) -> SourceId:
    try:
        return source_id(text)
    except MalformedIdError as error:
        raise UsageError(f"{option}: {error}") from error


def _sections(role: Role) -> frozenset[str]:
    sections = {"home", "broker"}
    if role.pulls:
        sections.add("station")
    if role.stores:
        sections.add("centre")
    return frozenset(sections)


def _folders(paths: HomePaths, role: Role) -> list[Path]:
    folders = [paths.keys, paths.run]
    if role.pulls:
        folders += [paths.spool / name for name in ("incoming", "footage", "blobs", "requests")]
    if role.stores:
        folders += [paths.vault / name for name in ("incoming", "sha256", "uploads")]
        folders.append(paths.log)
    return folders


def _keys(paths: HomePaths, config: HomeConfig, made: list[str]) -> str:
    """Make what signs and what opens doors between our own programs; returns the station's public key."""
    station_key = ""
    if config.role.stores:
        for path in (trust.log_key_path(paths), trust.centre_key_path(paths)):
            _note_if_new(path, paths, made)
            keys.make_signing_key(path)
        _make_secret(broker_access.secret_path(paths, broker_access.centre_user()), paths, made)
    if config.role.pulls:
        path = trust.station_key_path(paths, config.station.id)
        _note_if_new(path, paths, made)
        station_key = keys.make_signing_key(path).public_key.hex()
        _note_if_new(trust.witness_key_path(paths, config.station.id), paths, made)
        make_witness(paths, config.station.id)
        _make_secret(broker_access.secret_path(paths, broker_access.station_user(config.station.id)), paths, made)
        _make_secret(trust.upload_secret_path(paths, config.station.id), paths, made)
    return station_key


def _make_secret(path: Path, paths: HomePaths, made: list[str]) -> None:
    _note_if_new(path, paths, made)
    keys.make_secret(path)


def _note_if_new(path: Path, paths: HomePaths, made: list[str]) -> None:
    if not path.exists():
        made.append(str(path.relative_to(paths.root)))


def _trust(paths: HomePaths, config: HomeConfig, made: list[str]) -> bool:
    """Write the public keys that this home believes; a station without its centre's file has none yet."""
    if paths.trust.exists():
        trust.read_trust(paths.trust)
        return True
    if trust.restore_trust(paths) is None:
        if not config.role.stores:
            return False
        _first_trust(paths, config, made)
    made.append(paths.trust.name)
    return True


def _first_trust(paths: HomePaths, config: HomeConfig, made: list[str]) -> None:
    """Let one new root key sign who is trusted: a machine that guards itself, until more people do."""
    _note_if_new(trust.root_key_path(paths), paths, made)
    root = keys.make_signing_key(trust.root_key_path(paths))
    centre = keys.read_signing_key(trust.centre_key_path(paths))
    sources = [_source(config, config.centre.id, SourceRole.CENTRE, centre)]
    witnesses = NO_WITNESSES
    if config.role.pulls:
        station = config.station.id
        signer = keys.read_signing_key(trust.station_key_path(paths, station))
        sources.append(_source(config, station, SourceRole.STATION, signer))
        witness = trust.station_witness(config.site, station, make_witness(paths, station).public_key)
        witnesses = WitnessPolicy(witnesses=(witness,), quorum=station)  # of one machine: guards the order of its disk
    document = trust.Trust(
        site=config.site,
        number=1,
        previous=None,
        since=0,
        roots=Roots((RootKey("root-1", root.public_key),)),
        logs=(TrustedLog(key=keys.read_signing_key(trust.log_key_path(paths)).public_key),),
        sources=tuple(sources),
        policies=(PolicyFrom(witnesses),),
    )
    # If power fails from here on, the signed document is there or not; the next `init` goes on from either.
    trust.publish_root(paths, sign_root(document, [root]))
    made.append(str(trust.root_path(paths, 1).relative_to(paths.root)))


def _source(config: HomeConfig, name: SourceId, role: SourceRole, signer: Signer) -> trust.TrustedSource:
    possession = prove_possession(config.site, name, signer)
    return trust.TrustedSource(id=name, role=role, key=signer.public_key, possession=possession)
