"""The package vectors. One function for each, which does to the good package what somebody did; the codes are exact."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import make_envelope, parse_envelope
from evidence_model.canonical import canonical_bytes
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import MANIFEST, SIGNED, Package, chunks_of, drop_event, first, flip
from tests.vectors.packages import ANOTHER_LOG, FILES, NO_ST_9, Case, VectorStory

if TYPE_CHECKING:
    from collections.abc import Callable


COSIGNED, LATER = "2026-11-22T01:02:03Z", "2026-11-22T01:02:04Z"  # the witnesses cosigned at the first
BIG, SMALL = (original.file for original in FILES)
HEAD = "proofs/checkpoint-head"


def sealed(change: Callable[[Package], None]) -> Callable[[Package], None]:
    """Return the change after which manifests and the centre's signature are made anew."""

    def change_and_seal(package: Package) -> None:
        change(package)
        package.seal()

    return change_and_seal


def altered(name: str, change: Callable[[bytes], bytes]) -> Callable[[Package], None]:
    """Return the change of one payload file."""
    return lambda package: package.change(name, change)


def contents_say(change: Callable[[Any], None]) -> Callable[[Package], None]:
    """Return the change of package.json."""
    return sealed(lambda package: package.change_contents(change))


def add_line(line: bytes) -> Callable[[Package], None]:
    """Return the change that adds a line to the manifest."""

    def add(package: Package) -> None:
        manifest = package.bag / MANIFEST
        manifest.write_bytes(manifest.read_bytes() + line)

    return add


def another_head_is_signed(package: Package) -> None:
    package.says = {"head": {"origin": "sigsum.org/v1/tree/x", "root": "ab" * 32, "size": "5"}}
    package.seal()


def link_in_place_of_footage(package: Package) -> None:
    package.path(BIG).unlink()
    package.path(BIG).symlink_to("/etc/hostname")


def file_beside(package: Package) -> None:
    package.put("Thumbs.db", b"a viewer's own notes\n")


def key_file_exchanged(package: Package) -> None:
    package.put("trust/submit-st-1.pub", package.path("trust/submit-st-9.pub").read_bytes())


def event_signature_for_the_package(package: Package) -> None:
    index = first(package, "store.received")
    (package.bag / SIGNED).write_bytes(package.path(f"events/{index}.dsse.json").read_bytes())


def blank_in_an_envelope(package: Package) -> None:
    package.change(f"events/{first(package, 'tags.set')}.dsse.json", lambda raw: raw.replace(b",", b", ", 1))


def another_case_number(package: Package) -> None:
    """Exchange a word in a signed event and make everything fit for which no key is needed."""
    index = first(package, "tags.set")
    name = f"events/{index}.dsse.json"
    raw = package.path(name).read_bytes()
    payload = parse_envelope(raw).payload.replace(b"A-7", b"A-8")
    document = {**json.loads(make_envelope(payload, (key_of("forger"),))), "signatures": json.loads(raw)["signatures"]}
    forged = canonical_bytes(document)
    package.put(name, forged)
    package.put(f"events/{index}.payload", payload)
    package.put(f"events/{index}.pae", parse_envelope(forged).pae)


def in_another_station_s_name(package: Package) -> None:
    index = first(package, "tags.set")
    payload = parse_envelope(package.path(f"events/{index}.dsse.json").read_bytes()).payload
    forged = make_envelope(payload, (key_of("st-9"),))
    [old] = package.path("events").glob(f"{index}.*.sig")
    old.unlink()
    [signature] = parse_envelope(forged).signatures
    package.put(f"events/{index}.dsse.json", forged)
    package.put(f"events/{index}.{signature.key_id}.sig", signature.signature)


def another_raw_payload(package: Package) -> None:
    package.change(f"events/{first(package, 'tags.set')}.payload", lambda data: data.replace(b"A-7", b"A-8"))


def leaf_signed_by_another(package: Package) -> None:
    index = first(package, "tags.set")
    story, other = package.story, key_of("st-9")
    checksum = parse_envelope(story.log_items[index][1]).checksum
    signature = other.sign(b"sigsum.org/v1/tree-leaf\x00" + checksum)
    package.put(f"proofs/{index}.sigsum", story.proof(index, signature, other.key_id.text))


def proof_of_another_event(package: Package) -> None:
    one, other = first(package, "tags.set"), first(package, "footage.pulled")
    package.put(f"proofs/{one}.sigsum", package.path(f"proofs/{other}.sigsum").read_bytes())


def proof_one_hash_short(package: Package) -> None:
    package.change(f"proofs/{first(package, 'tags.set')}.sigsum", lambda proof: proof[: proof.rindex(b"node_hash")])


def cosigned_by(*names: str, days: int = 0) -> Callable[[Package], None]:
    """Return the change after which these witnesses cosigned the head, the first of them so many days later."""

    def change(package: Package) -> None:
        story = package.story
        note = b"".join(package.path(HEAD).read_bytes().splitlines(keepends=True)[:5])
        checkpoint = open_checkpoint(note, log_key=story.log.public_key)
        for name in names:
            at = START_AT + timedelta(days=days if name == names[0] else 0)
            note = add_signature(note, cosign(checkpoint, signer=key_of(name), name=f"{name}.example", at=at))
        package.put(HEAD, note)

    return change


def event_left_out(kind: str) -> Callable[[Package], None]:
    """Return the change that takes an event out as a careful liar does, with the blobs that only it names."""

    def leave_out(package: Package) -> None:
        index = first(package, kind)
        payload = json.loads(package.path(f"events/{index}.payload").read_bytes())
        drop_event(package, index)
        for blob in payload["predicate"]["body"].get("blobs", []):
            package.path(f"blobs/{blob['sha256']}").unlink(missing_ok=True)

    return leave_out


def event_put_in(index_of: Callable[[VectorStory], int]) -> Callable[[Package], None]:
    """Return the change that adds an event of the log to the package."""

    def put_in(package: Package) -> None:
        assert isinstance(package.story, VectorStory)
        index = index_of(package.story)
        for name, data in package.story.event_files(index).items():
            package.put(name, data)
        package.change_contents(lambda said: said.update(events=sorted([*said["events"], str(index)], key=int)))

    return put_in


def of_somebody_else(story: VectorStory) -> int:
    """Return the place of the event about a file that is no item of the package."""
    return next(at for at in range(story.old_size, len(story.log_items)) if at not in story.wanted)


def two_files_exchanged(package: Package) -> None:
    one, two = package.path(BIG), package.path(SMALL)
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)


def chunk_list_made_to_fit(package: Package) -> None:
    package.change(BIG, flip(9))
    package.put(f"{BIG}.chunks", chunks_of(package.path(BIG).read_bytes()))


def another_listing(package: Package) -> None:
    package.put(f"blobs/{next(iter(package.story.blobs))}", b'{"files":["none"]}')


def resealed_instructions(package: Package) -> None:
    package.put("HOW-TO-VERIFY.md", b"Believe this.\n")
    package.seal(sign=False)


def no_anchor(package: Package) -> None:
    package.path("proofs/checkpoint-anchor").unlink()
    package.path("proofs/consistency").unlink()


def _without(name: str) -> Callable[[Package], None]:
    return lambda package: (package.bag / name).unlink()


def _case(name: str, change: Callable[[Package], None], en: str, zh: str, *also: str, **more: Any) -> Case:
    """Return a bad case, named after its main code; `also` are the others that must be found."""
    return Case(name, frozenset({name.partition("_")[0], *also}), en, zh, change, **more)


def _as_it_is(_: Package) -> None:
    pass


CASES = [
    Case(
        "asked_for_and_new_enough",
        frozenset(),
        "the good package, asked for whom it is and whether it is new enough: it is",
        "完好的证据包；核对交给谁、是否够新：都符合",
        options={"min_time": COSIGNED, "recipient": "the court"},
    ),
    Case(
        "no_earlier_checkpoint",
        frozenset(),
        "a store that kept no earlier checkpoint gives neither anchor nor consistency proof",
        "没有更早检查点的中心库：证据包里没有 checkpoint-anchor 和 consistency",
        sealed(no_anchor),
    ),
    Case(
        "one_cosignature_left_out",
        frozenset(),
        "two of the three witnesses cosigned, as many as the policy asks for",
        "三个见证方中两个联署，符合规则的要求",
        sealed(cosigned_by("w1", "w2")),
        options={"min_time": COSIGNED},
    ),
    Case(
        "outsider_does_not_know_a_silent_station",
        frozenset(),
        "the outsider's keys lack a station that says nothing in the package",
        "核验人手里没有某个采集站的公钥，而它在证据包里什么也没说",
        trust=NO_ST_9,
    ),
    Case(
        "outsider_has_no_keys",
        frozenset(),
        "without keys of one's own the package agrees with itself, which proves nothing",
        "没有自己的公钥时，证据包只与自身相符，什么也不证明",
        trust=None,
    ),
    _case(
        "PKG-001_no_head",
        sealed(_without(f"data/{HEAD}")),
        "the checkpoint that all proofs lead to is missing",
        "缺少所有证明所指的检查点",
        "PKG-042",
        "PKG-043",
    ),
    _case(
        "PKG-001_manifest_line_of_another_form",
        add_line(b"x\n"),
        "a line of the manifest is none",
        "清单里有一行不是清单的写法",
        "PKG-005",
        "PKG-011",
    ),
    _case(
        "PKG-002_name_that_leads_out",
        add_line(b"ab" * 32 + b"  ../up\n"),
        "the manifest names a file outside the package",
        "清单里的路径越出证据包",
        "PKG-005",
        "PKG-011",
    ),
    _case(
        "PKG-002_link_in_place_of_footage",
        link_in_place_of_footage,
        "a recording is a symbolic link",
        "录像是一个符号链接",
        "PKG-004",
    ),
    _case(
        "PKG-003_file_that_no_manifest_names",
        file_beside,
        "a file lies in it that no manifest names",
        "有清单里没有的文件",
    ),
    _case(
        "PKG-004_file_missing",
        _without("data/HOW-TO-VERIFY.md"),
        "a file that a manifest names is missing",
        "缺少清单里的文件",
    ),
    _case("PKG-005_one_bit_of_footage", altered(BIG, flip(9)), "one bit of a recording is flipped", "录像被改动一位"),
    _case(
        "PKG-010_signed_by_somebody_else",
        lambda package: package.seal(key_of("somebody")),
        "the package is signed with a key that is not the centre's",
        "证据包由中心以外的密钥签名",
    ),
    _case(
        "PKG-010_signature_of_an_event",
        event_signature_for_the_package,
        "an event that the centre signed stands in place of its signature of the package",
        "用中心签名的一个事件冒充对证据包的签名",
    ),
    _case(
        "PKG-011_manifests_made_anew",
        resealed_instructions,
        "a file was exchanged and the manifests made anew",
        "换掉一个文件并重做清单",
    ),
    _case(
        "PKG-011_another_head_is_signed",
        another_head_is_signed,
        "the centre signed for another state of the log",
        "中心签名所指的是日志的另一状态",
    ),
    _case(
        "PKG-012_log_of_another_site",
        _as_it_is,
        "the log's key is not the one that the outsider has",
        "日志的密钥不是核验人手里的那个",
        "PKG-030",
        "PKG-042",
        "PKG-043",
        trust=ANOTHER_LOG,
    ),
    _case(
        "PKG-012_key_file_exchanged",
        sealed(key_file_exchanged),
        "a key file for other tools holds another station's key",
        "供其他工具使用的密钥文件被换成另一采集站的",
    ),
    _case(
        "PKG-015_made_for_somebody_else",
        _as_it_is,
        "the package was made for somebody else than it is asked for",
        "证据包不是为核验人制作的",
        options={"recipient": "the defence"},
    ),
    _case(
        "PKG-020_blank_in_an_envelope",
        sealed(blank_in_an_envelope),
        "an envelope has a blank more than its one form",
        "信封比规定写法多一个空格",
    ),
    _case(
        "PKG-021_word_in_an_event_exchanged",
        sealed(another_case_number),
        "a word in a signed event was exchanged, and all that needs no key made to fit",
        "事件里改了一个词，凡不需要密钥之处都改得相符",
        "PKG-031",
        "PKG-032",
    ),
    _case(
        "PKG-021_in_another_station_s_name",
        sealed(in_another_station_s_name),
        "an event in one station's name is signed by another station",
        "以一个采集站名义、由另一个采集站签名的事件",
        "PKG-031",
        "PKG-032",
    ),
    _case(
        "PKG-022_raw_payload_differs",
        sealed(another_raw_payload),
        "the raw payload beside an envelope is another one",
        "信封旁的原始内容与信封不同",
    ),
    _case(
        "PKG-030_head_of_another_size",
        sealed(altered(HEAD, lambda note: note.replace(b"\n13\n", b"\n14\n"))),
        "the head's size was altered after the log signed it",
        "检查点签名之后条目数被改",
        "PKG-042",
        "PKG-043",
    ),
    _case(
        "PKG-030_anchor_altered",
        sealed(altered("proofs/checkpoint-anchor", lambda note: note.replace(b"\n4\n", b"\n5\n"))),
        "the earlier checkpoint's size was altered after the log signed it",
        "早先的检查点签名之后条目数被改",
    ),
    _case(
        "PKG-031_leaf_signed_by_another",
        sealed(leaf_signed_by_another),
        "the leaf of an event is signed by another station",
        "事件的日志条目由另一采集站签名",
        "PKG-032",
    ),
    _case(
        "PKG-032_proof_of_another_event",
        sealed(proof_of_another_event),
        "the proof of one event is shown for another",
        "用一个事件的证明证明另一个",
        "PKG-031",
    ),
    _case(
        "PKG-032_proof_one_hash_short",
        sealed(proof_one_hash_short),
        "an inclusion proof lacks its last hash",
        "包含证明少了最后一个哈希",
    ),
    _case(
        "PKG-033_consistency_proof_altered",
        sealed(altered("proofs/consistency", lambda lines: lines.translate(bytes.maketrans(b"0123", b"3210")))),
        "the hashes do not lead from the earlier checkpoint to the head",
        "哈希不能从早先的检查点推到现在的",
    ),
    _case(
        "PKG-034_one_witness_of_the_two_asked_for",
        sealed(cosigned_by("w1")),
        "one witness cosigned the head, two are asked for",
        "要求两个见证方，只有一个联署",
    ),
    _case(
        "PKG-035_old_package",
        _as_it_is,
        "the witnesses cosigned before the instant that is asked for",
        "见证方联署早于所要求的时间",
        options={"min_time": LATER},
    ),
    _case(
        "PKG-035_one_witness_lies_about_the_time",
        sealed(cosigned_by("w1", "w2", "w3", days=365)),
        "one witness of three gives a time that is a year too new, two are asked for",
        "三个见证方中一个把时间说新了一年，要求两个",
        options={"min_time": LATER},
    ),
    _case(
        "PKG-040_last_event_left_out",
        sealed(event_left_out("store.received")),
        "the last event of an item's chain is left out",
        "略去条目事件链的最后一个事件",
    ),
    _case(
        "PKG-040_event_left_out_in_the_middle",
        sealed(event_left_out("footage.pulled")),
        "the first event of a recording's chain is left out, and with it who pulled it",
        "略去条目事件链的第一个事件，也就没有了取得它的采集站",
        "PKG-042",
    ),
    _case(
        "PKG-041_numbers_start_again",
        sealed(event_put_in(lambda story: story.out_of_order)),
        "a station spoke with numbers that it had used, and about none of the items",
        "采集站用了用过的编号，而且与这里的条目无关",
        "PKG-044",
    ),
    _case(
        "PKG-042_two_files_exchanged",
        sealed(two_files_exchanged),
        "two recordings are exchanged, and the centre signed it anew",
        "两段录像对调，并由中心重新签名",
    ),
    _case(
        "PKG-042_footage_altered_and_signed_anew",
        sealed(altered(BIG, flip(9))),
        "a recording is altered, and the centre signed it anew",
        "录像被改动，并由中心重新签名",
    ),
    _case(
        "PKG-043_chunk_list_made_to_fit",
        sealed(chunk_list_made_to_fit),
        "a recording is altered, its chunk list made to fit, and the centre signed it anew",
        "录像被改动，分块清单改得相符，并由中心重新签名",
        "PKG-042",
    ),
    _case(
        "PKG-043_another_listing",
        sealed(another_listing),
        "the listing of the recorder is not the one that the event names",
        "记录仪的目录清单不是事件所指的那个",
    ),
    _case(
        "PKG-044_event_about_somebody_else",
        sealed(event_put_in(of_somebody_else)),
        "an event about a file that is no item of the package is in it",
        "有一个事件所说的文件不在证据包里",
    ),
    _case(
        "PKG-045_docking_left_out",
        sealed(event_left_out("recorder.docked")),
        "the docking that brought the items is left out",
        "略去带来这些条目的那次接入",
    ),
    _case(
        "PKG-045_enrolment_left_out",
        sealed(event_left_out("key.enrolled")),
        "the enrolment of a key that signed is left out",
        "略去某个签名密钥的登记",
    ),
    _case(
        "PKG-050_another_size_in_package_json",
        contents_say(lambda said: said["items"][0].update(size_bytes="1")),
        "package.json gives another size than the events",
        "package.json 里的大小与事件不同",
    ),
    _case(
        "PKG-050_file_of_no_event",
        sealed(lambda package: package.put(f"blobs/{'ab' * 32}", b"x")),
        "a blob lies in it that no event names",
        "有一个没有任何事件提到的附属文件",
    ),
]
