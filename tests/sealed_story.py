"""An `EvidenceStory` that was sealed: the daily seal in its log, and the proofs about it in its package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain_of_custody.envelope import envelope_hash, parse_envelope
from chain_of_custody.event import parse_event
from chain_of_custody.seal_event import pulled_from, seal_body
from chain_of_custody.sealed_index import (
    Seal,
    SealedIndex,
    SealedRun,
    item_key,
    recorder_key,
    seal_of,
    sealed_leaf,
)
from evidence_model.canonical import canonical_bytes
from tests.package_story import RECORDER, EvidenceStory, sha

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence_model.ids import AssetId


def run_json(run: SealedRun, seal: int) -> bytes:
    return canonical_bytes(
        {
            "first": str(run.first),
            "leaves": [leaf.hex() for leaf in run.leaves],
            "proof": [each.hex() for each in run.proof],
            "seal": str(seal),
            "version": "1",
        }
    )


def naive_leaves(story: EvidenceStory, size: int) -> list[bytes]:
    """Return the leaves of the first `size` entries, made again from every envelope."""
    ends: dict[AssetId, dict[str, tuple[str, int, bytes]]] = {}
    pairs = set()
    for _, raw in story.log_items[:size]:
        view = parse_event(parse_envelope(raw))
        if view.asset is not None:
            end = (view.source.id, view.asset.seq, envelope_hash(raw))
            ends.setdefault(view.asset.id, {})[view.source.id] = end
            if view.source.id != "centre" and (recorder := pulled_from(view)) is not None:
                pairs.add((recorder, view.asset.id))
    return sorted(sealed_leaf(recorder_key(name), asset, sorted(ends[asset].values())) for name, asset in pairs)


class SealedStory(EvidenceStory):
    """Sealed after everything was said; `leaves` may be changed by who lies about them."""

    def seal_now(self, leaves: Sequence[bytes] | None = None, *, recorders: Sequence[str] = (RECORDER,)) -> None:
        """Let the centre seal, and remember what the package shows of it."""
        self.size = len(self.log_items)
        self.leaves = naive_leaves(self, self.size) if leaves is None else list(leaves)
        self.recorders = recorders
        seal = seal_of(self.size, self.leaves)
        self.sealed_at = self.say_seal(seal)

    def say_seal(self, seal: Seal) -> int:
        return self.say(
            self.centre, "log.sealed", ("seal/2026-11-22", seal.root.hex()), seal_body(seal, day="2026-11-22")
        )

    def presence(self, asset: AssetId, recorder: str = RECORDER) -> bytes:
        at = next(at for at, leaf in enumerate(self.leaves) if leaf.startswith(item_key(recorder, asset)))
        return run_json(SealedIndex(self.leaves).prove(at, [self.leaves[at]]), self.sealed_at)

    def recorder(self, name: str) -> bytes:
        """Return the run of all leaves of a recorder with its neighbours, found naively."""
        key = recorder_key(name)
        before = [at for at, leaf in enumerate(self.leaves) if leaf[:32] < key]
        after = [at for at, leaf in enumerate(self.leaves) if leaf[:32] > key]
        first, end = (before[-1] if before else 0), (after[0] + 1 if after else len(self.leaves))
        return run_json(SealedIndex(self.leaves).prove(first, self.leaves[first:end]), self.sealed_at)

    def files(self) -> dict[str, bytes]:
        files = super().files()
        if hasattr(self, "sealed_at"):
            files |= {f"proofs/presence-{each.id}.json": self.presence(each.id) for each in self.originals}
            files |= {f"proofs/recorder-{name}.json": self.recorder(name) for name in self.recorders}
        return files


__all__ = ["SealedStory", "naive_leaves", "run_json", "sha"]
