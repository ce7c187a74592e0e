"""C2SP tlog-policy: which witnesses must have cosigned a checkpoint before anybody believes it.

Two checkpoints that contradict each other, each cosigned by q of N witnesses, have at least 2q − N witnesses in common,
and an honest one never cosigns both: the rule decides how many must be dishonest before a log can fork unseen. A
witness is its key: a key that stands there under two names is refused, so that nobody counts twice.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from chain_of_custody.cosignature import verify_cosignatures
from chain_of_custody.errors import NoteKeyRejectedError, WitnessPolicyRejectedError
from chain_of_custody.notes import NoteAlgorithm, NoteKey, parse_vkey
from chain_of_custody.signatures import KeyId

MAX_POLICY_BYTES = 64 * 1024
NO_QUORUM = "none"
_BLANKS = re.compile(r"[ \t]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by its name in the policy; `url` is where it takes `add-checkpoint`, empty if it is asked otherwise."""

    name: str
    key: NoteKey
    url: str = ""

    @property
    def key_id(self) -> KeyId:
        """Return the id of its key."""
        return KeyId.of(self.key.public_key)


@dataclass(frozen=True, slots=True)
class Group:
    """`threshold` of the members, each a witness or a group that was defined before."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessPolicy:
    """A policy as it was read; `quorum` names a witness or a group, or is `none`."""

    logs: tuple[NoteKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM
    _by_name: Mapping[str, Witness | Group] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", _named(self.witnesses, self.groups))
        if self.quorum != NO_QUORUM and self.quorum not in self._by_name:
            raise WitnessPolicyRejectedError(f"quorum {self.quorum[:80]!r} is neither a witness nor a group")
        if len({key.public_key for key in self.logs}) != len(self.logs):
            raise WitnessPolicyRejectedError("one log stands twice")

    @property
    def needs_witnesses(self) -> bool:
        """Say whether a checkpoint needs any cosignature."""
        return self.quorum != NO_QUORUM

    def is_met_by(self, cosigners: Collection[KeyId]) -> bool:
        """Say whether these keys, whose cosignatures were verified, are enough."""
        return self.quorum == NO_QUORUM or self._counts(self.quorum, cosigners)

    def text(self) -> str:
        """Return the policy in C2SP's form; `parse_policy` reads it back."""
        return self._lines(lambda key: key.vkey)

    def sigsum_text(self) -> str:
        """Return the same for Sigsum's tools, which write keys as bare hexadecimal."""
        return self._lines(lambda key: key.public_key.hex())

    def _counts(self, name: str, cosigners: Collection[KeyId]) -> bool:
        one = self._by_name[name]
        if isinstance(one, Witness):
            return one.key_id in cosigners
        return sum(self._counts(member, cosigners) for member in one.members) >= one.threshold

    def _lines(self, written: Callable[[NoteKey], str]) -> str:
        lines = [f"log {written(key)}" for key in self.logs]
        lines += [f"witness {each.name} {written(each.key)} {each.url}".rstrip() for each in self.witnesses]
        lines += [f"group {each.name} {each.threshold} {' '.join(each.members)}" for each in self.groups]
        return "".join(f"{line}\n" for line in (*lines, f"quorum {self.quorum}"))


@lru_cache(maxsize=16)
def cosigners_of(note: bytes, policy: WitnessPolicy) -> frozenset[KeyId]:
    """Return which of a policy's witnesses cosigned a note; cached, as hundreds of receipts bear one checkpoint.

    Raises:
        CosignatureRejectedError, NoteSignatureError: as `verify_cosignatures`.
    """
    return frozenset(each.key_id for each in verify_cosignatures(note, (each.key for each in policy.witnesses)))


def parse_policy(text: str) -> WitnessPolicy:
    """Read a policy file.

    Raises:
        WitnessPolicyRejectedError: malformed, a name or key twice, a member that was not defined before, no quorum.
    """
    if len(text.encode()) > MAX_POLICY_BYTES:
        raise WitnessPolicyRejectedError(f"a policy has at most {MAX_POLICY_BYTES} bytes")
    draft = _Draft()
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            draft.take(_BLANKS.split(line.strip(" \t")))
        except (WitnessPolicyRejectedError, NoteKeyRejectedError) as error:
            raise WitnessPolicyRejectedError(f"line {number}: {error}") from error
    if len(draft.quorum) != 1:
        raise WitnessPolicyRejectedError(f"{len(draft.quorum)} quorum lines; there is exactly one")
    return WitnessPolicy(
        logs=tuple(draft.logs),
        witnesses=tuple(draft.witnesses),
        groups=tuple(draft.groups),
        quorum=draft.quorum[0],
    )


@dataclass(slots=True)
class _Draft:
    """A policy as far as it is read."""

    logs: list[NoteKey] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: list[str] = field(default_factory=list)

    def take(self, words: Sequence[str]) -> None:
        match words:
            case [""]:
                return
            case [word, *_] if word.startswith("#"):
                return
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(_key(vkey, NoteAlgorithm.ED25519))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self.witnesses.append(Witness(name, _key(vkey, NoteAlgorithm.COSIGNATURE_V1), *url))
            case ["group", name, threshold, *members]:
                self.groups.append(Group(name, _threshold(threshold, members), tuple(members)))
            case ["quorum", name]:
                self.quorum.append(name)
            case _:
                raise WitnessPolicyRejectedError(f"not a line of a policy: {' '.join(words)[:120]!r}")
        _named(self.witnesses, self.groups)


def _key(vkey: str, algorithm: NoteAlgorithm) -> NoteKey:
    key = parse_vkey(vkey)
    if key.algorithm is not algorithm:
        raise WitnessPolicyRejectedError(f"the key of {key.name[:80]!r} is of type {key.algorithm.value:#04x}")
    return key


def _threshold(word: str, members: Sequence[str]) -> int:
    if word == "all":
        return len(members)
    if word == "any":
        return 1
    if not _NUMBER.fullmatch(word):
        raise WitnessPolicyRejectedError(f"all, any or a number of members was expected, not {word[:40]!r}")
    return int(word)


def _named(witnesses: Sequence[Witness], groups: Sequence[Group]) -> dict[str, Witness | Group]:
    """Return everything by name, in the order of definition."""
    by_name: dict[str, Witness | Group] = {}
    every: Sequence[Witness | Group] = (*witnesses, *groups)
    for one in every:
        if not _NAME.fullmatch(one.name) or one.name == NO_QUORUM:
            raise WitnessPolicyRejectedError(f"no name for a witness or a group: {one.name[:80]!r}")
        if one.name in by_name:
            raise WitnessPolicyRejectedError(f"{one.name} stands twice")
        if isinstance(one, Group):
            _check_group(one, by_name)
        by_name[one.name] = one
    if len({each.key.public_key for each in witnesses}) != len(witnesses):
        raise WitnessPolicyRejectedError("one witness key stands twice: it would count twice")
    return by_name


def _check_group(group: Group, before: Collection[str]) -> None:
    if not 1 <= group.threshold <= len(group.members):
        raise WitnessPolicyRejectedError(f"group {group.name}: {group.threshold} of {len(group.members)} members")
    if len(set(group.members)) != len(group.members):
        raise WitnessPolicyRejectedError(f"group {group.name}: a member stands twice")
    for member in group.members:
        if member not in before:
            raise WitnessPolicyRejectedError(f"group {group.name}: {member[:80]!r} was not defined before")


NO_WITNESSES = WitnessPolicy()
