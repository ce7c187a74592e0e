"""A day at one workstation, told with the commands that its people type (contract.md, command line)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from operator_cli.simulated_recorder import make_recorder
from tests.packages import bagit_says, document
from tests.workstation import ROLES, Workstation, file_sha256, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorder with real footage, a gap, a locked file, stumps, a photo."""
    folder = tmp_path_factory.mktemp("recorder") / "card"
    make_recorder(folder, now=datetime.now(tz=UTC) - timedelta(hours=1))
    return folder


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, recorder: Path) -> Iterator[Workstation]:
    """A running workstation that has received the recorder's footage."""
    with Workstation(tmp_path_factory.mktemp("workstation") / "home") as workstation:
        answer(workstation, "dock", str(recorder), "--wait", "received")
        yield workstation


def answer(workstation: Workstation, *words: str, code: int = 0) -> Any:
    """Call a command with --json; standard output must be one document and nothing else."""
    done = workstation.evidock("--json", *words, check=False)
    assert done.returncode == code, f"{words} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def longest(workstation: Workstation) -> str:
    found = answer(workstation, "recordings", "list")
    return str(max(found, key=lambda one: one["file_count"])["id"])


def test_every_file_of_the_recorder_is_received_with_its_own_bytes(station: Workstation, recorder: Path) -> None:
    docked = answer(station, "dock", str(recorder), "--wait", "received")
    assert docked["receipted"] == len(docked["files"]) > 0
    for file in docked["files"]:
        source = recorder / os.fsdecode(bytes.fromhex(file["path_hex"]))
        digest = file["sha256"]
        stored = station.home / "vault" / "sha256" / digest[:2] / digest[2:4] / digest
        assert file_sha256(source) == file_sha256(stored) == digest
        assert file["state"] == "receipted"


def test_docking_twice_stores_nothing_twice(station: Workstation, recorder: Path) -> None:
    first = answer(station, "dock", str(recorder), "--wait", "received")
    before = sorted(station.vault_digests())
    second = answer(station, "dock", str(recorder), "--wait", "received")
    assert second["new"] == 0
    assert {file["id"] for file in first["files"]} == {file["id"] for file in second["files"]}
    assert sorted(station.vault_digests()) == before
    counts = station.event_counts()
    pulled = {asset: count for (kind, asset), count in counts.items() if kind == "footage.pulled"}
    assert set(pulled.values()) == {1}


def test_the_whole_home_verifies(station: Workstation) -> None:
    wait_until(station.all_receipted, what="every receipt")
    verified = answer(station, "verify", str(station.home))
    assert verified["findings"] == [] or all(finding["severity"] == "note" for finding in verified["findings"])


def test_the_timeline_shows_the_gap_that_the_recorder_has(station: Workstation) -> None:
    [recording] = answer(station, "recordings", "timeline", longest(station))
    gaps = [finding for finding in recording["findings"] if finding["code"] == "EM-040"]
    assert [gap["number"] for gap in gaps] == [1]
    drawn = station.evidock("--lang", "zh", "recordings", "timeline", longest(station)).stdout
    assert "间断" in drawn
    assert "█" in drawn


def test_wh_r25_a_tag_is_a_signed_event_and_the_old_value_stays_in_the_log(station: Workstation) -> None:
    recording = longest(station)
    assert "case" in answer(station, "recordings", "show", recording)["missing_tags"]
    answer(station, "recordings", "tag", recording, "--case", "2026-001", "--party", "某商户", "--handler", "张三")
    answer(station, "recordings", "tag", recording, "--case", "2026-002")
    shown = answer(station, "recordings", "show", recording)
    assert shown["missing_tags"] == []
    assert answer(station, "recordings", "list", "--case", "2026-002")[0]["id"] == recording
    assert answer(station, "recordings", "list", "--case", "2026-001") == []
    wait_until(station.all_receipted, what="the receipts of the tags")
    tagged = [event.body["tags"] for event in station.events() if event.kind == "tags.set"]
    assert {"case": "2026-002"} in tagged
    assert any(tags.get("case") == "2026-001" for tags in tagged if isinstance(tags, dict))


def test_wh_r18_an_interruption_is_explained_where_it_is(station: Workstation) -> None:
    recording = longest(station)
    refused = station.evidock("recordings", "note", recording, "--gap", "1", "--reason", "bad_weather", check=False)
    assert (refused.returncode, "WH-R18" in refused.stderr) == (2, True)
    statement = "雨势过大，暂停三分钟"
    words = ("recordings", "note", recording, "--gap", "1", "--reason", "bad_weather", "--statement", statement)
    assert answer(station, *words)["gap"] == 1
    [shown] = answer(station, "recordings", "timeline", recording)
    [gap] = [finding for finding in shown["findings"] if finding["number"] == 1]
    assert statement in gap["note"]


def test_attack_27_what_people_say_stands_in_the_chain_of_the_first_file(station: Workstation) -> None:
    recording = longest(station)
    first = answer(station, "recordings", "show", recording)["segments"][0]["id"]
    answer(station, "recordings", "tag", recording, "--case", "(2026) 7")
    wait_until(station.all_receipted, what="the receipt of the tag")
    newest = answer(station, "custody", "log", "--recording", recording)[-1]
    link = answer(station, "custody", "show", newest["id"])["statement"]["predicate"]["asset"]
    assert newest["kind"] == "tags.set"
    assert link["id"] == first
    assert int(link["seq"]) > 1


def test_wh_r18_a_spoken_reason_is_one_that_can_be_heard_in_the_footage(station: Workstation) -> None:
    recording = longest(station)
    [shown] = answer(station, "recordings", "timeline", recording)
    spoken_at = datetime.fromisoformat(shown["start_at"]).astimezone(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=5)
    words = ("recordings", "note", recording, "--gap", "1", "--reason", "bad_weather", "--spoken-at")
    noted = answer(station, *words, spoken_at.strftime("%H:%M:%S"))
    assert datetime.fromisoformat(noted["spoken_at"]) == spoken_at
    for elsewhere in ((spoken_at - timedelta(hours=3)).strftime("%H:%M:%S"), "1999-01-01T10:32:05"):
        assert answer(station, *words, elsewhere, code=2)["error"]["code"] == "CLI-018"


def test_a_confidentiality_mark_can_be_set_and_taken_away(station: Workstation) -> None:
    recording = longest(station)
    answer(station, "recordings", "mark", recording, "--level", "trade_secret")
    assert "trade_secret" in answer(station, "recordings", "show", recording)["marks"]
    answer(station, "recordings", "mark", recording, "--level", "trade_secret", "--off")
    assert "trade_secret" not in answer(station, "recordings", "show", recording)["marks"]


def test_a_list_that_is_cut_short_says_so_and_one_that_is_whole_does_not(station: Workstation) -> None:
    for command in ("recordings list", "recordings list --untagged", "custody log"):
        whole = answer(station, *command.split())
        cut = station.evidock("--json", *command.split(), "--limit", str(len(whole) - 1))
        assert (len(json.loads(cut.stdout)), "--limit" in cut.stderr) == (len(whole) - 1, True)
        assert station.evidock("--json", *command.split(), "--limit", str(len(whole))).stderr == ""


def test_the_beginning_of_an_id_is_enough_wherever_an_id_is_asked_for(station: Workstation) -> None:
    recording = longest(station)
    [recorder] = answer(station, "recorder", "list")
    whole = answer(station, "custody", "log", "--recording", recording)
    assert whole
    assert answer(station, "custody", "log", "--recording", recording[:8]) == whole
    assert answer(station, "recordings", "list", "--recorder", recorder["id"][:8]) == answer(
        station, "recordings", "list"
    )
    assert answer(station, "recordings", "timeline", "--recorder", recorder["id"][:8])
    for words in ("custody log --recording", "recordings list --recorder", "recordings timeline --recorder"):
        assert answer(station, *words.split(), "nobody", code=2)["error"]["code"] in {"CLI-002", "STO-080"}


def test_a_day_given_as_the_end_is_within(station: Workstation) -> None:
    timed = [one for one in answer(station, "recordings", "list") if one["start_at"]]
    day = max(datetime.fromisoformat(one["start_at"]) for one in timed).astimezone(ZoneInfo("Asia/Shanghai")).date()
    until = answer(station, "recordings", "list", "--since", str(day), "--until", str(day))
    assert until == answer(station, "recordings", "list", "--since", str(day))
    assert answer(station, "recordings", "list", "--until", f"{day}T00:00", "--since", str(day)) == []


LISTS = ("recorder list", "recorder profiles", "recordings list", "custody log", "custody keys", "policy list")
DOCUMENTS = ("status", "doctor", "custody checkpoint", "policy show", "report reconciliation")


@pytest.mark.parametrize("command", LISTS)
def test_a_list_command_answers_with_a_list_of_objects_that_have_ids(command: str, station: Workstation) -> None:
    rows = answer(station, *command.split())
    assert rows
    assert all(row["id"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_command_answers_with_one_json_document_and_nothing_else(command: str, station: Workstation) -> None:
    done = station.evidock("--json", *command.split(), check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("command", [*LISTS, *DOCUMENTS, "recordings timeline"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_people_are_answered_in_their_language(command: str, language: str, station: Workstation) -> None:
    done = station.evidock("--lang", language, *command.split(), check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout.strip()
    assert "{" not in done.stdout or command.startswith("custody checkpoint")


def test_each_event_can_be_shown_by_place_id_or_hash_with_its_signature_checked(station: Workstation) -> None:
    [first, *_] = answer(station, "custody", "log")
    by_id = answer(station, "custody", "show", first["id"])
    assert by_id["verified"] is True
    assert answer(station, "custody", "show", first["hash"])["id"] == first["id"]
    assert answer(station, "custody", "show", str(first["index"]))["id"] == first["id"]


def test_a_recorder_is_shown_with_its_stays_and_files(station: Workstation, recorder: Path) -> None:
    [row] = answer(station, "recorder", "list")
    shown = answer(station, "recorder", "show", row["id"][:8])
    assert len(shown["items"]) == row["files"]
    assert shown["stays"][0]["place"] == str(recorder)


def test_what_was_seen_on_recorders_is_in_the_store(station: Workstation) -> None:
    wait_until(station.all_receipted, what="every receipt")
    report = answer(station, "report", "reconciliation")
    assert report["findings"] == []


def test_status_says_that_all_runs_and_nothing_waits(station: Workstation) -> None:
    wait_until(station.all_receipted, what="every receipt")
    status = answer(station, "status")
    assert set(status["running"]["programs"]) == set(ROLES)
    assert status["queue"]["files"] == 0
    assert status["deadlines"] == []
    assert status["last_receipt_at"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("recordings show R-ffffffffffff", 2),
        ("recorder show nobody", 2),
        ("custody show 999999", 2),
        ("dock /no/such/place", 2),
        ("verify /no/such/place", 2),
        ("policy explain XX-1", 2),
        ("run", 3),
        ("store rebuild", 4),
    ],
)
def test_what_cannot_be_done_is_one_line_with_a_code(words: str, code: int, station: Workstation) -> None:
    done = station.evidock("--json", *words.split(), check=False)
    assert done.returncode == code, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert json.loads(done.stdout)["error"]["code"] in done.stderr


def test_a_recording_is_exported_while_the_programs_run(station: Workstation, tmp_path: Path) -> None:
    recording = longest(station)
    answer(station, "recordings", "tag", recording, "--case", "2026-118")
    wait_until(station.all_receipted, what="every receipt")
    made = answer(station, "custody", "export", "--recording", recording, "--out", str(tmp_path / "out"))
    assert made["items"] == 4
    assert bagit_says(tmp_path / "out").returncode == 0
    assert answer(station, "verify", str(tmp_path / "out"), "--trust", str(station.home / "trust.json"))["ok"]
    for item in document(tmp_path / "out", "data/package.json")["items"]:
        assert file_sha256(tmp_path / "out" / "data" / item["file"]) == item["sha256"]
    payloads = [path.read_text() for path in (tmp_path / "out/data/events").glob("*.payload")]
    assert sum('"2026-118"' in payload for payload in payloads) == 1


def test_sigterm_ends_everything_cleanly_within_ten_seconds(tmp_path: Path) -> None:
    workstation = Workstation(tmp_path / "home")
    workstation.start()
    pids = [workstation.pid(role) for role in ROLES]
    assert workstation.stop() == 0
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)


def test_footage_is_seen_at_once_while_the_centre_is_away_and_received_when_it_is_back(
    tmp_path: Path, recorder: Path
) -> None:
    workstation = Workstation(tmp_path / "home")
    workstation.evidock("init", "--role", "workstation")
    docked = answer(workstation, "dock", str(recorder))
    assert {file["state"] for file in docked["files"]} == {"sealed"}
    assert docked["receipted"] == 0
    listed = answer(workstation, "recordings", "list")
    assert sum(one["file_count"] for one in listed) == len(docked["files"])
    recording = longest(workstation)
    answer(workstation, "recordings", "tag", recording, "--case", "2026-007")
    assert answer(workstation, "recordings", "show", recording)["missing_tags"] == ["party", "handler"]
    export = ("custody", "export", "--recording", recording, "--out", str(tmp_path / "out"))
    assert answer(workstation, *export, code=4)["error"]["code"] in {"STO-040", "STO-082"}  # seen here, not logged yet
    waited = workstation.evidock("dock", str(recorder), "--wait", "received", check=False)
    assert (waited.returncode, "CLI-007" in waited.stderr) == (4, True)
    with workstation:
        received = answer(workstation, "dock", str(recorder), "--wait", "received")
        assert received["receipted"] == len(docked["files"])
        wait_until(workstation.all_receipted, what="every receipt")
        assert answer(workstation, "recordings", "list", "--case", "2026-007")[0]["id"] == recording
        answer(workstation, "verify", str(workstation.home))
    assert answer(workstation, *export)["ok"]  # and with everything stopped
