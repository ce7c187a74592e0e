"""Homes made by hand for tests: configuration, keys, trust, folders; one machine with station and centre."""

from dataclasses import dataclass
from pathlib import Path

from chain_of_custody.signatures import Signer
from evidence_model.ids import SourceId
from host_io.broker_access import centre_user, secret_path, station_user
from host_io.config import HomeConfig, HomePaths, read_config
from host_io.keys import make_secret, make_signing_key
from host_io.trust import (
    Trust,
    centre_key_path,
    log_key_path,
    read_trust,
    station_key_path,
    upload_secret_path,
)
from tests.trusts import first_trust, put_trust

SITE = SourceId("site-1")
STATION = SourceId("station-1")
CENTRE = SourceId("centre")


@dataclass(frozen=True, slots=True)
class Home:
    """A workstation's home."""

    paths: HomePaths
    config: HomeConfig
    trust: Trust
    station: Signer
    centre: Signer
    log: Signer


def make_home(root: Path, *, extra_toml: str = "") -> Home:
    """Make a workstation's home; `extra_toml` is added to its configuration."""
    paths = HomePaths(root)
    for folder in (
        paths.keys,
        paths.run,
        paths.vault / "incoming",
        *(paths.spool / name for name in ("incoming", "footage", "blobs", "requests")),
    ):
        folder.mkdir(parents=True, exist_ok=True)
    paths.keys.chmod(0o700)
    paths.config.write_text(f'[home]\nrole = "workstation"\nsite = "{SITE}"\n{extra_toml}')
    log = make_signing_key(log_key_path(paths))
    centre = make_signing_key(centre_key_path(paths))
    station = make_signing_key(station_key_path(paths, STATION))
    for user in (centre_user(), station_user(STATION)):
        make_secret(secret_path(paths, user))
    make_secret(upload_secret_path(paths, STATION))
    put_trust(paths, first_trust(SITE, log, (CENTRE, centre), [(STATION, station)]))
    return Home(paths, read_config(paths), read_trust(paths.trust), station, centre, log)
