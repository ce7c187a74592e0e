"""What the centre itself says in the log: which keys it knows, and which bytes it holds."""

from collections.abc import Iterator

from chain_of_custody.event import Actor, Subject
from chain_of_custody.signatures import KeyId
from evidence_model.canonical import JsonObject
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import SourceId
from evidence_model.instants import wire_instant
from evidence_model.messages import BlobRef, BlobRole
from evidence_store.catalogue import UnsaidItem
from host_io.signed_journal import NewFact
from host_io.trust import Trust


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
    """Yield role, name and public key of everybody in a trust file."""
    yield "log", trust.site, trust.log_key
    yield "centre", trust.centre.id, trust.centre.key
    for station in trust.stations:
        yield "station", station.id, station.key


def key_enrolled(role: str, name: str, key: bytes, trust: Trust) -> NewFact:
    """Say that a key belongs to somebody from this place in the log on."""
    key_id = KeyId.of(key)
    return NewFact(
        kind=EventKind.KEY_ENROLLED,
        subject=Subject(f"key/{key_id}", key_id.digest),
        body={"id": name, "key": key.hex(), "role": role, "site": trust.site},
        actor=centre_actor(trust.centre.id),
    )
