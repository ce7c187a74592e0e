"""What somebody does to a package: each returns, or is, a function that changes a copy of the good one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import make_envelope, parse_envelope
from chain_of_custody.trust_root import sign_root
from evidence_model.canonical import canonical_bytes
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import MANIFEST, SIGNED, Package, chunks_of, drop_event, first, flip
from tests.vectors.packages import FILES, VectorStory

if TYPE_CHECKING:
    from collections.abc import Callable

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


def signed_by_no_root(package: Package) -> None:
    """The second trust document, signed by somebody who is no root of the first one."""
    package.put("trust/roots/2.dsse.json", sign_root(package.story.trust, [key_of("somebody")]))


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
        put_event_in(package, index_of(package.story))

    return put_in


def put_event_in(package: Package, index: int) -> None:
    """Add an event of the log to the package."""
    for name, data in package.story.event_files(index).items():
        package.put(name, data)
    package.change_contents(lambda said: said.update(events=sorted([*said["events"], str(index)], key=int)))


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


def without(name: str) -> Callable[[Package], None]:
    return lambda package: (package.bag / name).unlink()
