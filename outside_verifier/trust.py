"""`trust.json`: the public keys of a site in its one form. The outsider's own copy is what everything rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .keys import Key
from .strict import RefusedError, canonical_object, hex_bytes, members, text_of
from .witnesses import Policy, parse_policy

MAX_BYTES = 1 << 20
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")


@dataclass(frozen=True)
class Trust:
    """Who has which key."""

    site: str
    log: Key
    centre: str
    sources: Mapping[str, Key]  # the centre's and the stations' names
    witnesses: Policy
    sm2: Mapping[str, bytes] = field(default_factory=dict)  # points of SM2 keys by their ids; this version names none

    @property
    def by_id(self) -> dict[str, Key]:
        """Return the keys of everybody who may sign events."""
        return {key.id: key for key in self.sources.values()}

    @property
    def all_keys(self) -> dict[str, Key]:
        """Return the keys of everybody who may sign events, and the log's."""
        return {self.log.id: self.log, **self.by_id}


def parse_trust(data: bytes) -> Trust:
    """Read a trust file."""
    if len(data) > MAX_BYTES or not data.endswith(b"\n"):
        raise RefusedError("trust")
    document = members(canonical_object(data[:-1]), "centre log_key site stations version witnesses", "trust.json")
    if document["version"] != "1" or not isinstance(document["stations"], list):
        raise RefusedError("version", found=document["version"])
    log = _key(document["log_key"])
    centre, centre_key = _named(document["centre"])
    sources = {centre: centre_key}
    for each in document["stations"]:
        name, key = _named(each)
        if name in sources:
            raise RefusedError("trust")
        sources[name] = key
    trust = Trust(
        _name(document["site"]),
        log,
        centre,
        sources,
        parse_policy(text_of(document["witnesses"], "witnesses", 1 << 16)),
    )
    witnesses = trust.witnesses.witnesses.values()
    each_key = {*trust.all_keys, *(signer.key.id for signer in witnesses)}
    if not log.is_ed25519 or len(each_key) != 1 + len(sources) + len(witnesses):
        raise RefusedError("trust")
    return trust


def differences(found: Trust, expected: Trust, needed: set[str]) -> list[str]:
    """Return the names of those whose keys differ: log, centre, and the sources that the package needs."""
    wrong = ["witnesses"] if found.witnesses != expected.witnesses else []
    if (found.site, found.log, found.centre) != (expected.site, expected.log, expected.centre):
        wrong.append(f"{found.site}/{found.centre}: {found.log.id}")
    for name, key in found.sources.items():
        other: Key | None = expected.sources.get(name)
        if other != key and (other is not None or name in needed or key.id in expected.by_id):
            wrong.append(f"{name}: {key.id}")
    return wrong


def _named(value: object) -> tuple[str, Key]:
    document = members(value, "id key", "trust.json")
    return _name(document["id"]), _key(document["key"])


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RefusedError("form", what="name", text=value)
    return value


def _key(value: object) -> Key:
    return Key(hex_bytes(value, len(value) // 2 if isinstance(value, str) else 32))
