"""What a trust document lists, one kind of entry each: keys with the range of log indexes in which they count.

An event at index i by key k as source s counts if an entry (s, k) has from <= i < until. Claimed time never matters: a
thief sets his clock as he likes, and cannot choose his place in the log.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from chain_of_custody.errors import KeyRejectedError, TrustRejectedError
from chain_of_custody.notes import NoteAlgorithm, parse_vkey
from chain_of_custody.signatures import ED25519_KEY_BYTES, P256_KEY_BYTES, SM2_KEY_BYTES, KeyId, verifier_for
from chain_of_custody.strict_text import decode_base64, decode_hex, encode_base64
from chain_of_custody.witness_policy import NO_WITNESSES, WitnessPolicy, parse_policy
from evidence_model.canonical import Json, JsonObject, decimal
from evidence_model.ids import SourceId, source_id

_Entry = TypeVar("_Entry")
_ROOT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
_PERSON_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ROOT_BYTES = 32


class SourceRole(Enum):
    """What a source of events is."""

    CENTRE = "centre"
    STATION = "station"


class PersonRole(Enum):
    """What a person may do; `retention` and the store's rules say which decision needs which."""

    OFFICER = "officer"
    MEDIA_ADMINISTRATOR = "media-administrator"
    APPROVING_LEADER = "approving-leader"
    INSPECTOR = "inspector"
    IT = "it"
    AUDITOR = "auditor"


class Standing(Enum):
    """How an event stands that a key signed at some place in the log."""

    GOOD = "good"
    SUSPECT = "suspect"  # in range, but the key may have been stolen by then
    OUTSIDE = "outside"  # before the key was enrolled, or after it was revoked: it does not count


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedSource:
    """A key that signs events of the centre or of a station."""

    id: SourceId
    role: SourceRole
    key: bytes
    possession: bytes  # the key's own signature that it wants to be this source of this site
    sm2: bytes | None = None
    start: int = 0
    until: int | None = None
    suspect_from: int | None = None

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key."""
        return KeyId.of(self.key)

    @property
    def is_in_force(self) -> bool:
        """Say whether it may sign what is logged next."""
        return self.until is None

    def standing(self, index: int) -> Standing:
        """Say how an event stands that this key signed at `index`."""
        if index < self.start or (self.until is not None and index >= self.until):
            return Standing.OUTSIDE
        return Standing.SUSPECT if self.suspect_from is not None and index >= self.suspect_from else Standing.GOOD

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        return {
            "from": str(self.start),
            "id": self.id,
            "key": self.key.hex(),
            "possession": self.possession.hex(),
            "role": self.role.value,
            "sm2": None if self.sm2 is None else self.sm2.hex(),
            "suspect_from": _index_text(self.suspect_from),
            "until": _index_text(self.until),
        }

    @classmethod
    def read(cls, value: Json) -> "TrustedSource":
        """Read an entry."""
        entry = _members(value, "from id key possession role sm2 suspect_from until", "sources")
        return cls(
            id=source_id(_text(entry["id"], "id")),
            role=SourceRole(entry["role"]),
            key=_key(entry["key"]),
            possession=_hex(entry["possession"]),
            sm2=None if entry["sm2"] is None else decode_hex(entry["sm2"], size_bytes=SM2_KEY_BYTES),
            start=decimal(entry["from"], what="from"),
            until=_index(entry["until"], "until"),
            suspect_from=_index(entry["suspect_from"], "suspect_from"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedPerson:
    """A person's key, and what that person may do."""

    id: str
    key: bytes
    roles: tuple[PersonRole, ...]
    start: int = 0
    until: int | None = None

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key."""
        return KeyId.of(self.key)

    def holds(self, index: int) -> bool:
        """Say whether a signature of this key under the event at `index` counts."""
        return self.start <= index and (self.until is None or index < self.until)

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        return {
            "from": str(self.start),
            "id": self.id,
            "key": self.key.hex(),
            "roles": [each.value for each in self.roles],
            "until": _index_text(self.until),
        }

    @classmethod
    def read(cls, value: Json) -> "TrustedPerson":
        """Read an entry."""
        entry = _members(value, "from id key roles until", "people")
        return cls(
            id=_matching(_PERSON_ID, entry["id"], "a person's id"),
            key=_key(entry["key"]),
            roles=tuple(PersonRole(each) for each in list_of(entry["roles"], "roles", lambda role: role)),
            start=decimal(entry["from"], what="from"),
            until=_index(entry["until"], "until"),
        )


@dataclass(frozen=True, slots=True)
class FinalTree:
    """How a log ended whose key signs no more: its last size and root. The tree goes on under the next key."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """A key that signs, or signed, the log's checkpoints, from the size `start` on."""

    key: bytes
    start: int = 0
    final: FinalTree | None = None

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        final = None if self.final is None else {"root": self.final.root.hex(), "size": str(self.final.size)}
        return {"final": final, "from": str(self.start), "key": self.key.hex()}

    @classmethod
    def read(cls, value: Json) -> "TrustedLog":
        """Read an entry."""
        entry = _members(value, "final from key", "logs")
        final = None if entry["final"] is None else _members(entry["final"], "root size", "final")
        tree = final and FinalTree(
            decimal(final["size"], what="size"), decode_hex(final["root"], size_bytes=_ROOT_BYTES)
        )
        key = decode_hex(entry["key"], size_bytes=ED25519_KEY_BYTES)
        verifier_for(key)
        return cls(key=key, start=decimal(entry["from"], what="from"), final=tree or None)


@dataclass(frozen=True, slots=True)
class PolicyFrom:
    """Whose cosignatures a checkpoint needs whose size is `start` or more."""

    policy: WitnessPolicy = NO_WITNESSES
    start: int = 0

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        return {"from": str(self.start), "policy": self.policy.text()}

    @classmethod
    def read(cls, value: Json) -> "PolicyFrom":
        """Read an entry."""
        entry = _members(value, "from policy", "policies")
        return cls(parse_policy(_text(entry["policy"], "policy")), decimal(entry["from"], what="from"))


@dataclass(frozen=True, slots=True)
class RootKey:
    """A key that decides, with others, which keys are trusted; it lies offline with its holder."""

    id: str
    key: bytes

    @property
    def key_id(self) -> KeyId:
        """Return the id of the key."""
        return KeyId.of(self.key)

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        return {"id": self.id, "key": self.key.hex()}

    @classmethod
    def read(cls, value: Json) -> "RootKey":
        """Read an entry."""
        entry = _members(value, "id key", "roots.keys")
        return cls(_matching(_ROOT_ID, entry["id"], "a root key's id"), _key(entry["key"]))


@dataclass(frozen=True, slots=True)
class Roots:
    """Who decides: `threshold` of these keys."""

    keys: tuple[RootKey, ...]
    threshold: int = 1

    def as_json(self) -> JsonObject:
        """Return the member as it is written."""
        return {"keys": [each.as_json() for each in self.keys], "threshold": str(self.threshold)}

    @classmethod
    def read(cls, value: Json) -> "Roots":
        """Read the member."""
        member = _members(value, "keys threshold", "roots")
        return cls(list_of(member["keys"], "roots.keys", RootKey.read), decimal(member["threshold"], what="threshold"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A time stamping authority: certificates that sign stamps, and the roots that they lead to (DER)."""

    name: SourceId
    certificates: tuple[bytes, ...]
    roots: tuple[bytes, ...]

    def as_json(self) -> JsonObject:
        """Return the entry as it is written."""
        return {
            "certificates": [encode_base64(each) for each in self.certificates],
            "name": self.name,
            "roots": [encode_base64(each) for each in self.roots],
        }

    @classmethod
    def read(cls, value: Json) -> "Authority":
        """Read an entry; whether the bytes are certificates is seen by whoever uses them."""
        entry = _members(value, "certificates name roots", "authorities")
        return cls(
            name=source_id(_text(entry["name"], "name")),
            certificates=list_of(entry["certificates"], "certificates", _base64),
            roots=list_of(entry["roots"], "roots", _base64),
        )


def read_mirror(value: Json) -> str:
    """Read a mirror's verification key."""
    vkey = _text(value, "mirrors")
    if parse_vkey(vkey).algorithm is not NoteAlgorithm.COSIGNATURE_V1:
        raise TrustRejectedError(f"the mirror key {vkey[:80]!r} is not of type 0x04")
    return vkey


def list_of(value: Json, what: str, read: Callable[[Json], _Entry]) -> tuple[_Entry, ...]:
    """Read a list with a reader for its entries."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TrustRejectedError(f"{what} is not a list")
    return tuple(read(each) for each in value)


def _members(value: Json, expected: str, what: str) -> JsonObject:
    if not isinstance(value, Mapping) or set(value) != set(expected.split()):
        raise TrustRejectedError(f"{what}: the members {expected} were expected")
    return value


def _text(value: Json, what: str) -> str:
    if not isinstance(value, str):
        raise TrustRejectedError(f"{what}: text was expected")
    return value


def _matching(pattern: re.Pattern[str], value: Json, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise TrustRejectedError(f"{value!r:.80} is not {what}")
    return value


def _key(value: Json) -> bytes:
    size = P256_KEY_BYTES if isinstance(value, str) and len(value) == 2 * P256_KEY_BYTES else ED25519_KEY_BYTES
    key = decode_hex(value, size_bytes=size)
    try:
        verifier_for(key)
    except KeyRejectedError as error:
        raise TrustRejectedError(str(error)) from error
    return key


def _hex(value: Json) -> bytes:
    return decode_hex(value, size_bytes=len(value) // 2 if isinstance(value, str) else 0)


def _base64(value: Json) -> bytes:
    return decode_base64(_text(value, "certificate"))


def _index(value: Json, what: str) -> int | None:
    return None if value is None else decimal(value, what=what)


def _index_text(value: int | None) -> str | None:
    return None if value is None else str(value)
