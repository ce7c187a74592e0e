"""A centre's home with real keys, real databases and a real log, worked by hand instead of by a broker."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chain_of_custody.receipt import VerifiedReceipt, verify_receipt
from chain_of_custody.refusal import verify_refusal
from chain_of_custody.sealed_index import Seal
from chain_of_custody.signatures import Ed25519Signer
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_model.topics import Channel, station_topic
from evidence_store.catalogue import Catalogue
from evidence_store.catalogue_chores import do_one_chore
from evidence_store.centre_book import CentreBook, open_centre_db
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.rebuild import open_catalogue_of_log
from evidence_store.sealing import log_sealed, make_seal
from evidence_store.sequencer import Sequencer, SequencerParts, Step
from evidence_store.vault import Adopted, Rejected, Vault
from host_io import durable
from host_io.config import HomePaths, Role
from host_io.keys import make_secret
from host_io.signed_journal import SignedJournal
from host_io.trust import (
    Trust,
    centre_key_path,
    log_key_path,
    station_key_path,
    upload_secret_path,
)
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.trusts import first_trust, put_trust

SITE = SourceId("site-1")
CENTRE = Ed25519Signer.from_seed(b"c" * 32)
LOG = Ed25519Signer.from_seed(b"l" * 32)


def make_centre_home(root: Path, *stations: FakeStation, role: Role = Role.CENTRE) -> HomePaths:
    """Make what `evidock init` makes of a home that has a centre, with known keys."""
    paths = HomePaths(root)
    folders = [root, paths.keys, paths.run]
    folders += [paths.log, *(paths.vault / name for name in ("incoming", "sha256", "uploads"))] if role.stores else []
    folders += [paths.spool / name for name in ("incoming", "footage", "blobs")] if role.pulls else []
    for folder in folders:
        durable.make_folders(folder)
    paths.config.write_text(f'[home]\nrole = "{role.value}"\n[centre]\nvault_reserve = "1 MiB"\n', encoding="utf-8")
    seeds = {log_key_path(paths): b"l" * 32, centre_key_path(paths): b"c" * 32}
    for station in stations:
        seeds[station_key_path(paths, station.id)] = bytes([station.seed]) * 32
        make_secret(upload_secret_path(paths, station.id))
    for path, seed in seeds.items():
        durable.write_file(path, seed.hex().encode() + b"\n", mode=0o600)
    put_trust(paths, trust_of(*stations))
    return paths


def trust_of(*stations: FakeStation) -> Trust:
    """Return the trust file of the known keys and these stations."""
    return first_trust(SITE, LOG, ("centre", CENTRE), [(each.id, each.signer) for each in stations])


@dataclass(frozen=True, slots=True)
class Centre:
    """A centre that is open: hand it messages and let the vault adopt what was handed over."""

    paths: HomePaths
    sequencer: Sequencer
    ledger: Ledger
    catalogue: Catalogue
    book: CentreBook
    vault: Vault
    journal: SignedJournal
    clock: Clock

    def take(self, station: FakeStation, raws: Sequence[bytes], *, times: int = 1) -> Step:
        """Let the station's envelopes arrive."""
        topic = station_topic(SITE, station.id, Channel.EVENTS)
        return self.sequencer.step([(topic, station.wire(raw)) for raw in raws] * times)

    def hand_over(self, content: bytes, *, claimed: bytes | None = None) -> None:
        """Put bytes into `incoming/`, like an ingest daemon on the same file system."""
        name = hashlib.sha256(content if claimed is None else claimed).hexdigest()
        (self.vault.incoming / f"{name}.handed").write_bytes(content)

    def adopt_all(self) -> Step:
        """Let the vault work until nothing waits, and the sequencer hear of it."""
        results: list[Adopted | Rejected] = [self.vault.adopt(handed) for handed in self.vault.waiting()]
        return self.sequencer.step([], results)

    def seal(self, at: datetime | None = None) -> Seal:
        """Let the log be sealed as it is now, as once a day."""
        sealing = make_seal(self.catalogue.db, now=at or self.clock.now())
        self.sequencer.say(log_sealed(sealing, self.sequencer.trusted.centre.id))
        self.sequencer.step([])
        return sealing.seal

    def do_chores(self) -> None:
        """Group recordings, read listings."""
        while do_one_chore(self.catalogue, self.vault):
            pass


@contextlib.contextmanager
def centre_at(paths: HomePaths, trust: Trust, *, clock: Clock | None = None) -> Iterator[Centre]:
    """Open a centre's home as the store's main does, without link, server and threads."""
    clock = clock or ManualClock()
    with contextlib.ExitStack() as stack:
        vault = Vault(paths.vault, reserve_bytes=0, clock=clock)
        vault.make_folders()
        centre_db = stack.enter_context(contextlib.closing(open_centre_db(paths)))
        journal = SignedJournal(centre_db, signer=CENTRE, source=trust.centre.id, clock=clock)
        folder = LogFolder(paths.log)
        ledger = Ledger(folder, LOG)
        ledger.open(given_out=journal.remembered(), awaits_witnesses=trust.witnesses.needs_witnesses)
        reader = LogReader(folder)
        catalogue_db = open_catalogue_of_log(
            paths, reader=reader, size=ledger.size, vault=vault, centre=trust.centre.id
        )
        catalogue = Catalogue(stack.enter_context(contextlib.closing(catalogue_db)), centre=trust.centre.id)
        book = CentreBook(centre_db, clock)
        parts = SequencerParts(
            ledger=ledger,
            reader=reader,
            catalogue=catalogue,
            book=book,
            journal=journal,
            vault=vault,
            signer=CENTRE,
            executor=stack.enter_context(ThreadPoolExecutor(2)),
            mono=clock.mono,
        )
        sequencer = Sequencer(parts, trust)
        sequencer.open()
        yield Centre(paths, sequencer, ledger, catalogue, book, vault, journal, clock)


def receipts_of(step: Step, station: FakeStation) -> dict[bytes, VerifiedReceipt]:
    """Return the receipts for a station in a step, verified as the station verifies them, by envelope hash."""
    found = {}
    for answer in step.answers:
        if answer.station == station.id and answer.channel is Channel.RECEIPTS:
            event, leaf = station.leaf_of_receipt(answer.payload)
            found[event] = verify_receipt(
                answer.payload, centre_key=CENTRE.public_key, log_key=LOG.public_key, event=event, leaf=leaf
            )
    return found


def refusals_of(step: Step) -> list[tuple[str, str, bytes]]:
    """Return (station, code, event) of every refusal in a step, each verified."""
    return [
        (answer.station, refusal.code, refusal.event)
        for answer in step.answers
        if answer.channel is Channel.ALERTS
        for refusal in [verify_refusal(answer.payload, centre_key=CENTRE.public_key)]
    ]
