"""Evidence packages made by hand for tests, by docs/spec/evidence-package.md and with the code of `chain_of_custody`.

`EvidenceStory` is what was said and logged; `write` makes the bag of it. Mutations change what was written, and may
sign anew (`seal`) with whichever keys the attacker is to have.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chain_of_custody.checkpoint import Checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import make_envelope, parse_envelope
from chain_of_custody.proofs import consistency_proof, inclusion_proof
from chain_of_custody.signatures import Ed25519Signer, public_key_pem, sm2_public_key_pem
from chain_of_custody.strict_text import encode_base64
from chain_of_custody.tree import CompactRange, leaf_hash, node_hash
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import NO_WITNESSES, WitnessPolicy
from evidence_model.canonical import canonical_bytes, parse_strict
from evidence_model.digests import Digest, chunk_list_text
from evidence_model.ids import AssetId, RecorderId, SourceId, asset_id_of, event_id
from evidence_model.instants import wire_instant
from evidence_model.names import safe_local_name
from host_io.trust import trust_bytes
from tests.fakes.log_on_disc import START_AT, Source
from tests.fakes.log_on_disc import test_key as key_of
from tests.trusts import ROOT, first_trust, next_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from chain_of_custody.notes import NoteSignature
    from evidence_model.canonical import JsonObject

MIB = 1 << 20
SITE = SourceId("site-1")
RECORDER = RecorderId("cam-7")
PACKAGE_TYPE = "application/vnd.evidock.package+json"
MANIFEST, TAG_MANIFEST, SIGNED = "manifest-sha256.txt", "tagmanifest-sha256.txt", "package.dsse.json"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def chunks_of(data: bytes) -> bytes:
    parts = (data[at : at + MIB] for at in range(0, len(data), MIB))
    return chunk_list_text(b"".join(hashlib.sha256(part).digest() for part in parts))


class Speaker(Source):
    """A source that says events with a subject of their own."""

    def about(self, kind: str, subject: tuple[str, str], body: JsonObject, *, asset: AssetId | None = None) -> bytes:
        """Sign the next event and move the chains; return its envelope."""
        payload = parse_strict(self.statement(kind, asset=asset, body=body))
        changed: dict[str, Any] = {**payload, "subject": [{"digest": {"sha256": subject[1]}, "name": subject[0]}]}
        raw = make_envelope(canonical_bytes(changed), (self.signer,))
        self.take(raw, asset)
        return raw


@dataclass
class Original:
    """A file on the recorder."""

    path: str
    data: bytes

    @property
    def id(self) -> AssetId:
        return asset_id_of(
            recorder=RECORDER,
            raw_path=self.path.encode(),
            size_bytes=len(self.data),
            digest=Digest.parse(sha(self.data)),
        )

    @property
    def file(self) -> str:
        name = safe_local_name(self.path.rpartition("/")[2].encode()).replace("%", "_")
        return f"footage/{self.id}/{name}"


class EvidenceStory:
    """A docking with some files, all in one log, and other people's events between them."""

    def __init__(self, originals: Sequence[Original], *, witnesses: WitnessPolicy = NO_WITNESSES) -> None:
        self.originals = sorted(originals, key=lambda original: original.id)
        self.log, self.station, self.centre = key_of("log"), Speaker("st-1"), Speaker("centre")
        self.log_items: list[tuple[Source, bytes]] = []
        self.blobs: dict[str, bytes] = {}
        self.wanted: list[int] = []  # indexes of the events that go into the package
        self.gone: set[AssetId] = set()  # items whose bytes were disposed of
        self.erased: set[int] = set()  # indexes of events whose bodies were erased
        self.trust = first_trust(
            SITE,
            self.log,
            (self.centre.name, self.centre.signer),
            [(self.station.name, self.station.signer), ("st-9", key_of("st-9"))],
            witnesses=witnesses,
        )
        self.roots = [sign_root(self.trust, [ROOT])]
        self.cosigners: list[tuple[str, Ed25519Signer]] = []
        self.cosigned_at: dict[str, datetime] = {}  # by the witness's name, if not at the start of the story
        self._leaf_hashes: dict[bytes, bytes] = {}
        self._tell()

    def change_trust(self, *signers: Ed25519Signer, **changes: Any) -> None:
        """Let the next trust document be in force, signed by the known root or by others."""
        self.trust = next_trust(self.trust, **changes)
        self.roots.append(sign_root(self.trust, signers or (ROOT,)))

    def _tell(self) -> None:
        for source in (self.centre, self.station):
            self.say(
                self.centre,
                "key.enrolled",
                (f"key/{source.signer.key_id}", source.signer.key_id.text),
                {
                    "id": source.name,
                    "key": source.signer.public_key.hex(),
                    "role": "station",
                    "site": SITE,
                },
            )
        listing = self.blob(b'{"files":[]}')
        session = {"recorder": RECORDER, "session": "s-1"}
        body: JsonObject = {"blobs": [self.ref("listing", listing)], **session}
        self.say(self.station, "recorder.docked", (f"recorder/{RECORDER}", sha(b"recorder")), body)
        self.say(self.station, "preflight.done", (f"recorder/{RECORDER}", sha(b"recorder")), session, wanted=False)
        self.old_size = len(self.log_items)
        for original in self.originals:
            subject = (f"asset/{original.id}", sha(original.data))
            footage = self.ref("footage", original.data)
            body = {"blobs": [footage], "path_hex": original.path.encode().hex(), **session}
            self.say(self.station, "footage.pulled", subject, body, asset=original.id)
            probe = self.blob(b"media facts of " + original.path.encode())
            chunks = chunks_of(original.data)
            body = {"blobs": [self.ref("chunks", chunks), self.ref("probe", probe)], "recorder": RECORDER}
            self.say(self.station, "footage.reread", subject, body, asset=original.id)
            self.say(self.centre, "store.received", subject, {"blobs": [footage]}, asset=original.id)
        other = AssetId("ab" * 16)
        self.say(
            self.station, "footage.pulled", (f"asset/{other}", "ab" * 32), {"session": "s-2"}, asset=other, wanted=False
        )
        words: JsonObject = {"assets": [each.id for each in self.originals], "tags": {"case": "A-7"}}
        self.say(self.station, "tags.set", ("recording/R-1", sha(b"R-1")), words)

    def say(
        self,
        source: Speaker,
        kind: str,
        subject: tuple[str, str],
        body: JsonObject,
        *,
        asset: AssetId | None = None,
        wanted: bool = True,
    ) -> int:
        """Let a source say something and log it; returns its index."""
        self.log_items.append((source, source.about(kind, subject, body, asset=asset)))
        index = len(self.log_items) - 1
        if wanted:
            self.wanted.append(index)
        return index

    def blob(self, data: bytes) -> bytes:
        self.blobs[sha(data)] = data
        return data

    @staticmethod
    def ref(role: str, data: bytes) -> JsonObject:
        return {"role": role, "sha256": sha(data), "size_bytes": str(len(data))}

    def note(self, size: int) -> bytes:
        """Return the signed checkpoint of the first `size` entries."""
        root = CompactRange.empty().extend(self._hashes()[:size]).root()
        checkpoint = Checkpoint(origin_of(self.log.public_key), size, root)
        note = sign_checkpoint(checkpoint, self.log)
        for name, signer in self.cosigners:
            note = add_signature(note, self._cosign(checkpoint, name, signer))
        return note

    def _hashes(self) -> list[bytes]:
        for source, raw in self.log_items:
            if raw not in self._leaf_hashes:
                self._leaf_hashes[raw] = leaf_hash(source.leaf(raw).to_bytes())
        return [self._leaf_hashes[raw] for _, raw in self.log_items]

    def _read_node(self, level: int, index: int) -> bytes:
        if level == 0:
            return self._hashes()[index]
        return node_hash(self._read_node(level - 1, 2 * index), self._read_node(level - 1, 2 * index + 1))

    # ------------------------------------------------------------------------------------------ the package

    def files(self) -> dict[str, bytes]:
        """Return the payload: path under `data/` and content."""
        size = len(self.log_items)
        files: dict[str, bytes] = {
            "HOW-TO-VERIFY.md": b"how\n",
            "怎样验证.md": "怎样\n".encode(),
            "proofs/checkpoint-head": self.note(size),
            "proofs/checkpoint-anchor": self.note(self.old_size),
            "proofs/consistency": _lines(consistency_proof(self.old_size, size, self._read_node)),
            "trust/trust.json": trust_bytes(self.trust),
            "trust/policy.sigsum": self.trust.policy(size).sigsum_text().encode(),
            **{f"blobs/{digest}": data for digest, data in self.blobs.items()},
        }
        for number, root in enumerate(self.roots, start=1):
            files[f"trust/roots/{number}.dsse.json"] = root
        by_sources = (*(log.key for log in self.trust.logs), *(each.key for each in self.trust.sources))
        for key in (*by_sources, *(each.key for each in self.trust.people)):
            files[f"trust/keys/{sha(key)}.pem"] = public_key_pem(key)
        for each in self.trust.sources:
            if each.sm2 is not None:
                files[f"trust/keys/{sha(each.sm2)}.pem"] = sm2_public_key_pem(each.sm2)
            until = "" if each.until is None else f"-until-{each.until}"
            files[f"trust/submit-{each.id}{until}.pub"] = ssh_line(each.key, each.id)
        for original in self.originals:
            if original.id not in self.gone:
                files[original.file] = original.data
                files[f"{original.file}.chunks"] = chunks_of(original.data)
        for index in self.wanted:
            only_proof = (f"proofs/{index}.sigsum",) if index in self.erased else ()
            files |= {
                name: data for name, data in self.event_files(index).items() if not only_proof or name in only_proof
            }
        files["package.json"] = self.package_json()
        return files

    def event_files(self, index: int) -> dict[str, bytes]:
        """Return what stands in the package for one event."""
        source, raw = self.log_items[index]
        envelope = parse_envelope(raw)
        files = {
            f"events/{index}.dsse.json": raw,
            f"events/{index}.payload": envelope.payload,
            f"events/{index}.pae": envelope.pae,
            f"proofs/{index}.sigsum": self.proof(index, source.leaf(raw).signature, source.signer.key_id.text),
        }
        return files | {f"events/{index}.{each.key_id}.sig": each.signature for each in envelope.signatures}

    def proof(self, index: int, leaf_signature: bytes, key_id: str) -> bytes:
        """Return a Sigsum proof, version 2."""
        size = len(self.log_items)
        head = CompactRange.empty().extend(self._hashes()).root()
        checkpoint = Checkpoint(origin_of(self.log.public_key), size, head)
        path = inclusion_proof(index, size, self._read_node)
        return (
            f"version=2\nlog={self.log.key_id}\nleaf={key_id} {leaf_signature.hex()}\n\n"
            f"size={size}\nroot_hash={head.hex()}\nsignature={self.log.sign(checkpoint.body().encode()).hex()}\n"
            f"{self._cosignatures(checkpoint)}\n"
            f"leaf_index={index}\n" + "".join(f"node_hash={each.hex()}\n" for each in path)
        ).encode()

    def _cosignatures(self, checkpoint: Checkpoint) -> str:
        lines = ""
        for name, signer in self.cosigners:
            blob = self._cosign(checkpoint, name, signer).signature
            lines += f"cosignature={signer.key_id} {int.from_bytes(blob[:8], 'big')} {blob[8:].hex()}\n"
        return lines

    def _cosign(self, checkpoint: Checkpoint, name: str, signer: Ed25519Signer) -> NoteSignature:
        return cosign(checkpoint, signer=signer, name=name, at=self.cosigned_at.get(name, START_AT))

    def package_json(self) -> bytes:
        items: list[Any] = []
        for original in self.originals:
            chains = [
                {"last": head.envelope_hash.hex(), "seq": str(head.seq), "source": source.name}
                for source in (self.centre, self.station)
                if (head := source.assets.get(original.id)) is not None
            ]
            items.append(
                {
                    "chains": chains,
                    "chunks": None if original.id in self.gone else f"{original.file}.chunks",
                    "file": None if original.id in self.gone else original.file,
                    "id": original.id,
                    "recording": "R-1",
                    "sha256": sha(original.data),
                    "size_bytes": str(len(original.data)),
                }
            )
        events: list[Any] = [str(index) for index in self.wanted if index not in self.erased]
        contents: dict[str, Any] = {"events": events, "items": items, "version": "1"}
        if self.erased:
            erased = sorted(self.erased)
            contents["erased"] = [{"index": str(each), "sha256": sha(self.log_items[each][1])} for each in erased]
        return canonical_bytes(contents)

    def write(self, bag: Path) -> Package:
        """Write the package."""
        package = Package(bag, self)
        for name, data in self.files().items():
            package.put(name, data)
        package.seal()
        return package


@dataclass
class Package:
    """A package on the disc, to be altered."""

    bag: Path
    story: EvidenceStory
    says: dict[str, Any] = field(default_factory=dict)  # what the centre signs otherwise than it should

    def path(self, name: str) -> Path:
        """Return where a payload file lies."""
        return self.bag / "data" / name

    def put(self, name: str, data: bytes) -> None:
        """Write a payload file."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(data)

    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change a payload file."""
        before = self.path(name).read_bytes()
        after = change(before)
        assert after != before, name
        self.path(name).write_bytes(after)

    def change_contents(self, change: Callable[[Any], None]) -> None:
        """Change package.json and keep its form."""
        document = json.loads(self.path("package.json").read_bytes())
        change(document)
        self.put("package.json", canonical_bytes(document))

    def seal(self, signer: Ed25519Signer | None = None, *, sign: bool = True) -> None:
        """Make the manifests anew and have the centre (or another) sign them; `sign=False`: without any key."""
        payload = {
            path.relative_to(self.bag).as_posix(): path.read_bytes()
            for path in sorted(self.bag.joinpath("data").rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        manifest = _manifest(payload)
        size = sum(len(data) for data in payload.values())
        tags = {
            "bag-info.txt": f"Payload-Oxum: {size}.{len(payload)}\n".encode(),
            "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            MANIFEST: manifest,
        }
        tags[TAG_MANIFEST] = tag_manifest = _manifest(tags)
        for name, data in tags.items():
            (self.bag / name).write_bytes(data)
        if not sign:
            return
        story, log_size = self.story, len(self.story.log_items)
        root = CompactRange.empty().extend(story._hashes()).root()
        says: dict[str, Any] = {
            "approval": None,
            "basis": "case A-7",
            "created_at": wire_instant(START_AT),
            "file_count": str(len(payload)),
            "head": {"origin": origin_of(story.log.public_key), "root": root.hex(), "size": str(log_size)},
            "id": event_id(unix_ms=1, random=bytes(10)),
            "manifest_sha256": sha(manifest),
            "payload_bytes": str(size),
            "recipient": "the court",
            "site": SITE,
            "tagmanifest_sha256": sha(tag_manifest),
            "version": "1",
            **self.says,
        }
        raw = make_envelope(canonical_bytes(says), (signer or story.centre.signer,), PACKAGE_TYPE)
        (self.bag / SIGNED).write_bytes(raw)

    def trust_file(self, folder: Path) -> Path:
        """Return the outsider's own copy of the keys."""
        path = folder / "own-trust.json"
        path.write_bytes(trust_bytes(self.story.trust))
        return path

    def copy(self, bag: Path) -> Package:
        """Return a copy that can be altered."""
        shutil.copytree(self.bag, bag, symlinks=True)
        return Package(bag, self.story)


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def first(package: Package, kind: str) -> int:
    """Return the index of the first event of a kind in the package."""
    story = package.story
    for index in story.wanted:
        payload = json.loads(parse_envelope(story.log_items[index][1]).payload)
        if payload["predicate"]["kind"] == kind:
            return index
    raise AssertionError(kind)


def drop_event(package: Package, index: int) -> None:
    """Take an event out as a careful liar does: its files, and its number in package.json."""
    for path in [*package.path("events").glob(f"{index}.*"), package.path(f"proofs/{index}.sigsum")]:
        path.unlink()
    package.change_contents(lambda contents: contents["events"].remove(str(index)))


def ssh_line(key: bytes, name: str) -> bytes:
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", key))
    return f"ssh-ed25519 {encode_base64(blob)} {name}\n".encode()


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{sha(data)}  {name.replace('%', '%25')}\n" for name, data in sorted(files.items())).encode()


def _lines(hashes: Sequence[bytes]) -> bytes:
    return "".join(f"{each.hex()}\n" for each in hashes).encode()
