"""The audit names every difference, blames what was altered, and never stops at the first."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.audit_events import audit_events
from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.envelope import envelope_checksum, envelope_hash, make_envelope
from chain_of_custody.leaf import Leaf, make_leaf
from chain_of_custody.tiles import Bundle, Tile, tiles_of
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId
from tests.fakes.log_on_disc import LogOnDisc, Source
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B = AssetId("a" * 32), AssetId("b" * 32)


class Story:
    """Two stations, three hundred events, several checkpoints: an honest log."""

    def __init__(self, folder: Path, count: int = 300) -> None:
        self.log = LogOnDisc(folder)
        self.one, self.two = Source("st-1"), Source("st-2")
        self.said: list[bytes] = []
        batch: list[tuple[Source, bytes]] = []
        for number in range(count):
            source = self.two if number % 5 == 4 else self.one
            raw = source.say("footage.pulled", asset=(A, B, None)[number % 3])
            self.said.append(raw)
            batch.append((source, raw))
            if number % 40 == 39 or number == count - 1:
                for _, envelope in batch:
                    self.log.envelope_path(envelope).write_bytes(envelope)
                self.log.append([each.leaf(envelope) for each, envelope in batch])
                batch = []

    def name(self, index: int) -> str:
        return self.log.envelope_path(self.said[index]).name

    def audit(self) -> list[Finding]:
        return self.log.audit([self.one.signer, self.two.signer])

    def codes(self) -> list[tuple[str, str]]:
        return sorted((finding.code, finding.subject) for finding in self.audit())

    def flip(self, path: str, at: int = 0) -> None:
        file = self.log.folder / path
        data = bytearray(file.read_bytes())
        data[at] ^= 1
        file.write_bytes(data)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_an_honest_log_has_no_finding(story: Story) -> None:
    assert story.audit() == []


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_honest_logs_at_the_borders_of_tiles_have_no_finding(tmp_path: Path, count: int) -> None:
    story = Story(tmp_path, count)
    if count == 0:
        (tmp_path / "tile").mkdir()
        empty = Checkpoint(origin_of(story.log.log.public_key), 0, hashlib.sha256(b"").digest())
        (tmp_path / "checkpoint").write_bytes(sign_checkpoint(empty, story.log.log))
    assert story.audit() == []


def test_a_bit_flipped_in_any_tile_is_found_and_that_tile_is_named(story: Story) -> None:
    """Attack 4. Every stored hash, at the right edge and within."""
    for tile in tiles_of(300):
        for place in {0, tile.width // 2, tile.width - 1}:
            story.flip(tile.path, place * 32)
            [finding] = story.audit()
            assert (finding.code, finding.subject) == ("COC-103", tile.path)
            assert finding.details == {"places": str(place)}
            assert finding.severity is Severity.DAMAGE
            story.flip(tile.path, place * 32)
    assert story.audit() == []


@pytest.mark.parametrize("index", [0, 128, 255, 256, 299])
def test_a_bit_flipped_in_an_entry_is_found_and_that_entry_is_named(story: Story, index: int) -> None:
    """The tree agrees against the bundle. That the envelope cannot be looked up is a note, no second fault."""
    bundle = Bundle(index // 256, 256 if index < 256 else 44)
    story.flip(bundle.path, index % 256 * 130 + 2)
    assert story.codes() == [("COC-104", f"entry {index}"), ("COC-128", story.name(index))]


def test_a_bit_flipped_in_an_envelope_is_found_and_only_that(story: Story) -> None:
    """Attack 3. What is lost is said once: the chain that goes on over it is not reported as a gap."""
    for index in (0, 7, 150, 299):
        path = f"envelopes/{story.name(index)}"
        story.flip(path, 40)
        [finding] = story.audit()
        assert (finding.code, finding.subject) == ("COC-121", story.name(index))
        assert finding.details["entry"] == str(index)
        story.flip(path, 40)


def test_a_deleted_envelope_is_found_and_only_that(story: Story) -> None:
    (story.log.folder / "envelopes" / story.name(7)).unlink()
    assert story.codes() == [("COC-120", "entry 7")]


def test_several_damages_are_all_named(story: Story) -> None:
    """Never stops at the first; one damage hides no other."""
    story.flip("tile/0/000", 5 * 32)
    story.flip(f"envelopes/{story.name(9)}")
    (story.log.folder / "envelopes" / story.name(20)).unlink()
    (story.log.folder / "envelopes" / story.name(21)).unlink()
    (story.log.folder / Bundle(1, 44).path).unlink()
    assert [found for found in story.codes() if found[0] != "COC-128"] == [
        ("COC-101", "tile/entries/001.p/44"),
        ("COC-103", "tile/0/000"),
        ("COC-120", "entry 20"),
        ("COC-120", "entry 21"),
        ("COC-121", story.name(9)),
    ]


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"])
def test_a_missing_or_short_tile_is_named_and_the_rest_is_still_checked(story: Story, path: str) -> None:
    file = story.log.folder / path
    whole = file.read_bytes()
    file.unlink()
    assert story.codes() == [("COC-101", path)]
    file.write_bytes(whole[:-1])
    assert story.codes() == [("COC-102", path)]
    file.write_bytes(whole + bytes(32))
    assert story.codes() == [("COC-102", path)]
    file.write_bytes(whole)
    assert story.codes() == []


def test_a_bundle_of_another_length_is_named(story: Story) -> None:
    file = story.log.folder / Bundle(1, 44).path
    file.write_bytes(file.read_bytes()[:-1])
    assert ("COC-102", "tile/entries/001.p/44") in story.codes()


def test_entry_and_tile_altered_together_are_contradicted_by_what_lies_above(story: Story) -> None:
    """Attack 5: someone who rewrites an entry and its tile consistently is contradicted by the tile above."""
    forged = make_leaf(b"forged", story.one.signer).to_bytes()
    bundle = story.log.folder / Bundle(0).path
    data = bytearray(bundle.read_bytes())
    data[5 * 130 + 2 : 6 * 130] = forged
    bundle.write_bytes(data)
    tile = story.log.folder / Tile(0, 0).path
    data = bytearray(tile.read_bytes())
    data[5 * 32 : 6 * 32] = Leaf.parse(forged).hash()
    tile.write_bytes(data)
    assert ("COC-107", "tile/0/000") in story.codes()


def test_a_whole_history_written_again_is_contradicted_by_the_signed_root(story: Story, tmp_path: Path) -> None:
    """Attacks 7 and 11 without the log's key: all files agree with each other, but not with the checkpoint."""
    other = Story(tmp_path / "other", 299)
    other.log.append([make_leaf(b"forged", other.one.signer)])
    (other.log.folder / "checkpoint").write_bytes(story.log.checkpoint)
    assert ("COC-106", "checkpoint") in other.codes()


def test_where_no_two_agree_all_are_named(story: Story) -> None:
    story.flip(Tile(0, 0).path)
    story.flip(Tile(1, 0, 1).path)
    assert story.codes() == [("COC-103", Tile(0, 0).path), ("COC-103", Tile(1, 0, 1).path)]  # the root tells
    (story.log.folder / "checkpoint").write_bytes(
        sign_checkpoint(Checkpoint(origin_of(story.log.log.public_key), 300, bytes(32)), story.log.log)
    )
    assert story.codes() == [("COC-105", Tile(0, 0).path), ("COC-105", Tile(1, 0, 1).path), ("COC-106", "checkpoint")]


def test_a_checkpoint_that_does_not_open_is_found(story: Story) -> None:
    (story.log.folder / "checkpoint").write_bytes(story.log.checkpoint.replace(b"\n300\n", b"\n299\n"))
    [finding] = story.audit()
    assert (finding.code, finding.details["code"]) == ("COC-100", "COC-041")


def test_files_that_do_not_belong_are_named(story: Story) -> None:
    strangers = {
        "tile/0/002": b"",
        "tile/0/001": bytes(8192),
        "tile/0/001.p/45": bytes(45 * 32),
        "tile/2/000.p/1": bytes(32),
        "tile/0/x000/001": b"",
        "tile/notes.txt": b"",
        "tile/entries/002.p/1": b"",
    }
    for path, data in strangers.items():
        file = story.log.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    assert story.codes() == sorted(("COC-108", path) for path in strangers)


def test_partial_files_of_older_sizes_are_kept_honest_too(story: Story) -> None:
    """They were public once and are still served; an altered one would contradict an older checkpoint."""
    story.flip("tile/0/000.p/40", 32)
    story.flip("tile/entries/000.p/40", 5)
    assert story.codes() == [("COC-109", "tile/0/000.p/40"), ("COC-109", "tile/entries/000.p/40")]


# Leaves, envelopes and chains: each log below is one that its centre signed; the fault is in what was logged.


class Forged:
    """A log into which something was sequenced that should not have been."""

    def __init__(self, folder: Path) -> None:
        self.log = LogOnDisc(folder)
        self.one = Source("st-1")
        self.leaves: list[Leaf] = []

    def add(self, raw: bytes, leaf: Leaf | None = None) -> bytes:
        self.log.envelope_path(raw).write_bytes(raw)
        self.leaves.append(leaf or self.one.leaf(raw))
        return raw

    def codes(self, *keys: str) -> list[tuple[str, str]]:
        self.log.append(self.leaves)
        found = self.log.audit([self.one.signer, *(key_of(label) for label in keys)])
        return sorted((finding.code, finding.subject) for finding in found)


@pytest.fixture
def forged(tmp_path: Path) -> Forged:
    return Forged(tmp_path)


def test_the_honest_twin_of_all_below(forged: Forged) -> None:
    for asset in (A, None, A, B):
        forged.add(forged.one.say(asset=asset))
    assert forged.codes() == []


def test_an_event_left_out_is_a_gap_of_its_source_and_its_item(forged: Forged) -> None:
    """Attack 5."""
    forged.add(forged.one.say(asset=A))
    forged.one.say(asset=A)
    forged.add(forged.one.say(asset=A))
    assert forged.codes() == [("COC-130", "entry 1"), ("COC-133", "entry 1")]


def test_two_events_swapped_are_found(forged: Forged) -> None:
    """Attack 6."""
    said = [forged.one.say() for _ in range(3)]
    for index in (0, 2, 1):
        forged.add(said[index])
    assert forged.codes() == [("COC-130", "entry 1"), ("COC-132", "entry 2")]


def test_a_number_used_for_two_events_is_found(forged: Forged) -> None:
    forged.add(forged.one.say(asset=A))
    other = Source("st-1")
    other.say("preflight.done")
    forged.add(make_envelope(other.statement("tags.set"), [other.signer]))
    forged.add(make_envelope(forged.one.statement(), [forged.one.signer]))
    assert forged.codes() == [
        ("COC-127", "entry 2"),  # the fake counts its ids like its numbers
        ("COC-131", "entry 1"),
        ("COC-132", "entry 2"),
    ]


def test_an_item_s_chain_that_names_another_predecessor_is_found(forged: Forged) -> None:
    forged.add(forged.one.say(asset=A))
    forged.one.assets[A] = type(forged.one.head)(1, b"x" * 32)
    forged.add(forged.one.say(asset=A))
    forged.one.assets[A] = type(forged.one.head)(0, bytes(32))
    forged.add(forged.one.say(asset=A))
    assert forged.codes() == [("COC-134", "entry 1"), ("COC-135", "entry 2")]


def test_a_lost_event_explains_one_missing_number_and_not_two(forged: Forged) -> None:
    forged.add(forged.one.say(asset=A))
    forged.one.say(asset=A)  # never logged
    lost = forged.add(forged.one.say(asset=A))  # logged, its envelope lost
    forged.add(forged.one.say(asset=A))
    forged.log.envelope_path(lost).unlink()
    assert forged.codes() == [("COC-120", "entry 1"), ("COC-130", "entry 2"), ("COC-133", "entry 2")]


def test_a_lost_event_of_an_item_is_remembered_over_events_of_others(forged: Forged) -> None:
    said = [forged.add(forged.one.say(asset=asset)) for asset in (A, A, B, None, A)]
    forged.log.envelope_path(said[1]).unlink()
    assert forged.codes() == [("COC-120", "entry 1")]


def test_an_event_logged_twice_is_found(forged: Forged) -> None:
    raw = forged.add(forged.one.say())
    forged.add(forged.one.say())
    forged.add(raw, Leaf(envelope_checksum(raw), bytes(64), forged.one.signer.key_id.digest))
    assert forged.codes() == [("COC-112", "entry 2"), ("COC-113", "entry 2")]


def test_an_event_nobody_enrolled_signed_is_found(forged: Forged) -> None:
    """Attack 43."""
    rogue = Source("st-9")
    raw = rogue.say()
    forged.add(raw, rogue.leaf(raw))
    assert forged.codes() == [("COC-111", "entry 0")]


def test_a_leaf_of_another_key_than_the_envelope_s_is_found(forged: Forged) -> None:
    raw = forged.one.say()
    forged.add(raw, make_leaf(raw, key_of("st-2")))
    name = forged.log.envelope_path(raw).name
    assert forged.codes("st-2") == [("COC-126", name)]


def test_an_envelope_whose_signature_is_false_is_found(forged: Forged) -> None:
    document = json.loads(forged.one.say())
    document["signatures"][0]["sig"] = "A" * 86 + "=="
    raw = forged.add(json.dumps(document, separators=(",", ":"), sort_keys=True).encode())
    assert forged.codes() == [("COC-124", forged.log.envelope_path(raw).name)]


def test_an_envelope_that_is_none_and_an_event_that_is_none_are_found(forged: Forged) -> None:
    first = forged.add(b"no envelope")
    second = forged.add(make_envelope(b'{"a":"b"}', [forged.one.signer]))
    names = [forged.log.envelope_path(raw).name for raw in (first, second)]
    assert forged.codes() == sorted([("COC-123", names[0]), ("COC-125", names[1])])


def test_an_envelope_that_was_never_logged_is_found(forged: Forged) -> None:
    forged.add(forged.one.say())
    stray = forged.one.say()
    forged.log.envelope_path(stray).write_bytes(stray)
    assert forged.codes() == [("COC-122", forged.log.envelope_path(stray).name)]


def test_one_key_that_speaks_as_two_sources_is_found(forged: Forged) -> None:
    forged.add(forged.one.say())
    second = Source("st-7", forged.one.signer)
    second.head = forged.one.head
    forged.add(second.say())
    assert forged.codes() == [("COC-136", "entry 1")]


def test_an_entry_that_was_logged_but_is_no_leaf_is_found() -> None:
    assert [finding.code for finding in audit_events([b"abc"], envelopes=[], keys={})] == ["COC-110"]


def test_an_entry_overwritten_by_what_is_no_leaf_is_found(forged: Forged) -> None:
    forged.add(forged.one.say())
    forged.log.append(forged.leaves)
    short = b"\x00\x03abc"
    (forged.log.folder / Bundle(0, 1).path).write_bytes(short)
    codes = [finding.code for finding in forged.log.audit([forged.one.signer])]
    assert codes == ["COC-104", "COC-128"]


@pytest.mark.parametrize(
    "rename", [lambda name: name.upper(), lambda name: "x" + name, lambda name: name.removesuffix(".dsse.json")]
)
def test_an_envelope_under_another_name_is_found(forged: Forged, rename: Callable[[str], str]) -> None:
    path = forged.log.envelope_path(forged.add(forged.one.say()))
    path.rename(path.with_name(rename(path.name)))
    codes = forged.codes()
    assert ("COC-121", rename(path.name)) in codes
    assert {code for code, _ in codes} <= {"COC-120", "COC-121"}


def test_the_audit_of_a_signed_log_starts_at_its_checkpoint(story: Story) -> None:
    checkpoint = open_checkpoint(story.log.checkpoint, log_key=story.log.log.public_key)
    assert checkpoint.size == 300
    assert envelope_hash(story.said[0]).hex() in story.name(0)
