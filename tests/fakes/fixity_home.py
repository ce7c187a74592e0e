"""A centre whose vault is read again: real files, a replica beside it, and the reports as the sequencer takes them."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from evidence_model.digests import Digest
from evidence_model.ids import SourceId
from evidence_store.fixity import Fixity, FixityRules
from evidence_store.fixity_book import FixityBook, open_fixity_db
from evidence_store.fixity_events import FixityReport
from evidence_store.vault import place_in
from tests.fakes.centre_home import SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock

CENTRE_ID = SourceId("centre")
FILMS = (b"film one", b"", b"film three" * 200_000)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


@dataclass
class FixityHome:
    """One home, opened as often as a test likes."""

    root: Path
    clock: ManualClock = field(default_factory=ManualClock)
    station: FakeStation = field(default_factory=FakeStation)
    reports: list[FixityReport] = field(default_factory=list)

    @property
    def replica(self) -> Path:
        return self.root / "replica"

    @property
    def vault(self) -> Path:
        return self.root / "home" / "vault"

    def path(self, film: bytes) -> Path:
        return place_in(self.vault, digest_of(film))

    def fill(self) -> None:
        """Let a station's films come into the vault, and copy it."""
        paths = make_centre_home(self.root / "home", self.station)
        with centre_at(paths, trust_of(self.station), clock=self.clock) as centre:
            centre.take(self.station, [self.station.pulls(film, path=b"%d.MP4" % at) for at, film in enumerate(FILMS)])
            for film in FILMS:
                centre.hand_over(film)
            centre.adopt_all()
        shutil.copytree(self.vault / "sha256", self.replica / "sha256")

    def change(self, path: Path, change: Callable[[bytes], bytes]) -> None:
        """Let a file rot, keeping its times."""
        info = path.stat()
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(change(data))
        path.chmod(0o400)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))

    @contextlib.contextmanager
    def opened(
        self,
        *,
        step: Callable[[int], None] = lambda _: None,
        with_replica: bool = True,
        quarantine_bytes: int = 1 << 30,
    ) -> Iterator[tuple[Centre, Fixity, FixityBook]]:
        """Open the centre, and what reads its vault again."""
        paths = make_centre_home(self.root / "home", self.station)
        rules = FixityRules(
            period=timedelta(days=90),
            replica=self.replica if with_replica else None,
            quarantine_bytes=quarantine_bytes,
        )
        with (
            centre_at(paths, trust_of(self.station), clock=self.clock) as centre,
            contextlib.closing(open_fixity_db(paths)) as db,
        ):
            book = FixityBook(db)

            def tell(report: FixityReport) -> bool:
                self.reports.append(report)
                report.say(centre.sequencer.say, centre.book)
                centre.sequencer.step([])
                return True

            yield (
                centre,
                Fixity(
                    centre.vault,
                    book,
                    centre.catalogue.db,
                    rules,
                    site=SITE,
                    centre=CENTRE_ID,
                    clock=self.clock,
                    step=step,
                    tell=tell,
                ),
                book,
            )
            centre.ledger.settle()

    def read_all(self, *, with_replica: bool = True, quarantine_bytes: int = 1 << 30) -> None:
        """Read everything again a day later."""
        self.clock.advance(86_401)
        with self.opened(with_replica=with_replica, quarantine_bytes=quarantine_bytes) as (_, fixity, book):
            book.ask(self.clock.now(), None)
            fixity.work(fixity.planned())
