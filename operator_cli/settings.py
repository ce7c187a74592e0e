"""Every setting of `evidock.toml`: its key and default; what it means stands in `texts.toml` (`setting.<key>`).

Used to write a home's first configuration with its explanations, and to make the reference page, so the two agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import tomli_w

from operator_cli.display import wrap
from operator_cli.texts import Texts

Value: TypeAlias = "str | int | bool | list[str]"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: `section.name`, and what holds where the file does not say it."""

    key: str
    default: Value

    @property
    def section(self) -> str:
        """Return the TOML table it stands in."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """Return its key inside the table."""
        return self.key.partition(".")[2]


SETTINGS: tuple[Setting, ...] = (
    Setting("home.role", "workstation"),
    Setting("home.site", "site-1"),
    Setting("home.unit", ""),
    Setting("home.policy", "baseline"),
    Setting("home.zone", "Asia/Shanghai"),
    Setting("broker.kind", "embedded"),
    Setting("broker.host", "127.0.0.1"),
    Setting("broker.port", 0),
    Setting("broker.tls_ca", ""),
    Setting("broker.tls_certificate", ""),
    Setting("broker.tls_key", ""),
    Setting("broker.mqtt5", default=False),
    Setting("station.id", "station-1"),
    Setting("station.dock_folders", []),
    Setting("station.watch_usb", default=True),
    Setting("station.free_recorders", default=False),
    Setting("station.sm3", default=False),
    Setting("station.spool_reserve", "256 MiB"),
    Setting("station.concurrent_pulls", 8),
    Setting("station.site_profiles", []),
    Setting("station.centre_url", ""),
    Setting("centre.id", "centre"),
    Setting("centre.listen_host", "127.0.0.1"),
    Setting("centre.listen_port", 0),
    Setting("centre.vault_reserve", "256 MiB"),
    Setting("centre.quarantine_limit", "10 GiB"),
    Setting("centre.fixity_days", 90),
    Setting("centre.fixity_mib_per_second", 8),
    Setting("centre.replica", ""),
    Setting("centre.time_authorities", []),
    Setting("centre.stamp_minutes", 60),
    Setting("centre.renew_stamps_days", 90),
    Setting("centre.seal_every_hours", 24),
)


def config_text(values: Mapping[str, Value], *, sections: frozenset[str], texts: Texts) -> str:
    """Return an `evidock.toml` of these sections in which each setting stands under its explanation."""
    lines = [f"# {line}" for line in texts("config.head").splitlines()]
    section = ""
    for setting in SETTINGS:
        if setting.section not in sections:
            continue
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        lines += [f"# {line}" for line in wrap(texts(f"setting.{setting.key}"), 100)]
        lines.append(tomli_w.dumps({setting.name: values.get(setting.key, setting.default)}).strip())
    return "\n".join(lines) + "\n"
