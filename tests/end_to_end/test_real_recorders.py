"""The main job on what real cameras wrote, and on a recorder made by somebody who means harm."""

import json
import shutil
from pathlib import Path

import pytest

from tests.hostile_names import hostile_tree
from tests.real_media import ALL, ANDROID_9, real_file
from tests.workstation import Workstation, file_sha256

pytestmark = pytest.mark.slow


@pytest.mark.timeout(180)
def test_real_camera_files_arrive_bit_for_bit_with_what_they_say_of_time_and_place(tmp_path: Path) -> None:
    card = tmp_path / "card" / "DCIM" / "Camera"
    card.mkdir(parents=True)
    for which in ALL:
        shutil.copy2(real_file(which), card)
    expected = {file_sha256(path): path.name for path in card.iterdir()}
    with Workstation(tmp_path / "home") as station:
        answer = json.loads(
            station.evidock("--json", "dock", str(card.parent.parent), "--wait", "received", seconds=120).stdout
        )
        assert {file["sha256"] for file in answer["files"]} == expected.keys()
        assert answer["receipted"] == len(expected)
        assert expected.keys() <= station.vault_digests()
        shown = [
            json.loads(station.evidock("--json", "recordings", "show", recording["id"]).stdout)
            for recording in json.loads(station.evidock("--json", "recordings", "list").stdout)
        ]
        said = json.dumps(shown)
        assert "2019-12-20T20:08:34" in said, "the Android file's creation_time, raw"
        assert "-15.8355" in said, "and its place"
    assert station.evidock("verify", str(station.home)).returncode == 0
    assert ANDROID_9[1].endswith(
        "VID_20191220_170832.mp4"
    )  # its name says 17:08:32 local: both times stand side by side


@pytest.mark.timeout(240)
def test_a_hostile_recorder_is_pulled_whole_and_touches_nothing_of_ours(tmp_path: Path) -> None:
    tree = hostile_tree(tmp_path / "card", small_files=300)
    with Workstation(tmp_path / "home") as station:
        done = station.evidock("--json", "dock", str(tree.root), "--wait", "received", check=False, seconds=200)
        answer = json.loads(done.stdout)
        assert done.returncode in (0, 1), done.stderr  # 1: links and FIFOs on a recorder are findings
        pulled = {bytes.fromhex(file["path_hex"]) for file in answer["files"]}
        assert pulled == tree.files
        assert answer["receipted"] == len(tree.files)
        people = station.evidock("recordings", "list")
        assert "\x1b" not in people.stdout + done.stderr, "no terminal escape of a recorder reaches a terminal"
    names = {path.name for path in (station.home / "vault").rglob("*")}
    assert all(name.isascii() and "passwd" not in name for name in names), "no name of a recorder touches our disk"
    assert file_sha256(Path("/etc/passwd")) not in station.vault_digests(), "no link was followed"
    assert station.evidock("verify", str(station.home)).returncode == 0
