"""An export that dies at any step leaves nothing that looks like a package, and the next one makes it whole."""

import os
import shutil
from pathlib import Path

import pytest

from evidence_model.ids import AssetId
from evidence_store.package_export import export_package
from host_io.config import HomePaths
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.small_disk import small_disk
from tests.packages import Docking, bagit_says, evidence, recording_of, tree


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[HomePaths, AssetId]:
    station = FakeStation()
    paths = make_centre_home(tmp_path_factory.mktemp("centre") / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        film = Docking(centre, station).pull(b"film" * 300_000)
    return paths, film


def export(home: tuple[HomePaths, AssetId], out: Path) -> None:
    paths, film = home
    assert export_package(paths, recordings=[recording_of(film)], out=out).ok


def test_every_step_may_be_the_last(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    with Steps() as steps:
        export(home, tmp_path / "whole")
    assert steps.names[-3:] == [
        "host_io.durable.sync_file_system",
        "host_io.durable.rename",
        "host_io.durable.sync_folder",
    ]
    whole = evidence(tmp_path / "whole")
    before = tree(home[0].root)
    for at in range(1, steps.count + 1):
        for when in When:
            out = tmp_path / f"out-{at}-{when.value}"
            with Steps(at=at, when=when) as stopped, pytest.raises(PowerCutError):
                export(home, out)
            assert stopped.stopped_at
            if out.exists():  # only after the rename, when everything in it was on the medium
                assert stopped.names[-1] in {"host_io.durable.rename", "host_io.durable.sync_folder"}
            else:
                assert [path.name for path in tmp_path.glob(f".{out.name}*")] == [f".{out.name}.evidock-part"]
                export(home, out)
            assert evidence(out) == whole
            assert {path.name for path in (out / "data").glob("report.*")} == {"report.zh.pdf", "report.en.pdf"}
            assert bagit_says(out).returncode == 0
            assert not list(tmp_path.glob(".*"))
    assert tree(home[0].root) == before


def test_what_an_earlier_export_left_is_cleaned_up_and_nothing_else(
    home: tuple[HomePaths, AssetId], tmp_path: Path
) -> None:
    left = tmp_path / ".out.evidock-part"
    (left / "data" / "footage").mkdir(parents=True)
    (left / "data" / "footage" / "half").write_bytes(b"half")
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (left / "link").symlink_to(outside)
    export(home, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "precious"]
    assert (outside / "file").read_bytes() == b"precious"
    assert "half" not in str(sorted(tree(tmp_path / "out")))


def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(
    home: tuple[HomePaths, AssetId], tmp_path: Path
) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (tmp_path / ".out.evidock-part").symlink_to(outside)
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        export(home, tmp_path / "out")
    assert (outside / "file").read_bytes() == b"precious"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mkfs.ext4") is None, reason="needs root and mkfs.ext4")
def test_a_package_that_is_there_survives_the_loss_of_power(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    with small_disk(tmp_path / "small.img", tmp_path / "small", size_bytes=12 << 20) as disk:
        export(home, disk.folder / "out")
        written = tree(disk.folder / "out")
        disk.cut_power()
        disk.unmount()
        disk.mount()
        assert tree(disk.folder / "out") == written
        assert bagit_says(disk.folder / "out").returncode == 0
