"""Who may say which keys count? Each trust document is signed by enough roots of its own and of the one before it.

So thieves of all new keys, or of too few old ones, change nothing; no document can be left out, come back, or take back
what an earlier one wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import envelope as dsse
from .keys import Key
from .strict import RefusedError
from .trust import MAX_BYTES as MAX_TRUST_BYTES
from .trust import Source, Trust, parse_document, parse_trust

ROOT_TYPE = "application/vnd.evidock.trust-root+json"
MAX_BYTES = 2 * MAX_TRUST_BYTES


def read_root(data: bytes) -> tuple[Trust, dsse.Envelope]:
    """Read a signed document; who signed it is asked by `check_root`."""
    envelope = dsse.parse_envelope(data, MAX_BYTES)
    if envelope.payload_type != ROOT_TYPE:
        raise RefusedError("event.type", found=envelope.payload_type)
    return parse_document(envelope.payload), envelope


def read_known(data: bytes) -> Trust:
    """Read the outsider's own copy: a `trust.json`, or a signed document, which must be signed by its own roots."""
    if not data.startswith(b'{"payload":'):
        return parse_trust(data)
    trust, envelope = read_root(data)
    _check_signed(trust, envelope, trust)
    return trust


def check_root(trust: Trust, envelope: dsse.Envelope, before: Trust | None) -> None:
    """Return if a document may follow the one before it; with None it must be the first."""
    _check_signed(trust, envelope, trust)
    if before is None:
        if trust.number != 1:
            raise RefusedError("root.order", number=trust.number)
        return
    _check_signed(trust, envelope, before)
    if (trust.number, trust.previous) != (before.number + 1, before.hash):
        raise RefusedError("root.order", number=trust.number)
    if taken_back(before, trust):
        raise RefusedError("root.change", number=trust.number, key=taken_back(before, trust)[0])


def taken_back(old: Trust, new: Trust) -> list[str]:
    """Return what of an older document a newer one does not keep: a range may be closed, never moved or left out."""
    wrong = [] if (old.site, old.since <= new.since) == (new.site, True) else [new.site]
    logs = {each.key.id: each for each in new.logs}
    for log in old.logs:
        other = logs.get(log.key.id)
        if other is None or other.start != log.start or log.final not in (None, other.final):
            wrong.append(f"log: {log.key.id}")
    for each in old.entries:
        kept = new.entry(each.key.id, each.name)
        if kept is None or not _is_kept(each, kept):
            wrong.append(f"{each.name}: {each.key.id}")
    people = {each.key.id: each for each in new.people}
    for person in old.people:
        now = people.get(person.key.id)
        if now is None or replace(person, until=now.until) != now or person.until not in (None, now.until):
            wrong.append(f"{person.name}: {person.key.id}")
    made = [each for each in old.policies if each[0] <= new.since]
    if list(new.policies[: len(made)]) != made:
        wrong.append("witnesses")
    fresh = [each.start for each in new.entries if old.entry(each.key.id, each.name) is None]
    known = {each.key.id for each in old.people}
    fresh += [each.start for each in new.people if each.key.id not in known]
    fresh += [start for start, _ in new.policies[len(made) :]]
    if any(start < old.since for start in fresh):
        wrong.append(f"< {old.since}")
    return wrong


def _is_kept(old: Source, new: Source) -> bool:
    is_suspected = old.suspect_from is None or (new.suspect_from is not None and new.suspect_from <= old.suspect_from)
    same = replace(old, until=new.until, suspect_from=new.suspect_from)
    return same == new and old.until in (None, new.until) and is_suspected


def _check_signed(trust: Trust, envelope: dsse.Envelope, whose: Trust) -> None:
    """Return if enough roots of a document signed; a key counts once, whatever its names."""
    known: Mapping[str, Key] = {key.id: key for key in whose.roots.values()}
    signed, unchecked = set[str](), set[str]()
    if set(envelope.signatures) & set(known):
        signed, unchecked = dsse.signers(envelope, known)
    if len(signed | unchecked) < whose.threshold:
        count, threshold = len(signed | unchecked), whose.threshold
        raise RefusedError("root.signatures", number=trust.number, count=count, threshold=threshold, of=whose.number)
