"""`evidock witness`: what it shows, what it puts in place, and when a station may have another key."""

from pathlib import Path

import pytest

from chain_of_custody.notes import NoteAlgorithm, NoteKey
from host_io.config import HomePaths
from host_io.trust import read_trust, witness_key_path
from tests.fakes.log_on_disc import test_key as key_of
from tests.unit.operator_cli.cli import evidock

COURT = NoteKey("court.example/evidence", NoteAlgorithm.COSIGNATURE_V1, key_of("court").public_key).vkey


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert evidock("init", "--role", "workstation", "--station", "st-1", "--home", str(tmp_path / "home")).code == 0
    return tmp_path / "home"


def _set(home: Path, text: str) -> "tuple[int, str]":
    file = home.parent / "policy"
    file.write_text(text, encoding="utf-8")
    done = evidock("--home", str(home), "--json", "witness", "set", str(file))
    return done.code, done.out + done.err


def test_a_workstation_made_by_init_is_its_own_witness(home: Path) -> None:
    shown = evidock("--home", str(home), "--json", "witness", "show")
    assert shown.code == 0
    assert shown.document["quorum"] == "st-1"
    assert shown.document["own"]["in_policy"]
    assert shown.document["own"]["vkey"] == shown.document["witnesses"][0]["vkey"]
    people = evidock("--home", str(home), "--lang", "zh", "witness", "show")
    assert shown.document["policy"].splitlines()[0] in people.out
    assert "本站是见证人" in people.out


def test_an_outside_body_is_added_by_a_policy_file(home: Path) -> None:
    policy = evidock("--home", str(home), "--json", "witness", "show").document["policy"]
    body = policy.replace("quorum st-1\n", "")
    code, _ = _set(
        home, body + f"witness court {COURT} https://court.example/w\ngroup both all st-1 court\nquorum both\n"
    )
    assert code == 0
    known = read_trust(home / "trust.json").witnesses
    assert known.quorum == "both"
    assert [(each.name, each.url) for each in known.witnesses] == [("st-1", ""), ("court", "https://court.example/w")]
    assert known.logs == ()


@pytest.mark.parametrize(
    "text",
    ["", "quorum nobody\n", "quorum none\nquorum none\n", f"log {COURT}\nquorum none\n", "witness a b c d e\n"],
    ids=["empty", "nobody", "twice", "a witness as log", "too many words"],
)
def test_a_bad_policy_changes_nothing(home: Path, text: str) -> None:
    before = (home / "trust.json").read_bytes()
    code, said = _set(home, text)
    assert code == 3
    assert "COC-047" in said
    assert (home / "trust.json").read_bytes() == before


def test_a_policy_of_another_log_or_with_a_signing_key_is_refused(home: Path) -> None:
    other = NoteKey("other.log", NoteAlgorithm.ED25519, key_of("other").public_key).vkey
    assert _set(home, f"log {other}\nquorum none\n")[0] == 2
    station = read_trust(home / "trust.json").stations[0].key
    twice = NoteKey("me", NoteAlgorithm.COSIGNATURE_V1, station).vkey
    assert _set(home, f"witness me {twice}\nquorum me\n")[0] == 3


def test_a_witness_in_order_keeps_its_key(home: Path) -> None:
    key = witness_key_path(HomePaths(home), read_trust(home / "trust.json").stations[0].id).read_bytes()
    done = evidock("--home", str(home), "witness", "renew")
    assert (done.code, "CLI-019" in done.err) == (3, True)
    assert witness_key_path(HomePaths(home), read_trust(home / "trust.json").stations[0].id).read_bytes() == key


def test_a_lost_record_is_shown_and_renewed_with_another_key(home: Path) -> None:
    old = read_trust(home / "trust.json").witnesses.witnesses[0].key
    (home / "witness" / "st-1.last").unlink()
    shown = evidock("--home", str(home), "--json", "witness", "show")
    assert (shown.code, shown.document["own"]) == (1, None)
    renewed = evidock("--home", str(home), "--json", "witness", "renew")
    assert renewed.code == 0
    new = read_trust(home / "trust.json").witnesses.witnesses[0].key
    assert new != old
    assert renewed.document["vkey"] == new.vkey
    assert evidock("--home", str(home), "--json", "witness", "show").document["own"]["cosigned_size"] is None


def test_a_station_shows_the_line_that_the_centre_needs(home: Path, tmp_path: Path) -> None:
    station = tmp_path / "station"
    assert evidock("init", "--role", "station", "--station", "st-2", "--home", str(station)).code == 0
    (station / "trust.json").write_bytes((home / "trust.json").read_bytes())
    shown = evidock("--home", str(station), "--json", "witness", "show").document
    assert not shown["own"]["in_policy"]
    line = f"witness st-2 {shown['own']['vkey']}"
    assert line in evidock("--home", str(station), "witness", "show").out
    policy = evidock("--home", str(home), "--json", "witness", "show").document["policy"].replace("quorum st-1\n", "")
    assert _set(home, f"{policy}{line}\ngroup any-two 2 st-1 st-2\nquorum any-two\n")[0] == 0
    assert evidock("--home", str(station), "witness", "set", str(tmp_path / "policy")).code == 2


def test_a_centre_has_no_key_to_renew(tmp_path: Path) -> None:
    assert evidock("init", "--role", "centre", "--home", str(tmp_path / "centre")).code == 0
    assert evidock("--home", str(tmp_path / "centre"), "witness", "renew").code == 2
    shown = evidock("--home", str(tmp_path / "centre"), "--json", "witness", "show")
    assert (shown.code, shown.document["quorum"]) == (0, "none")
