"""A station's home for tests of the agent: dock folders, look at what was signed, and check that all of it is true."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from chain_of_custody.envelope import envelope_hash, parse_envelope, verify_envelope
from chain_of_custody.event import EventView, parse_event
from chain_of_custody.signatures import verifier_for
from edge_agent.by_hand import new_session_id
from edge_agent.facts import MediaSaid
from edge_agent.inspection import Inspect
from edge_agent.listing import ListedFile
from edge_agent.ports import SourceVolume
from edge_agent.profile import Profile
from edge_agent.progress import Progress
from edge_agent.pull import PullSettings
from edge_agent.recovery import recover
from edge_agent.session import Docking, Session
from edge_agent.session_book import SessionResult
from edge_agent.settle import SettleRule
from edge_agent.source import VolumeFiles
from edge_agent.station import SessionSettings, Station, open_station
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import StampMeaning
from evidence_model.digests import CHUNK_BYTES
from evidence_model.ids import RecorderId
from evidence_model.instants import Clock
from evidence_model.known import Unknown
from evidence_model.messages import BlobRole, blobs_of
from host_io.station_db import open_station_db
from tests.fakes.manual_clock import ManualClock
from tests.homes import Home, make_home

OLD_NS = 1_700_000_000_000_000_000
EAGER = SessionSettings(pull=PullSettings(settle=SettleRule(quiet_seconds=2.0), wait_for_room=False))
RECORDER = RecorderId("rec-test")


def quick_look(
    path: Path, listed: ListedFile, profile: Profile, meaning: StampMeaning, docked_at: datetime
) -> MediaSaid:
    """Say nothing of the media: for tests that are about bytes, so that no child process is started."""
    del path, listed, profile, meaning, docked_at
    why = Unknown("not looked into")
    return MediaSaid(media={}, flags=(), witnesses={}, start_at=why, duration_ms=why, probe=b"{}\n")


class QuickPatience:
    """Waiting that takes no time: it moves the test's clock. `on_wait` happens in the middle of each wait."""

    def __init__(self, clock: ManualClock, on_wait: Callable[[], None] = lambda: None) -> None:
        self.clock = clock
        self.on_wait = on_wait
        self.told = threading.Event()
        self.waited: list[float] = []

    def wait(self, timeout: float) -> bool:
        """See `ports.Patience`."""
        self.waited.append(timeout)
        if len(self.waited) > 10_000:
            raise AssertionError("this waits for ever")
        self.clock.advance(timeout)
        self.on_wait()
        return self.told.is_set()

    def is_set(self) -> bool:
        """See `ports.Patience`."""
        return self.told.is_set()


@dataclass
class DockHome:
    """A home with an agent in it that docks when told."""

    home: Home
    clock: ManualClock = field(default_factory=ManualClock)
    settings: SessionSettings = EAGER
    look_into: Inspect = quick_look
    real_clock: Clock | None = None

    def new_station(self, **config: object) -> Station:
        """Put a station together; nothing is started."""
        station_config = replace(self.home.config.station, **config)  # type: ignore[arg-type]
        return open_station(
            self.home.paths,
            replace(self.home.config, station=station_config),
            clock=self.real_clock or self.clock,
            settings=self.settings,
            look_into=self.look_into,
        )

    @contextmanager
    def station(self, **config: object) -> Iterator[Station]:
        """Start as the agent does: recover, then re-read what is left over."""
        station = self.new_station(**config)
        with station.journal.desk() as desk:
            recover(desk, station.spool)
            with station.rereader:
                station.rereader.put_left_over(desk)
                yield station

    def dock(
        self,
        folder: Path,
        *,
        recorder: RecorderId | None = RECORDER,
        files: Callable[[VolumeRoot], SourceVolume] = VolumeFiles,
        patience: QuickPatience | threading.Event | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **config: object,
    ) -> SessionResult:
        """Dock a folder in an agent of its own and return how it ended."""
        with self.station(**config) as station:
            return self.dock_at(
                station, folder, recorder=recorder, files=files, patience=patience, on_progress=on_progress
            )

    def dock_at(
        self,
        station: Station,
        folder: Path,
        *,
        recorder: RecorderId | None = RECORDER,
        files: Callable[[VolumeRoot], SourceVolume] = VolumeFiles,
        patience: QuickPatience | threading.Event | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> SessionResult:
        """Dock a folder at a running agent."""
        docking = Docking(session_id=new_session_id(), place=folder, recorder=recorder, open_files=files)
        waiting = patience if patience is not None else QuickPatience(self.clock)
        return Session(station, docking, patience=waiting, on_progress=on_progress).run()

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self.home.paths.spool

    def events(self, *kinds: str) -> list[EventView]:
        """Return what this station signed, in order; only these kinds if any are given."""
        db = open_station_db(self.home.paths)
        try:
            raws = [row[0] for row in db.execute("select raw from envelope order by seq")]
        finally:
            db.close()
        views = [parse_event(parse_envelope(raw)) for raw in raws]
        return [view for view in views if not kinds or view.kind in kinds]

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Return what station.db answers."""
        db = open_station_db(self.home.paths)
        try:
            return [tuple(row) for row in db.execute(statement)]
        finally:
            db.close()

    def findings(self) -> set[str]:
        """Return the codes of all findings that stand."""
        return {str(row[0]) for row in self.rows("select code from station_finding where cleared_unix_ms is null")}

    def check_sound(self, *, partial_count: int = 0) -> None:
        """Prove that spool, station.db and journal tell one story, and that nothing lies around that nobody names."""
        assert len(list((self.spool / "incoming").iterdir())) == partial_count
        for place in ("footage", "blobs"):
            named = {
                str(row[0]) for row in self.rows("select lower(hex(digest)), place from spool_blob") if row[1] == place
            }
            present = {path.name for path in (self.spool / place).iterdir()}
            assert present == named, (place, present - named, named - present)
            for path in (self.spool / place).iterdir():
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        self._check_chain()
        items = self.rows("select asset_id, pulled_seq, reread_seq, digest from item")
        said = [view.asset.id for view in self.events("footage.pulled") if view.asset]
        assert sorted(said) == sorted(str(item[0]) for item in items)  # one event a file, one file an event
        again = [view.asset.id for view in self.events("footage.reread") if view.asset]
        assert len(again) == len(set(again))
        assert sorted(again) == sorted(str(item[0]) for item in items if item[2] is not None)

    def check_all_reread(self) -> None:
        """Prove that every copy was read again, and that its chunk list is the one the file has."""
        assert self.rows("select count(*) from item where reread_seq is null") == [(0,)]
        for view in self.events("footage.reread"):
            chunks = next(blob for blob in blobs_of(view.body) if blob.role is BlobRole.CHUNKS)
            content = (self.spool / "footage" / view.subject.sha256.hex()).read_bytes()
            lines = [
                hashlib.sha256(content[start : start + CHUNK_BYTES]).hexdigest()
                for start in range(0, len(content), CHUNK_BYTES)
            ]
            place = "blobs" if content else "footage"  # the chunk list of an empty file is empty, as the file is
            assert (self.spool / place / chunks.digest.hex).read_text().split() == lines

    def copies(self) -> dict[bytes, set[bytes]]:
        """Return raw path → contents of all its items."""
        found: dict[bytes, set[bytes]] = {}
        for view in self.events("footage.pulled"):
            content = (self.spool / "footage" / view.subject.sha256.hex()).read_bytes()
            found.setdefault(bytes.fromhex(str(view.body["path_hex"])), set()).add(content)
        return found

    def check_has(self, folder: Path) -> None:
        """Prove that every file of a folder has an item with exactly its bytes."""
        copies = self.copies()
        for raw_path, content in tree_of(folder).items():
            assert content in copies[raw_path]

    def _check_chain(self) -> None:
        verifier = verifier_for(self.home.station.public_key)
        previous = bytes(32)
        for seq, (raw,) in enumerate(self.rows("select raw from envelope order by seq"), start=1):
            assert isinstance(raw, bytes)
            envelope = parse_envelope(raw)
            verify_envelope(envelope, [verifier])
            view = parse_event(envelope)
            assert (view.source.seq, view.source.prev) == (seq, previous)
            previous = envelope_hash(raw)


def dock_home(root: Path, *, extra_toml: str = "") -> DockHome:
    """Make a home with an agent."""
    return DockHome(make_home(root, extra_toml=extra_toml))


def put(folder: Path, name: str | bytes, content: bytes, *, mtime_ns: int = OLD_NS) -> Path:
    """Put a file on a recorder, with a stamp that lies back."""
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + (name.encode() if isinstance(name, str) else name)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def tree_of(folder: Path) -> dict[bytes, bytes]:
    """Return raw path → content of all regular files below a folder."""
    root = os.fsencode(folder)
    found = {}
    for parent, _, names in os.walk(root):
        for name in names:
            raw_path = parent + b"/" + name
            path = Path(os.fsdecode(raw_path))
            if path.is_file() and not path.is_symlink():
                found[raw_path[len(root) + 1 :]] = path.read_bytes()
    return found


def noise(size_bytes: int, *, seed: int = 0) -> bytes:
    """Return bytes that do not compress and are the same every time."""
    return hashlib.shake_128(str(seed).encode()).digest(size_bytes)
