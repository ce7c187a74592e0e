"""What pulling may rely on of a docked recorder's files, for a folder, a fake told to fail nothing, and real FUSE."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from edge_agent.ports import SourceVolume
from edge_agent.source import VolumeFiles
from edge_agent.volume import UnsafePathError, VolumeGoneError, VolumeRoot
from tests.docking import noise, put
from tests.fakes.faulty_volume import Faults
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder

CONTENT = noise(300_001)
MakeVolume = Callable[[Path], AbstractContextManager[SourceVolume]]


@contextmanager
def _folder(folder: Path) -> Iterator[SourceVolume]:
    put(folder, "a.mp4", CONTENT)
    with VolumeRoot.open(folder) as volume:
        yield VolumeFiles(volume)


@contextmanager
def _fake(folder: Path) -> Iterator[SourceVolume]:
    put(folder, "a.mp4", CONTENT)
    with VolumeRoot.open(folder) as volume:
        yield Faults().files(volume)


@contextmanager
def _fuse(folder: Path) -> Iterator[SourceVolume]:
    with fuse_recorder(folder, {b"a.mp4": FuseFile(CONTENT)}) as recorder, VolumeRoot.open(recorder.folder) as volume:
        yield VolumeFiles(volume)


KINDS = [
    pytest.param(_folder, id="folder"),
    pytest.param(_fake, id="fake"),
    pytest.param(_fuse, id="fuse", marks=pytest.mark.root),
]


@pytest.fixture(params=KINDS)
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SourceVolume]:
    make: MakeVolume = request.param
    with make(tmp_path / "card") as made:
        yield made


def test_any_offset_can_be_read_any_number_of_times(volume: SourceVolume) -> None:
    with contextlib.closing(volume.open_source(b"a.mp4")) as file:
        for offset in (0, 4096, 299_999, 1, 0):
            view = memoryview(bytearray(10))
            count = file.read_at(view, offset)
            assert bytes(view[:count]) == CONTENT[offset : offset + count]
            assert count > 0


def test_nothing_comes_only_at_the_end(volume: SourceVolume) -> None:
    with contextlib.closing(volume.open_source(b"a.mp4")) as file:
        assert file.read_at(memoryview(bytearray(10)), len(CONTENT)) == 0
        assert file.read_at(memoryview(bytearray(10)), len(CONTENT) + 5) == 0


def test_size_is_the_same_by_name_and_open(volume: SourceVolume) -> None:
    with contextlib.closing(volume.open_source(b"a.mp4")) as file:
        assert file.status().st_size == volume.stat_file(b"a.mp4").st_size == len(CONTENT)


def test_a_file_may_be_closed_twice(volume: SourceVolume) -> None:
    file = volume.open_source(b"a.mp4")
    file.close()
    file.close()


@pytest.mark.parametrize("raw_path", [b"../a.mp4", b"/etc/passwd", b"", b"x/../a.mp4", b"nul\0.mp4"])
def test_no_path_leads_out(volume: SourceVolume, raw_path: bytes) -> None:
    with pytest.raises(UnsafePathError):
        volume.open_source(raw_path)


def test_what_is_not_there_is_said_to_be_so(volume: SourceVolume) -> None:
    with pytest.raises(FileNotFoundError):
        volume.open_source(b"b.mp4")
    volume.check_present()


def test_a_recorder_that_went_away_is_told_from_an_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    with _folder(folder) as volume:
        volume.check_present()
        folder.rename(tmp_path / "moved")
        with pytest.raises(VolumeGoneError):
            volume.check_present()


@pytest.mark.root
def test_a_killed_fuse_recorder_is_gone(tmp_path: Path) -> None:
    with (
        fuse_recorder(tmp_path / "card", {b"a.mp4": FuseFile(CONTENT)}) as recorder,
        VolumeRoot.open(recorder.folder) as root,
    ):
        volume = VolumeFiles(root)
        file = volume.open_source(b"a.mp4")
        recorder.pull_out()
        with pytest.raises(OSError, match=r"not connected|Input/output"):
            file.status()
        with pytest.raises(VolumeGoneError):
            volume.check_present()
        file.close()
