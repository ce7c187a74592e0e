"""A package holds all that the log says of its recordings and proves it; it is whole and sound, or not there."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import parse_envelope, verify_envelope
from chain_of_custody.event import Subject
from chain_of_custody.package import PACKAGE_TYPE
from chain_of_custody.signatures import Ed25519Signer, Ed25519Verifier
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.errors import EvidockError
from evidence_model.events import EventKind
from evidence_model.ids import AssetId, RecorderId
from evidence_model.messages import BlobRole
from evidence_store import queries
from evidence_store.bag import bag_in_work
from evidence_store.errors import (
    BytesNotArrivedError,
    HeadUnwitnessedError,
    KeysDifferError,
    LogHalfWayError,
    MirroredUnfitError,
    NotSealedError,
    PackageInWorkError,
    PackageMediumError,
    PackagePlaceError,
    PackageRoomError,
    PackageThereError,
    RecordingUnknownError,
    TooManyWordsError,
)
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.package_export import PackageResult, export_package
from host_io import durable
from host_io.config import HomePaths
from host_io.trust import centre_key_path, station_witness, trust_bytes
from outside_verifier.findings import Result
from outside_verifier.package import verify_package
from outside_verifier.trust import parse_trust
from tests.fakes.centre_home import CENTRE, LOG, SITE, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.small_disk import small_disk
from tests.packages import (
    HOSTILE_NAMES,
    Docking,
    bagit_says,
    blob_of,
    chunks_of,
    digest_of,
    document,
    evidence,
    flip,
    recording_of,
    tree,
    vault_file,
)
from tests.trusts import put_trust, with_witnesses

FILM = bytes(range(256)) * 4096 * 3 + b"the last chunk is not full"  # 3 MiB and a little
OTHER = b"another recording"
LISTING = b'{"kind":"footage","path_hex":"00","size_bytes":"1"}\n'


@pytest.fixture
def film(docking: Docking) -> AssetId:
    return docking.pull(FILM)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with a few MiB free."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    with small_disk(tmp_path / "small.img", tmp_path / "small", size_bytes=10 << 20) as disk:
        yield disk.folder


def export(centre: Centre, out: Path, *assets: AssetId, recipient: str = "", basis: str = "") -> PackageResult:
    recordings = [recording_of(each) for each in assets]
    return export_package(centre.paths, recordings=recordings, out=out, recipient=recipient, basis=basis)


def kinds(package: Path) -> list[str]:
    events = document(package, "data/package.json")["events"]
    return [document(package, f"data/events/{index}.payload")["predicate"]["kind"] for index in events]


def test_a_package_has_all_about_its_recording_and_nothing_about_others(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    other = docking.pull(OTHER, b"DCIM/0002.MP4")
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "A"})
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "B"})  # what was said first stays said
    docking.says(EventKind.RECORDING_MARKED, [film, other], mark="secret", on=True)
    docking.says(EventKind.NOTE_INTERRUPTION, [film], text="battery", reason="R18")
    docking.says(EventKind.TAGS_SET, [other], tags={"case": "not mine"})
    result = export(centre, tmp_path / "out", film, recipient="court 王", basis="no. 7")
    assert result.ok, result.findings
    package = tmp_path / "out"
    assert bagit_says(package).returncode == 0
    assert sorted(kinds(package)) == sorted(
        [
            *("key.enrolled",) * 2,  # station and centre; the log's key signed no event
            "recorder.docked",
            "footage.pulled",
            "footage.reread",
            "store.received",
            *("tags.set",) * 2,
            "recording.marked",
            "note.interruption",
        ]
    )
    [item] = document(package, "data/package.json")["items"]
    assert (item["id"], item["recording"], item["size_bytes"]) == (film, recording_of(film), str(len(FILM)))
    assert {end["source"]: end["seq"] for end in item["chains"]} == {"centre": "1", "station-1": "2"}
    assert (package / "data" / item["file"]).read_bytes() == FILM
    assert (package / "data" / item["chunks"]).read_bytes() == chunks_of(FILM)
    blobs = {path.name for path in (package / "data" / "blobs").iterdir()}
    assert digest_of(LISTING).hex in blobs
    assert len(blobs) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def test_the_centre_signs_what_the_package_is_made_of(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    result = export(centre, tmp_path / "out", film, recipient="court 王", basis="no. 7")
    package = tmp_path / "out"
    envelope = parse_envelope((package / "package.dsse.json").read_bytes())
    assert envelope.payload_type == PACKAGE_TYPE
    verify_envelope(envelope, [Ed25519Verifier(CENTRE.public_key)])
    said = json.loads(envelope.payload)
    payload = tree(package / "data")
    head = open_checkpoint(payload["proofs/checkpoint-head"], log_key=LOG.public_key)
    assert said == {
        "approval": None,
        "basis": "no. 7",
        "created_at": said["created_at"],
        "file_count": str(len(payload)),
        "head": {"origin": head.origin, "root": head.root.hex(), "size": str(centre.ledger.size)},
        "id": result.id,
        "manifest_sha256": hashlib.sha256((package / "manifest-sha256.txt").read_bytes()).hexdigest(),
        "payload_bytes": str(sum(len(data) for data in payload.values())),
        "recipient": "court 王",
        "site": "site-1",
        "tagmanifest_sha256": hashlib.sha256((package / "tagmanifest-sha256.txt").read_bytes()).hexdigest(),
        "version": "1",
    }


def test_the_same_bytes_give_the_same_data(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    export(centre, tmp_path / "a", film)
    export(centre, tmp_path / "b", film, recipient="somebody else")
    assert evidence(tmp_path / "a") == evidence(tmp_path / "b")
    assert (tmp_path / "a" / "package.dsse.json").read_bytes() != (tmp_path / "b" / "package.dsse.json").read_bytes()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils: script/setup --test")
def test_the_reports_say_what_the_centre_signed_of_the_package(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "武卫〔2026〕12号"})
    result = export(centre, tmp_path / "out", film, recipient="court 王", basis="no. 7")
    signed = json.loads(parse_envelope((tmp_path / "out" / "package.dsse.json").read_bytes()).payload)
    manifest = (tmp_path / "out" / "manifest-sha256.txt").read_text()
    for name in ("report.zh.pdf", "report.en.pdf"):
        path = tmp_path / "out" / "data" / name
        assert f"{digest_of(path.read_bytes()).hex}  data/{name}\n" in manifest
        done = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, text=True, check=True)
        text = "".join(done.stdout.split())
        for value in (result.id, signed["recipient"], signed["basis"], signed["site"], signed["head"]["root"]):
            assert "".join(value.split()) in text
        assert signed["head"]["origin"] in text
        assert "武卫〔2026〕12号" in text
        for index in document(tmp_path / "out", "data/package.json")["events"]:
            assert re.search(rf"^{index} 20\d\d-", done.stdout, re.MULTILINE), f"event {index} is not in {name}"


def test_a_stopped_centre_gives_the_same_package_as_a_running_one(tmp_path: Path, station: FakeStation) -> None:
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        film = Docking(centre, station).pull(FILM)
        assert export(centre, tmp_path / "running", film).ok
        centre.ledger.settle()
    assert export_package(paths, recordings=[recording_of(film)], out=tmp_path / "stopped").ok
    assert evidence(tmp_path / "running") == evidence(tmp_path / "stopped")


def test_what_the_catalogue_does_not_have_yet_is_read_from_the_log(tmp_path: Path, station: FakeStation) -> None:
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        film = Docking(centre, station).pull(FILM)
    before = tree(paths.root)
    with centre_at(paths, trust_of(station)) as centre:
        centre.take(station, [station.says(EventKind.TAGS_SET, {"assets": [film], "tags": {"case": "late"}})])
    for name in ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm"):
        (paths.root / name).unlink(missing_ok=True)
        if name in before:
            (paths.root / name).write_bytes(before[name])
    assert export_package(paths, recordings=[recording_of(film)], out=tmp_path / "out").ok
    assert "tags.set" in kinds(tmp_path / "out")


def test_a_log_that_grows_meanwhile_gives_one_head_for_all(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    def grow(_done: int, _total: int) -> None:
        if centre.ledger.size > size:
            return  # once an export is enough
        docking.says(EventKind.TAGS_SET, [film], tags={"case": "later"})
        centre.ledger.settle()

    made = [recording_of(film)]
    for number in range(3):
        out = tmp_path / f"out-{number}"
        size = centre.ledger.size
        result = export_package(centre.paths, recordings=made, out=out, progress=grow)
        assert result.ok, result.findings
        assert result.log_size == size < centre.ledger.size
        assert {
            line for path in out.rglob("proofs/*.sigsum") for line in path.read_text().splitlines() if "size=" in line
        } == {f"size={size}"}
        assert kinds(out).count("tags.set") == sum(
            event.kind == "tags.set" and event.index < size for event in queries.custody_log(centre.catalogue.db)
        )


def test_an_envelope_that_is_being_written_just_now_is_not_taken_for_damage(
    centre: Centre, film: AssetId, tmp_path: Path
) -> None:
    """The housekeeper makes the files one by one; until a stage is gone, its envelopes are read there."""
    reading = LogReader(LogFolder(centre.paths.log))
    [pulled] = [event for event in reading.events(0, centre.ledger.size) if event.view.kind == "footage.pulled"]
    path = LogFolder(centre.paths.log).envelope_path(pulled.hash)
    raw = reading.raw_envelope(pulled.hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    for half in (b"", raw[:100]):
        path.write_bytes(half)
        result = export(centre, tmp_path / f"out-{len(half)}", film)
        assert result.ok, result.findings
    path.write_bytes(raw)


def test_events_that_a_catalogue_lost_are_read_from_the_log(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "A"})
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "B"})
    [first, _] = centre.catalogue.db.execute("select log_index from event where kind = 'tags.set'").fetchall()
    centre.catalogue.db.execute("delete from event where log_index = ?", (first["log_index"],))
    assert export(centre, tmp_path / "out", film).ok
    assert kinds(tmp_path / "out").count("tags.set") == 2


def test_a_log_that_is_behind_its_catalogue_is_not_exported_from(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    older = centre.ledger.newest().note
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "A"})
    (centre.paths.log / "checkpoint").write_bytes(older)
    with pytest.raises(LogHalfWayError):
        export(centre, tmp_path / "out", film)


def test_several_recordings_lie_in_one_package_each_once(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    first, second = docking.pull(FILM), docking.pull(OTHER, b"DCIM/0002.MP4")
    assert export(centre, tmp_path / "out", second, first, second).ok
    items = document(tmp_path / "out", "data/package.json")["items"]
    assert [item["id"] for item in items] == sorted([first, second])
    assert bagit_says(tmp_path / "out").returncode == 0


def test_a_recording_of_several_files_lies_there_whole(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    first = docking.pull(FILM, start="2026-11-22T01:00:00.000Z")
    second = docking.pull(OTHER, b"DCIM/0002.MP4", start="2026-11-22T01:01:00.000Z")
    assert export(centre, tmp_path / "out", first).ok
    items = document(tmp_path / "out", "data/package.json")["items"]
    assert {(item["id"], item["recording"]) for item in items} == {
        (each, recording_of(first)) for each in (first, second)
    }


def test_the_same_bytes_under_two_names_lie_there_twice(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    assets = docking.pull(OTHER), docking.pull(OTHER, b"DCIM/copy.MP4")
    assert export(centre, tmp_path / "out", *assets).ok
    for item in document(tmp_path / "out", "data/package.json")["items"]:
        assert (tmp_path / "out" / "data" / item["file"]).read_bytes() == OTHER


def test_an_empty_file_is_exported_with_its_empty_chunk_list(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    asset = docking.pull(b"")
    assert export(centre, tmp_path / "out", asset).ok
    [item] = document(tmp_path / "out", "data/package.json")["items"]
    assert (tmp_path / "out" / "data" / item["file"]).read_bytes() == b""
    assert (tmp_path / "out" / "data" / item["chunks"]).read_bytes() == b""
    assert bagit_says(tmp_path / "out").returncode == 0


def test_a_file_that_was_not_read_a_second_time_has_no_chunk_list_yet(
    centre: Centre, docking: Docking, tmp_path: Path
) -> None:
    asset = docking.announce(OTHER, b"DCIM/0003.MP4")
    centre.hand_over(OTHER)
    centre.adopt_all()
    centre.do_chores()
    assert export(centre, tmp_path / "out", asset).ok
    [item] = document(tmp_path / "out", "data/package.json")["items"]
    assert item["chunks"] is None


def test_names_from_a_recorder_lead_nowhere_and_confuse_nobody(
    centre: Centre, docking: Docking, tmp_path: Path
) -> None:
    assets = [docking.pull(name, name) for name in HOSTILE_NAMES]
    assert export(centre, tmp_path / "out", *assets).ok
    items = document(tmp_path / "out", "data/package.json")["items"]
    assert len(items) == len(HOSTILE_NAMES)
    for item in items:
        folder, of, name = Path(item["file"]).parts
        assert (folder, of) == ("footage", item["id"])
        assert not set(name) & set("%\\\r\n/"), name
        assert digest_of((tmp_path / "out" / "data" / item["file"]).read_bytes()).hex == item["sha256"]
    assert bagit_says(tmp_path / "out").returncode == 0


def test_the_newest_reading_names_the_chunk_list_and_the_older_stays(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    docking.reread(film, FILM)
    assert export(centre, tmp_path / "out", film).ok
    assert kinds(tmp_path / "out").count("footage.reread") == 2


def test_what_another_station_says_of_an_item_neither_holds_it_up_nor_brings_other_people_s_bytes(
    tmp_path: Path, station: FakeStation
) -> None:
    """It is in the log, changes nothing there (STO-023), and is in the package as said; what it names is not."""
    impostor = FakeStation("station-2", seed=5)
    paths = make_centre_home(tmp_path / "home", station, impostor)
    with centre_at(paths, trust_of(station, impostor)) as centre:
        docking = Docking(centre, station)
        film, other = docking.pull(FILM), docking.pull(OTHER, b"DCIM/0002.MP4")
        subject = Subject(f"asset/{film}", digest_of(OTHER).raw)
        blobs = [blob_of(BlobRole.FOOTAGE, OTHER), blob_of(BlobRole.PROBE, b"this never comes")]
        for kind in (EventKind.FOOTAGE_PULLED, EventKind.FOOTAGE_REREAD):
            body = {"session": "session-9", "recorder": "rec-1"}
            centre.take(impostor, [impostor.says(kind, body, subject=subject, asset=film, blobs=blobs)])
        result = export(centre, tmp_path / "out", film)
    assert result.ok, result.findings
    package = tmp_path / "out"
    assert other not in str(sorted(tree(package)))
    assert all(OTHER not in data for data in tree(package).values())
    assert [item["sha256"] for item in document(package, "data/package.json")["items"]] == [digest_of(FILM).hex]
    assert kinds(package).count("footage.pulled") == 2
    verify = [sys.executable, "-I", str(package / "data/verify/verify.pyz"), str(package), "--trust", str(paths.trust)]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout


def test_the_anchor_is_the_oldest_head_that_the_centre_has_a_receipt_of(
    centre: Centre, film: AssetId, tmp_path: Path
) -> None:
    assert export(centre, tmp_path / "out", film).ok
    anchor = open_checkpoint((tmp_path / "out/data/proofs/checkpoint-anchor").read_bytes(), log_key=LOG.public_key)
    assert 0 < anchor.size < centre.ledger.size
    assert (tmp_path / "out/data/proofs/consistency").read_text()


# What is refused ---------------------------------------------------------------------------------------------------


def test_bytes_that_did_not_arrive_make_no_package(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    asset = docking.announce(OTHER, b"DCIM/0003.MP4")
    with pytest.raises(BytesNotArrivedError):
        export(centre, tmp_path / "out", asset)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_folder_that_is_there_is_not_touched(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    there = tmp_path / "out"
    there.mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for out in (there, tmp_path / "link", tmp_path):
        with pytest.raises(PackageThereError):
            export(centre, out, film)
    assert list(there.iterdir()) == []


def test_a_package_does_not_lie_in_the_home_nor_nowhere(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    (tmp_path / "by-link").symlink_to(centre.paths.vault)
    for out in (centre.paths.vault / "out", centre.paths.root / "out", tmp_path / "by-link/out", tmp_path / "no/out"):
        with pytest.raises(PackagePlaceError):
            export(centre, out, film)
    assert not list(centre.paths.root.glob("**/*evidock-part"))


def test_an_unknown_recording_and_too_many_words_are_refused(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    with pytest.raises(RecordingUnknownError):
        export(centre, tmp_path / "out", AssetId("f" * 32))
    with pytest.raises(TooManyWordsError):
        export(centre, tmp_path / "out", film, basis="x" * 2001)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_another_centre_s_key_signs_no_package(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    durable.write_file(centre_key_path(centre.paths), b"1" * 64 + b"\n", mode=0o600)
    with pytest.raises(KeysDifferError):
        export(centre, tmp_path / "out", film)


def test_a_head_that_too_few_witnesses_cosigned_leads_no_proof(
    centre: Centre, docking: Docking, film: AssetId, station: FakeStation, tmp_path: Path
) -> None:
    witness = Ed25519Signer.from_seed(b"w" * 32)
    one = station_witness(SITE, station.id, witness.public_key)
    policy = WitnessPolicy(witnesses=(one,), quorum=one.name)
    put_trust(centre.paths, with_witnesses(trust_of(station), policy))
    with pytest.raises(HeadUnwitnessedError):
        export(centre, tmp_path / "out", film)
    note = centre.ledger.newest().note
    head = open_checkpoint(note, log_key=LOG.public_key)
    line = cosign(head, signer=witness, name=one.key.name, at=station.now_at)
    (centre.paths.log / "checkpoint").write_bytes(add_signature(note, line))
    assert export(centre, tmp_path / "out", film).ok
    assert "\nquorum station-1\n" in (tmp_path / "out/data/trust/policy.sigsum").read_text()
    later = docking.pull(OTHER, b"DCIM/0002.MP4")
    docking.says(EventKind.TAGS_SET, [film], tags={"case": "later"})
    (centre.paths.log / "checkpoint").write_bytes(add_signature(note, line))  # the witnesses are behind
    assert export(centre, tmp_path / "behind", film).ok
    assert evidence(tmp_path / "behind") == evidence(tmp_path / "out")
    with pytest.raises(HeadUnwitnessedError):
        export(centre, tmp_path / "later", later)
    assert all(b"\ncosignature=" in path.read_bytes() for path in (tmp_path / "out/data/proofs").glob("*.sigsum"))


def test_two_exports_to_one_place_do_not_mix(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    with bag_in_work(tmp_path / "out"), pytest.raises(PackageInWorkError):
        export(centre, tmp_path / "out", film)
    assert export(centre, tmp_path / "out", film).ok


# Damage ------------------------------------------------------------------------------------------------------------


def altered_film(paths: HomePaths) -> None:
    flip(vault_file(paths, FILM), len(FILM) - 1)


def shortened_film(paths: HomePaths) -> None:
    path = vault_file(paths, FILM)
    path.chmod(0o600)
    path.write_bytes(FILM[:-1])


def film_gone(paths: HomePaths) -> None:
    vault_file(paths, FILM).unlink()


def no_file(paths: HomePaths) -> None:
    film_gone(paths)
    vault_file(paths, FILM).mkdir()


def altered_chunk_list(paths: HomePaths) -> None:
    flip(vault_file(paths, chunks_of(FILM)), 3)


def altered_listing(paths: HomePaths) -> None:
    flip(vault_file(paths, LISTING), 3)


def listing_gone(paths: HomePaths) -> None:
    vault_file(paths, LISTING).unlink()


DAMAGE_IN_THE_VAULT: dict[Callable[[HomePaths], None], str] = {
    altered_film: "STO-060",
    shortened_film: "STO-060",
    film_gone: "STO-061",
    no_file: "STO-061",
    altered_chunk_list: "STO-060",
    altered_listing: "STO-060",
    listing_gone: "STO-061",
}


@pytest.mark.parametrize("damage", DAMAGE_IN_THE_VAULT, ids=lambda each: each.__name__)
def test_what_is_not_what_was_signed_is_never_exported(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path, damage: Callable[[HomePaths], None]
) -> None:
    sound = docking.pull(OTHER, b"DCIM/0002.MP4")
    damage(centre.paths)
    result = export(centre, tmp_path / "out", film, sound)
    assert [finding.code for finding in result.findings] == [DAMAGE_IN_THE_VAULT[damage]]
    assert not result.ok
    assert result.as_json()["out"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_everything_that_is_wrong_is_told_and_what_is_sound_can_be_exported(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    second = docking.pull(OTHER, b"DCIM/0002.MP4")
    third = docking.pull(b"sound", b"DCIM/0003.MP4")
    altered_film(centre.paths)
    vault_file(centre.paths, OTHER).unlink()
    result = export(centre, tmp_path / "out", film, second, third)
    assert sorted(finding.code for finding in result.findings) == ["STO-060", "STO-061"]
    assert export(centre, tmp_path / "out", third).ok


def test_a_medium_that_does_not_give_the_bytes_is_a_finding(tmp_path: Path) -> None:
    with bag_in_work(tmp_path / "out") as bag:
        finding = bag.copy("x", Path("/proc/self/mem"), digest_of(b""), on_bytes=lambda _: None)
        assert finding is not None
        assert finding.code == "STO-076"
    assert list(tmp_path.iterdir()) == []  # a bag that is not published is not left lying about


def test_a_target_that_does_not_give_back_what_it_took_gets_no_package(
    centre: Centre, film: AssetId, tmp_path: Path
) -> None:
    part = tmp_path / ".out.evidock-part"

    def forget(done: int, total: int) -> None:
        [copy] = part.rglob("*.MP4")
        if done == total // 2:  # all is copied, nothing is read back yet
            flip(copy, 7)

    with pytest.raises(PackageMediumError):
        export_package(centre.paths, recordings=[recording_of(film)], out=tmp_path / "out", progress=forget)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_ctrl_c_takes_the_half_package_away(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_package(centre.paths, recordings=[recording_of(film)], out=tmp_path / "out", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def envelopes(paths: HomePaths, kind: str) -> list[Path]:
    found = (paths.log / "envelopes").rglob("*.dsse.json")
    return [path for path in found if f'"kind":"{kind}"'.encode() in parse_envelope(path.read_bytes()).payload]


def altered_envelope(paths: HomePaths) -> None:
    flip(envelopes(paths, "footage.pulled")[0], 20)


def envelope_gone(paths: HomePaths) -> None:
    envelopes(paths, "footage.reread")[0].unlink()


def altered_tile(paths: HomePaths) -> None:
    size = int((paths.log / "checkpoint").read_text().splitlines()[1])
    flip(paths.log / f"tile/0/000.p/{size}", 32 * (size - 1))


def altered_entry(paths: HomePaths) -> None:
    size = int((paths.log / "checkpoint").read_text().splitlines()[1])
    for index in range(size):
        flip(paths.log / f"tile/entries/000.p/{size}", 130 * index + 40)


def altered_checkpoint(paths: HomePaths) -> None:
    flip(paths.log / "checkpoint", 90)


def checkpoint_gone(paths: HomePaths) -> None:
    (paths.log / "checkpoint").unlink()


DAMAGE_IN_THE_LOG = (
    altered_envelope,
    envelope_gone,
    altered_tile,
    altered_entry,
    altered_checkpoint,
    checkpoint_gone,
)


@pytest.mark.parametrize("damage", DAMAGE_IN_THE_LOG, ids=lambda each: each.__name__)
def test_a_log_that_does_not_prove_makes_no_package(
    centre: Centre, film: AssetId, tmp_path: Path, damage: Callable[[HomePaths], None]
) -> None:
    centre.ledger.settle()
    damage(centre.paths)
    try:
        result = export(centre, tmp_path / "out", film)
    except EvidockError as error:
        assert error.exit_code in {3, 5}, error  # noqa: PT017 - either way, nothing is written
    else:
        assert result.findings
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_log_of_another_key_makes_no_package(centre: Centre, film: AssetId, tmp_path: Path) -> None:
    text = centre.paths.trust.read_text()
    other = FakeStation("x", seed=9).signer.public_key
    centre.paths.trust.write_text(text.replace(LOG.public_key.hex(), other.hex()))
    with pytest.raises(EvidockError):
        export(centre, tmp_path / "out", film)


# Room --------------------------------------------------------------------------------------------------------------


def test_too_little_room_is_said_before_anything_is_copied(centre: Centre, film: AssetId, small: Path) -> None:
    filler = small / "filler"
    filler.write_bytes(bytes(6 << 20))
    with pytest.raises(PackageRoomError):
        export(centre, small / "out", film)
    assert not list(small.glob(".out*"))
    filler.unlink()
    assert export(centre, small / "out", film).ok


def test_a_disk_that_fills_meanwhile_leaves_nothing(centre: Centre, film: AssetId, small: Path) -> None:
    def fill(_done: int, _total: int) -> None:
        with contextlib.suppress(OSError), (small / "filler").open("ab", buffering=0) as filler:
            while filler.write(bytes(1 << 16)):
                pass

    with pytest.raises(OSError, match="No space"):
        export_package(centre.paths, recordings=[recording_of(film)], out=small / "out", progress=fill)
    assert not list(small.glob("*out*"))
    (small / "filler").unlink()
    assert export(centre, small / "out", film).ok


# What the daily seal shows --------------------------------------------------------------------------------------------


def verified(package: Path, centre: Centre) -> Result:
    return verify_package(str(package), parse_trust(trust_bytes(centre.sequencer.trusted)))


def test_a_sealed_item_is_shown_with_all_its_events_and_one_after_the_seal_is_said_to_be_not_sealed(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    first = docking.pull(OTHER, path=b"DCIM/0002.MP4")
    result = export(centre, tmp_path / "before", film)
    assert (result.ok, result.not_sealed) == (True, (film,))
    assert not list((tmp_path / "before" / "data" / "proofs").glob("*.json"))
    assert {each.code for each in verified(tmp_path / "before", centre).notices} == {"PKG-053"}
    size = centre.seal().size
    later = docking.pull(b"later", path=b"DCIM/0003.MP4")
    result = export_package(
        centre.paths, recordings=[recording_of(each) for each in (film, first, later)], out=tmp_path / "out"
    )
    assert (result.ok, result.not_sealed) == (True, (later,))
    names = {path.name for path in (tmp_path / "out" / "data" / "proofs").glob("*.json")}
    assert names == {f"presence-{film}.json", f"presence-{first}.json", "recorder-rec-1.json"}
    found = verified(tmp_path / "out", centre)
    assert (found.findings, found.exit_code) == ([], 0)
    assert {item["id"]: item.get("sealed") for item in found.items} == {film: str(size), first: str(size), later: None}
    assert [(each["recorder"], each["count"], each["here"]) for each in found.sealed] == [("rec-1", "2", "2")]
    assert [each.subject for each in found.notices] == [later]


def test_a_seal_that_is_older_than_all_of_it_is_not_in_the_package(
    centre: Centre, station: FakeStation, tmp_path: Path
) -> None:
    centre.seal()  # as at the first start of a store
    film = Docking(centre, station).pull(FILM)
    assert export(centre, tmp_path / "out", film).not_sealed == (film,)
    assert "log.sealed" not in kinds(tmp_path / "out")
    found = verified(tmp_path / "out", centre)
    assert (found.findings, found.exit_code, found.sealed) == ([], 0, [])


def test_that_nothing_is_known_of_a_recorder_is_a_package_of_its_own(
    centre: Centre, film: AssetId, tmp_path: Path
) -> None:
    assert film
    nobody = RecorderId("cam-nobody-has")
    with pytest.raises(NotSealedError):
        export_package(centre.paths, recordings=[], recorders=[nobody], out=tmp_path / "out")
    centre.seal()
    result = export_package(centre.paths, recordings=[], recorders=[nobody, RecorderId("rec-1")], out=tmp_path / "out")
    assert (result.ok, result.item_count) == (True, 0)
    found = verified(tmp_path / "out", centre)
    assert (found.findings, found.exit_code) == ([], 0)
    assert [(each["recorder"], each["count"]) for each in found.sealed] == [("cam-nobody-has", "0"), ("rec-1", "1")]


def test_a_seal_that_the_catalogue_does_not_bear_out_stops_the_package(
    centre: Centre, film: AssetId, tmp_path: Path
) -> None:
    centre.seal()
    centre.catalogue.db.execute("delete from pulled_from")
    result = export(centre, tmp_path / "out", film)
    assert [each.code for each in result.findings] == ["STO-121"]
    assert not (tmp_path / "out").exists()


def test_a_mirrors_word_goes_into_the_package_if_it_is_about_this_log(
    centre: Centre, docking: Docking, film: AssetId, tmp_path: Path
) -> None:
    older = (centre.paths.log / "checkpoint").read_bytes()
    newest = [older]
    docking.pull(OTHER, path=b"DCIM/0002.MP4")
    newest.append((centre.paths.log / "checkpoint").read_bytes())
    for number, note in enumerate(newest):
        out = tmp_path / str(number)
        assert export_package(centre.paths, recordings=[recording_of(film)], out=out, mirrored=note).ok
        assert (out / "data" / "proofs" / "checkpoint-mirrored").read_bytes() == note
        assert verified(out, centre).exit_code == 0
    for wrong in (b"", b"x" + older, older.replace(b"\n", b"\n9", 1)):
        with pytest.raises(MirroredUnfitError):
            export_package(centre.paths, recordings=[recording_of(film)], out=tmp_path / "no", mirrored=wrong)
