"""A station that signs: a real key, a gapless chain, real envelopes and messages; no disk, no broker."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from chain_of_custody.chain import GENESIS_PREV
from chain_of_custody.envelope import PAYLOAD_TYPE, envelope_checksum, envelope_hash, make_envelope, pae, to_wire
from chain_of_custody.event import Actor, AssetLink, Beacon, EventTime, SourceLink, Subject, build_statement
from chain_of_custody.leaf import make_leaf, sign_leaf
from chain_of_custody.receipt import parse_receipt
from chain_of_custody.signatures import Ed25519Signer
from evidence_model.canonical import Json, JsonObject
from evidence_model.digests import Digest
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId, RecorderId, SourceId, asset_id_of, event_id
from evidence_model.instants import ClockReading, ClockSource, unix_ms
from evidence_model.known import Known
from evidence_model.messages import BlobRef, BlobRole
from host_io.sm2 import Sm2Signer

START_AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


class FakeStation:
    """Says things one after the other; every run of the same calls says the same bytes."""

    def __init__(self, name: str = "station-1", *, seed: int = 3) -> None:
        self.id = SourceId(name)
        self.seed = seed
        self.signer = Ed25519Signer.from_seed(bytes([seed]) * 32)
        self.seq = 0
        self.prev = GENESIS_PREV
        self.now_at = START_AT
        self.mono_ns = 10**13
        self.beacon: Beacon | None = None
        self.said: dict[bytes, bytes] = {}
        self.sm3_of: Callable[[bytes], bytes] | None = None  # of the content of what it pulls
        self.sm2: Sm2Signer | None = None
        self._assets: dict[AssetId, AssetLink] = {}

    def says(
        self,
        kind: EventKind = EventKind.PREFLIGHT_DONE,
        body: JsonObject | None = None,
        *,
        subject: Subject | None = None,
        asset: AssetId | None = None,
        blobs: Sequence[BlobRef] = (),
    ) -> bytes:
        """Return the next envelope of this station."""
        self.seq += 1
        self.passes(timedelta(seconds=1))
        link = None
        if asset is not None:
            before = self._assets.get(asset)
            link = AssetLink(asset, before.seq + 1, before.prev) if before else AssetLink(asset, 1, GENESIS_PREV)
        noise = hashlib.sha256(f"{self.id}/{self.seq}".encode()).digest()
        full_body: Mapping[str, Json] = {
            **(body or {}),
            **({"blobs": [each.as_json() for each in blobs]} if blobs else {}),
        }
        statement = build_statement(
            kind=kind.value,
            event_id=event_id(unix_ms=unix_ms(self.now_at), random=noise),
            salt=noise[:16],
            source=SourceLink(self.id, self.seq, self.prev),
            asset=link,
            actor=Actor(ActorKind.STATION, self.id, ActorLevel.STATION),
            time=EventTime(self._reading(), self.beacon),
            rules=(),
            body=full_body,
            subject=subject or Subject("thing", hashlib.sha256(b"thing").digest()),
        )
        made = [self.sm2.sign(pae(PAYLOAD_TYPE, statement))] if self.sm2 is not None else []
        raw = make_envelope(statement, [self.signer], made=made)
        self.prev = envelope_hash(raw)
        self.said[self.prev] = raw
        if link is not None:
            self._assets[link.id] = AssetLink(link.id, link.seq, self.prev)
        return raw

    def pulls(
        self,
        content: bytes,
        *,
        path: bytes = b"DCIM/0001.MP4",
        recorder: str = "rec-1",
        **more: Json,
    ) -> bytes:
        """Return the `footage.pulled` of a file with this content."""
        digest = Digest(hashlib.sha256(content).digest())
        rec = RecorderId(recorder)
        asset = asset_id_of(recorder=rec, raw_path=path, size_bytes=len(content), digest=digest)
        body: dict[str, Json] = {
            "recorder": recorder,
            "path_hex": path.hex(),
            "size_bytes": str(len(content)),
            "kind": "footage",
            "locked": False,
            "session": "session-1",
            **more,
        }
        return self.says(
            EventKind.FOOTAGE_PULLED,
            body,
            subject=Subject(f"asset/{asset}", digest.raw, self.sm3_of(content) if self.sm3_of else None),
            asset=asset,
            blobs=[BlobRef(BlobRole.FOOTAGE, digest, len(content))],
        )

    def passes(self, span: timedelta) -> None:
        """Let time pass on both clocks; whoever sets `now_at` sets the wall clock alone."""
        self.now_at += span
        self.mono_ns += span // timedelta(microseconds=1) * 1000

    def _reading(self) -> ClockReading:
        return ClockReading(
            wall_at=self.now_at,
            boot="boot-1",
            mono_ns=self.mono_ns,
            source=ClockSource.NTP,
            error_ms=Known(4),
        )

    def leaf(self, raw: bytes) -> bytes:
        """Return the log leaf of an envelope."""
        return make_leaf(raw, self.signer).to_bytes()

    def leaf_hash(self, raw: bytes) -> bytes:
        """Return the hash of an envelope's leaf."""
        return make_leaf(raw, self.signer).hash()

    def leaf_of_receipt(self, receipt: bytes) -> tuple[bytes, bytes]:
        """Return the hash and the leaf hash of the event of its own that a receipt is about."""
        event = parse_receipt(receipt).event
        return event, self.leaf_hash(self.said[event])

    def wire(self, raw: bytes) -> bytes:
        """Return the MQTT message of an envelope."""
        return to_wire(raw, sign_leaf(envelope_checksum(raw), self.signer))
