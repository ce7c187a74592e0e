"""The package vectors: what was done, in both languages, and exactly which codes must be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import Package, flip
from tests.vectors.changes import (
    BIG,
    HEAD,
    add_line,
    altered,
    another_case_number,
    another_head_is_signed,
    another_listing,
    another_raw_payload,
    blank_in_an_envelope,
    chunk_list_made_to_fit,
    contents_say,
    cosigned_by,
    event_left_out,
    event_put_in,
    event_signature_for_the_package,
    file_beside,
    in_another_station_s_name,
    key_file_exchanged,
    leaf_signed_by_another,
    link_in_place_of_footage,
    no_anchor,
    of_somebody_else,
    proof_of_another_event,
    proof_one_hash_short,
    resealed_instructions,
    sealed,
    signed_by_no_root,
    two_files_exchanged,
    without,
)
from tests.vectors.packages import ANOTHER_LOG, NEWER, NEXT, OLDER, REVOKED, SUSPECT, Case

if TYPE_CHECKING:
    from collections.abc import Callable

COSIGNED, LATER = "2026-11-22T01:02:03Z", "2026-11-22T01:02:04Z"  # the witnesses cosigned at the first


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
        "outsider_has_an_older_trust_document",
        frozenset(),
        "the outsider has the first trust document, to which the package's second one leads back",
        "核验人手里是第一份信任文件，证据包里的第二份接得上它",
        trust=OLDER,
    ),
    Case(
        "outsider_has_a_trust_document_made_later",
        frozenset(),
        "the outsider has a trust document that was made after the package",
        "核验人手里的信任文件是在证据包之后制作的",
        trust=NEXT,
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
        sealed(without(f"data/{HEAD}")),
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
        without("data/HOW-TO-VERIFY.md"),
        "a file that a manifest names is missing",
        "缺少清单里的文件",
    ),
    _case("PKG-005_one_bit_of_footage", altered(BIG, flip(9)), "one bit of a recording is flipped", "录像被改动一位"),
    _case(
        "PKG-005_one_bit_of_a_chunk_list",
        altered(f"{BIG}.chunks", flip(9)),
        "one bit of a chunk list is flipped",
        "分块清单被改动一位",
    ),
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
        "PKG-013_signed_by_no_root",
        sealed(signed_by_no_root),
        "a trust document is signed by somebody who is no root of the one before it",
        "信任文件的签名者不是前一份所列的根",
        trust=OLDER,
    ),
    _case(
        "PKG-014_old_trust_document",
        _as_it_is,
        "the log already knew the outsider's newer trust document",
        "日志早已有核验人手里那份更新的信任文件",
        trust=NEWER,
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
        "PKG-025_key_revoked",
        _as_it_is,
        "the station's key was revoked before it signed for the recordings",
        "采集站为录像签名之前其密钥已撤销",
        "PKG-042",
        "PKG-043",
        trust=REVOKED,
    ),
    _case(
        "PKG-026_key_may_be_stolen",
        _as_it_is,
        "the station's key may have been stolen before it signed for the recordings",
        "采集站为录像签名之前其密钥可能已被盗用",
        trust=SUSPECT,
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
