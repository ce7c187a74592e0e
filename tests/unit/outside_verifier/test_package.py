"""Every PKG code, each as what somebody did to a package; the same package untouched is the honest twin of them all.

`sealed` means that the attacker made manifests and the centre's signature anew (he is the centre, or has its key);
`resealed` that he made the manifests anew and cannot sign; otherwise bytes changed and nothing else.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.envelope import make_envelope, parse_envelope
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.trust_entries import TrustedLog
from chain_of_custody.witness_policy import Group, Witness, WitnessPolicy
from evidence_model.canonical import JsonObject, canonical_bytes
from host_io.trust import trust_bytes
from outside_verifier.package import verify_package
from outside_verifier.report import document, lines
from outside_verifier.trust import parse_trust
from outside_verifier.words import LANGUAGES
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import (
    MANIFEST,
    MIB,
    RECORDER,
    SIGNED,
    SITE,
    TAG_MANIFEST,
    EvidenceStory,
    Original,
    Package,
    chunks_of,
    drop_event,
    first,
    flip,
    sha,
)
from tests.trusts import source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from outside_verifier.findings import Result

RNG = random.Random(7)
FILES = [Original("DCIM/0001.mp4", RNG.randbytes(3 * MIB + 5)), Original("DCIM/记录 1.mp4", b"footage")]
BIG = FILES[0].file


@pytest.fixture(scope="module")
def story() -> EvidenceStory:
    return EvidenceStory(FILES)


@pytest.fixture(scope="module")
def whole(story: EvidenceStory, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return story.write(tmp_path_factory.mktemp("whole") / "bag")


@pytest.fixture
def package(whole: Package, tmp_path: Path) -> Package:
    return whole.copy(tmp_path / "bag")


def verify(package: Package, *, trust: bytes | None = None) -> Result:
    keys = trust if trust is not None else trust_bytes(package.story.trust)
    result = verify_package(str(package.bag), parse_trust(keys))
    for language in LANGUAGES:  # whatever was found can be said
        assert all(line.isprintable() and line for line in lines(result, language))
    json.dumps(document(result))
    return result


def codes(result: Result) -> set[str]:
    return set(result.counts)


def test_the_whole_package_agrees(package: Package) -> None:
    result = verify(package)
    assert (result.findings, result.exit_code) == ([], 0)
    size = sum(path.stat().st_size for path in package.bag.joinpath("data").rglob("*") if path.is_file())
    named = [path for path in package.bag.rglob("*") if path.is_file() and path.name not in {SIGNED, TAG_MANIFEST}]
    assert result.checked["bytes"] == size + sum(
        (package.bag / name).stat().st_size for name in ("bagit.txt", "bag-info.txt", MANIFEST)
    )
    assert result.checked["files"] == len(named)
    assert (result.checked["items"], result.checked["events"], result.checked["proofs"]) == (2, 10, 10)
    assert [item["proved"] for item in result.items] == ["yes", "yes"]
    assert {(item["station"], item["recorder"]) for item in result.items} == {("st-1", "cam-7")}
    assert all(item["pulled_at"].startswith("2026-11-22T01:02:") for item in result.items)
    assert result.about["anchor"] == str(package.story.old_size)


def test_without_keys_of_the_outsider_it_agrees_with_itself_alone(package: Package) -> None:
    result = verify_package(str(package.bag))
    assert (result.exit_code, result.keys["log"]) == (0, package.story.log.key_id.text)


# -------------------------------------------------------------------------------------------- the bag, 001 to 005


@pytest.mark.parametrize(
    "name",
    [
        "bagit.txt",
        "bag-info.txt",
        MANIFEST,
        TAG_MANIFEST,
        SIGNED,
        "data/package.json",
        "data/trust/trust.json",
        "data/proofs/checkpoint-head",
    ],
)
def test_pkg_001_a_part_that_every_package_has_is_missing(package: Package, name: str) -> None:
    (package.bag / name).unlink()
    result = verify(package)
    assert "PKG-001" in codes(result)
    assert "PKG-004" not in codes(result), "what is missing is told once"
    assert result.exit_code == 5


@pytest.mark.parametrize(
    "line",
    [
        b"x\n",
        b"ab  data/x\n",
        b"AB" * 32 + b"  data/x\n",
        b"ab" * 32 + b" data/x\n",
        b"ab" * 32 + b"  \xff\n",
        b"ab" * 32 + b"  data/x",
        b"ab" * 32 + b"  bagit.txt\n",
        b"ab" * 32 + b"  data/\x1b[2J\n",
        b"y" * 10_000,
    ],
)
def test_pkg_001_a_line_that_is_none_of_a_manifest(package: Package, line: bytes) -> None:
    with (package.bag / MANIFEST).open("ab") as manifest:
        manifest.write(line)
    assert "PKG-001" in codes(verify(package))


def test_pkg_001_a_file_twice_in_a_manifest(package: Package) -> None:
    lines = (package.bag / MANIFEST).read_bytes().splitlines(keepends=True)
    (package.bag / MANIFEST).write_bytes(b"".join([*lines, lines[0]]))
    assert "PKG-001" in codes(verify(package))


def test_pkg_001_what_is_no_package_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for place in (tmp_path, tmp_path / "file", tmp_path / "nothing"):
        result = verify_package(str(place))
        assert (codes(result), result.exit_code) == ({"PKG-001"}, 4)


@pytest.mark.parametrize("name", ["../up", "data/../../up", "/etc/passwd", "data//x", "data/./x", "data/a\\b", "C:/x"])
def test_pkg_002_a_name_that_leads_out_of_the_bag(package: Package, name: str) -> None:
    with (package.bag / MANIFEST).open("a") as manifest:
        manifest.write(f"{'ab' * 32}  {name}\n")
    assert "PKG-002" in codes(verify(package))


def test_pkg_002_a_link_is_not_followed(package: Package, tmp_path: Path) -> None:
    """The bytes behind it would be right; they are just not in the package."""
    place = package.path(BIG)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    result = verify(package)
    assert {"PKG-002", "PKG-004"} <= codes(result)
    assert result.items[[each["id"] for each in result.items].index(FILES[0].id)]["proved"] == "no"


def test_pkg_002_a_folder_that_is_a_link(package: Package, tmp_path: Path) -> None:
    package.path("footage").rename(tmp_path / "elsewhere")
    package.path("footage").symlink_to(tmp_path / "elsewhere")
    assert {"PKG-002", "PKG-004"} <= codes(verify(package))


def test_pkg_002_a_pipe_is_not_opened(package: Package) -> None:
    os.mkfifo(package.path("blobs/pipe"))
    assert "PKG-002" in codes(verify(package))


@pytest.mark.parametrize("name", ["fetch.txt", "data/Thumbs.db", "notes.txt", "data/footage/x/y.mp4"])
def test_pkg_003_a_file_that_no_manifest_names(package: Package, name: str) -> None:
    (package.bag / name).parent.mkdir(exist_ok=True)
    (package.bag / name).write_bytes(b"x")
    assert "PKG-003" in codes(verify(package))


def test_pkg_004_a_file_is_missing(package: Package) -> None:
    package.path(BIG).unlink()
    assert codes(verify(package)) == {"PKG-004"}


def test_pkg_005_one_bit_of_footage_and_which_mib_it_is_in(package: Package) -> None:
    package.change(BIG, flip(MIB + 9))
    result = verify(package)
    [finding] = result.findings
    assert (finding.code, finding.facts) == ("PKG-005", {"damaged": "2", "whole": "3"})
    assert sorted(item["proved"] for item in result.items) == ["no", "yes"]


@pytest.mark.parametrize(
    ("change", "damaged", "kept"),
    [
        (lambda data: data[:-1], "4", "3"),
        (lambda data: data[: 2 * MIB], "3-4", "2"),
        (lambda data: data + b"\0", "4", "3"),
        (lambda data: data + bytes(MIB), "4-5", "3"),
        (lambda data: data[:0], "1-4", "0"),
    ],
)
def test_pkg_005_footage_that_is_shorter_or_longer(
    package: Package, change: Callable[[bytes], bytes], damaged: str, kept: str
) -> None:
    package.change(BIG, change)
    [finding] = verify(package).findings
    assert finding.code == "PKG-005"
    assert finding.facts == {"damaged": damaged, "whole": kept}


def test_pkg_005_without_its_chunk_list_nothing_is_said_of_the_parts(package: Package) -> None:
    package.change(BIG, flip(3))
    package.change(f"{BIG}.chunks", flip(3))
    assert [(each.code, each.reason) for each in verify(package).findings] == [
        ("PKG-005", ""),
        ("PKG-005", "blocks.unknown"),
    ]


def test_pkg_005_any_other_file(package: Package) -> None:
    package.change("HOW-TO-VERIFY.md", flip(0))
    assert codes(verify(package)) == {"PKG-005"}


# -------------------------------------------------------------------------------------- signature and keys, 010 to 012


def test_pkg_010_signed_by_somebody_else(package: Package) -> None:
    package.seal(key_of("somebody"))
    assert codes(verify(package)) == {"PKG-010"}


@pytest.mark.parametrize("change", [flip(30), lambda raw: raw.replace(b'"', b' "', 1), lambda raw: raw[:-1]])
def test_pkg_010_altered(package: Package, change: Callable[[bytes], bytes]) -> None:
    (package.bag / SIGNED).write_bytes(change((package.bag / SIGNED).read_bytes()))
    assert codes(verify(package)) == {"PKG-010"}


def test_pkg_010_an_event_is_no_package_signature(package: Package) -> None:
    """The centre signs many things; what it signed as an event is not this."""
    index = first(package, "store.received")
    (package.bag / SIGNED).write_bytes(package.path(f"events/{index}.dsse.json").read_bytes())
    assert codes(verify(package)) == {"PKG-010"}


def test_pkg_011_manifests_that_were_made_anew(package: Package) -> None:
    """Attack 21: everything in the bag agrees with its manifests; only the signature does not."""
    package.change("HOW-TO-VERIFY.md", lambda _: b"trust me\n")
    package.seal(sign=False)
    assert codes(verify(package)) == {"PKG-011"}


@pytest.mark.parametrize(
    "says",
    [
        {"file_count": "1"},
        {"payload_bytes": "1"},
        {"site": "site-2"},
        {"manifest_sha256": "ab" * 32},
        {"tagmanifest_sha256": "ab" * 32},
        {"head": {"origin": "sigsum.org/v1/tree/x", "root": "ab" * 32, "size": "5"}},
    ],
    ids=lambda says: next(iter(says)),
)
def test_pkg_011_the_centre_signed_something_else(package: Package, says: dict[str, Any]) -> None:
    package.says = says
    package.seal()
    assert codes(verify(package)) == {"PKG-011"}


def test_pkg_011_the_signature_of_another_package(package: Package, tmp_path: Path) -> None:
    """Attack 17: an older package's signature on this one."""
    other = EvidenceStory([Original("b.mp4", b"other")]).write(tmp_path / "other")
    (package.bag / SIGNED).write_bytes((other.bag / SIGNED).read_bytes())
    assert "PKG-011" in codes(verify(package))


def test_pkg_012_a_whole_package_by_somebody_with_keys_of_his_own(package: Package) -> None:
    forged = replace(package.story.trust, logs=(TrustedLog(key=key_of("forger").public_key),))
    result = verify(package, trust=trust_bytes(forged))
    assert {"PKG-012", "PKG-030"} <= codes(result)


def test_pkg_012_a_station_with_another_key(package: Package) -> None:
    own = package.story.trust
    forged = replace(own, sources=(own.sources[0], source(SITE, "st-1", key_of("another")), *own.sources[2:]))
    result = verify(package, trust=trust_bytes(forged))
    assert {"PKG-012", "PKG-021", "PKG-031"} <= codes(result)


@pytest.mark.parametrize("name", ["keys", "submit-st-1.pub", "policy.sigsum"])
def test_pkg_012_a_key_file_for_other_tools_that_is_another_s(package: Package, name: str) -> None:
    """Whoever verifies with openssl would verify with the forger's key."""
    if name == "keys":
        files = sorted(package.path("trust/keys").iterdir())
        files[0].write_bytes(files[1].read_bytes())
    else:
        package.put(f"trust/{name}", b"log " + b"ab" * 32 + b"\nquorum none\n")
    package.seal()
    assert codes(verify(package)) == {"PKG-012"}


# ------------------------------------------------------------------------------------------------ events, 020 to 023


def test_pkg_020_an_envelope_in_another_spelling(package: Package) -> None:
    index = first(package, "tags.set")
    package.change(f"events/{index}.dsse.json", lambda raw: raw.replace(b",", b", ", 1))
    package.seal()
    assert "PKG-020" in codes(verify(package))


def test_pkg_021_an_event_that_was_altered(package: Package) -> None:
    """Attack 28: the words of a note are exchanged, and all that needs no key is made to fit."""
    index = first(package, "tags.set")
    name = f"events/{index}.dsse.json"
    envelope = parse_envelope(package.path(name).read_bytes())
    payload = envelope.payload.replace(b"A-7", b"A-8")
    forged = make_envelope(payload, (key_of("forger"),))
    genuine = json.loads(package.path(name).read_bytes())["signatures"]
    document = {**json.loads(forged), "signatures": genuine}
    package.put(name, canonical_bytes(document))
    package.put(f"events/{index}.payload", payload)
    package.put(f"events/{index}.pae", parse_envelope(canonical_bytes(document)).pae)
    package.seal()
    assert {"PKG-021", "PKG-031"} <= codes(verify(package))
    assert "PKG-022" not in codes(verify(package))


@pytest.mark.parametrize("by", ["forger", "st-9"])
def test_pkg_021_an_event_in_another_s_name(package: Package, by: str) -> None:
    """Attack 32, for machines: a true signature, by nobody or by another station than the one that is named."""
    index = first(package, "tags.set")
    name = f"events/{index}.dsse.json"
    payload = parse_envelope(package.path(name).read_bytes()).payload
    package.put(name, make_envelope(payload, (key_of(by),)))
    assert "PKG-021" in codes(verify(package))


@pytest.mark.parametrize("ending", ["payload", "pae", "sig"])
def test_pkg_022_a_raw_file_that_differs(package: Package, ending: str) -> None:
    index = first(package, "tags.set")
    [path] = package.path("events").glob(f"{index}.*{ending}")
    package.change(f"events/{path.name}", flip(5))
    package.seal()
    assert codes(verify(package)) == {"PKG-022"}
    path.unlink()
    package.seal()
    assert codes(verify(package)) == {"PKG-022"}


def test_pkg_022_a_raw_signature_too_many(package: Package) -> None:
    index = first(package, "tags.set")
    package.put(f"events/{index}.{'ab' * 32}.sig", b"x" * 64)
    package.seal()
    assert codes(verify(package)) == {"PKG-022"}


# ------------------------------------------------------------------------------------------------ the log, 030 to 034


@pytest.mark.parametrize("name", ["checkpoint-head", "checkpoint-anchor"])
def test_pkg_030_a_checkpoint_that_the_log_did_not_sign(package: Package, name: str) -> None:
    package.change(f"proofs/{name}", lambda note: note.replace(b"\n4\n", b"\n5\n").replace(b"\n12\n", b"\n13\n"))
    package.seal()
    assert "PKG-030" in codes(verify(package))


def test_pkg_031_the_proof_of_another_event(package: Package) -> None:
    """Attack 18."""
    index = first(package, "tags.set")
    other = first(package, "footage.pulled")
    package.put(f"proofs/{index}.sigsum", package.path(f"proofs/{other}.sigsum").read_bytes())
    package.seal()
    assert {"PKG-031", "PKG-032"} <= codes(verify(package))


def test_pkg_031_a_leaf_signed_by_another(package: Package) -> None:
    index = first(package, "tags.set")
    story = package.story
    raw = story.log_items[index][1]
    other = key_of("st-9")
    signature = other.sign(b"sigsum.org/v1/tree-leaf\x00" + parse_envelope(raw).checksum)
    package.put(f"proofs/{index}.sigsum", story.proof(index, signature, other.key_id.text))
    package.seal()
    assert {"PKG-031", "PKG-032"} <= codes(verify(package))


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.replace(b"leaf_index=", b"leaf_index=1"),
        lambda proof: proof[: proof.rindex(b"node_hash")],
        lambda proof: proof + b"node_hash=" + b"ab" * 32 + b"\n",
        lambda proof: proof.replace(b"size=12", b"size=13"),
        lambda proof: proof.replace(b"version=2", b"version=1"),
        lambda proof: proof.replace(b"log=7", b"log=8"),
        lambda proof: proof.replace(b"node_hash=", b"node_hash=0", 1),
    ],
)
def test_pkg_032_a_proof_that_proves_nothing(package: Package, change: Callable[[bytes], bytes]) -> None:
    package.change(f"proofs/{first(package, 'tags.set')}.sigsum", change)
    package.seal()
    assert "PKG-032" in codes(verify(package))


def test_pkg_032_an_event_at_another_place(package: Package) -> None:
    """The index is evidence (vector 2 of pitfall 1): a proof for one place is none for another."""
    index, free = first(package, "tags.set"), 10_000
    for path in [*package.path("events").glob(f"{index}.*"), package.path(f"proofs/{index}.sigsum")]:
        path.rename(path.with_name(path.name.replace(f"{index}.", f"{free}.", 1)))
    package.change_contents(lambda contents: contents["events"].__setitem__(-1, str(free)))
    package.seal()
    assert codes(verify(package)) >= {"PKG-032"}


def test_pkg_033_a_log_that_was_rewritten_since_the_anchor(package: Package) -> None:
    package.change("proofs/consistency", flip(0))
    package.seal()
    assert codes(verify(package)) == {"PKG-033"}
    package.path("proofs/consistency").unlink()
    package.seal()
    assert codes(verify(package)) == {"PKG-033"}
    package.path("proofs/checkpoint-anchor").unlink()
    package.seal()
    assert codes(verify(package)) == set(), "a store that kept no older checkpoint gives none"


def witnessed(count: int, tmp_path: Path) -> Package:
    keys = {name: key_of(name) for name in ("w1", "w2")}
    witnesses = tuple(
        Witness(name, NoteKey(f"{name}.example", NoteAlgorithm.COSIGNATURE_V1, key.public_key))
        for name, key in keys.items()
    )
    policy = WitnessPolicy(witnesses=witnesses, groups=(Group("two", 2, ("w1", "w2")),), quorum="two")
    story = EvidenceStory(FILES[1:], witnesses=policy)
    story.cosigners = [(f"{name}.example", key) for name, key in list(keys.items())[:count]]
    return story.write(tmp_path / "bag")


def test_pkg_034_fewer_witnesses_than_the_policy_asks_for(tmp_path: Path) -> None:
    for count, found in ((0, {"PKG-034"}), (1, {"PKG-034"}), (2, set())):
        folder = tmp_path / str(count)
        folder.mkdir()
        assert codes(verify(witnessed(count, folder))) == found


def test_pkg_034_a_cosignature_of_another_checkpoint(tmp_path: Path) -> None:
    """Attack 11: the log's key signs another tree under the witnesses' old cosignatures."""
    package = witnessed(2, tmp_path)
    head = package.path("proofs/checkpoint-head").read_text().splitlines(keepends=True)
    anchor = package.path("proofs/checkpoint-anchor").read_text().splitlines(keepends=True)
    package.put("proofs/checkpoint-head", "".join([*head[:5], *anchor[5:]]).encode())
    package.seal()
    assert codes(verify(package)) == {"PKG-034"}


# ------------------------------------------------------------------------------------- chains and items, 040 to 050


def test_pkg_040_one_event_of_an_item_left_out(package: Package) -> None:
    """Attacks 23 and 27."""
    drop_event(package, first(package, "footage.reread"))
    package.seal()
    assert "PKG-040" in codes(verify(package))


def test_pkg_040_the_last_event_of_an_item_left_out(package: Package) -> None:
    """Attack 24: a chain that ends early has no gap, but the centre signed where it ends."""
    drop_event(package, first(package, "store.received"))
    package.seal()
    assert codes(verify(package)) == {"PKG-040"}


@pytest.mark.parametrize(
    "change",
    [
        lambda chains: chains[0].update(seq="7"),
        lambda chains: chains[0].update(last="ab" * 32),
        lambda chains: chains.pop(),
    ],
)
def test_pkg_040_another_end_than_package_json_says(package: Package, change: Callable[[Any], None]) -> None:
    package.change_contents(lambda contents: change(contents["items"][0]["chains"]))
    package.seal()
    assert codes(verify(package)) == {"PKG-040"}


def test_pkg_040_a_fork(tmp_path: Path) -> None:
    story = EvidenceStory(FILES[1:])
    item = FILES[1].id
    before = (story.station.head, dict(story.station.assets))
    subject = (f"asset/{item}", sha(FILES[1].data))
    story.say(story.station, "fixity.checked", subject, {"n": "1"}, asset=item)
    story.station.head, story.station.assets = before
    story.say(story.station, "fixity.checked", subject, {"n": "2"}, asset=item)
    assert codes(verify(story.write(tmp_path / "bag"))) == {"PKG-040", "PKG-041"}


def test_pkg_041_events_in_another_order_than_they_were_said(tmp_path: Path) -> None:
    story = EvidenceStory(FILES[1:])
    said = story.log_items
    said[-1], said[-4] = said[-4], said[-1]  # the tags and the re-reading, both by the station
    assert "PKG-041" in codes(verify(story.write(tmp_path / "bag")))


def test_pkg_042_two_files_exchanged_and_everything_signed_anew(package: Package) -> None:
    """Attack 20, by the centre itself: the station's signature still says which file is which."""
    one, two = (package.path(each.file) for each in FILES)
    data = (one.read_bytes(), two.read_bytes())
    one.write_bytes(data[1])
    two.write_bytes(data[0])
    package.seal()
    result = verify(package)
    assert codes(result) == {"PKG-042"}
    assert result.counts["PKG-042"] == 2


def test_pkg_042_an_altered_file_with_everything_signed_anew_names_its_mib(package: Package) -> None:
    package.change(BIG, flip(2 * MIB))
    package.seal()
    [finding] = verify(package).findings
    assert (finding.code, finding.facts["damaged"]) == ("PKG-042", "3")


def test_pkg_042_footage_that_the_centre_alone_speaks_of(tmp_path: Path) -> None:
    """The centre has a key, a log and a signature; that a file came from a recorder is for a station to say."""
    story = EvidenceStory(FILES[1:])
    made_up = Original("DCIM/0009.mp4", b"never filmed")
    item, subject = made_up.id, (f"asset/{made_up.id}", sha(made_up.data))
    body: dict[str, Any] = {"blobs": [story.ref("footage", made_up.data)], "session": "s-1", "recorder": "cam-7"}
    story.say(story.centre, "footage.pulled", subject, {**body, "path_hex": made_up.path.encode().hex()}, asset=item)
    story.say(story.centre, "recorder.docked", ("recorder/cam-7", sha(b"recorder")), {"session": "s-1"})
    chunks = story.ref("chunks", chunks_of(made_up.data))
    story.say(story.centre, "footage.reread", subject, {"blobs": [chunks]}, asset=item)
    story.originals = sorted([*story.originals, made_up], key=lambda original: original.id)
    result = verify(story.write(tmp_path / "bag"))
    assert codes(result) == {"PKG-042", "PKG-043"}, "its chunk list is nobody's either"
    assert {each["id"]: each["proved"] for each in result.items} == {item: "no", FILES[1].id: "yes"}


def test_pkg_042_a_chunk_list_by_the_centre_proves_no_part_of_an_altered_file(tmp_path: Path) -> None:
    story = EvidenceStory(FILES[:1])
    altered = flip(2 * MIB)(FILES[0].data)
    subject = (f"asset/{FILES[0].id}", sha(FILES[0].data))
    chunks = story.ref("chunks", chunks_of(altered))
    story.say(story.centre, "footage.reread", subject, {"blobs": [chunks]}, asset=FILES[0].id)
    package = story.write(tmp_path / "bag")
    package.put(BIG, altered)
    package.put(f"{BIG}.chunks", chunks_of(altered))
    package.put(f"blobs/{sha(chunks_of(FILES[0].data))}", chunks_of(FILES[0].data))
    package.seal()
    found = {finding.code: finding.reason for finding in verify(package).findings}
    assert found == {"PKG-042": "blocks.unknown", "PKG-043": ""}


def test_pkg_043_a_chunk_list_made_to_fit_an_altered_file(package: Package) -> None:
    package.change(BIG, flip(2 * MIB))
    package.put(f"{BIG}.chunks", chunks_of(package.path(BIG).read_bytes()))
    package.seal()
    assert codes(verify(package)) == {"PKG-042", "PKG-043"}


def test_pkg_043_a_blob_that_is_another_or_missing(package: Package) -> None:
    blob = next(iter(package.story.blobs))
    package.put(f"blobs/{blob}", b"another listing")
    package.seal()
    assert codes(verify(package)) == {"PKG-043"}
    package.path(f"blobs/{blob}").unlink()
    package.seal()
    assert codes(verify(package)) == {"PKG-043"}


def test_pkg_044_an_event_about_other_people(tmp_path: Path) -> None:
    story = EvidenceStory(FILES[1:])
    stranger = next(index for index in range(len(story.log_items)) if index not in story.wanted and index > 4)
    story.wanted = sorted([*story.wanted, stranger])
    assert codes(verify(story.write(tmp_path / "bag"))) == {"PKG-044"}


def test_pkg_044_events_without_any_item(package: Package) -> None:
    package.change_contents(lambda contents: contents.update(items=[]))
    package.seal()
    assert "PKG-044" in codes(verify(package))


@pytest.mark.parametrize("kind", ["recorder.docked", "key.enrolled"])
def test_pkg_045_what_an_item_rests_on_is_left_out(package: Package, kind: str) -> None:
    index = first(package, kind)
    payload = json.loads(package.path(f"events/{index}.payload").read_bytes())
    drop_event(package, index)
    for blob in payload["predicate"]["body"].get("blobs", []):
        package.path(f"blobs/{blob['sha256']}").unlink()
    package.seal()
    assert codes(verify(package)) == {"PKG-045"}


@pytest.mark.parametrize(
    "change",
    [
        lambda contents: contents["events"].pop(),
        lambda contents: contents["events"].append("99"),
        lambda contents: contents["events"].reverse(),
        lambda contents: contents.update(version="2"),
        lambda contents: contents.update(more="x"),
        lambda contents: contents["items"].reverse(),
        lambda contents: contents["items"][0].update(size_bytes="1"),
        lambda contents: contents["items"][0].update(sha256="ab" * 32),
        lambda contents: contents["items"][0].update(file="footage/../trust/trust.json"),
        lambda contents: contents["items"][0].update(file="footage/x"),
        lambda contents: contents["items"].pop(),
    ],
)
def test_pkg_050_a_package_json_that_says_something_else(package: Package, change: Callable[[Any], None]) -> None:
    package.change_contents(change)
    package.seal()
    assert "PKG-050" in codes(verify(package))


@pytest.mark.parametrize(
    "name",
    [
        "footage/ab/x.mp4",
        "events/7.txt",
        "events/99.payload",
        "proofs/99.sigsum",
        f"blobs/{'ab' * 32}",
        "trust/more.pem",
    ],
)
def test_pkg_050_a_file_of_no_event(package: Package, name: str) -> None:
    package.put(name, b"x")
    package.seal()
    assert codes(verify(package)) == {"PKG-050"}


def pulled_again(recorder: str, path: str) -> EvidenceStory:
    """Let the station say once more, and perhaps otherwise, where the first item came from."""
    story = EvidenceStory(FILES)
    body: JsonObject = {
        "blobs": [story.ref("footage", FILES[0].data)],
        "path_hex": path.encode().hex(),
        "recorder": recorder,
        "session": "s-1",
    }
    subject = (f"asset/{FILES[0].id}", sha(FILES[0].data))
    story.say(story.station, "footage.pulled", subject, body, asset=FILES[0].id)
    return story


@pytest.mark.parametrize(("recorder", "path"), [("rec-9", FILES[0].path), (RECORDER, "another.mp4")])
def test_pkg_050_an_item_whose_id_is_not_the_one_of_its_file(tmp_path: Path, recorder: str, path: str) -> None:
    result = verify(pulled_again(recorder, path).write(tmp_path / "bag"))
    assert ("PKG-050", FILES[0].id) in {(finding.code, finding.subject) for finding in result.findings}


def test_a_file_that_was_pulled_twice_has_the_id_of_its_file(tmp_path: Path) -> None:
    assert codes(verify(pulled_again(RECORDER, FILES[0].path).write(tmp_path / "bag"))) == set()
