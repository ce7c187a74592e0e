"""The centre dies at every durable step, on both sides of it: after the next start everything is there exactly once."""

import contextlib
import gc
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_of_custody.envelope import envelope_hash
from evidence_model.events import EventKind
from evidence_model.findings import Severity
from evidence_store.fsck import verify_home
from host_io import durable
from host_io.config import HomePaths
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import Centre, centre_at, make_centre_home, receipts_of, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock

FILMS = (b"film one", b"", b"film three" * 9)


class Story:
    """What one station says and hands over; the same bytes in every run."""

    def __init__(self) -> None:
        self.station = FakeStation()
        self.first = [self.station.pulls(film, path=b"%d.MP4" % place) for place, film in enumerate(FILMS)]
        self.asset = next(iter(self.station._assets))
        self.second = [
            self.station.says(EventKind.TAGS_SET, {"assets": [self.asset], "tags": {"case": "A-1"}}),
            self.station.says(EventKind.FOOTAGE_REREAD, {"duration_ms": "1000"}, asset=self.asset),
        ]

    @property
    def everything(self) -> list[bytes]:
        return [*self.first, *self.second]

    def happens(self, paths: HomePaths) -> None:
        """Let all of it reach a centre."""
        with centre_at(paths, trust_of(self.station)) as centre:
            centre.take(self.station, self.first)
            hand_over(centre)
            centre.adopt_all()
            centre.ledger.settle(up_to=centre.sequencer.applied_size)
            centre.take(self.station, self.second)
            centre.do_chores()
            centre.ledger.settle(up_to=centre.sequencer.applied_size)

    def is_finished(self, paths: HomePaths) -> None:
        """Start again, let the station send everything again, and look at what came of it."""
        with centre_at(paths, trust_of(self.station)) as centre:
            hand_over(centre)
            receipts = receipts_of(centre.adopt_all(), self.station)
            receipts |= receipts_of(centre.take(self.station, self.everything, times=2), self.station)
            assert set(receipts) == {envelope_hash(raw) for raw in self.everything}
            centre.do_chores()
            centre.ledger.settle()
            kinds = Counter(row["kind"] for row in centre.catalogue.db.execute("select kind from event"))
            assert kinds == {
                "key.enrolled": 3,
                "footage.pulled": 3,
                "store.received": 3,
                "tags.set": 1,
                "footage.reread": 1,
            }
            assert centre.ledger.size == 11
            assert centre.journal.count_waiting() == 0
            assert centre.vault.waiting() == []
            stored = {path.name for path in centre.vault.files()}
            assert stored == {hashlib.sha256(film).hexdigest() for film in FILMS}
        assert list(verify_home(paths, clock=ManualClock())) == []


def hand_over(centre: Centre) -> None:
    """Link what the vault does not hold, as an ingest daemon does until it has its receipt."""
    for film in FILMS:
        centre.hand_over(film)


@contextlib.contextmanager
def no_open_files() -> Iterator[None]:
    """Let go of what the dead program held open: its databases' locks must not outlive it."""
    try:
        yield
    finally:
        gc.collect()


def step_count(tmp_path: Path) -> int:
    story = Story()
    paths = make_centre_home(tmp_path / "count", story.station)
    with Steps() as steps:
        story.happens(paths)
    story.is_finished(paths)
    return steps.count


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_centre_that_dies_at_any_durable_step_loses_and_doubles_nothing(tmp_path: Path, when: When) -> None:
    count = step_count(tmp_path)
    assert count > 60
    for at in range(1, count + 1):
        story = Story()
        paths = make_centre_home(tmp_path / f"{at}", story.station)
        with no_open_files(), contextlib.suppress(PowerCutError), Steps(at=at, when=when) as steps:
            story.happens(paths)
        assert steps.stopped_at, at
        damage = [
            finding for finding in verify_home(paths, clock=ManualClock()) if finding.severity is not Severity.NOTE
        ]
        assert damage == [], (steps.stopped_at, damage)
        story.is_finished(paths)


class Medium:
    """Knows what is on the medium for good, and takes away the rest when power fails."""

    def __init__(self, paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
        self._paths = paths
        self._safe: set[Path] = set()
        self._safe_checkpoint = b""
        original = durable.sync_file_system

        def sync(folder: Path) -> None:
            original(folder)
            self._safe = set(self._files())
            self._safe_checkpoint = (paths.log / "checkpoint").read_bytes()

        monkeypatch.setattr(durable, "sync_file_system", sync)

    def power_fails(self) -> None:
        """Tear every file of the log that was written without a promise, and the last commits of the catalogue."""
        for place, path in enumerate(sorted(set(self._files()) - self._safe)):
            data = path.read_bytes()
            path.chmod(0o600)
            path.write_bytes([b"", data[: len(data) // 2], bytes(len(data))][place % 3])
        checkpoint = self._paths.log / "checkpoint"
        if checkpoint.exists() and checkpoint.read_bytes() != self._safe_checkpoint:
            checkpoint.write_bytes(b"")
        for suffix in ("-wal", "-shm"):
            self._paths.catalogue_db.with_name(f"catalogue.db{suffix}").unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        for name in ("tile", "envelopes"):
            yield from (path for path in (self._paths.log / name).rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_power_failure_that_takes_everything_unsynced_with_it_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = step_count(tmp_path)
    for at in range(1, count + 1):
        story = Story()
        paths = make_centre_home(tmp_path / f"{at}", story.station)
        with monkeypatch.context() as patch:
            medium = Medium(paths, patch)
            with no_open_files(), contextlib.suppress(PowerCutError), Steps(at=at) as steps:
                story.happens(paths)
            assert steps.stopped_at, at
            medium.power_fails()
        damage = [
            finding for finding in verify_home(paths, clock=ManualClock()) if finding.severity is not Severity.NOTE
        ]
        assert damage == [], (steps.stopped_at, damage)
        story.is_finished(paths)


def test_the_table_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that holds nothing is what it would be like to sign first and write later."""
    story = Story()
    paths = make_centre_home(tmp_path / "broken", story.station)
    monkeypatch.setattr("evidence_store.ledger.encode_stage", lambda *_: b"")
    story.happens(paths)
    story.is_finished(paths)  # as long as nothing dies
    later = make_centre_home(tmp_path / "dead", Story().station)
    with no_open_files(), contextlib.suppress(PowerCutError), Steps(at=40) as steps:
        Story().happens(later)
    assert steps.stopped_at
    assert [finding.severity for finding in verify_home(later, clock=ManualClock())] != []
