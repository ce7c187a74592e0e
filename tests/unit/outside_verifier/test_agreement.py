"""The verifier for outsiders is written a second time; here it says of everything what `chain_of_custody` says."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.envelope import parse_envelope as room_envelope
from chain_of_custody.event import parse_statement as room_statement
from chain_of_custody.notes import parse_vkey, verify_note
from chain_of_custody.trust_document import parse_document
from chain_of_custody.witness_policy import parse_policy as room_policy
from evidence_model.canonical import canonical_bytes
from evidence_model.errors import RefusedError as RoomRefusedError
from host_io.trust import trust_bytes
from outside_verifier.envelope import parse_envelope, signers
from outside_verifier.event import parse_event, parse_statement
from outside_verifier.keys import Key
from outside_verifier.merkle import check_inclusion
from outside_verifier.notes import LOG, WITNESS, Signer, open_checkpoint, origin_of
from outside_verifier.notes import verify_note as outside_note
from outside_verifier.sigsum import LEAF_BYTES, Leaf
from outside_verifier.strict import RefusedError, canonical_object
from outside_verifier.trust import parse_trust
from outside_verifier.witnesses import parse_policy
from tests.package_story import EvidenceStory, Original

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = Path(__file__).parents[3] / "vectors"
GOOD = VECTORS / "good"
KEYS = {name: Key(bytes.fromhex(key["public"])) for name, key in json.loads((GOOD / "keys.json").read_bytes()).items()}
SIGNERS = [Signer(origin_of(KEYS["log"]), LOG, KEYS["log"]), Signer("w1.example", WITNESS, KEYS["w1"])]


def read(name: str, data: bytes) -> None:
    """Do with a file of the vectors what an outsider does."""
    if name == "event.json":
        parse_statement(data)
    elif name in {"envelope.dsse.json", "type.dsse.json"}:
        envelope = parse_envelope(data)
        if name == "envelope.dsse.json":
            signers(envelope, {KEYS["st-1"].id: KEYS["st-1"]})
        parse_event(envelope)
    elif name == "leaf.hex":
        entry = bytes.fromhex(data.decode())
        leaf = Leaf(entry[:32], entry[32:96], entry[96:])
        good = bytes.fromhex((GOOD / "leaf.hex").read_text())
        if len(entry) != LEAF_BYTES or not leaf.is_signed_by(KEYS["st-1"]) or entry[:32] != good[:32]:
            raise RefusedError("leaf")
    elif name == "inclusion.json":
        proof = json.loads(data)
        path = [bytes.fromhex(each) for each in proof["proof"]]
        place = (int(proof["index"]), int(proof["size"]))
        check_inclusion(bytes.fromhex(proof["leaf"]), *place, path, bytes.fromhex(proof["root"]))
    elif name in {"checkpoint", "cosigned-checkpoint"}:
        outside_note(data, SIGNERS)
        open_checkpoint(data, KEYS["log"])
    else:
        raise AssertionError(name)


READ_BY_OTHERS = {"keys.json", "vkeys", "message.json", "receipt.json"}  # the last two are no part of a package


@pytest.mark.parametrize("path", sorted(path for path in GOOD.iterdir() if path.name not in READ_BY_OTHERS))
def test_what_is_good_is_read(path: Path) -> None:
    read(path.name, path.read_bytes())


BAD = sorted(path for path in VECTORS.glob("bad/*/*") if path.name not in READ_BY_OTHERS)


@pytest.mark.parametrize("path", BAD, ids=[path.parent.name for path in BAD])
def test_what_is_bad_is_refused(path: Path) -> None:
    with pytest.raises(RefusedError):
        read(path.name, path.read_bytes())


def refused(call: Callable[[bytes], object], data: bytes, error: type[Exception]) -> bool:
    try:
        call(data)
    except error:
        return True
    return False


def altered(rng: random.Random, data: bytes) -> bytes:
    """Return the data with something exchanged, cut out, doubled or put in."""
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    end = min(end, at + 40)
    piece = rng.choice([b"", b'"', b"}", b"[", b"0", b" ", b"\n", b"+", b"\xe2\x80\x94", bytes([rng.randrange(256)])])
    return rng.choice([data[:at] + piece + data[end:], data[:at] + piece + data[at:], data[:end] + data[at:]])


ROOM_KEYS = [parse_vkey(line) for line in (GOOD / "vkeys").read_text().splitlines()]
READERS: list[tuple[str, Callable[[bytes], object], Callable[[bytes], object]]] = [
    ("event.json", parse_statement, room_statement),
    ("envelope.dsse.json", parse_envelope, room_envelope),
    ("cosigned-checkpoint", lambda data: outside_note(data, SIGNERS), lambda data: verify_note(data, ROOM_KEYS)),
]


@pytest.mark.parametrize(("name", "outside", "room"), READERS, ids=[name for name, *_ in READERS])
def test_both_refuse_the_same_of_what_is_altered(
    name: str, outside: Callable[[bytes], object], room: Callable[[bytes], object]
) -> None:
    rng = random.Random(name)
    good = (GOOD / name).read_bytes()
    for _ in range(2000):
        data = altered(rng, good)
        assert refused(outside, data, RefusedError) == refused(room, data, RoomRefusedError), data


EVENT = json.loads((GOOD / "event.json").read_bytes())
VALUES = [
    None,
    True,
    "",
    "0",
    "00",
    "1",
    "x",
    "٥",
    "a" * 2000,
    [],
    ["x"],
    {},
    {"a": "b"},
    "2026-02-30T01:02:03.456Z",
    "ab" * 32,
]


def test_both_refuse_the_same_of_events_with_another_value_anywhere() -> None:
    places: list[tuple[str, ...]] = []

    def walk(value: object, path: tuple[str, ...]) -> None:
        places.append(path)
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*path, key))

    walk(EVENT["predicate"], ())
    for path in places[1:]:
        for value in VALUES:
            document = json.loads(json.dumps(EVENT))
            place = document["predicate"]
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            data = canonical_bytes(document)
            assert refused(parse_statement, data, RefusedError) == refused(room_statement, data, RoomRefusedError), path


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"x"',
        b'{"a":1}',
        b'{"a":1e5}',
        b'{"a":NaN}',
        b'{"a":"x","a":"x"}',
        b'{"b":"x","a":"x"}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a": "x"}',
        b'{"a":"x"}\n',
        b'\xef\xbb\xbf{"a":"x"}',
        b'{"a":"\xff"}',
        b'{"\xc3\xa9":"x"}',
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda data: data[:20].decode("ascii", "replace"),
)
def test_json_of_two_readings_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError):
        canonical_object(data)


def test_json_of_one_reading_is_read() -> None:
    text = '{"a":[null,true,{"b":"é\\n\\"\\\\\\u0001"}],"c":""}'
    assert canonical_object(text.encode()) == {"a": [None, True, {"b": 'é\n"\\\x01'}], "c": ""}


POLICY = """witness a a.example+{a} http://a.example/
witness b b.example+{b}
group both 2 a b
group any 1 both a
quorum any
"""


def policy_text() -> str:
    from chain_of_custody.notes import NoteAlgorithm, NoteKey  # noqa: PLC0415 - made here, not read

    vkeys = {
        name: NoteKey(f"{name}.example", NoteAlgorithm.COSIGNATURE_V1, KEYS[key].raw).vkey.partition("+")[2]
        for name, key in (("a", "st-1"), ("b", "w1"))
    }
    return POLICY.format(**vkeys)


def test_both_read_a_witness_policy_alike() -> None:
    text = policy_text()
    ours, theirs = parse_policy(text), room_policy(text)
    assert theirs.text() == text
    assert ours.sigsum_text(KEYS["log"]).partition("\n")[2] == theirs.sigsum_text()
    ids = {witness.name: witness.key_id for witness in theirs.witnesses}
    for names in ((), ("a",), ("b",), ("a", "b")):
        assert ours.is_met_by(names) == theirs.is_met_by([ids[name] for name in names])
    assert parse_policy("quorum none\n").is_met_by(())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("witness b", "witness a"),
        ("group both 2 a b", "group both 2 a a"),
        ("group both 2 a b", "group both 3 a b"),
        ("group both 2 a b", "group both 2 a c"),
        ("group both", "group a"),
        ("quorum any", "quorum c"),
        ("quorum any\n", "quorum any"),
        ("quorum any\n", ""),
        ("group any", "group none"),
        ("witness a a.example+", "witness a a.exampl+"),
        ("group both 2 a b\n", "group both 2 a b\nwitness"),
        ("group both 2 a b\n", "\n"),
    ],
)
def test_a_policy_in_which_somebody_counts_twice_or_nobody_is_known_is_refused(old: str, new: str) -> None:
    text = policy_text().replace(old, new, 1)
    assert text != policy_text()
    with pytest.raises(RefusedError):
        parse_policy(text)


def test_a_trust_file_is_read_in_its_one_form() -> None:
    good = trust_bytes(EvidenceStory([Original("a.mp4", b"a")]).trust)
    assert parse_trust(good).site == "site-1"
    for bad in (
        good[:-1],
        good + b"\n",
        good.replace(b'"site-1"', b'"Site-1"'),
        good.replace(b":", b": ", 1),
        b"",
        b"\n",
    ):
        with pytest.raises(RefusedError):
            parse_trust(bad)
    station = json.loads(good)["sources"][1]["key"]
    with pytest.raises(RefusedError):  # one key under two names
        parse_trust(good.replace(json.loads(good)["sources"][2]["key"].encode(), station.encode()))
    with pytest.raises(RefusedError):  # a key that makes one signature fit any message
        parse_trust(good.replace(station.encode(), ("01" + "00" * 31).encode()))


DOCUMENT = json.loads(trust_bytes(EvidenceStory([Original("a.mp4", b"a")]).trust))
SPARE = KEYS["w1"].raw.hex()
BAD_DOCUMENTS: dict[str, Callable[[Any], object]] = {
    "version": lambda one: one.update(version="1"),
    "another member": lambda one: one.update(more="1"),
    "no root": lambda one: one["roots"].update(keys=[]),
    "threshold 0": lambda one: one["roots"].update(threshold="0"),
    "threshold 2 of 1": lambda one: one["roots"].update(threshold="2"),
    "one key for two roots": lambda one: one["roots"]["keys"].append({**one["roots"]["keys"][0], "id": "root-2"}),
    "one root twice": lambda one: one["roots"]["keys"].append({"id": "root-1", "key": SPARE}),
    "number 0": lambda one: one.update(number="0"),
    "first with one before it": lambda one: one.update(previous="ab" * 32),
    "second with none": lambda one: one.update(number="2"),
    "no log": lambda one: one.update(logs=[]),
    "a log that ended last": lambda one: one["logs"][0].update(final={"root": "ab" * 32, "size": "5"}),
    "a log from later on": lambda one: one["logs"][0].update({"from": "1"}),
    "two logs at once": lambda one: one["logs"].append({"final": None, "from": "0", "key": SPARE}),
    "a gap between logs": lambda one: one.update(
        logs=[
            {**one["logs"][0], "final": {"root": "ab" * 32, "size": "5"}},
            {"final": None, "from": "6", "key": SPARE},
        ]
    ),
    "no centre": lambda one: one["sources"].pop(0),
    "two keys at once": lambda one: one["sources"].append(one["sources"][1]),
    "the log's key for a root": lambda one: one["roots"]["keys"][0].update(key=one["logs"][0]["key"]),
    "a range backwards": lambda one: one["sources"][1].update({"from": "5", "until": "4"}),
    "a range from 5 to 0": lambda one: one["sources"][1].update({"from": "5", "until": "0"}),
    "suspect before it began": lambda one: one["sources"][1].update({"from": "5", "suspect_from": "0"}),
    "no possession": lambda one: one["sources"][1].update(possession="ab" * 64),
    "another's possession": lambda one: one["sources"][1].update(possession=one["sources"][2]["possession"]),
    "a role that is none": lambda one: one["sources"][1].update(role="log"),
    "no policy": lambda one: one.update(policies=[]),
    "a policy from 1 on": lambda one: one["policies"][0].update({"from": "1"}),
    "two policies at once": lambda one: one["policies"].append(one["policies"][0]),
    "a mirror that is a log": lambda one: one.update(mirrors=["a.example+01020304+AQID"]),
    "a person without a role": lambda one: one.update(
        people=[{"from": "0", "id": "P1", "key": SPARE, "roles": [], "until": None}]
    ),
    "a role that people have not": lambda one: one.update(
        people=[{"from": "0", "id": "P1", "key": SPARE, "roles": ["boss"], "until": None}]
    ),
    "a number for a text": lambda one: one.update(since=0),
}
GOOD_DOCUMENTS: dict[str, Callable[[Any], object]] = {
    "as it is": lambda _: None,
    "a station that was revoked": lambda one: one["sources"][1].update(until="7", suspect_from="3"),
    "a person": lambda one: one.update(
        people=[{"from": "0", "id": "P1", "key": SPARE, "roles": ["it", "auditor"], "until": "9"}]
    ),
    "a log that handed over": lambda one: one.update(
        logs=[
            {**one["logs"][0], "final": {"root": "ab" * 32, "size": "5"}},
            {"final": None, "from": "5", "key": SPARE},
        ]
    ),
    "an authority": lambda one: one.update(
        authorities=[{"certificates": ["AQID"], "name": "tsa-1", "roots": ["AQID"]}]
    ),
}


@pytest.mark.parametrize("change", BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_both_refuse_the_same_trust_documents(change: Callable[[Any], object]) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    try:
        data = canonical_bytes(document)
    except RoomRefusedError:
        data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(RoomRefusedError):
        parse_document(data)
    with pytest.raises(RefusedError):
        parse_trust(data + b"\n")


@pytest.mark.parametrize("change", GOOD_DOCUMENTS.values(), ids=GOOD_DOCUMENTS.keys())
def test_both_accept_the_same_trust_documents(change: Callable[[Any], object]) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    data = canonical_bytes(document)
    assert parse_trust(data + b"\n").hash == parse_document(data).hash
