"""The files under vectors/: what our code writes, and what it must refuse, each named by the code it is refused with.

`script/vectors` writes them. All keys are known to everybody.
"""

from __future__ import annotations

import hashlib
import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain_of_custody.checkpoint import Checkpoint, log_note_key, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import envelope_hash, from_wire, make_envelope, parse_envelope, to_wire, verify_envelope
from chain_of_custody.event import Beacon, parse_event
from chain_of_custody.leaf import Leaf, leaf_from_parts, verify_leaf
from chain_of_custody.notes import Note, NoteAlgorithm, NoteKey, NoteSignature, encode_note, verify_note
from chain_of_custody.proofs import inclusion_proof, verify_inclusion
from chain_of_custody.receipt import make_receipt, verify_receipt
from chain_of_custody.signatures import Ed25519Verifier
from chain_of_custody.tiles import node_reader
from chain_of_custody.tree import CompactRange
from evidence_model.canonical import canonical_bytes
from evidence_model.ids import AssetId
from tests.fakes.log_on_disc import START_AT, Source
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
FOLDER = Path(__file__).parents[3] / "vectors"
LOG, CENTRE, STATION, WITNESS = (key_of(label) for label in ("log", "centre", "st-1", "w1"))
WITNESS_KEY = NoteKey("w1.example", NoteAlgorithm.COSIGNATURE_V1, WITNESS.public_key)
LOG_KEY = log_note_key(LOG.public_key)


class Story:
    """Three events of one station about one file, in one log, and the receipt of the second."""

    def __init__(self) -> None:
        source = Source("st-1")
        asset = AssetId(hashlib.sha256(b"evidock test asset").hexdigest()[:32])
        blob = {"role": "footage", "sha256": hashlib.sha256(b"footage").hexdigest(), "size_bytes": "7"}
        seen = Beacon(origin_of(LOG.public_key), 0, hashlib.sha256(b"").digest())
        self.envelopes = [
            source.say("footage.pulled", asset=asset, body={"blobs": [blob]}, beacon=seen),
            source.say("footage.reread", asset=asset),
            source.say("tags.set", asset=asset),
        ]
        self.leaves = [source.leaf(raw) for raw in self.envelopes]
        hashes = [leaf.hash() for leaf in self.leaves]
        tree = CompactRange.empty().extend(hashes)
        self.read_node = node_reader(3, lambda _: b"".join(hashes))
        self.checkpoint = Checkpoint(origin_of(LOG.public_key), 3, tree.root())
        self.note = sign_checkpoint(self.checkpoint, LOG)
        line = cosign(self.checkpoint, signer=WITNESS, name=WITNESS_KEY.name, at=START_AT)
        self.cosigned = add_signature(self.note, line)
        self.proof = inclusion_proof(1, 3, self.read_node)
        self.event, self.leaf = envelope_hash(self.envelopes[1]), self.leaves[1].hash()
        self.receipt = make_receipt(
            event=self.event,
            leaf=self.leaf,
            index=1,
            inclusion_proof=self.proof,
            checkpoint=self.note,
            blob_verified_at=START_AT,
            signer=CENTRE,
        )


STORY = Story()
RAW = STORY.envelopes[1]
EVENT = parse_envelope(RAW).payload
MESSAGE = to_wire(RAW, STORY.leaves[1].signature)


def inclusion(**change: object) -> bytes:
    proof: dict[str, object] = {
        "leaf": STORY.leaf.hex(),
        "index": "1",
        "size": "3",
        "proof": [each.hex() for each in STORY.proof],
        "root": STORY.checkpoint.root.hex(),
    }
    return canonical_bytes({**proof, **change})  # type: ignore[dict-item]  # made to be wrong in places


GOOD: dict[str, bytes] = {
    "keys.json": canonical_bytes(
        {
            label: {
                "seed_is_sha256_of": f"evidock test key {label}",
                "public": key.public_key.hex(),
                "id": key.key_id.text,
            }
            for label, key in (("centre", CENTRE), ("log", LOG), ("st-1", STATION), ("w1", WITNESS))
        }
    ),
    "vkeys": f"{LOG_KEY.vkey}\n{WITNESS_KEY.vkey}\n".encode(),
    "event.json": EVENT,
    "envelope.dsse.json": RAW,
    "message.json": MESSAGE,
    "leaf.hex": STORY.leaves[1].to_bytes().hex().encode() + b"\n",
    "inclusion.json": inclusion(),
    "checkpoint": STORY.note,
    "cosigned-checkpoint": STORY.cosigned,
    "receipt.json": STORY.receipt,
}


def check(name: str, data: bytes) -> None:
    """Do with a file what its reader does; a file of that name that is refused raises."""
    if name == "event.json":
        parse_event(parse_envelope(make_envelope(data, [STATION])))
    elif name == "envelope.dsse.json":
        verify_envelope(parse_envelope(data), [Ed25519Verifier(STATION.public_key)])
    elif name == "type.dsse.json":
        parse_event(parse_envelope(data))
    elif name == "message.json":
        raw, signature = from_wire(data)
        leaf = leaf_from_parts(parse_envelope(raw).checksum, signature, STATION.public_key)
        verify_leaf(leaf, public_key=STATION.public_key)
    elif name == "leaf.hex":
        verify_leaf(Leaf.parse(bytes.fromhex(data.decode())), public_key=STATION.public_key)
    elif name == "inclusion.json":
        proof = json.loads(data)
        verify_inclusion(
            leaf_hash=bytes.fromhex(proof["leaf"]),
            index=int(proof["index"]),
            size=int(proof["size"]),
            proof=[bytes.fromhex(each) for each in proof["proof"]],
            root=bytes.fromhex(proof["root"]),
        )
    elif name in ("checkpoint", "cosigned-checkpoint"):
        verify_note(data, [LOG_KEY, WITNESS_KEY])
        open_checkpoint(data, log_key=LOG.public_key)
    elif name == "receipt.json":
        verify_receipt(
            data,
            centre_key=CENTRE.public_key,
            log_key=LOG.public_key,
            event=STORY.event,
            leaf=STORY.leaf,
            remembered=[STORY.checkpoint.head()],
        )


def signed_note(text: str) -> bytes:
    """Return a note with this text that the log truly signed."""
    return encode_note(Note(text, (NoteSignature(LOG_KEY.name, LOG_KEY.key_hash, LOG.sign(text.encode())),)))


def event(path: str, value: Any) -> bytes:
    """Return the good event with one member changed, in canonical form."""
    document = json.loads(EVENT)
    place = document
    *folders, last = path.split(".")
    for folder in folders:
        place = place[int(folder) if folder.isdigit() else folder]
    place[last] = value
    return canonical_bytes(document)


def receipt(**change: Any) -> bytes:
    """Return a receipt that the centre truly signed, with other content."""
    parts: dict[str, Any] = {
        "event": STORY.event,
        "leaf": STORY.leaf,
        "index": 1,
        "inclusion_proof": STORY.proof,
        "checkpoint": STORY.note,
        "blob_verified_at": START_AT,
        "signer": CENTRE,
    }
    return make_receipt(**{**parts, **change})


def altered(data: bytes, old: str, new: str) -> bytes:
    changed = data.replace(old.encode(), new.encode(), 1)
    assert changed != data, old
    return changed


def bad() -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of every file that must be refused with the code its folder begins with."""
    body = STORY.checkpoint.body()
    note = STORY.note
    size1 = Checkpoint(origin_of(LOG.public_key), 1, STORY.leaves[0].hash())
    fork = Checkpoint(origin_of(LOG.public_key), 3, STORY.leaves[0].hash())
    other = key_of("other")
    leaf = STORY.leaves[1].to_bytes()
    signature = json.loads(RAW)["signatures"][0]["sig"]
    stray = BASE64[BASE64.index(signature[-3]) + 1] + "=="  # the same bytes to a lenient reader
    cases: dict[str, tuple[str, bytes]] = {
        "COC-010_envelope_member_repeated": ("envelope.dsse.json", RAW[:-1] + b',"payload":""}'),
        "COC-010_envelope_member_unknown": ("envelope.dsse.json", RAW[:-1] + b',"x":""}'),
        "COC-010_envelope_with_a_blank": ("envelope.dsse.json", altered(RAW, ":", ": ")),
        "COC-010_envelope_base64_with_stray_bits": (
            "envelope.dsse.json",
            altered(RAW, signature[-3:], stray),
        ),
        "COC-010_envelope_signed_twice_by_one_key": (
            "envelope.dsse.json",
            canonical_bytes({**json.loads(RAW), "signatures": json.loads(RAW)["signatures"] * 2}),
        ),
        "COC-011_envelope_over_60_kib": ("envelope.dsse.json", b"x" * (60 * 1024 + 1)),
        "COC-012_envelope_of_another_type": ("envelope.dsse.json", altered(RAW, "in-toto+json", "in-toto+JSON")),
        "COC-012_envelope_altered": (
            "envelope.dsse.json",
            canonical_bytes({**json.loads(RAW), "payload": json.loads(STORY.envelopes[0])["payload"]}),
        ),
        "COC-013_envelope_by_an_unknown_key": ("envelope.dsse.json", make_envelope(EVENT, [other])),
        "COC-014_message_without_leaf_signature": ("message.json", RAW),
        "COC-014_message_with_leaf_signature_first": (
            "message.json",
            b'{"leaf_signature":"' + STORY.leaves[1].signature.hex().encode() + b'",' + RAW[1:],
        ),
        "COC-020_leaf_one_byte_short": ("leaf.hex", leaf[:-1].hex().encode() + b"\n"),
        "COC-021_leaf_of_another_key": ("leaf.hex", (leaf[:96] + other.key_id.digest).hex().encode() + b"\n"),
        "COC-021_leaf_of_another_event": ("leaf.hex", (STORY.leaves[0].checksum + leaf[32:]).hex().encode() + b"\n"),
        "COC-021_message_with_another_leaf_signature": ("message.json", to_wire(RAW, STORY.leaves[0].signature)),
        "COC-030_proof_of_another_leaf": ("inclusion.json", inclusion(leaf=STORY.leaves[0].hash().hex())),
        "COC-030_proof_at_another_index": ("inclusion.json", inclusion(index="0")),
        "COC-031_proof_index_is_the_size": ("inclusion.json", inclusion(index="3")),
        "COC-032_proof_one_hash_short": ("inclusion.json", inclusion(proof=[STORY.proof[0].hex()])),
        "COC-032_proof_one_hash_long": (
            "inclusion.json",
            inclusion(proof=[*(each.hex() for each in STORY.proof), STORY.checkpoint.root.hex()]),
        ),
        "COC-040_checkpoint_with_crlf": ("checkpoint", note.replace(b"\n", b"\r\n")),
        "COC-040_checkpoint_signed_twice_by_one_name": (
            "checkpoint",
            note + note[note.rindex("—".encode()) :],
        ),
        "COC-040_checkpoint_without_a_last_newline": ("checkpoint", note[:-1]),
        "COC-041_checkpoint_altered": ("checkpoint", altered(note, "\n3\n", "\n4\n")),
        "COC-041_cosignature_of_another_checkpoint": (
            "cosigned-checkpoint",
            add_signature(signed_note(size1.body()), cosign(fork, signer=WITNESS, name=WITNESS_KEY.name, at=START_AT)),
        ),
        "COC-042_checkpoint_of_an_unknown_log": ("checkpoint", altered(note, "— " + LOG_KEY.name, "— example.com")),
        "COC-044_checkpoint_with_leading_zero": (
            "checkpoint",
            signed_note(altered(body.encode(), "\n3\n", "\n03\n").decode()),
        ),
        "COC-044_checkpoint_with_extension_line": ("checkpoint", signed_note(body + "extension\n")),
        "COC-045_checkpoint_of_another_origin": ("checkpoint", signed_note("example.com\n" + body.partition("\n")[2])),
        "COC-060_receipt_member_unknown": ("receipt.json", STORY.receipt[:-1] + b',"x":""}'),
        "COC-060_receipt_with_a_blank": ("receipt.json", STORY.receipt + b" "),
        "COC-061_receipt_by_another_centre": ("receipt.json", receipt(signer=other)),
        "COC-061_receipt_altered": ("receipt.json", altered(STORY.receipt, "03.456Z", "03.457Z")),
        "COC-062_receipt_of_another_event": ("receipt.json", receipt(event=bytes(32))),
        "COC-063_receipt_of_a_log_that_shrank": (
            "receipt.json",
            receipt(checkpoint=signed_note(f"{size1.origin}\n2\n{body.splitlines()[2]}\n")),
        ),
        "COC-064_receipt_of_a_log_that_forked": (
            "receipt.json",
            receipt(checkpoint=signed_note(fork.body())),
        ),
        "COC-071_event_with_a_blank": ("event.json", altered(EVENT, ":", ": ")),
        "COC-072_event_of_another_predicate": ("event.json", event("predicateType", "urn:evidock:event:v0")),
        "COC-072_envelope_of_another_payload_type": (
            "type.dsse.json",
            make_envelope(EVENT, [STATION], "application/json"),
        ),
        "COC-073_event_member_unknown": ("event.json", event("predicate.x", "")),
        "COC-074_subject_without_sha256": ("event.json", event("subject.0.digest", {"sm3": "00" * 32})),
        "COC-075_kind_without_a_verb": ("event.json", event("predicate.kind", "footage")),
        "COC-076_id_is_uuid_version_4": ("event.json", event("predicate.id", "00000000-0000-4000-8000-000000000000")),
        "COC-077_salt_of_3_bytes": ("event.json", event("predicate.salt", "AAAA")),
        "COC-078_source_number_with_leading_zero": ("event.json", event("predicate.source.seq", "02")),
        "COC-078_source_starts_again_without_a_beginning": ("event.json", event("predicate.source.prev", "0" * 64)),
        "COC-079_asset_without_prev": ("event.json", event("predicate.asset", {"id": "00" * 16, "seq": "1"})),
        "COC-080_station_with_a_person_s_key": ("event.json", event("predicate.actor.level", "person-key")),
        "COC-081_time_with_an_offset": ("event.json", event("predicate.time.wall", "2026-11-22T09:02:03.456+08:00")),
        "COC-082_rule_with_a_blank": ("event.json", event("predicate.rules", ["MS D9"])),
        "COC-083_blob_without_a_size": (
            "event.json",
            event("predicate.body", {"blobs": [{"role": "footage", "sha256": "00" * 32}]}),
        ),
        "EM-010_event_member_repeated": ("event.json", altered(EVENT, '"kind":', '"kind":"","kind":')),
        "EM-010_event_with_a_number": ("event.json", altered(EVENT, '"error_ms":"4"', '"error_ms":4')),
    }
    for folder, (name, data) in cases.items():
        yield f"bad/{folder}/{name}", data


def files() -> dict[str, bytes]:
    """Return every file under vectors/ that is ours, by path."""
    return {**{f"good/{name}": data for name, data in GOOD.items()}, **dict(bad())}
