"""A home: its folders, and `evidock.toml` as a typed value. Unknown keys are errors, all reported at once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from evidence_model.errors import UnavailableError, UsageError
from evidence_model.ids import MalformedIdError, SourceId, source_id
from evidence_model.sizes import MalformedSizeError, parse_size
from host_io import durable

_Choice = TypeVar("_Choice", bound=Enum)


class Role(Enum):
    """What a home does."""

    WORKSTATION = "workstation"
    STATION = "station"
    CENTRE = "centre"

    @property
    def pulls(self) -> bool:
        """Does it dock recorders?"""
        return self is not Role.CENTRE

    @property
    def stores(self) -> bool:
        """Does it keep the store?"""
        return self is not Role.STATION


class BrokerKind(Enum):
    """Who runs the MQTT broker."""

    EMBEDDED = "embedded"  # nats-server as our child, for this home alone
    EXTERNAL = "external"  # somebody else's mosquitto, NATS or RabbitMQ


class ConfigError(UsageError):
    """`evidock.toml` is wrong; every mistake is named."""

    code = "HOST-020"


class NoHomeError(UnavailableError):
    """There is no home at this place."""

    code = "HOST-021"


@dataclass(frozen=True, slots=True)
class HomePaths:
    """Where everything of a home lies (contract.md, home)."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.root / "evidock.toml"

    @property
    def trust(self) -> Path:
        """The newest trust document: which keys count, from where to where."""
        return self.root / "trust.json"

    @property
    def trust_roots(self) -> Path:
        """Every trust document that was ever in force, with its signatures."""
        return self.root / "trust"

    @property
    def keys(self) -> Path:
        """Private keys and machine secrets, 0700."""
        return self.root / "keys"

    @property
    def spool(self) -> Path:
        """The station's footage on its way."""
        return self.root / "spool"

    @property
    def run(self) -> Path:
        """Locks, progress, broker.json: may vanish at any stop."""
        return self.root / "run"

    @property
    def station_db(self) -> Path:
        """The station's journal."""
        return self.root / "station.db"

    @property
    def vault(self) -> Path:
        """The centre's bytes."""
        return self.root / "vault"

    @property
    def log(self) -> Path:
        """The centre's log: tiles, envelopes, checkpoint."""
        return self.root / "log"

    @property
    def catalogue_db(self) -> Path:
        """The centre's view of log and vault."""
        return self.root / "catalogue.db"

    @property
    def centre_db(self) -> Path:
        """The centre's own signed journal."""
        return self.root / "centre.db"

    @property
    def broker(self) -> Path:
        """The embedded broker's store."""
        return self.root / "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """How to reach the MQTT broker."""

    kind: BrokerKind = BrokerKind.EMBEDDED
    host: str = "127.0.0.1"
    port: int = 0  # 0: the embedded broker's own, from run/broker.json
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    mqtt5: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StationConfig:
    """What the edge agent and the ingest daemon of this home do."""

    id: SourceId = SourceId("station-1")
    dock_folders: tuple[str, ...] = ()
    watch_usb: bool = True
    free_recorders: bool = False
    sm3: bool = False
    spool_reserve_bytes: int = 256 << 20
    concurrent_pulls: int = 8
    site_profiles: tuple[str, ...] = ()
    centre_url: str = ""  # empty: the centre shares this home


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreConfig:
    """What the evidence store of this home does."""

    id: SourceId = SourceId("centre")
    listen_host: str = "127.0.0.1"
    listen_port: int = 0  # 0: a free one, written to run/store.json
    vault_reserve_bytes: int = 256 << 20
    quarantine_limit_bytes: int = 10 << 30  # above it people are told; nothing is removed
    fixity_days: int = 90  # 0: the vault is read again only when somebody asks
    fixity_mib_per_second: int = 8  # 0: as fast as the disk gives
    replica: str = ""  # a folder like the vault; empty: none
    time_authorities: tuple[tuple[SourceId, str], ...] = ()  # name in the trust document, address
    stamp_minutes: int = 60
    renew_stamps_days: int = 90
    seal_every_hours: int = 24  # 0: only when asked


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeConfig:
    """All of `evidock.toml`."""

    role: Role
    site: SourceId = SourceId("site-1")
    unit: str = ""
    policy: str = "baseline"
    zone: str = "Asia/Shanghai"
    broker: BrokerConfig = BrokerConfig()
    station: StationConfig = StationConfig()
    centre: CentreConfig = CentreConfig()


def read_config(paths: HomePaths) -> HomeConfig:
    """Read and check `evidock.toml`.

    Raises:
        NoHomeError: there is no such file.
        ConfigError: with every mistake in it.
    """
    try:
        text = durable.read_plain(paths.config).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NoHomeError(str(paths.root)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{paths.config}: cannot be read: {error}") from error
    return parse_config(text, where=str(paths.config))


def parse_config(text: str, *, where: str) -> HomeConfig:
    """Read the text of `evidock.toml`; see `read_config`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: {error}") from error
    reader = _Reader(table)
    config = HomeConfig(
        role=reader.choice("home.role", Role, Role.WORKSTATION),
        site=reader.name("home.site", "site-1"),
        unit=reader.text("home.unit", ""),
        policy=reader.text("home.policy", "baseline"),
        zone=reader.text("home.zone", "Asia/Shanghai"),
        broker=BrokerConfig(
            kind=reader.choice("broker.kind", BrokerKind, BrokerKind.EMBEDDED),
            host=reader.text("broker.host", "127.0.0.1"),
            port=reader.number("broker.port", 0, most=65535),
            tls_ca=reader.text("broker.tls_ca", ""),
            tls_certificate=reader.text("broker.tls_certificate", ""),
            tls_key=reader.text("broker.tls_key", ""),
            mqtt5=reader.flag("broker.mqtt5", default=False),
        ),
        station=StationConfig(
            id=reader.name("station.id", "station-1"),
            dock_folders=reader.texts("station.dock_folders"),
            watch_usb=reader.flag("station.watch_usb", default=True),
            free_recorders=reader.flag("station.free_recorders", default=False),
            sm3=reader.flag("station.sm3", default=False),
            spool_reserve_bytes=reader.size("station.spool_reserve", "256 MiB"),
            concurrent_pulls=reader.number("station.concurrent_pulls", 8, most=64),
            site_profiles=reader.texts("station.site_profiles"),
            centre_url=reader.text("station.centre_url", ""),
        ),
        centre=CentreConfig(
            id=reader.name("centre.id", "centre"),
            listen_host=reader.text("centre.listen_host", "127.0.0.1"),
            listen_port=reader.number("centre.listen_port", 0, most=65535),
            vault_reserve_bytes=reader.size("centre.vault_reserve", "256 MiB"),
            quarantine_limit_bytes=reader.size("centre.quarantine_limit", "10 GiB"),
            fixity_days=reader.number("centre.fixity_days", 90, most=3650),
            fixity_mib_per_second=reader.number("centre.fixity_mib_per_second", 8, most=100_000),
            replica=reader.text("centre.replica", ""),
            time_authorities=reader.authorities("centre.time_authorities"),
            stamp_minutes=reader.number("centre.stamp_minutes", 60, least=1, most=1440),
            renew_stamps_days=reader.number("centre.renew_stamps_days", 90, most=3650),
            seal_every_hours=reader.number("centre.seal_every_hours", 24, most=168),
        ),
    )
    reader.finish(where)
    return config


class _Reader:
    """Takes settings out of the parsed TOML one by one and gathers every mistake."""

    def __init__(self, table: Mapping[str, object]) -> None:
        self._left: dict[str, object] = {}
        self._mistakes: list[str] = []
        for section, members in table.items():
            if isinstance(members, dict):
                self._left.update({f"{section}.{key}": value for key, value in members.items()})
            else:
                self._mistakes.append(f"{section}: belongs into a section such as [home]")

    def text(self, key: str, default: str) -> str:
        value = self._left.pop(key, default)
        if isinstance(value, str):
            return value
        self._mistakes.append(f"{key}: text was expected, not {value!r:.40}")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if isinstance(value, list) and all(isinstance(member, str) for member in value):
            return tuple(value)
        self._mistakes.append(f"{key}: a list of texts was expected")
        return ()

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._left.pop(key, default)
        if isinstance(value, bool):
            return value
        self._mistakes.append(f"{key}: true or false was expected, not {value!r:.40}")
        return default

    def authorities(self, key: str) -> tuple[tuple[SourceId, str], ...]:
        found = []
        for text in self.texts(key):
            name, _, url = text.partition("=")
            if not url.startswith(("https://", "http://")):
                self._mistakes.append(f"{key}: {text!r:.80} is not name=https://…")
                continue
            try:
                found.append((source_id(name), url))
            except MalformedIdError as error:
                self._mistakes.append(f"{key}: {error}")
        if len(dict(found)) != len(found):
            self._mistakes.append(f"{key}: one authority stands twice")
        return tuple(found)

    def number(self, key: str, default: int, *, least: int = 0, most: int) -> int:
        value = self._left.pop(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._mistakes.append(f"{key}: a number from {least} to {most} was expected, not {value!r:.40}")
        return default

    def size(self, key: str, default: str) -> int:
        try:
            return parse_size(self.text(key, default))
        except MalformedSizeError as error:
            self._mistakes.append(f"{key}: {error}")
            return parse_size(default)

    def name(self, key: str, default: str) -> SourceId:
        try:
            return source_id(self.text(key, default))
        except MalformedIdError as error:
            self._mistakes.append(f"{key}: {error}")
            return SourceId(default)

    def choice(self, key: str, kind: type[_Choice], default: _Choice) -> _Choice:
        value = self._left.pop(key, default.value)
        try:
            return kind(value)
        except ValueError:
            allowed = ", ".join(str(member.value) for member in kind)
            self._mistakes.append(f"{key}: one of {allowed} was expected, not {value!r:.40}")
            return default

    def finish(self, where: str) -> None:
        self._mistakes += [f"{key}: there is no such setting" for key in self._left]
        if self._mistakes:
            raise ConfigError(f"{where}: " + "; ".join(self._mistakes))
