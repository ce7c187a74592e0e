"""The trust document (version 2): which keys a site's evidence rests on, each with its range of log indexes.

One canonical form only, so that a changed byte is either not that form or names something else. Who may write the next
one is decided in `trust_root`; here stands what one document must be by itself (docs/spec/trust-root.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from chain_of_custody.checkpoint import Checkpoint, log_note_key
from chain_of_custody.envelope import MAX_SIGNATURES
from chain_of_custody.errors import PossessionUnprovedError, TrustRejectedError
from chain_of_custody.log_keys import open_logged
from chain_of_custody.signatures import KeyId, Signer, Verifier, verifier_for
from chain_of_custody.strict_text import decode_hex
from chain_of_custody.trust_entries import (
    Authority,
    PolicyFrom,
    Roots,
    SourceRole,
    TrustedLog,
    TrustedPerson,
    TrustedSource,
    list_of,
    read_mirror,
)
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.canonical import JsonObject, canonical_bytes, decimal, parse_strict
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId, source_id

VERSION = "2"
MAX_TRUST_BYTES = 1 << 20
_MEMBERS = frozenset(
    {"authorities", "logs", "mirrors", "number", "people", "policies", "previous", "roots", "since", "site", "sources"}
    | {"version"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """All public keys of a site that ever counted; the properties say what is in force now."""

    site: SourceId
    number: int
    previous: bytes | None
    since: int
    roots: Roots
    logs: tuple[TrustedLog, ...]
    sources: tuple[TrustedSource, ...]
    people: tuple[TrustedPerson, ...] = ()
    policies: tuple[PolicyFrom, ...] = (PolicyFrom(),)
    authorities: tuple[Authority, ...] = ()
    mirrors: tuple[str, ...] = ()

    @property
    def log_key(self) -> bytes:
        """Return the key that signs the log now."""
        return self.logs[-1].key

    @property
    def log_before(self) -> TrustedLog | None:
        """Return the key that signed the log before it was handed over; None if it never was."""
        return self.logs[-2] if len(self.logs) > 1 else None

    def open_checkpoint(self, note: bytes) -> Checkpoint:
        """Return what this site's log signed, with its key of now or, up to its end, with an earlier one.

        Raises:
            RefusedError: as `open_logged`.
        """
        return open_logged(note, self.logs)

    @property
    def centre(self) -> TrustedSource:
        """Return the centre with its key of now."""
        return next(each for each in self._in_force() if each.role is SourceRole.CENTRE)

    @property
    def centres(self) -> frozenset[SourceId]:
        """Return the names that the centre ever had: who seals the log."""
        return frozenset(each.id for each in self.sources if each.role is SourceRole.CENTRE)

    @property
    def stations(self) -> tuple[TrustedSource, ...]:
        """Return the stations whose keys are in force now."""
        return tuple(each for each in self._in_force() if each.role is SourceRole.STATION)

    @property
    def witnesses(self) -> WitnessPolicy:
        """Return the policy for the next checkpoint; it names no log, it is about this site's."""
        return self.policies[-1].policy

    @property
    def hash(self) -> bytes:
        """Return the digest by which the next document names this one."""
        return sha256(document_bytes(self)).digest()

    def witnesses_at(self, size: int) -> WitnessPolicy:
        """Return the policy for a checkpoint of this size."""
        return next(each.policy for each in reversed(self.policies) if each.start <= size)

    def policy(self, size: int | None = None) -> WitnessPolicy:
        """Return the policy for a checkpoint of this size, or of now, with the log in it, as outsiders read it."""
        policy = self.witnesses if size is None else self.witnesses_at(size)
        return replace(policy, logs=(log_note_key(self.log_key),))

    def verifiers(self) -> Mapping[KeyId, Verifier]:
        """Return the verifiers of everyone who may sign what is logged next."""
        return {each.key_id: verifier_for(each.key) for each in self._in_force()}

    def all_verifiers(self) -> Mapping[KeyId, Verifier]:
        """Return the verifiers of everyone who might ever sign events; `source_with` says in which range."""
        return {each.key_id: verifier_for(each.key) for each in self.sources}

    def by_key(self) -> Mapping[KeyId, TrustedSource]:
        """Return the sources by their keys, those of the past as well."""
        return {each.key_id: each for each in self.sources}

    def source_of(self, key_id: KeyId) -> SourceId | None:
        """Return who signs, or signed, with this key, or None."""
        return next((each.id for each in self.sources if each.key_id == key_id), None)

    def station(self, wanted: SourceId) -> TrustedSource | None:
        """Return the station of this name that is in force, or None."""
        return next((each for each in self.stations if each.id == wanted), None)

    def _in_force(self) -> Iterable[TrustedSource]:
        return (each for each in self.sources if each.is_in_force)


def document_bytes(trust: Trust) -> bytes:
    """Return what the roots sign: the canonical document, without a line end."""
    document: JsonObject = {
        "authorities": [each.as_json() for each in trust.authorities],
        "logs": [each.as_json() for each in trust.logs],
        "mirrors": list(trust.mirrors),
        "number": str(trust.number),
        "people": [each.as_json() for each in trust.people],
        "policies": [each.as_json() for each in trust.policies],
        "previous": None if trust.previous is None else trust.previous.hex(),
        "roots": trust.roots.as_json(),
        "since": str(trust.since),
        "site": trust.site,
        "sources": [each.as_json() for each in trust.sources],
        "version": VERSION,
    }
    return canonical_bytes(document)


def parse_document(data: bytes) -> Trust:
    """Read a document and check everything that it must be by itself.

    Raises:
        TrustRejectedError: it is not what `document_bytes` writes, or breaks a rule.
        PossessionUnprovedError: a source's key did not sign that it wants to be that source.
    """
    if len(data) > MAX_TRUST_BYTES:
        raise TrustRejectedError(f"{len(data)} bytes; a trust document has at most {MAX_TRUST_BYTES}")
    try:
        trust = _read(parse_strict(data))
    except TrustRejectedError:
        raise
    except (RefusedError, ValueError) as error:
        raise TrustRejectedError(str(error)[:300]) from error
    check_document(trust)
    if document_bytes(trust) != data:
        raise TrustRejectedError("not in its one form")
    return trust


def possession_message(site: SourceId, name: SourceId, key: bytes) -> bytes:
    """Return what a source's key signs to show that whoever enrols it has it."""
    return f"evidock/v1/possession\n{site}\n{name}\n{key.hex()}\n".encode()


def prove_possession(site: SourceId, name: SourceId, signer: Signer) -> bytes:
    """Return the proof that the enrolment of `signer` as source `name` needs."""
    return signer.sign(possession_message(site, name, signer.public_key))


def check_document(trust: Trust) -> None:
    """Return if a document keeps every rule that needs no other document.

    Raises:
        TrustRejectedError, PossessionUnprovedError: as `parse_document`.
    """
    if trust.number < 1 or (trust.number == 1) != (trust.previous is None):
        raise TrustRejectedError("only document 1 has none before it")
    if not 1 <= trust.roots.threshold <= len(trust.roots.keys) <= MAX_SIGNATURES:
        raise TrustRejectedError(f"{trust.roots.threshold} of {len(trust.roots.keys)} root keys cannot be")
    _check_once((each.id for each in trust.roots.keys), "one root holder")
    _check_once((each.name for each in trust.authorities), "one authority")
    _check_once(trust.mirrors, "one mirror")
    _check_logs(trust)
    _check_sources(trust)
    _check_people(trust)
    _check_policies(trust)
    keys = [*(each.key for each in trust.roots.keys), *(each.key for each in trust.logs)]
    keys += [*(each.key for each in trust.sources), *(each.key for each in trust.people)]
    witnesses = {each.key.public_key for one in trust.policies for each in one.policy.witnesses}
    _check_once([*keys, *witnesses], "one key")


def _check_once(things: Iterable[object], what: str) -> None:
    found = list(things)
    if len(set(found)) != len(found):
        raise TrustRejectedError(f"{what} stands twice")


def _check_logs(trust: Trust) -> None:
    start = 0
    for number, log in enumerate(trust.logs, start=1):
        if log.start != start or (log.final is None) != (number == len(trust.logs)):
            raise TrustRejectedError(
                "each log key begins at the size at which the one before it ended; the last goes on"
            )
        start = log.final.size if log.final is not None else start
    if not trust.logs:
        raise TrustRejectedError("there is no log key")


def _check_sources(trust: Trust) -> None:
    ends: dict[SourceId, tuple[SourceRole, int | None]] = {}
    for each in trust.sources:
        role, end = ends.get(each.id, (each.role, 0))
        if each.role is not role or end is None or each.start < end:
            raise TrustRejectedError(f"{each.id} has two roles, or two keys at one place in the log")
        if any(end is not None and end < each.start for end in (each.until, each.suspect_from)):
            raise TrustRejectedError(f"{each.id} has a range that ends before it begins")
        if not verifier_for(each.key).verify(possession_message(trust.site, each.id, each.key), each.possession):
            raise PossessionUnprovedError(f"the key of {each.id} did not sign that it wants to be {each.id}")
        ends[each.id] = role, each.until
    if sum(each.is_in_force and each.role is SourceRole.CENTRE for each in trust.sources) != 1:
        raise TrustRejectedError("exactly one centre is in force at a time")


def _check_people(trust: Trust) -> None:
    for each in trust.people:
        _check_once(each.roles, f"one role of {each.id}")
        if not each.roles or (each.until is not None and each.until < each.start):
            raise TrustRejectedError(f"{each.id} has no role, or a range that ends before it begins")


def _check_policies(trust: Trust) -> None:
    starts = [each.start for each in trust.policies]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise TrustRejectedError("the first policy holds from size 0, each other from a larger one on")
    if any(each.policy.logs for each in trust.policies):
        raise TrustRejectedError("a witness policy names a log; it is about this site's")


def _read(document: JsonObject) -> Trust:
    if document.get("version") != VERSION:
        raise TrustRejectedError(f"version {document.get('version')!r:.20} is not known here")
    if set(document) != _MEMBERS:
        raise TrustRejectedError(f"the members {', '.join(sorted(_MEMBERS))} were expected")
    previous = document["previous"]
    return Trust(
        site=source_id(str(document["site"])),
        number=decimal(document["number"], what="number"),
        previous=None if previous is None else decode_hex(previous),
        since=decimal(document["since"], what="since"),
        roots=Roots.read(document["roots"]),
        logs=list_of(document["logs"], "logs", TrustedLog.read),
        sources=list_of(document["sources"], "sources", TrustedSource.read),
        people=list_of(document["people"], "people", TrustedPerson.read),
        policies=list_of(document["policies"], "policies", PolicyFrom.read),
        authorities=list_of(document["authorities"], "authorities", Authority.read),
        mirrors=list_of(document["mirrors"], "mirrors", read_mirror),
    )
