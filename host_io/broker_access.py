"""Where a home's MQTT broker is, and as whom its programs speak to it."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from pathlib import Path

from evidence_model.errors import UnavailableError
from evidence_model.ids import SourceId
from host_io.config import BrokerConfig, BrokerKind, HomePaths
from host_io.keys import read_secret

MQTT_PORT = 1883
MQTT_TLS_PORT = 8883


class BrokerUnreachableError(UnavailableError):
    """The embedded broker is not running (yet): `run/broker.json` does not say where it listens."""

    code = "HOST-030"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate authority, and the client certificate where the broker wants one."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where to connect, and how."""

    host: str
    port: int
    tls: TlsFiles | None = None
    mqtt5: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """As whom to connect."""

    user: str
    password: str = field(repr=False)


def broker_address(paths: HomePaths, config: BrokerConfig) -> BrokerAddress:
    """Return where the broker is now; ask again at each attempt, since the embedded one may move to another port.

    Raises:
        BrokerUnreachableError: the embedded broker has not said where it is.
    """
    if config.kind is BrokerKind.EMBEDDED:
        return _embedded_address(paths)
    tls = None
    if config.tls_ca:
        tls = TlsFiles(
            _under(paths, config.tls_ca),
            _under(paths, config.tls_certificate) if config.tls_certificate else None,
            _under(paths, config.tls_key) if config.tls_key else None,
        )
    port = config.port or (MQTT_TLS_PORT if tls else MQTT_PORT)
    return BrokerAddress(config.host, port, tls, config.mqtt5)


def centre_user() -> str:
    """Return the centre's name at the broker."""
    return "centre"


def station_user(station: SourceId) -> str:
    """Return a station's name at the broker."""
    return f"station-{station}"


def secret_path(paths: HomePaths, user: str) -> Path:
    """Return where the password of a user of the broker lies."""
    return paths.keys / f"mqtt-{user}.secret"


def centre_account(paths: HomePaths) -> Account:
    """Return as whom the centre speaks.

    Raises:
        KeyMissingError, KeyOpenToOthersError: its secret cannot be used.
    """
    return Account(centre_user(), read_secret(secret_path(paths, centre_user())))


def station_account(paths: HomePaths, station: SourceId) -> Account:
    """Return as whom a station speaks.

    Raises:
        KeyMissingError, KeyOpenToOthersError: its secret cannot be used.
    """
    return Account(station_user(station), read_secret(secret_path(paths, station_user(station))))


def client_id(account: Account, site: SourceId) -> str:
    """Return the name of an account's persistent session at the broker; one process at a time may use it.

    It is always the same, and nobody guesses it without the password: whoever connects under this name, as whatever
    user, takes the session over and throws its owner out.
    """
    secret = hmac.new(account.password.encode(), f"evidock session {site} {account.user}".encode(), hashlib.sha256)
    return f"evidock-{account.user}-{secret.hexdigest()[:24]}"


def broker_file(paths: HomePaths) -> Path:
    """Return where the embedded broker says where it listens."""
    return paths.run / "broker.json"


def _embedded_address(paths: HomePaths) -> BrokerAddress:
    try:
        said = json.loads(broker_file(paths).read_bytes())
        return BrokerAddress(str(said["host"]), int(said["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise BrokerUnreachableError(
            f"{broker_file(paths)}: the embedded broker is not running; start it with `evidock run`"
        ) from None


def _under(paths: HomePaths, name: str) -> Path:
    """Return a file named in the configuration; relative names are relative to the home, which may be moved."""
    return paths.root / name
