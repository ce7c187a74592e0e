"""Docking through a running agent says what is in the way instead of waiting for it in silence."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

import pytest

from host_io.config import HomePaths, read_config
from operator_cli.docking import dock
from tests.fakes.manual_clock import ManualClock
from tests.fakes.small_disk import small_disk
from tests.unit.operator_cli.cli import evidock


class HastyClock(ManualClock):
    """A second goes by at every look."""

    def mono(self) -> float:
        self.advance(1.0)
        return super().mono()


@pytest.mark.root
def test_a_docking_that_a_full_disk_keeps_from_beginning_is_answered_with_that(tmp_path: Path) -> None:
    (tmp_path / "card").mkdir()
    with small_disk(tmp_path / "disk", tmp_path / "mount", size_bytes=8 << 20) as disk:
        paths = HomePaths(disk.folder / "home")
        evidock("--home", str(paths.root), "init", "--role", "workstation")
        with (disk.folder / "fill").open("wb", buffering=0) as fill, suppress(OSError):
            while fill.write(bytes(4096)):
                pass
        os.truncate(disk.folder / "fill", (disk.folder / "fill").stat().st_size - (200 << 10))
        agent = os.open(paths.run / "agent.lock", os.O_RDWR | os.O_CREAT)  # it runs, and can note nothing
        fcntl.flock(agent, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="No space") as caught:
            dock(
                paths,
                read_config(paths),
                tmp_path / "card",
                recorder=None,
                clock=HastyClock(),
                on_progress=lambda _: None,
            )
        os.close(agent)
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(paths.spool)
        assert list((paths.spool / "requests").iterdir()), "the agent takes it up when there is room"
