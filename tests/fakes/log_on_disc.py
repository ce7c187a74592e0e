"""The smallest keeper of a log: real files, real keys, every step of a real store but its durability."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from chain_of_custody.audit import audit_log
from chain_of_custody.chain import GENESIS, ChainHead
from chain_of_custody.checkpoint import open_checkpoint, sign_checkpoint
from chain_of_custody.envelope import envelope_hash, make_envelope
from chain_of_custody.event import Actor, AssetLink, Beacon, EventTime, SourceLink, Subject, build_statement
from chain_of_custody.leaf import Leaf, make_leaf
from chain_of_custody.sequence import SequencePlan, sequence
from chain_of_custody.signatures import Ed25519Signer, Ed25519Verifier, KeyId, Signer, Verifier
from evidence_model.events import ActorKind, ActorLevel
from evidence_model.ids import AssetId, event_id, source_id
from evidence_model.instants import ClockReading, ClockSource
from evidence_model.known import Known

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from chain_of_custody.tiles import Bundle, Tile
    from evidence_model.canonical import JsonObject
    from evidence_model.findings import Finding

START_AT = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)


def test_key(label: str) -> Ed25519Signer:
    """Return a key that everybody knows; never one to trust."""
    return Ed25519Signer.from_seed(hashlib.sha256(f"evidock test key {label}".encode()).digest())


test_key.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a test's


class Source:
    """A station (or centre) that keeps its chains and signs what it says; time and salt are counted, not read."""

    def __init__(self, name: str, signer: Signer | None = None) -> None:
        self.name = source_id(name)
        self.signer = signer or test_key(name)
        self.head = GENESIS
        self.assets: dict[AssetId, ChainHead] = {}

    def statement(
        self,
        kind: str = "footage.pulled",
        *,
        asset: AssetId | None = None,
        body: JsonObject | None = None,
        beacon: Beacon | None = None,
    ) -> bytes:
        """Return the payload of the next event, without moving the chains."""
        number = self.head.seq + 1
        link = None
        if asset is not None:
            before = self.assets.get(asset, GENESIS)
            link = AssetLink(asset, before.seq + 1, before.envelope_hash)
        at = START_AT + timedelta(seconds=number)
        seed = hashlib.sha256(f"{self.name} {number}".encode()).digest()
        reading = ClockReading(
            wall_at=at,
            boot="3f2b9c1e-0000-4000-8000-000000000001",
            mono_ns=number * 1_000_000_000,
            source=ClockSource.NTP,
            error_ms=Known(4),
        )
        return build_statement(
            kind=kind,
            event_id=event_id(unix_ms=int(at.timestamp() * 1000), random=seed[:10]),
            salt=seed[:16],
            source=SourceLink(self.name, number, self.head.envelope_hash),
            asset=link,
            actor=Actor(ActorKind.STATION, self.name, ActorLevel.STATION),
            time=EventTime(reading, beacon),
            rules=("MS-D9",),
            body=body or {},
            subject=Subject(f"asset/{asset or 'none'}", hashlib.sha256(f"{asset}".encode()).digest()),
        )

    def say(self, kind: str = "footage.pulled", **more: object) -> bytes:
        """Sign the next event and move the chains; return its envelope."""
        raw = make_envelope(self.statement(kind, **more), (self.signer,))  # type: ignore[arg-type]  # passed through
        self.take(raw, more.get("asset"))  # type: ignore[arg-type]  # the same
        return raw

    def take(self, raw: bytes, asset: AssetId | None) -> None:
        """Let `raw` be the last thing said."""
        said = envelope_hash(raw)
        self.head = ChainHead(self.head.seq + 1, said)
        if asset is not None:
            self.assets[asset] = ChainHead(self.assets.get(asset, GENESIS).seq + 1, said)

    def leaf(self, raw: bytes) -> Leaf:
        """Return the leaf of an envelope of ours."""
        return make_leaf(raw, self.signer)


class LogOnDisc:
    """A log under a folder, laid out as the contract has it."""

    def __init__(self, folder: Path, log: Signer | None = None) -> None:
        self.folder = folder
        self.log = log or test_key("log")
        (folder / "envelopes").mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> bytes:
        """Return the signed note."""
        return (self.folder / "checkpoint").read_bytes()

    def append(self, leaves: Sequence[Leaf]) -> SequencePlan:
        """Append leaves and publish the checkpoint."""
        public = self.folder / "checkpoint"
        signed = open_checkpoint(self.checkpoint, log_key=self.log.public_key) if public.exists() else None
        plan = sequence(
            log_key=self.log.public_key,
            signed=signed,
            leaves=[leaf.to_bytes() for leaf in leaves],
            read_tile=self.read,
            read_bundle=self.read,
        )
        for write in plan.writes:
            path = self.folder / write.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(write.data)
        public.write_bytes(sign_checkpoint(plan.checkpoint, self.log))
        return plan

    def log_events(self, source: Source, envelopes: Sequence[bytes]) -> SequencePlan:
        """Keep envelopes and append their leaves."""
        for raw in envelopes:
            self.envelope_path(raw).write_bytes(raw)
        return self.append([source.leaf(raw) for raw in envelopes])

    def envelope_path(self, raw: bytes) -> Path:
        """Return where an envelope lies."""
        return self.folder / "envelopes" / f"{envelope_hash(raw).hex()}.dsse.json"

    def read(self, address: Tile | Bundle) -> bytes:
        """Return a tile's or bundle's file."""
        return (self.folder / address.path).read_bytes()

    def find(self, address: Tile | Bundle) -> bytes | None:
        """Return a tile's or bundle's file, or None."""
        try:
            return self.read(address)
        except FileNotFoundError:
            return None

    def audit(self, keys: Iterable[Signer]) -> list[Finding]:
        """Return everything the audit finds."""
        known: dict[KeyId, Verifier] = {key.key_id: Ed25519Verifier(key.public_key) for key in keys}
        files = sorted((self.folder / "envelopes").iterdir())
        paths = (path for path in sorted((self.folder / "tile").rglob("*")) if path.is_file())
        return list(
            audit_log(
                log_key=self.log.public_key,
                checkpoint=self.checkpoint,
                read_tile=self.find,
                read_bundle=self.find,
                envelopes=((path.name, path.read_bytes()) for path in files),
                keys=known,
                listing=[str(path.relative_to(self.folder)) for path in paths],
            )
        )
