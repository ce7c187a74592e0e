"""A centre's real home in which people decide: real keys, a real journal and log, real footage in the vault."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chain_of_custody.event import Actor, Subject
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId
from host_io.signed_journal import NewFact
from tests.decision_story import PEOPLE, Deciding
from tests.fakes.centre_home import Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.log_on_disc import test_key as key_of
from tests.packages import Docking, digest_of, vault_file
from tests.trusts import put_trust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidence_model.canonical import JsonObject

FILMS = (b"film 1" * 1000, b"film 2" * 1000)


class DecidedHome(Deciding):
    """A home with two films that a station pulled; steps are known by their number, beginning with 0."""

    def __init__(self, centre: Centre, station: FakeStation) -> None:
        self.centre, self.station, self.paths = centre, station, centre.paths
        self.docking = Docking(centre, station)
        self.assets = [
            self.docking.pull(film, f"DCIM/000{number}.MP4".encode()) for number, film in enumerate(FILMS, start=1)
        ]
        self.digests = {asset: digest_of(film).hex for asset, film in zip(self.assets, FILMS, strict=True)}
        self._hashes: list[bytes] = []

    def hash(self, index: int) -> str:
        return self._hashes[index].hex()

    def decide(self, kind: str, body: JsonObject, *, by: str, **how: Any) -> int:
        level = ActorLevel(how.get("level", "person-key"))
        own = [key_of(by)] if level is ActorLevel.PERSON_KEY else []
        name, digest = how.get("subject", ("matter", "ab" * 32))
        fact = NewFact(
            kind=EventKind(kind),
            subject=Subject(name, bytes.fromhex(digest)),
            body=body,
            actor=Actor(ActorKind.PERSON, by, level),
            asset_id=how.get("asset"),
        )
        self._hashes.append(self.centre.journal.append(fact, also=how.get("signers", own)).hash)
        self.centre.sequencer.step([])
        return len(self._hashes) - 1

    def reread_of(self, asset: AssetId) -> str:
        """Return the hash of the envelope in which the station says that it read an item a second time."""
        query = "select hash from event where kind = 'footage.reread' and asset_id = ?"
        return str(self.centre.catalogue.db.execute(query, (asset,)).fetchone()[0].hex())

    def erase_bytes(self, asset: AssetId) -> None:
        """Take an item's footage out of the vault."""
        path = vault_file(self.paths, FILMS[self.assets.index(asset)])
        path.chmod(0o600)
        path.unlink()

    def erase_body(self, envelope: str) -> None:
        """Take an event's body out of the log, as the law may ask."""
        path = self.paths.log / "envelopes" / envelope[:2] / f"{envelope}.dsse.json"
        path.chmod(0o600)
        path.unlink()


@contextlib.contextmanager
def decided_home(root: Path) -> Iterator[DecidedHome]:
    """Open such a home; after that it is stopped and its log is settled on the disk."""
    station = FakeStation()
    trust = replace(trust_of(station), people=PEOPLE)
    paths = make_centre_home(root, station)
    put_trust(paths, trust)
    with centre_at(paths, trust) as centre:
        yield DecidedHome(centre, station)
        centre.ledger.settle()
