"""What `custody export` writes is verified by the file that lies in it, run as a court runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.events import EventKind
from evidence_store.package_export import export_package
from host_io.trust import station_witness
from outside_verifier.build import pyz_bytes
from outside_verifier.package import verify_package
from outside_verifier.trust import parse_trust
from tests.fakes.centre_home import LOG, SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import HOSTILE_NAMES, Docking, recording_of
from tests.trusts import put_trust, with_witnesses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidence_model.ids import AssetId

FILM = bytes(range(256)) * 4096 * 3 + b"the last MiB is not full"


@pytest.fixture
def stations() -> list[FakeStation]:
    return [FakeStation(), FakeStation("station-2", seed=4)]


@pytest.fixture
def centre(tmp_path: Path, stations: list[FakeStation]) -> Iterator[Centre]:
    with centre_at(make_centre_home(tmp_path / "home", *stations), trust_of(*stations)) as centre:
        yield centre


@pytest.fixture
def docking(centre: Centre, stations: list[FakeStation]) -> Docking:
    return Docking(centre, stations[0])


def export(centre: Centre, out: Path, *assets: AssetId) -> Path:
    recordings = [recording_of(each) for each in assets]
    assert export_package(centre.paths, recordings=recordings, out=out, recipient="court", basis="no. 7").ok
    return out


def verify(package: Path, trust: Path) -> Any:
    program = [sys.executable, "-I", "-S", str(package / "data/verify/verify.pyz")]
    done = subprocess.run(
        [*program, str(package), "--json", "--trust", str(trust)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == done.returncode
    return answer


def codes(answer: Any) -> list[tuple[str, str]]:
    return [(finding["code"], finding["subject"]) for finding in answer["findings"]]


def test_a_recording_with_everything_said_of_it(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    film = docking.pull(FILM)
    other = docking.pull(b"of somebody else", b"DCIM/0002.MP4")
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "A"})
    docking.says(EventKind.RECORDING_MARKED, [film, other], mark="secret", on=True)
    docking.says(EventKind.TAGS_SET, [other], tags={"case": "not mine"})
    package = export(centre, tmp_path / "package", film)
    answer = verify(package, centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    [item] = answer["items"]
    assert (item["id"], item["proved"], item["sha256"]) == (film, "yes", sha256(FILM).hexdigest())
    assert answer["package"]["recipient"] == "court"
    assert (package / "data/verify/verify.pyz").read_bytes() == pyz_bytes()


def test_any_names_and_an_empty_file(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    assets = [docking.pull(b"%d" % number, name) for number, name in enumerate(HOSTILE_NAMES)]
    assets.append(docking.pull(b"", b"DCIM/empty.mp4"))
    answer = verify(export(centre, tmp_path / "package", *assets), centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    assert [item["proved"] for item in answer["items"]] == ["yes"] * len(assets)


def test_a_file_that_came_by_two_stations(
    centre: Centre, docking: Docking, stations: list[FakeStation], tmp_path: Path
) -> None:
    """Both speak of one item; each has its own chain about it, its own docking and its own enrolment."""
    film = docking.pull(FILM)
    assert Docking(centre, stations[1], "session-2").pull(FILM) == film
    package = export(centre, tmp_path / "package", film)
    answer = verify(package, centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    [item] = json.loads((package / "data/package.json").read_bytes())["items"]
    assert [chain["source"] for chain in item["chains"]] == ["centre", "station-1", "station-2"]


def test_a_log_with_witnesses(centre: Centre, docking: Docking, stations: list[FakeStation], tmp_path: Path) -> None:
    film = docking.pull(FILM)
    witness = Ed25519Signer.from_seed(b"w" * 32)
    one = station_witness(SITE, stations[0].id, witness.public_key)
    trust = with_witnesses(trust_of(*stations), WitnessPolicy(witnesses=(one,), quorum=one.name))
    put_trust(centre.paths, trust)
    public = centre.ledger.public()
    assert public is not None
    note = public.note
    head = open_checkpoint(note, log_key=LOG.public_key)
    line = cosign(head, signer=witness, name=one.key.name, at=stations[0].now_at)
    (centre.paths.log / "checkpoint").write_bytes(add_signature(note, line))
    package = export(centre, tmp_path / "package", film)
    answer = verify(package, centre.paths.trust)
    assert (codes(answer), answer["exit_code"]) == ([], 0)
    assert answer["package"]["witnesses"] == one.name
    (package / "data/proofs/checkpoint-head").write_bytes(note)
    assert ("PKG-034", "data/proofs/checkpoint-head") in codes(verify(package, centre.paths.trust))


def test_one_bit_in_any_file_is_found(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    package = export(centre, tmp_path / "package", docking.pull(FILM))
    trust = parse_trust(centre.paths.trust.read_bytes())
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        good = path.read_bytes()
        path.write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
        assert verify_package(str(package), trust).exit_code == 5, path
        path.write_bytes(good)
    assert verify_package(str(package), trust).exit_code == 0
