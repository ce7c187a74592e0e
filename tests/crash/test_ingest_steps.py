"""The crash table of the ingest daemon: stop at every durable step, on both sides, start again, and look."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from host_io.broker import Broker
from tests.brokers import wait_for
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre import FakeCentre
from tests.fakes.tus_server import TOKEN, FakeTusServer
from tests.homes import STATION, Home, make_home
from tests.ingesting import ingesting, make_broker, make_centre
from tests.spooling import Spooling

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
ENOUGH = 60
CONTENTS = {"A.MP4": b"a" * 200_000, "B.MP4": b"b" * 10, "EMPTY.MP4": b""}


class Scene:
    """One home with something in the spool, a broker and a centre, and now and then an ingest daemon."""

    def __init__(self, root: Path, server: FakeTusServer | None) -> None:
        extra = f'[station]\ncentre_url = "{server.url}"\n' if server else ""
        self.home: Home = make_home(root, extra_toml=extra)
        (self.home.paths.keys / f"upload-station-{STATION}.secret").write_text(TOKEN)
        self.server = server
        self.taken: set[str] = set()
        self.broker: Broker = make_broker(self.home)
        self.centre: FakeCentre = make_centre(self.home, self.broker)
        self.spooling = Spooling(self.home)
        for name, content in CONTENTS.items():
            self.spooling.reread(self.spooling.pull(content, name=name))
        self.spooling.note(2)

    def is_done(self) -> bool:
        """Say whether all is receipted and the spool empty; plays the store's part for uploads meanwhile."""
        if self.server is not None:
            for upload in list(self.server.uploads.values()):
                name = upload.metadata["sha256"]
                if upload.offset == upload.length and name not in self.taken:
                    self.taken.add(name)
                    part = self.home.paths.vault / "incoming" / f".{name}.part"
                    part.write_bytes(upload.data)
                    part.rename(part.with_name(f"{name}.handed"))
        return self.spooling.waiting_count() == 0 and not any(self.left_in_spool())

    def left_in_spool(self) -> list[Path]:
        return [each for folder in ("footage", "blobs") for each in (self.home.paths.spool / folder).iterdir()]

    def run(self, steps: Steps) -> None:
        """Run the daemon until the power is cut or all is done."""
        with contextlib.suppress(PowerCutError), ingesting(self.home):
            wait_for(lambda: steps.stopped_at or self.is_done(), what=f"cut or done {steps.names}")

    def check(self) -> None:
        """Everything arrived once, byte for byte, and nothing is left lying about."""
        assert self.centre.size == 2 * len(CONTENTS) + 2
        assert self.centre.refused == []
        vault = {each.name: each.read_bytes() for each in (self.home.paths.vault / "sha256").glob("*/*/*")}
        assert set(CONTENTS.values()) <= set(vault.values())
        assert list((self.home.paths.vault / "incoming").iterdir()) == []
        assert self.spooling.findings() == []
        for event in self.spooling.db.execute("select hash, log_index from envelope"):
            assert self.centre.index_of[event["hash"]] == event["log_index"]


def tell(root: Path, server: FakeTusServer | None, steps: Steps) -> str:
    """Tell the story once, with a cut at the chosen step; return where it was."""
    scene = Scene(root, server)
    with scene.broker, scene.centre, scene.spooling:
        assert scene.centre.link.wait_connected(20)
        with steps:
            scene.run(steps)
        with ingesting(scene.home):
            wait_for(scene.is_done, what=f"all to arrive after {steps.stopped_at}")
        scene.check()
    return steps.stopped_at


def table(tmp_path: Path, make_server: Callable[[], FakeTusServer] | None) -> None:
    cuts = 0
    for when in When:
        for at in range(1, ENOUGH + 1):
            root = tmp_path / f"{when.value}-{at}"
            steps = Steps(at=at, when=when)
            if make_server is None:
                stopped = tell(root, None, steps)
            else:
                with make_server() as server:
                    stopped = tell(root, server, steps)
            if not stopped:
                break
            cuts += 1
    assert cuts >= 10, "the daemon has more durable steps than were met"


@pytest.mark.timeout(900)
def test_a_stop_at_any_durable_step_loses_and_doubles_nothing_where_bytes_are_linked(tmp_path: Path) -> None:
    table(tmp_path, None)


@pytest.mark.timeout(900)
def test_a_stop_at_any_durable_step_loses_and_doubles_nothing_where_bytes_are_uploaded(tmp_path: Path) -> None:
    table(tmp_path, FakeTusServer)
