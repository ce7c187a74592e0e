"""Whatever stands in the files of a home, the check ends, says what is wrong, and never stumbles over it."""

import base64
import contextlib
import hashlib
import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from evidence_model.findings import Severity
from evidence_store.fsck import verify_home_summary
from evidence_store.stage import encode_stage
from host_io.config import HomePaths
from tests.fakes.fake_station import FakeStation
from tests.fakes.workstation_home import make_workstation_home

SIGNED = ("centre.db", "station.db")
FILES = (
    "evidock.toml",
    "trust.json",
    "keys/log.key",
    "log/signed",
    "log/checkpoint",
    "log/tile/0/000.p/11",
    "log/tile/entries/000.p/11",
    "log/envelopes/*/*.dsse.json",
    "station.db",
    "centre.db",
    "catalogue.db",
)
CONTENTS = {
    "not JSON": b"\xff\xfe{",
    "nothing but zeros": b"\0" * 8192,
    "deep": b"[" * 200_000,
    "deep tables": b'{"a":' * 50_000,
    "a large number": b'{"a":' + b"9" * 10_000 + b"}",
    "a list": b"[]",
    "wrong kinds": b'{"payload":[],"payloadType":{},"signatures":1}',
    "long lines": b"x" * 1_000_000,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> HomePaths:
    home = make_workstation_home(tmp_path_factory.mktemp("whole") / "home", FakeStation())
    for name in FILES[-3:]:
        with contextlib.closing(sqlite3.connect(home.root / name)) as db:
            db.execute("pragma wal_checkpoint(truncate)")
    return home


@pytest.fixture
def home(whole: HomePaths, tmp_path: Path) -> HomePaths:
    shutil.copytree(whole.root, tmp_path / "home")
    return HomePaths(tmp_path / "home")


def is_told(home: HomePaths, name: str) -> bool:
    result = verify_home_summary(home, workers=1)
    return result.exit_code != 0 or (name == "catalogue.db" and [each.code for each in result.findings] == ["STO-072"])


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_told(home: HomePaths, name: str, content: str) -> None:
    path = min(home.root.glob(name))
    path.chmod(0o600)
    path.write_bytes(CONTENTS[content])
    assert is_told(home, name)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("name", FILES)
def test_flipped_cut_and_repeated_bytes_end_no_check(home: HomePaths, name: str, seed: int) -> None:
    chance = random.Random(f"{name}/{seed}")
    path = min(home.root.glob(name))
    data = bytearray(path.read_bytes())
    first = chance.randrange(len(data))
    match seed:
        case 0:
            data[first] ^= 1 << chance.randrange(8)
        case 1:
            del data[first:]
        case 2:
            data[first:first] = data[first : first + 100]
        case _:
            for place in chance.choices(range(len(data)), k=50):
                data[place] = chance.randrange(256)
    path.chmod(0o600)
    path.write_bytes(data)
    result = verify_home_summary(home, workers=1)
    if not name.endswith((".db", ".toml")):  # a byte that SQLite or TOML does not read tells nothing else
        assert result.exit_code != 0


@pytest.mark.parametrize(
    "value", [None, "x" * 99, 1 << 62, b"\xff", b""], ids=["null", "text", "number", "byte", "empty"]
)
@pytest.mark.parametrize("name", SIGNED)
def test_a_value_of_another_kind_in_any_column_is_told(home: HomePaths, name: str, value: object) -> None:
    path = home.root / name
    whole = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as db:
        columns = [row[1] for row in db.execute("pragma table_info(envelope)")]
    for table, column in [
        *(("envelope", each) for each in columns if each not in {"signed_unix_ms", "receipted_unix_ms", "refused"}),
        *(("checkpoint_seen", each) for each in ("size", "root", "note")),
    ]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("pragma legacy_alter_table = on")
            db.execute(f"create table other as select * from {table}")  # noqa: S608
            db.execute(f"drop table {table}")
            db.execute(f"alter table other rename to {table}")
            db.execute(f"update {table} set {column} = ?", (value,))  # noqa: S608
            db.commit()
        damage = [each for each in verify_home_summary(home, workers=1).findings if each.severity is Severity.DAMAGE]
        if (table, column, value) not in {("envelope", "receipt", None), ("envelope", "asset_seq", None)}:
            assert damage, (table, column)
        for part in home.root.glob(f"{name}-*"):
            part.unlink()
        path.write_bytes(whole)
    assert verify_home_summary(home, workers=1).findings == []


@pytest.mark.parametrize(
    "change",
    [
        {"source": {"id": [], "seq": "1"}},
        {"source": {"id": {}, "seq": "9" * 5000}},
        {"source": "x"},
        {"asset": [1]},
        {"body": []},
        {"body": {"blobs": {"a": 1}}},
        {"body": {"blobs": [{"sha256": 1, "role": []}]}},
        {"body": {"key": "zz", "role": [], "id": {}}, "kind": "key.enrolled"},
        {"body": {"key": "00", "role": "log", "id": "x"}, "kind": "key.enrolled"},
        {"time": []},
        {"time": {"wall": {}}},
    ],
    ids=str,
)
def test_an_envelope_that_nobody_logged_is_told_whatever_it_holds(home: HomePaths, change: dict[str, object]) -> None:
    document = json.loads(min(home.log.glob("envelopes/*/*.dsse.json")).read_bytes())
    payload = json.loads(base64.b64decode(document["payload"]))
    payload["predicate"] |= change
    document["payload"] = base64.b64encode(json.dumps(payload, sort_keys=True).encode()).decode()
    raw = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    name = hashlib.sha256(raw).hexdigest()
    folder = home.log / "envelopes" / name[:2]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.dsse.json").write_bytes(raw)
    assert verify_home_summary(home, workers=1).exit_code == 1


def test_a_stage_that_says_that_it_holds_four_thousand_million_entries_is_told_at_once(home: HomePaths) -> None:
    body = encode_stage(5, [])[:-36] + b"\xff" * 4
    (home.log / "stage" / "5-11.stage").write_bytes(body + hashlib.sha256(body).digest())
    assert "STO-004" in verify_home_summary(home, workers=1).counts
