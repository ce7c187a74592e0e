"""From the dock to a package that proves that nothing was left out, and to an auditor who recomputed it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packages import document
from tests.workstation import Workstation, wait_until

pytestmark = pytest.mark.slow


def answer(station: Workstation, *words: str, code: int = 0) -> Any:
    done = station.evidock("--json", *words, check=False)
    assert done.returncode == code, f"{words} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def seals(station: Workstation) -> int:
    return sum(each["kind"] == "log.sealed" for each in answer(station, "custody", "log"))


def test_a_running_store_seals_by_itself_and_when_asked_and_the_package_and_the_auditor_say_so(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "0001.MP4").write_bytes(b"film" * 5000)
    with Workstation(tmp_path / "home") as station:
        wait_until(lambda: seals(station) == 1, what="the first seal, by itself")
        answer(station, "dock", str(card), "--wait", "received", "--recorder", "cam-7")
        [recording] = [each["id"] for each in answer(station, "recordings", "list")]
        sealed = answer(station, "custody", "seal")
        assert (sealed["kind"], seals(station)) == ("log.sealed", 2)
        trust = str(station.home / "trust.json")
        mirror = ("custody", "mirror", str(tmp_path / "mirror"), "--from", str(station.home / "log"), "--trust", trust)
        key = ("--key", str(tmp_path / "mirror.key"), "--name", "court.example/mirror")
        assert answer(station, *mirror, *key)["seals"] == 2  # while the store runs
        words = ("custody", "export", "--recording", recording, "--recorder", "cam-9", "--out", str(tmp_path / "out"))
        exported = answer(station, *words, "--mirrored", str(tmp_path / "mirror" / "checkpoint"))
        assert exported["not_sealed"] == []
        told = answer(station, "verify", str(tmp_path / "out"), "--trust", trust)
        [item] = told["items"]
        assert (told["ok"], told["notices"], int(item["sealed"]) <= sealed["index"]) == (True, [], True)
        assert [(each["recorder"], each["count"]) for each in told["sealed"]] == [("cam-7", "1"), ("cam-9", "0")]
        assert document(tmp_path / "out", f"data/proofs/presence-{item['id']}.json")["seal"] == str(sealed["index"])
    answer(station, "verify", str(station.home))
    answer(station, "custody", "seal", code=4)  # nobody is there to do it
