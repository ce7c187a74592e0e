"""Stations as witnesses of a centre worked by hand: their keys, records and answers are the real ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chain_of_custody.errors import ReceiptUnwitnessedError
from chain_of_custody.receipt import verify_receipt
from chain_of_custody.witness_policy import Group, WitnessPolicy
from evidence_model.events import EventKind
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.topics import Channel
from evidence_store.cosigning import Ask
from evidence_store.quorum_desk import WitnessMessage
from evidence_store.sequencer import Step
from host_io.config import HomePaths
from host_io.trust import Trust, station_witness
from host_io.witness_state import make_witness
from ingest_daemon.witnessing import Witness, open_witness
from tests.fakes.centre_home import CENTRE, LOG, SITE, Centre, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.trusts import put_trust, with_witnesses

NAMES = (SourceId("w1"), SourceId("w2"), SourceId("w3"))


@dataclass
class Council:
    """Some witnesses, of whom `quorum` must cosign; who is in `away` hears nothing."""

    root: Path
    clock: Clock
    names: tuple[SourceId, ...]
    quorum: int
    away: set[str] = field(default_factory=set)
    witnesses: dict[str, Witness] = field(default_factory=dict)

    def trusting(self, trust: Trust) -> Trust:
        """Return the trust file with these witnesses, and let them come to life."""
        seats = tuple(
            station_witness(SITE, name, make_witness(self.paths(name), name).public_key) for name in self.names
        )
        policy = WitnessPolicy(
            witnesses=seats, groups=(Group("council", self.quorum, tuple(self.names)),), quorum="council"
        )
        named = with_witnesses(trust, policy)
        for name in self.names:
            self.paths(name).keys.mkdir(parents=True, exist_ok=True)
            witness = open_witness(self.paths(name), named, name, clock=self.clock)
            assert witness is not None
            self.witnesses[name] = witness
        return named

    def paths(self, name: SourceId) -> HomePaths:
        """Return the home of a witness."""
        paths = HomePaths(self.root / name)
        paths.keys.mkdir(parents=True, exist_ok=True)
        return paths

    def answers(self, asks: Iterable[Ask]) -> list[WitnessMessage]:
        """Return what those who hear it answer."""
        return [
            WitnessMessage(ask.witness.name, self.witnesses[ask.witness.name].answer(ask.body).to_bytes())
            for ask in asks
            if ask.witness.name not in self.away
        ]

    def sit(self, centre: Centre, step: Step) -> Step:
        """Let questions and answers go to and fro until nobody says anything any more; return all that came of it."""
        while messages := self.answers(step.asks):
            more = centre.sequencer.finish(centre.sequencer.begin([]), [], messages)
            step = Step(
                answers=step.answers + more.answers,
                asks=more.asks,
                logged_count=step.logged_count + more.logged_count,
                receipt_count=step.receipt_count + more.receipt_count,
                new_note=more.new_note or step.new_note,
            )
        return step


class WitnessedPlace:
    """A centre's home with three witnesses, two of whom must cosign."""

    def __init__(self, root: Path) -> None:
        self.station = FakeStation()
        self.clock = ManualClock()
        self.paths = make_centre_home(root / "home", self.station)
        self.council = Council(root / "witnesses", self.clock, NAMES, quorum=2)
        self.trust = self.council.trusting(trust_of(self.station))
        put_trust(self.paths, self.trust)

    def says(self, centre: Centre, count: int = 1) -> tuple[list[bytes], Step]:
        """Let the station say something; nobody is asked yet."""
        raws = [self.station.says(EventKind.PREFLIGHT_DONE, {}) for _ in range(count)]
        return raws, centre.take(self.station, raws)

    def believed(self, step: Step, *, trust: Trust | None = None) -> dict[bytes, int]:
        """Return the receipts that the station believes, with the size of their checkpoint; the others are `-1`."""
        found: dict[bytes, int] = {}
        for answer in step.answers:
            if answer.channel is Channel.RECEIPTS:
                event, leaf = self.station.leaf_of_receipt(answer.payload)
                try:
                    receipt = verify_receipt(
                        answer.payload,
                        centre_key=CENTRE.public_key,
                        log_key=LOG.public_key,
                        event=event,
                        leaf=leaf,
                        witnesses=(trust or self.trust).witnesses,
                    )
                    found[event] = receipt.head.size
                except ReceiptUnwitnessedError:
                    found.setdefault(event, -1)
        return found
