"""The log's key is handed over on a workstation at work: what was, stays, and who knew the old key goes on from it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.workstation import Workstation

pytestmark = pytest.mark.slow


def answer(station: Workstation, *words: str, code: int = 0) -> Any:
    done = station.evidock("--json", *words, check=False)
    assert done.returncode == code, f"{words} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def film(folder: Path, number: int) -> str:
    folder.mkdir()
    (folder / f"000{number}.MP4").write_bytes(b"film %d" % number * 5000)
    return str(folder)


def export(station: Workstation, out: Path) -> dict[str, Any]:
    """Export everything there is and judge it by what an outsider had since the beginning."""
    words = [word for each in answer(station, "recordings", "list") for word in ("--recording", each["id"])]
    answer(station, "custody", "export", *words, "--out", str(out))
    told: dict[str, Any] = answer(station, "verify", str(out), "--trust", str(station.home.parent / "first-trust.json"))
    return told


def test_a_log_goes_on_under_another_key_and_nothing_of_the_past_is_lost(tmp_path: Path) -> None:
    station = Workstation(tmp_path / "home")
    mirror = ("custody", "mirror", str(tmp_path / "mirror"), "--from", str(tmp_path / "home" / "log"))
    trust = str(tmp_path / "home" / "trust.json")
    with station:
        shutil.copy(trust, tmp_path / "first-trust.json")
        answer(station, "dock", film(tmp_path / "one", 1), "--wait", "received", "--recorder", "cam-7")
        answer(station, "custody", "seal")
        answer(station, "custody", "keys", "hand-over", code=4)  # not while the store runs
        answer(station, *mirror, "--trust", trust)
    size = answer(station, "custody", "checkpoint")["size"]
    answer(station, "custody", "keys", "hand-over")
    answer(station, "verify", str(station.home))
    with station:
        answer(station, "dock", film(tmp_path / "two", 2), "--wait", "received", "--recorder", "cam-7")
        sealed = answer(station, "custody", "seal")
        assert answer(station, *mirror, "--trust", trust)["ok"]
        told = export(station, tmp_path / "out")
        assert (told["ok"], told["package"]["handed_over"], len(told["items"])) == (True, str(size), 2)
        assert int(told["package"]["size"]) > sealed["index"]
        assert [each["kind"] for each in answer(station, "custody", "log")].count("log.handover") == 1
        assert answer(station, "witness", "show")["own"]["in_policy"]
    logs = [each for each in answer(station, "custody", "keys") if each["role"] == "log"]
    assert [(each["from"], each["until"]) for each in logs] == [("0", str(size)), (str(size), None)]
    answer(station, "verify", str(station.home))
