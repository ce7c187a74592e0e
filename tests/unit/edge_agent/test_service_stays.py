"""What is plugged in now is not judged by how an earlier stay in the same socket ended."""

import contextlib
import threading
from pathlib import Path

from edge_agent.dock_jobs import dock_folder
from edge_agent.docking import DockedVolume
from edge_agent.ports import Patience
from edge_agent.service import AgentService
from edge_agent.session_book import SessionResult
from evidence_model.states import SessionState
from host_io.notify import Notifier
from tests.docking import dock_home


def _volume(fs_type: str) -> DockedVolume:
    return DockedVolume(key="1-1", port_path="1-1", devnode="/dev/none-such", fs_type=fs_type, stay=fs_type)


def test_a_volume_that_udev_knew_too_little_of_is_docked_again_when_it_knows_more(tmp_path: Path) -> None:
    """Its partition is seen before its file system is: the first try fails, and must not count for the second."""
    with dock_home(tmp_path / "home").station() as station:
        notifier = Notifier({})
        service = AgentService(
            station,
            stop=threading.Event(),
            notifier=notifier,
            watch_volumes=lambda _: contextlib.nullcontext(),
        )
        go_on = threading.Event()

        def failing(patience: Patience) -> SessionResult:
            assert go_on.wait(10)
            return dock_folder(station, tmp_path / "none-such", patience)

        service._volumes_seen([_volume("")])
        service._look_at_volumes()
        early = service._places["volume:1-1"]
        service._start("volume:1-1", failing, early)
        job = service._jobs["volume:1-1"]
        service._volumes_seen([_volume("vfat")])
        service._look_at_volumes()
        go_on.set()
        job.thread.join(10)
        service._reap(0.0)
        now = service._places["volume:1-1"]
        assert job.result is not None
        assert job.result.state is not SessionState.PULLED
        assert now is not early
        assert now.result is None
        assert service._is_due(now, 0.0), "the volume that is there now is docked"
