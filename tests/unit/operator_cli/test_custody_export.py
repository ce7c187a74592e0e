"""`evidock custody export`: what people and programs read of it, and its exit codes."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from evidence_model.ids import AssetId
from evidence_store import report_font
from host_io.config import HomePaths
from operator_cli.progress_line import copy_progress
from operator_cli.texts import Language, Texts
from tests.fakes.centre_home import centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import Docking, document, flip, recording_of, vault_file
from tests.unit.operator_cli.cli import evidock

FILM = b"film" * 1000


@pytest.fixture
def home(tmp_path: Path) -> tuple[HomePaths, AssetId]:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        return paths, Docking(centre, station).pull(FILM)


def test_programs_get_one_document_and_people_a_line(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    paths, film = home
    words = ("--home", str(paths.root), "custody", "export", "--recording", recording_of(film)[:6])
    done = evidock(*words, "--out", str(tmp_path / "a"), "--recipient", "法院", "--basis", "no. 7", "--json")
    assert done.code == 0, done.err
    answer = done.document
    assert answer["ok"] is True
    assert answer["out"] == str(tmp_path / "a")
    assert (answer["recordings"], answer["items"], answer["findings"]) == ([recording_of(film)], 1, [])
    assert answer["events"] == len(document(tmp_path / "a", "data/package.json")["events"])
    people = evidock(*words, "--out", str(tmp_path / "b"), "--lang", "zh")
    assert people.code == 0
    assert str(tmp_path / "b") in people.out
    manifests = [hashlib.sha256((tmp_path / name / "manifest-sha256.txt").read_bytes()).hexdigest() for name in "ab"]
    assert answer["manifest_sha256"] == manifests[0]
    assert manifests[1] in people.out
    for name in ("report.zh.pdf", "report.en.pdf"):
        assert (tmp_path / "b" / "data" / name).read_bytes().startswith(b"%PDF-1.7")


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils: script/setup --test")
def test_the_reports_have_the_hours_of_the_home(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    paths, film = home
    words = ("--home", str(paths.root), "custody", "export", "--recording", recording_of(film), "--out")
    assert evidock(*words, str(tmp_path / "a")).code == 0
    command = ["pdftotext", str(tmp_path / "a" / "data" / "report.en.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Asia/Shanghai" in text
    assert re.search(r"^2026-11-22 09:00:0\d\.000$", text, re.MULTILINE)  # 01:00 UTC
    assert "+08:00" in text


def test_without_the_font_of_the_reports_nothing_is_written_and_the_cure_is_named(
    home: tuple[HomePaths, AssetId], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, film = home
    monkeypatch.setattr(report_font, "FONT_FOLDERS", (tmp_path / "no-fonts",))
    words = ("--home", str(paths.root), "custody", "export", "--recording", recording_of(film))
    told = evidock(*words, "--out", str(tmp_path / "a"))
    assert told.code == 4
    assert "CLI-200" in told.err
    assert "sudo apt-get install fonts-wqy-microhei" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    [check] = [
        one
        for one in evidock("--home", str(paths.root), "doctor", "--json").document["checks"]
        if one["id"] == "report_font"
    ]
    assert (check["verdict"], check["fix"]) == ("warn", "sudo apt-get install fonts-wqy-microhei")
    monkeypatch.undo()
    assert evidock(*words, "--out", str(tmp_path / "a")).code == 0


def test_damage_is_exit_five_and_nothing_is_there(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    paths, film = home
    flip(vault_file(paths, FILM))
    words = ("--home", str(paths.root), "custody", "export", "--recording", recording_of(film), "--out")
    told = evidock(*words, str(tmp_path / "a"), "--json")
    assert (told.code, told.document["ok"], told.document["out"]) == (5, False, None)
    assert [finding["code"] for finding in told.document["findings"]] == ["STO-060"]
    people = evidock(*words, str(tmp_path / "a"))
    assert people.code == 5
    assert "STO-060" in people.out
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_what_makes_no_sense_is_exit_two(home: tuple[HomePaths, AssetId], tmp_path: Path) -> None:
    paths, film = home
    known, unknown = recording_of(film), "R-000000000000"
    for recording, out in ((unknown, "out"), (known, "home"), (known, "home/out"), (known, "no/out")):
        words = ("custody", "export", "--recording", recording, "--out", str(tmp_path / out), "--json")
        done = evidock("--home", str(paths.root), *words)
        assert done.code == 2, done.err
        assert done.document["error"]["fix"]
    assert evidock("--home", str(paths.root), "custody", "export", "--out", str(tmp_path / "out")).code == 2


def test_what_has_not_arrived_is_exit_four(tmp_path: Path) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        film = Docking(centre, station).announce(FILM, b"DCIM/0001.MP4")
        centre.do_chores()
    words = ("custody", "export", "--recording", recording_of(film), "--out", str(tmp_path / "out"), "--json")
    done = evidock("--home", str(paths.root), *words)
    assert (done.code, done.document["error"]["code"]) == (4, "STO-082")


def test_progress_says_how_long_it_takes_once_that_is_known() -> None:
    texts = Texts(Language.EN)
    assert (
        copy_progress(1 << 20, 4 << 20, seconds=0.1, texts=texts) == "[#####---------------]  25%  1.0 MiB of 4.0 MiB"
    )
    assert copy_progress(1 << 20, 4 << 20, seconds=2, texts=texts).endswith("512.0 KiB/s  6 s left")
    assert copy_progress(0, 0, seconds=2, texts=texts).startswith("[####################] 100%")
