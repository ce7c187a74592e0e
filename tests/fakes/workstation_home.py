"""A workstation's home on which everything happened, made of real databases, a real log and a real vault."""

import hashlib
from pathlib import Path

from chain_of_custody.event import Actor, Subject
from chain_of_custody.receipt import verify_receipt
from evidence_model.canonical import canonical_bytes
from evidence_model.digests import Digest
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId, RecorderId, asset_id_of
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.topics import Channel, station_topic
from host_io import sqlite
from host_io.config import HomePaths, Role
from host_io.signed_journal import NewFact, SignedEvent, SignedJournal
from host_io.station_db import open_station_db, touch_wake
from tests.fakes.centre_home import CENTRE, LOG, SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock

FILMS = {b"DCIM/0001.MP4": b"film one" * 1000, b"DCIM/0002.MP4": b"film two" * 3000, "二.MP4".encode(): b""}
ON_ITS_WAY = b"a film that the station still holds"


class Station:
    """The station of a workstation: its real database and spool, without the programs."""

    def __init__(self, paths: HomePaths, key: FakeStation) -> None:
        self.paths, self.key = paths, key
        self.db = open_station_db(paths)
        self.journal = SignedJournal(self.db, signer=key.signer, source=key.id, clock=ManualClock())
        self.actor = Actor(ActorKind.STATION, key.id, ActorLevel.STATION)
        self.db.execute("insert into recorder values ('rec-1', 'generic', 'folder', '{}', '{}', 1, 1)")
        self.db.execute(
            "insert into session (session_id, place, state, started_unix_ms) values ('s', x'', 'pulled', 1)"
        )

    def say(self, kind: EventKind, body: dict[str, object], blobs: list[BlobRef]) -> SignedEvent:
        subject = Subject("thing", hashlib.sha256(b"thing").digest())
        return self.journal.append(NewFact(kind=kind, subject=subject, body=body, actor=self.actor, blobs=blobs))  # type: ignore[arg-type]

    def pull(self, path: bytes, content: bytes) -> SignedEvent:
        digest = Digest(hashlib.sha256(content).digest())
        asset = asset_id_of(recorder=RecorderId("rec-1"), raw_path=path, size_bytes=len(content), digest=digest)
        body = {"recorder": "rec-1", "path_hex": path.hex(), "size_bytes": str(len(content)), "kind": "footage"}
        fact = NewFact(
            kind=EventKind.FOOTAGE_PULLED,
            subject=Subject(f"asset/{asset}", digest.raw),
            body=body,
            actor=self.actor,
            asset_id=AssetId(asset),
            blobs=[BlobRef(BlobRole.FOOTAGE, digest, len(content))],
        )
        with sqlite.transaction(self.db):
            event = self.journal.append(fact)
            self.db.execute(
                "insert into item (asset_id, recorder_id, session_id, raw_path, size_bytes, mtime_ns, digest,"
                " head_digest, tail_digest, kind, locked, pulled_seq, pulled_unix_ms)"
                " values (?, 'rec-1', 's', ?, ?, 1, ?, x'', x'', 'footage', 0, ?, 1)",
                (asset, path, len(content), digest.raw, event.seq),
            )
            self.db.execute(
                "insert into spool_blob values (?, ?, 'footage', 1) on conflict do nothing", (digest.raw, len(content))
            )
        folder = self.paths.spool / "footage"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / digest.hex).write_bytes(content)
        return event

    def receipt(self, event: SignedEvent, raw: bytes) -> None:
        leaf = self.key.leaf_hash(event.raw)
        verified = verify_receipt(
            raw, centre_key=CENTRE.public_key, log_key=LOG.public_key, event=event.hash, leaf=leaf
        )
        self.journal.receipt_verified(event.seq, raw, verified)


def make_workstation_home(root: Path, key: FakeStation) -> HomePaths:
    """Make a home on which everything happened: docked, pulled, received, receipted, and one film is on its way."""
    paths = make_centre_home(root, key, role=Role.WORKSTATION)
    with centre_at(paths, trust_of(key)) as centre:
        station = Station(paths, key)
        listing = canonical_bytes({"kind": "footage", "path_hex": "00", "size_bytes": "1"}) + b"\n"
        listed = BlobRef(BlobRole.LISTING, Digest(hashlib.sha256(listing).digest()), len(listing))
        events = [station.say(EventKind.RECORDER_DOCKED, {"recorder": "rec-1"}, [listed])]
        events += [station.pull(path, content) for path, content in FILMS.items()]
        exchange(centre, station, [*events, station.pull(b"X.MP4", ON_ITS_WAY)], [listing, *FILMS.values()])
        centre.ledger.settle()
        touch_wake(paths)
        station.db.close()
    return paths


def exchange(centre: Centre, station: Station, events: list[SignedEvent], contents: list[bytes]) -> None:
    """Let events and bytes go to the centre, and the receipts come back."""
    for event in events:
        station.key.said[event.hash] = event.raw
    topic = station_topic(SITE, station.key.id, Channel.EVENTS)
    for content in contents:
        centre.hand_over(content)
    centre.sequencer.step([(topic, station.key.wire(event.raw)) for event in events])
    step = centre.adopt_all()
    again = centre.sequencer.step([(topic, station.key.wire(event.raw)) for event in events])
    receipts = {
        station.key.leaf_of_receipt(answer.payload)[0]: answer.payload
        for answer in (*step.answers, *again.answers)
        if answer.channel is Channel.RECEIPTS
    }
    for event in events:
        if event.hash in receipts:
            station.receipt(event, receipts[event.hash])
    assert len(receipts) == len(events) - 1
    centre.do_chores()
