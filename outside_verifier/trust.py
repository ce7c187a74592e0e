"""The trust document (version 2): every key of a site that ever counted, with the range of log indexes where it does.

`trust.json` is the newest one; the outsider's own copy is what everything rests on. Who signed it is asked in `roots`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from .keys import Key
from .notes import WITNESS, Checkpoint, open_checkpoint, origin_of
from .stamps import Authority
from .strict import RefusedError, base64_bytes, canonical_object, hex_bytes, members, number, text_of
from .witnesses import Policy, parse_policy

MAX_BYTES = 1 << 20
MAX_ROOTS = 16
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MIRROR = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+([A-Za-z0-9+/=]+)")
_ROLES = {"officer", "media-administrator", "approving-leader", "inspector", "it", "auditor"}
_MEMBERS = "authorities logs mirrors number people policies previous roots since site sources version"
CENTRE, STATION = "centre", "station"
_SM2_SIZE = 65


@dataclass(frozen=True)
class Source:
    """A key that signs events, and where in the log it counts: from <= index < until."""

    name: str
    role: str
    key: Key
    start: int
    until: int | None
    suspect_from: int | None
    possession: bytes
    sm2: bytes | None

    def counts_at(self, index: int) -> bool:
        """Say whether an event of this key counts there. What time it claims does not matter."""
        return self.start <= index and (self.until is None or index < self.until)

    def is_suspect_at(self, index: int) -> bool:
        """Say whether the key may have been stolen by then."""
        return self.suspect_from is not None and index >= self.suspect_from


@dataclass(frozen=True)
class Person:
    """A person's key, what that person may do, and where in the log it counts."""

    name: str
    roles: tuple[str, ...]
    key: Key
    start: int
    until: int | None


@dataclass(frozen=True)
class Log:
    """A key of the log, from which size on, and with which size and root it ended."""

    key: Key
    start: int
    final: tuple[int, bytes] | None


@dataclass(frozen=True)
class Trust:
    """A document that was read; the properties say what is in force now."""

    raw: bytes
    site: str
    number: int
    previous: bytes | None
    since: int
    roots: Mapping[str, Key]
    threshold: int
    logs: tuple[Log, ...]
    entries: tuple[Source, ...]
    people: tuple[Person, ...]
    policies: tuple[tuple[int, Policy], ...]
    authorities: tuple[Authority, ...]
    mirrors: tuple[str, ...]

    @property
    def hash(self) -> bytes:
        """Return the digest by which the next document names this one."""
        return sha256(self.raw).digest()

    @property
    def log(self) -> Key:
        """Return the key that signs the log now."""
        return self.logs[-1].key

    def log_of(self, note: bytes) -> Log:
        """Return under which of its keys a checkpoint of the log stands; the newest if under none of them."""
        origin = note.partition(b"\n")[0].decode("utf-8", "replace")
        return next((each for each in self.logs if origin_of(each.key) == origin), self.logs[-1])

    @property
    def centre(self) -> str:
        """Return the centre's name."""
        return next(each.name for each in self.entries if each.role == CENTRE and each.until is None)

    @property
    def sources(self) -> dict[str, Key]:
        """Return the keys of everybody who may sign what is logged next, by name."""
        return {each.name: each.key for each in self.entries if each.until is None}

    @property
    def sm2(self) -> dict[str, bytes]:
        """Return the points of the SM2 keys that sources sign with besides, by their ids."""
        return {sha256(each.sm2).hexdigest(): each.sm2 for each in self.entries if each.sm2 is not None}

    @property
    def by_id(self) -> dict[str, Key]:
        """Return the keys of everybody who ever might sign events."""
        return {each.key.id: each.key for each in self.entries}

    @property
    def all_keys(self) -> dict[str, Key]:
        """Return the keys of everybody who ever might sign events, as a source or as a person, and the log's."""
        keys = [*(log.key for log in self.logs), *(each.key for each in self.entries)]
        return {key.id: key for key in (*keys, *(person.key for person in self.people))}

    @property
    def centres(self) -> set[str]:
        """Return the names that the centre ever had."""
        return {each.name for each in self.entries if each.role == CENTRE}

    def open_checkpoint(self, note: bytes) -> Checkpoint:
        """Return what the log signed, with its key of now or, up to the tree with which that ended, an earlier one."""
        log = self.log_of(note)
        checkpoint = open_checkpoint(note, log.key)
        final, root = log.final or (checkpoint.size, checkpoint.root)
        is_in_range = log.start <= checkpoint.size <= final
        if not is_in_range or (checkpoint.size == final and checkpoint.root != root):
            raise RefusedError("head.ended", size=checkpoint.size, start=log.start, final=final)
        return checkpoint

    def entry(self, key_id: str, name: str | None) -> Source | None:
        """Return the entry of a source's key; `name` None: whose ever it is."""
        return next((each for each in self.entries if each.key.id == key_id and name in (None, each.name)), None)

    @property
    def witnesses(self) -> Policy:
        """Return whose cosignatures the next checkpoint needs."""
        return self.policies[-1][1]

    def witnesses_at(self, size: int) -> Policy:
        """Return whose cosignatures a checkpoint of this size needs."""
        return next(policy for start, policy in reversed(self.policies) if start <= size)


def parse_trust(data: bytes) -> Trust:
    """Read `trust.json`."""
    if not data.endswith(b"\n"):
        raise RefusedError("trust")
    return parse_document(data[:-1])


def parse_document(data: bytes) -> Trust:
    """Read a document, which has no line end, and check all that it must be by itself."""
    if len(data) > MAX_BYTES:
        raise RefusedError("trust")
    value = canonical_object(data)
    if value.get("version") != "2":
        raise RefusedError("version", found=value.get("version"))
    document = members(value, _MEMBERS, "trust.json")
    roots = members(document["roots"], "keys threshold", "roots")
    named = [members(each, "id key", "roots.keys") for each in _list(roots["keys"])]
    previous = document["previous"]
    site = _named(_NAME, document["site"])
    trust = Trust(
        raw=data,
        site=site,
        number=number(document["number"]),
        previous=None if previous is None else hex_bytes(previous),
        since=number(document["since"]),
        roots={_named(_NAME, each["id"]): _key(each["key"]) for each in named},
        threshold=number(roots["threshold"]),
        logs=tuple(_log(each) for each in _list(document["logs"])),
        entries=tuple(_source(each, site) for each in _list(document["sources"])),
        people=tuple(_person(each) for each in _list(document["people"])),
        policies=tuple(_policy(each) for each in _list(document["policies"])),
        authorities=tuple(_authority(each) for each in _list(document["authorities"])),
        mirrors=tuple(_mirror(each) for each in _list(document["mirrors"])),
    )
    if len(trust.roots) != len(named) or not 1 <= trust.threshold <= len(trust.roots) <= MAX_ROOTS:
        raise RefusedError("trust")
    _check(trust)
    return trust


def _check(trust: Trust) -> None:
    """Return if each key stands once and no two ranges contradict each other."""
    keys = [*trust.roots.values(), *(log.key for log in trust.logs)]
    keys += [*(entry.key for entry in trust.entries), *(person.key for person in trust.people)]
    witnesses = {signer.key for _, policy in trust.policies for signer in policy.witnesses.values()}
    starts = [start for start, _ in trust.policies]
    is_right = len({*keys, *witnesses}) == len(keys) + len(witnesses)
    is_right = is_right and (trust.number == 1) == (trust.previous is None) and trust.number > 0
    is_right = is_right and starts[:1] == [0] and starts == sorted(set(starts))
    end: int | None = 0
    for log in trust.logs:
        is_right = is_right and log.start == end and log.key.is_ed25519
        end = None if log.final is None else log.final[0]
    is_right = is_right and bool(trust.logs) and end is None
    ends: dict[str, tuple[str, int | None]] = {}
    for each in trust.entries:
        role, until = ends.get(each.name, (each.role, 0))
        is_right = is_right and role == each.role and until is not None and until <= each.start
        ends[each.name] = role, each.until
    is_right = is_right and [role for role, until in ends.values() if until is None].count(CENTRE) == 1
    for names in ([each.name for each in trust.authorities], trust.mirrors):
        is_right = is_right and len(set(names)) == len(names)
    if not is_right:
        raise RefusedError("trust")


def _source(value: Any, site: str) -> Source:
    entry = members(value, "from id key possession role sm2 suspect_from until", "sources")
    name, key = _named(_NAME, entry["id"]), _key(entry["key"])
    start, until, suspect = number(entry["from"]), _index(entry["until"]), _index(entry["suspect_from"])
    possession = hex_bytes(entry["possession"], len(text_of(entry["possession"], "possession", 512)) // 2)
    sm2 = None if entry["sm2"] is None else hex_bytes(entry["sm2"], _SM2_SIZE)
    if entry["role"] not in {CENTRE, STATION} or any(end is not None and end < start for end in (until, suspect)):
        raise RefusedError("trust")
    if not _is_possessed(site, name, key, possession):
        raise RefusedError("trust.possession", name=name)
    return Source(name, entry["role"], key, start, until, suspect, possession, sm2)


@lru_cache(maxsize=4096)
def _is_possessed(site: str, name: str, key: Key, signature: bytes) -> bool:
    """Say whether the key itself signed that it wants to be this source; cached, as each root lists all of them."""
    message = f"evidock/v1/possession\n{site}\n{name}\n{key.raw.hex()}\n".encode()
    return key.verify(message, signature) is not False  # P-256 may not be checkable here


def _person(value: Any) -> Person:
    entry = members(value, "from id key roles until", "people")
    roles, start, until = _list(entry["roles"]), number(entry["from"]), _index(entry["until"])
    if (
        not roles
        or not all(isinstance(role, str) and role in _ROLES for role in roles)
        or len(set(roles)) != len(roles)
    ):
        raise RefusedError("list", what="roles")
    if until is not None and until < start:
        raise RefusedError("trust")
    return Person(_named(_PERSON, entry["id"]), tuple(roles), _key(entry["key"]), start, until)


def _log(value: Any) -> Log:
    entry = members(value, "final from key", "logs")
    final = None if entry["final"] is None else members(entry["final"], "root size", "final")
    tree = None if final is None else (number(final["size"]), hex_bytes(final["root"]))
    return Log(_key(entry["key"]), number(entry["from"]), tree)


def _policy(value: Any) -> tuple[int, Policy]:
    entry = members(value, "from policy", "policies")
    return number(entry["from"]), parse_policy(text_of(entry["policy"], "policy", 1 << 16))


def _authority(value: Any) -> Authority:
    entry = members(value, "certificates name roots", "authorities")
    certificates, roots = (
        tuple(base64_bytes(text_of(each, name, 1 << 16)) for each in _list(entry[name]))
        for name in ("certificates", "roots")
    )
    return Authority(_named(_NAME, entry["name"]), certificates, roots)


def _mirror(value: Any) -> str:
    match = _MIRROR.fullmatch(value) if isinstance(value, str) else None
    if match is None or base64_bytes(match[1])[:1] != bytes([WITNESS]):
        raise RefusedError("form", what="mirrors", text=value)
    return match[0]


def _named(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise RefusedError("form", what="name", text=value)
    return value


def _key(value: object) -> Key:
    return Key(hex_bytes(value, len(value) // 2 if isinstance(value, str) else 32))


def _index(value: object) -> int | None:
    return None if value is None else number(value)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise RefusedError("list", what="trust.json")
    return value
