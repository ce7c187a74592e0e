"""The court expert's page is true: its blocks are run, in both languages, on a log and a vault that our code wrote."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chain_of_custody.envelope import envelope_hash, make_envelope, pae
from evidence_model.canonical import canonical_bytes, parse_strict
from evidence_model.ids import AssetId
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.stage import LogEntry
from host_io.sm2 import Sm2Signer, make_sm2_key
from tests.fakes.log_on_disc import Source
from tests.fakes.log_on_disc import test_key as key_of
from tests.fakes.manual_clock import ManualClock
from tests.trusts import first_trust, put_trust

ROOT = Path(__file__).parents[2]
GUIDES = {language: ROOT / "docs" / "guide" / language / "court-expert.md" for language in ("en", "zh")}
GO_SOURCE = ROOT / "tests" / "crosscheck" / "tlogcheck" / "main.go"
ASSET = AssetId(hashlib.sha256(b"asset").hexdigest()[:32])
FOOTAGE = ASSET.encode()  # `Source` takes the SHA-256 of the item's id for the digest of its bytes


class HandedOver:
    """What an agency hands over: trust.json, log/, vault/."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log_key, station = key_of("log"), Source("station-1")
        ledger = Ledger(LogFolder(folder / "log"), log_key)
        ledger.open()
        self.older, newer = (self._said(station, 260), self._said(station, 7))
        note = ledger.append(self.older).note
        (folder / "older-checkpoint").write_bytes(note)
        ledger.append(newer)
        ledger.settle()
        self.event = self.older[4].raw  # the second event about the item
        digest = hashlib.sha256(FOOTAGE).hexdigest()
        self.footage = folder / "vault" / "sha256" / digest[:2] / digest[2:4] / digest
        self.footage.parent.mkdir(parents=True)
        self.footage.write_bytes(FOOTAGE)
        centre, enrolled = ("centre", key_of("centre")), (station.name, station.signer)
        put_trust(folder, first_trust("site-1", log_key, centre, [enrolled]))
        self.words = {
            "H": str(folder),
            "E": envelope_hash(self.event).hex(),
            "S": station.name,
            "V": digest,
        }

    @property
    def envelope(self) -> Path:
        """The envelope in question."""
        name = self.words["E"]
        return self.folder / "log" / "envelopes" / name[:2] / f"{name}.dsse.json"

    def _said(self, station: Source, count: int) -> list[LogEntry]:
        entries = []
        for number in range(count):
            asset = ASSET if number in {3, 4, 9} else None
            raw = self._say(station, asset)
            entries.append(LogEntry(raw, station.leaf(raw).to_bytes()))
        return entries

    def _say(self, station: Source, asset: AssetId | None) -> bytes:
        return station.say("footage.reread", asset=asset, body={"kind": "footage"})


@pytest.fixture
def handed_over(tmp_path: Path) -> HandedOver:
    return HandedOver(tmp_path)


def blocks(language: str, info: str) -> list[str]:
    text = GUIDES[language].read_text(encoding="utf-8")
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def follow(language: str, given: HandedOver, *, until: str = "") -> subprocess.CompletedProcess[str]:
    """Do what the page says, block by block, stopping at the first command that fails."""
    [tree] = blocks(language, "python")
    (given.folder / "tree.py").write_text(tree, encoding="utf-8")
    script = "set -eu -o pipefail\n" + "\n".join(blocks(language, "sh")) + until
    environment = {**os.environ, **given.words, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl: apt install openssl (script/setup does)"
)


@pytest.mark.parametrize("language", GUIDES)
def test_what_the_page_says_accepts_an_honest_file(handed_over: HandedOver, language: str) -> None:
    done = follow(language, handed_over, until='python3 tree.py log "$envelope" older-checkpoint\n')
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Signature Verified Successfully") == 3
    assert "station-1 3 footage.reread" in done.stdout
    assert "entry 4 of 267" in done.stdout


class GmHandedOver(HandedOver):
    """The same of a station that uses SM3 and SM2."""

    def __init__(self, folder: Path) -> None:
        make_sm2_key(folder / "station-1.sm2")
        self._sm2 = Sm2Signer(folder / "station-1.sm2", ManualClock())
        super().__init__(folder)

    def _say(self, station: Source, asset: AssetId | None) -> bytes:
        said: dict[str, Any] = {**parse_strict(station.statement("footage.reread", asset=asset, body={}))}
        said["subject"][0]["digest"]["sm3"] = hashlib.new("sm3", FOOTAGE).hexdigest()
        statement = canonical_bytes(said)
        made = self._sm2.sign(pae("application/vnd.in-toto+json", statement))
        raw = make_envelope(statement, [station.signer], made=[made])
        station.take(raw, asset)
        return raw


def test_an_sm2_signature_and_an_sm3_beside_do_not_disturb(tmp_path: Path) -> None:
    for number in range(2):  # the key ids come in one order or the other
        (tmp_path / str(number)).mkdir()
        done = follow("en", GmHandedOver(tmp_path / str(number)))
        assert done.returncode == 0, done.stderr


def test_both_languages_give_the_same_commands() -> None:
    for info in ("sh", "python", "sh go"):
        assert blocks("en", info) == blocks("zh", info), info
    assert len(blocks("en", "sh")) == 6


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_an_altered_file_is_found(handed_over: HandedOver) -> None:
    flip(handed_over.footage, 0)
    assert follow("en", handed_over).returncode != 0


def test_an_altered_event_is_found_even_under_its_new_name(handed_over: HandedOver) -> None:
    old = handed_over.envelope
    altered = old.read_bytes().replace(b'"sig":"', b'"sig":"A', 1)
    handed_over.words["E"] = hashlib.sha256(altered).hexdigest()
    handed_over.envelope.parent.mkdir(parents=True, exist_ok=True)
    handed_over.envelope.write_bytes(altered)
    assert follow("en", handed_over).returncode != 0


def test_an_event_taken_out_of_the_middle_is_found(handed_over: HandedOver) -> None:
    first = handed_over.older[3].raw
    name = envelope_hash(first).hex()
    (handed_over.folder / "log" / "envelopes" / name[:2] / f"{name}.dsse.json").unlink()
    done = follow("en", handed_over)
    assert done.returncode != 0
    assert "BROKEN HERE" in done.stdout


def test_an_altered_log_is_found(handed_over: HandedOver) -> None:
    flip(handed_over.folder / "log" / "tile" / "entries" / "000", 130 * 200 + 5)
    done = follow("en", handed_over)
    assert "the log is not what its checkpoint says" in done.stderr


def test_an_altered_checkpoint_is_found(handed_over: HandedOver) -> None:
    flip(handed_over.folder / "log" / "checkpoint", 30)
    assert follow("en", handed_over).returncode != 0


def test_a_log_that_was_rewritten_is_found_by_an_older_checkpoint(handed_over: HandedOver, tmp_path: Path) -> None:
    older = (handed_over.folder / "older-checkpoint").read_text(encoding="utf-8").splitlines()
    older[2] = older[2][::-1].lstrip("=") + "="
    (tmp_path / "other").write_text("\n".join(older), encoding="utf-8")
    done = follow("en", handed_over, until='python3 tree.py log "$envelope" other\n')
    assert "the log was rewritten since other" in done.stderr


@pytest.mark.slow
def test_go_s_own_code_says_the_same(handed_over: HandedOver) -> None:
    if shutil.which("go") is None or not Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("needs go and x/mod: apt install golang-go golang-golang-x-mod-dev (script/setup does)")
    shutil.copy(GO_SOURCE, handed_over.folder / "tlogcheck.go")
    setting = f"export GOCACHE={handed_over.folder}/cache HOME={handed_over.folder}\n"
    done = follow("en", handed_over, until=setting + "\n".join(blocks("en", "sh go")))
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()[-2:]
    assert answers[0] == "ok"
    assert answers[1].startswith("ok ")
