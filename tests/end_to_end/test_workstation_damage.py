"""One byte is flipped in what the home keeps, and `verify` exits 5 and names it (issue 2, done when)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from host_io.keys import read_signing_key
from host_io.trust import read_trust
from operator_cli.simulated_recorder import make_recorder
from tests.workstation import Workstation, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped home that holds a recorder's footage and verifies."""
    folder = tmp_path_factory.mktemp("damage")
    make_recorder(folder / "card", now=datetime.now(tz=UTC))
    with Workstation(folder / "home") as workstation:
        workstation.evidock("dock", str(folder / "card"), "--wait", "received")
        wait_until(workstation.all_receipted, what="every receipt")
    return folder / "home"


@pytest.fixture
def home(whole_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, to damage: homes can be copied as files while stopped."""
    shutil.copytree(whole_home, tmp_path / "copy")
    yield tmp_path / "copy"
    shutil.rmtree(tmp_path / "copy")


def flip(path: Path, *, at: int = -1) -> None:
    """Flip one bit of a file, whatever its permissions."""
    mode = path.stat().st_mode
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[at if at >= 0 else len(data) // 2] ^= 1
    path.write_bytes(data)
    path.chmod(mode)


def verify(home: Path) -> tuple[int, dict[str, object], str]:
    workstation = Workstation(home)
    done = workstation.evidock("--json", "verify", str(home), check=False)
    people = workstation.evidock("verify", str(home), check=False)
    assert people.returncode == done.returncode
    return done.returncode, json.loads(done.stdout), people.stdout


def test_a_copied_home_verifies(home: Path) -> None:
    code, document, _ = verify(home)
    assert (code, document["findings"]) == (0, [])


def largest_vault_file(home: Path) -> Path:
    return max(
        (path for path in (home / "vault" / "sha256").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


def an_envelope(home: Path) -> Path:
    return min((home / "log" / "envelopes").rglob("*.dsse.json"))


def a_tile(home: Path) -> Path:
    return min(path for path in (home / "log" / "tile" / "0").rglob("*") if path.is_file())


def entries(home: Path) -> Path:
    return min(path for path in (home / "log" / "tile" / "entries").rglob("*") if path.is_file())


def checkpoint(home: Path) -> Path:
    return home / "log" / "checkpoint"


def cosigned(home: Path) -> Path:
    return next((home / "witness").glob("*.last"))


@pytest.mark.parametrize("damaged", [largest_vault_file, an_envelope, a_tile, entries, checkpoint, cosigned])
def test_one_flipped_bit_is_exit_five_and_named(damaged: Callable[[Path], Path], home: Path) -> None:
    path = damaged(home)
    flip(path)
    code, document, people = verify(home)
    assert code == 5, document
    findings = document["findings"]
    assert isinstance(findings, list)
    worst = [finding for finding in findings if finding["severity"] == "damage"]
    assert worst
    assert all(finding["code"] in people for finding in worst[:1])
    assert any(path.name.split(".")[0] in json.dumps(finding) or path.name in json.dumps(finding) for finding in worst)


def test_a_log_that_is_not_the_one_that_was_cosigned_is_named(home: Path, whole_home: Path) -> None:
    """What an administrator makes who sets the whole home back, but for what the witness noted."""
    log_key = read_trust(home / "trust.json").log_key
    last = cosigned(home)
    head = open_checkpoint(last.read_bytes(), log_key=log_key)
    log = read_signing_key(home / "keys" / "log.key")
    last.chmod(0o600)
    last.write_bytes(sign_checkpoint(Checkpoint(head.origin, head.size + 1, head.root), log))
    code, document, _ = verify(home)
    findings = document["findings"]
    assert isinstance(findings, list)
    assert (code, [finding["code"] for finding in findings]) == (5, ["STO-002"])
    shutil.copy(cosigned(whole_home), last)
    assert verify(home)[0] == 0


def test_a_vault_file_that_is_gone_is_exit_five_and_named(home: Path) -> None:
    path = largest_vault_file(home)
    path.unlink()
    code, document, _ = verify(home)
    assert code == 5
    assert path.name in json.dumps(document["findings"])


def test_a_lost_catalogue_is_made_again_from_log_and_vault(home: Path) -> None:
    workstation = Workstation(home)
    before = json.loads(workstation.evidock("--json", "recordings", "list").stdout)
    for suffix in ("", "-wal", "-shm"):
        (home / f"catalogue.db{suffix}").unlink(missing_ok=True)
    rebuilt = json.loads(workstation.evidock("--json", "store", "rebuild").stdout)
    assert rebuilt["events"] > 0
    assert json.loads(workstation.evidock("--json", "recordings", "list").stdout) == before


def test_an_altered_catalogue_is_not_believed_over_the_log(home: Path) -> None:
    flip(largest_vault_file(home))
    (home / "catalogue.db").unlink()
    code, _, _ = verify(home)
    assert code == 5
