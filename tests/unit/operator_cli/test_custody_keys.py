"""`evidock custody keys`: from the request of a station to the document that enrols, replaces and revokes it."""

import json
from pathlib import Path

import pytest

from chain_of_custody.enrolment import fingerprint
from chain_of_custody.trust_entries import Standing
from host_io.config import HomePaths
from host_io.sm2 import make_sm2_key
from host_io.trust import check_home_roots, publish_root, read_trust
from tests.unit.operator_cli.cli import Called, evidock


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    assert evidock("init", "--role", "centre", "--home", str(tmp_path / "centre")).code == 0
    return tmp_path / "centre"


@pytest.fixture
def station(tmp_path: Path) -> Path:
    assert evidock("init", "--role", "station", "--station", "st-1", "--home", str(tmp_path / "station")).code == 0
    return tmp_path / "station"


def keys(home: Path, *words: object) -> Called:
    return evidock("--home", str(home), "--json", "custody", "keys", *map(str, words))


def request_of(station: Path) -> Path:
    out = station.parent / f"{station.name}.request"
    assert keys(station, "request", "--out", out).code == 0
    return out


def propose(centre: Path, *words: object) -> Path:
    draft = centre.parent / "draft"
    done = keys(centre, "propose", "--out", draft, *words)
    assert done.code == 0, done.err
    return draft


def sign(draft: Path, key: Path) -> None:
    done = evidock("--json", "custody", "keys", "sign", str(draft), "--key", str(key))
    assert done.code == 0, done.err


def enrolled(centre: Path, station: Path) -> None:
    draft = propose(centre, "--enrol", request_of(station))
    sign(draft, centre / "keys" / "root.key")
    assert keys(centre, "publish", draft).code == 0


def test_a_station_is_enrolled_after_two_people_compared_what_both_screens_show(centre: Path, station: Path) -> None:
    asked = keys(station, "request", "--out", station.parent / "request")
    raw = (station.parent / "request").read_bytes()
    assert asked.document["fingerprint"] == fingerprint(raw)
    draft = centre.parent / "draft"
    shown = evidock(
        "--home",
        str(centre),
        "custody",
        "keys",
        "propose",
        "--out",
        str(draft),
        "--enrol",
        str(station.parent / "request"),
    )
    assert fingerprint(raw) in shown.out
    review = keys(centre, "review", draft)
    assert (review.code, review.document["enough"], review.document["signed"]) == (1, False, [])
    refused = keys(centre, "publish", draft)
    assert refused.code == 3
    assert "CLI-193" in refused.err
    sign(draft, centre / "keys" / "root.key")
    assert keys(centre, "review", draft).code == 0
    assert keys(centre, "publish", draft).code == 0
    known = read_trust(centre / "trust.json")
    assert ([each.id for each in known.stations], known.number) == (["st-1"], 2)
    assert len(check_home_roots(HomePaths(centre), known)) == 2
    assert keys(centre, "publish", draft).code == 0  # once more changes nothing
    assert read_trust(centre / "trust.json") == known


def test_a_station_s_sm2_key_is_enrolled_with_it(centre: Path, station: Path) -> None:
    point = make_sm2_key(station / "keys" / "station-st-1.sm2")
    enrolled(centre, station)
    assert read_trust(centre / "trust.json").stations[0].sm2 == point


@pytest.mark.parametrize("altered", ["key", "witness_key", "possession", "id"])
def test_a_request_that_was_exchanged_on_the_way_is_refused(
    centre: Path, station: Path, tmp_path: Path, altered: str
) -> None:
    raw = json.loads(request_of(station).read_bytes())
    other = tmp_path / "other"
    evidock("init", "--role", "station", "--station", "st-2", "--home", str(other))
    raw[altered] = json.loads(request_of(other).read_bytes())[altered]
    forged = tmp_path / "forged"
    forged.write_text(json.dumps(raw, separators=(",", ":"), sort_keys=True))
    done = keys(centre, "propose", "--out", tmp_path / "draft", "--enrol", forged)
    assert done.code == 3
    assert "COC-154" in done.err
    assert not (tmp_path / "draft").exists()


def test_a_key_is_replaced_and_revoked_and_the_old_ranges_stay(centre: Path, station: Path, tmp_path: Path) -> None:
    enrolled(centre, station)
    first = read_trust(centre / "trust.json").stations[0]
    again = keys(centre, "propose", "--out", tmp_path / "draft", "--enrol", request_of(station))
    assert "CLI-192" in again.err
    new = tmp_path / "anew" / "station"
    new.parent.mkdir()
    evidock("init", "--role", "station", "--station", "st-1", "--home", str(new))
    draft = propose(centre, "--enrol", request_of(new), "--replace")
    sign(draft, centre / "keys" / "root.key")
    assert keys(centre, "publish", draft).code == 0
    known = read_trust(centre / "trust.json")
    assert [(each.id, each.until) for each in known.sources] == [("centre", None), ("st-1", 0), ("st-1", None)]
    draft = propose(centre, "--revoke", str(known.stations[0].key_id)[:8], "--suspect-from", "0")
    sign(draft, centre / "keys" / "root.key")
    assert keys(centre, "publish", draft).code == 0
    known = read_trust(centre / "trust.json")
    assert known.stations == ()
    assert [each.standing(0) for each in known.sources[1:]] == [Standing.OUTSIDE, Standing.OUTSIDE]
    assert known.sources[1].key == first.key
    listed = keys(centre).document
    assert [(each["role"], each["source"], each["from"], each["until"]) for each in listed] == [
        ("log", "site-1", "0", None),
        ("centre", "centre", "0", None),
        ("station", "st-1", "0", "0"),
        ("station", "st-1", "0", "0"),
    ]
    assert "1 of 1: one machine guards itself" in evidock("--home", str(centre), "custody", "keys").out


def test_two_of_three_decide_each_on_a_machine_of_his_own(centre: Path, station: Path, tmp_path: Path) -> None:
    holders = {name: tmp_path / f"{name}.key" for name in ("a", "b", "c")}
    public = {}
    for name, path in holders.items():
        made = evidock("--json", "custody", "keys", "new", str(path))
        assert made.code == 0
        assert path.stat().st_mode & 0o777 == 0o600
        public[name] = made.document["public_key"]
        assert evidock("custody", "keys", "new", str(path)).code == 2  # a key file is never overwritten
    roots = [word for name in holders for word in ("--root", f"{name}={public[name]}")]
    draft = propose(centre, *roots, "--threshold", "2")
    sign(draft, centre / "keys" / "root.key")
    assert "CLI-193" in keys(centre, "publish", draft).err  # the new ones must agree as well
    sign(draft, holders["a"])
    sign(draft, holders["b"])
    assert keys(centre, "publish", draft).code == 0
    draft = propose(centre, "--enrol", request_of(station))
    sign(draft, centre / "keys" / "root.key")
    sign(draft, holders["c"])
    sign(draft, holders["c"])
    assert keys(centre, "publish", draft).code == 3  # one of them twice, and one that decides no more
    sign(draft, holders["a"])
    assert keys(centre, "publish", draft).code == 0
    assert read_trust(centre / "trust.json").stations[0].id == "st-1"
    policy = tmp_path / "policy"
    policy.write_text("quorum none\n")
    said = evidock("--home", str(centre), "witness", "set", str(policy))  # not decided by this machine alone any more
    assert f"{centre}/trust-4.draft" in said.out
    assert read_trust(centre / "trust.json").number == 3


def test_a_witness_is_retired_from_a_size_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    evidock("init", "--role", "workstation", "--station", "st-1", "--home", str(home))
    assert "CLI-192" in keys(home, "propose", "--out", tmp_path / "draft", "--retire-witness", "st-1").err
    vkeys = [each.key.vkey for each in read_trust(home / "trust.json").witnesses.witnesses]
    court = vkeys[0]
    other = tmp_path / "other"
    evidock("init", "--role", "workstation", "--station", "st-2", "--home", str(other))
    court = read_trust(other / "trust.json").witnesses.witnesses[0].key.vkey
    policy = tmp_path / "policy"
    policy.write_text(f"witness st-1 {vkeys[0]}\nwitness st-2 {court}\ngroup some 1 st-1 st-2\nquorum some\n")
    draft = propose(home, "--witness-policy", policy)
    sign(draft, home / "keys" / "root.key")
    assert keys(home, "publish", draft).code == 0
    draft = propose(home, "--retire-witness", "st-2")
    sign(draft, home / "keys" / "root.key")
    assert keys(home, "publish", draft).code == 0
    known = read_trust(home / "trust.json")
    assert [each.name for each in known.witnesses.witnesses] == ["st-1"]
    assert known.witnesses_at(0).quorum == "st-1"


def test_people_authorities_and_mirrors_are_proposed(centre: Path, tmp_path: Path) -> None:
    made = evidock("--json", "custody", "keys", "new", str(tmp_path / "leader.key")).document
    person = ("--person", "P001234", "--role", "approving-leader", "--role", "auditor", "--key", made["public_key"])
    draft = propose(centre, *person)
    sign(draft, centre / "keys" / "root.key")
    assert keys(centre, "publish", draft).code == 0
    assert [each.id for each in read_trust(centre / "trust.json").people] == ["P001234"]
    for words, code in (
        (("--person", "P1", "--key", made["public_key"]), "CLI-192"),
        (("--person", "P1", "--role", "it", "--key", "zz"), "CLI-192"),
        (("--authority", "tsa-1", "--certificate", str(tmp_path / "leader.key"), "--root-certificate", "x"), "CLI-"),
        (("--root", "nobody"), "CLI-192"),
        (("--revoke", "00000000"), "CLI-192"),
        (("--revoke", "0", "--at", "soon"), "CLI-001"),
        ((), "CLI-001"),
    ):
        done = keys(centre, "propose", "--out", tmp_path / "bad", *words)
        assert (done.code, code in done.err) == (2, True), (words, done.err)
    assert not (tmp_path / "bad").exists()


def test_a_station_follows_the_centre_s_documents_one_after_the_other(centre: Path, station: Path) -> None:
    draft = propose(centre, "--enrol", request_of(station))
    sign(draft, centre / "keys" / "root.key")
    assert keys(station, "publish", draft).code == 3  # it has none yet: the first comes first
    assert keys(station, "publish", centre / "trust" / "1.dsse.json").code == 0
    assert keys(station, "publish", draft).code == 0
    assert keys(centre, "publish", draft).code == 0
    assert (station / "trust.json").read_bytes() == (centre / "trust.json").read_bytes()
    with pytest.raises(Exception, match="follow"):
        publish_root(HomePaths(station), (centre / "trust" / "1.dsse.json").read_bytes())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_proposed_is_said_in_words(centre: Path, station: Path, language: str) -> None:
    draft = propose(centre, "--enrol", request_of(station))
    shown = evidock("--home", str(centre), "--lang", language, "custody", "keys", "review", str(draft))
    assert ("登记采集站 st-1" if language == "zh" else "enrols station st-1") in shown.out
    assert "root-1" in shown.out
