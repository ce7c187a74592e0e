"""Whose cosignatures a checkpoint needs: the policy in `trust.json` (C2SP tlog-policy, in the one form we write).

Two checkpoints that contradict each other can both have a quorum only if witnesses were dishonest. A witness is its
key: one that stands there twice is refused, so that nobody counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .keys import Key
from .notes import WITNESS, Signer, verify_note
from .strict import RefusedError, base64_bytes

_NAME = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}"
_WITNESS = re.compile(rf"witness ({_NAME}) ([^+\s]+)\+([0-9a-f]{{8}})\+([A-Za-z0-9+/=]+)( \S+)?")
_VKEY = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_GROUP = re.compile(rf"group ({_NAME}) ([1-9][0-9]{{0,3}})((?: {_NAME})+)")
_QUORUM = re.compile(rf"quorum ({_NAME})")
_MAX_BYTES = 64 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MAX_SECONDS = 253_402_300_799  # the last of the year 9999


@dataclass(frozen=True)
class Policy:
    """A policy; `quorum` names a witness or a group, or is `none`."""

    witnesses: Mapping[str, Signer]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    quorum: str
    _urls: Mapping[str, str]

    def cosigners(self, note: bytes) -> dict[str, int]:
        """Return who cosigned a checkpoint, and when (seconds since 1970); a line that does not fit is refused."""
        names = {(signer.name, signer.hint): name for name, signer in self.witnesses.items()}
        try:
            _, found = verify_note(note, self.witnesses.values())
        except RefusedError as error:
            if error.reason == "note.unsigned":
                return {}
            raise
        return {names[each.name, each.hint]: int.from_bytes(signature[:8], "big") for each, signature in found}

    def is_met_by(self, cosigners: Collection[str]) -> bool:
        """Say whether these witnesses are enough."""
        return self.quorum == "none" or self._counts(self.quorum, cosigners)

    def time_of(self, cosigners: Mapping[str, int]) -> datetime | None:
        """Return the newest instant at or after which enough witnesses cosigned; None if nobody can be asked.

        For "2 of 3" that is the second newest of the times. Whoever passes off an old checkpoint needs a time that is
        too new, and with the newest time one liar would be enough. Here he needs a whole quorum of them, and that there
        is none is what the policy trusts already. (A quorum of one is that one's word; the answer names it.) A median
        can be made newer by leaving honest cosignatures out of the package; this time can only be made older so.
        """
        if self.quorum == "none":
            return None
        for at in sorted(set(cosigners.values()), reverse=True):
            if at <= _MAX_SECONDS and self.is_met_by([name for name, other in cosigners.items() if other >= at]):
                return _EPOCH + timedelta(seconds=at)
        return None

    def sigsum_text(self, log: Key) -> str:
        """Return the policy for Sigsum's tools, which write keys in hexadecimal."""
        lines = [f"log {log.raw.hex()}"]
        for name, signer in self.witnesses.items():
            lines.append(f"witness {name} {signer.key.raw.hex()}{self._urls[name]}")
        lines += [f"group {name} {count} {' '.join(members)}" for name, (count, members) in self.groups.items()]
        return "".join(f"{line}\n" for line in (*lines, f"quorum {self.quorum}"))

    def _counts(self, name: str, cosigners: Collection[str]) -> bool:
        if name in self.witnesses:
            return name in cosigners
        threshold, group = self.groups[name]
        return sum(self._counts(member, cosigners) for member in group) >= threshold


def parse_policy(text: str) -> Policy:
    """Read a policy: witnesses, then groups of what was named before, then the quorum."""
    witnesses: dict[str, Signer] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    urls: dict[str, str] = {}
    *lines, last, end = ["", *text.split("\n")] if len(text) <= _MAX_BYTES else ["", ""]
    for line in lines[1:]:
        witness, group = _WITNESS.fullmatch(line), _GROUP.fullmatch(line)
        if witness is not None and not groups:
            name, signer = witness[1], _signer(*witness.groups()[1:4])
            if name in {"none", *witnesses} or signer.key in {each.key for each in witnesses.values()}:
                raise RefusedError("policy")
            witnesses[name], urls[name] = signer, witness[5] or ""
        elif group is not None:
            name, count, members = group[1], int(group[2]), tuple(group[3].split())
            if name in {"none", *witnesses, *groups} or not set(members) <= {*witnesses, *groups}:
                raise RefusedError("policy")
            if not len(set(members)) == len(members) >= count:
                raise RefusedError("policy")
            groups[name] = (count, members)
        else:
            raise RefusedError("policy")
    quorum = _QUORUM.fullmatch(last)
    if end or quorum is None or quorum[1] not in {"none", *witnesses, *groups}:
        raise RefusedError("policy")
    return Policy(witnesses, groups, quorum[1], urls)


def signer_of(vkey: str) -> Signer:
    """Return a cosigner (a witness or a mirror) by its C2SP vkey of type 0x04."""
    match = _VKEY.fullmatch(vkey)
    if match is None:
        raise RefusedError("policy")
    return _signer(*match.groups())


def _signer(name: str, hint: str, encoded: str) -> Signer:
    material = base64_bytes(encoded)
    if not material or material[0] != WITNESS:
        raise RefusedError("policy")
    key = Key(material[1:])
    signer = Signer(name, WITNESS, key)
    if not key.is_ed25519 or signer.hint.hex() != hint:
        raise RefusedError("policy")
    return signer
