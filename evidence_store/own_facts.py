"""What the centre itself says in the log: which keys it knows, and which bytes it holds."""

from collections.abc import Iterator
from itertools import pairwise

from chain_of_custody.event import Actor, Subject
from chain_of_custody.signatures import KeyId
from chain_of_custody.trust_entries import TrustedLog
from evidence_model.canonical import JsonObject
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import SourceId
from evidence_model.instants import wire_instant
from evidence_model.messages import BlobRef, BlobRole
from evidence_store.catalogue import UnsaidItem
from host_io.signed_journal import NewFact
from host_io.trust import Trust, TrustedSource


def centre_actor(centre: SourceId) -> Actor:
    """Return the centre itself: nobody's decision, the machine's word."""
    return Actor(ActorKind.CENTRE, centre, ActorLevel.STATION)


def store_received(item: UnsaidItem, centre: SourceId) -> NewFact:
    """Say that the vault holds an item's bytes and that they were read back from its medium (design.md, promise 1)."""
    footage = BlobRef(BlobRole.FOOTAGE, item.blob.digest, item.blob.size_bytes)
    body: JsonObject = {
        "blobs": [footage.as_json()],
        "event": item.announced_by.hex(),
        "recorder": item.recorder_id,
        "station": item.station,
        "verified_at": wire_instant(item.blob.verified_at),
    }
    return NewFact(
        kind=EventKind.STORE_RECEIVED,
        subject=Subject(f"asset/{item.asset_id}", item.blob.digest.raw),
        body=body,
        actor=centre_actor(centre),
        asset_id=item.asset_id,
    )


def keys_of(trust: Trust) -> Iterator[tuple[str, str, bytes]]:
    """Yield role, name and public key of everybody who signs or signed."""
    for log in trust.logs:
        yield "log", trust.site, log.key
    for source in trust.sources:
        yield source.role.value, source.id, source.key


def changes_of(trust: Trust) -> Iterator[NewFact]:
    """Yield what the log is to know of a trust document besides new keys: who was revoked, hand-overs, its number."""
    for before, now in pairwise(trust.logs):
        yield log_handed_over(before, now, trust)
    for source in trust.sources:
        if source.until is not None:
            yield key_revoked(source, trust)
    if trust.number > 1:
        yield trust_changed(trust)


def key_revoked(source: TrustedSource, trust: Trust) -> NewFact:
    """Say that from a place in the log on nothing counts any more that this key signs."""
    return NewFact(
        kind=EventKind.KEY_REVOKED,
        subject=Subject(f"key/{source.key_id}", source.key_id.digest),
        body={
            "at": str(source.until),
            "id": source.id,
            "key": source.key.hex(),
            "role": source.role.value,
            "suspect_from": None if source.suspect_from is None else str(source.suspect_from),
        },
        actor=centre_actor(trust.centre.id),
    )


def log_handed_over(before: TrustedLog, now: TrustedLog, trust: Trust) -> NewFact:
    """Say that the log goes on under another key, and with which tree the one before ended."""
    key_id, final = KeyId.of(now.key), before.final
    return NewFact(
        kind=EventKind.LOG_HANDOVER,
        subject=Subject(f"key/{key_id}", key_id.digest),
        body={
            "before": before.key.hex(),
            "key": now.key.hex(),
            "root": final.root.hex() if final is not None else "",
            "size": str(now.start),
        },
        actor=centre_actor(trust.centre.id),
    )


def trust_changed(trust: Trust) -> NewFact:
    """Say that the centre goes by another trust document from here on."""
    return NewFact(
        kind=EventKind.TRUST_CHANGED,
        subject=Subject(f"trust/{trust.number}", trust.hash),
        body={"number": str(trust.number)},
        actor=centre_actor(trust.centre.id),
    )


def key_enrolled(role: str, name: str, key: bytes, trust: Trust) -> NewFact:
    """Say that a key belongs to somebody from this place in the log on."""
    key_id = KeyId.of(key)
    return NewFact(
        kind=EventKind.KEY_ENROLLED,
        subject=Subject(f"key/{key_id}", key_id.digest),
        body={"id": name, "key": key.hex(), "role": role, "site": trust.site},
        actor=centre_actor(trust.centre.id),
    )
