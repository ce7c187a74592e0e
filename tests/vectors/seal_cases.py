"""The package vectors about the daily seal: what it shows of an item or a recorder, and who leaves something out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.proofs import consistency_proof
from chain_of_custody.trust_root import sign_root
from tests.fakes.log_on_disc import START_AT
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import RECORDER, Original, Package, drop_event, first
from tests.sealed_story import SealedStory
from tests.trusts import ROOT
from tests.vectors.changes import sealed
from tests.vectors.packages import Base, Case, bad_case

FILES = [Original("DCIM/0001.mp4", b"one film\n"), Original("DCIM/0002.mp4", b"another film\n")]
MIRROR = "court.example/mirror"


class VectorSealedStory(SealedStory):
    """A log that is sealed, and whose seal a mirror has confirmed."""

    def __init__(self) -> None:
        super().__init__(FILES)
        vkey = NoteKey(MIRROR, NoteAlgorithm.COSIGNATURE_V1, key_of("mirror").public_key).vkey
        self.trust = replace(self.trust, mirrors=(vkey,))
        self.roots = [sign_root(self.trust, [ROOT])]
        self.seal_now()

    def mirrored(self, signer: str = "mirror") -> bytes:
        """Return the head, cosigned in the mirror's name."""
        note = self.note(len(self.log_items))
        checkpoint = open_checkpoint(note, log_key=self.log.public_key)
        line = cosign(checkpoint, signer=key_of(signer), name=MIRROR, at=START_AT)
        known = cosign(checkpoint, signer=key_of("mirror"), name=MIRROR, at=START_AT)
        return add_signature(note, replace(line, key_hash=known.key_hash))

    def files(self) -> dict[str, bytes]:
        size = len(self.log_items)
        proof = consistency_proof(size, size, self._read_node)
        return {
            **super().files(),
            "proofs/checkpoint-mirrored": self.mirrored(),
            "proofs/consistency-mirrored": "".join(f"{each.hex()}\n" for each in proof).encode(),
        }


def told(package: Package) -> VectorSealedStory:
    assert isinstance(package.story, VectorSealedStory)
    return package.story


def last_event_left_out(package: Package) -> None:
    """The centre leaves its one event about an item out, and says that it never spoke of it."""
    index = first(package, "store.received")
    drop_event(package, index)

    def change(said: Any) -> None:
        entry = next(each for each in said["items"] if each["id"] == package.story.originals[0].id)
        entry["chains"] = [each for each in entry["chains"] if each["source"] != package.story.centre.name]

    package.change_contents(change)


def proof_of_another_item(package: Package) -> None:
    one, other = (each.id for each in package.story.originals)
    package.put(f"proofs/presence-{one}.json", told(package).presence(other))


def recorder_kept_back(package: Package) -> None:
    package.path(f"proofs/recorder-{RECORDER}.json").unlink()


def forged_mirror(package: Package) -> None:
    package.put("proofs/checkpoint-mirrored", told(package).mirrored("somebody"))


def no_mirror(package: Package) -> None:
    for name in ("checkpoint-mirrored", "consistency-mirrored"):
        package.path(f"proofs/{name}").unlink()


SEALED = Base(
    "sealed",
    VectorSealedStory,
    "a package with the daily seal's proofs about its items and their recorder, confirmed by a mirror",
    "带有每日封存证明的证据包：条目及其记录仪，并由镜像确认",
)

CASES = [
    Case(
        "no_mirror_has_confirmed_the_seal_yet",
        frozenset(),
        "no mirror has confirmed the seal yet, which is said and refuses nothing",
        "还没有镜像确认封存；只作说明，不是错误",
        sealed(no_mirror),
        base=SEALED,
    ),
    bad_case(
        "PKG-051_last_event_left_out",
        sealed(last_event_left_out),
        "the last event about an item is left out, and package.json and signature made to fit",
        "略去条目的最后一个事件，package.json 和签名都改得相符",
        base=SEALED,
    ),
    bad_case(
        "PKG-052_proof_of_another_item",
        sealed(proof_of_another_item),
        "the seal's proof about one item is shown for another",
        "用一个条目的封存证明证明另一个",
        base=SEALED,
    ),
    bad_case(
        "PKG-052_proof_about_the_recorder_kept_back",
        sealed(recorder_kept_back),
        "the seal's proof about the recorder is kept back",
        "没有给出记录仪的封存证明",
        base=SEALED,
    ),
    bad_case(
        "PKG-054_mirror_forged",
        sealed(forged_mirror),
        "a confirmation in the mirror's name that is not by its key",
        "以镜像名义作的确认，却不是其密钥签名的",
        base=SEALED,
    ),
]
