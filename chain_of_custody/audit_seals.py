"""Is every daily seal what the events before it give? Whoever holds a copy of the log can say so and needs nobody.

A seal that leaves an item out, invents one or hides the last events about one is a lie of the centre's key, for good.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chain_of_custody.errors import SealRejectedError
from chain_of_custody.event import AssetLink, EventView, SourceLink
from chain_of_custody.seal_event import parse_seal
from chain_of_custody.sealed_index import Seal, SealedEnd, recorder_key, seal_of, sealed_leaf
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, SourceId

SEAL_DIFFERS = "COC-173"
SEAL_NOT_MADE_AGAIN = "COC-174"


class AuditedEvent(Protocol):
    """What the index is made of."""

    @property
    def source(self) -> SourceLink: ...  # noqa: D102
    @property
    def asset(self) -> AssetLink | None: ...  # noqa: D102
    @property
    def envelope_hash(self) -> bytes: ...  # noqa: D102
    @property
    def recorder(self) -> str | None: ...  # noqa: D102 - `pulled_from`


@dataclass(slots=True)
class SealAudit:
    """Takes events in any order, then checks the seals in the order of the log.

    `centres` are all who may seal. Seals before entry `seen_size` are not checked again; of the others the newest, and
    more as long as they have at most `most_leaves` together (None: all), since each is a whole index made anew.
    """

    centres: Collection[SourceId] = ()
    seen_size: int = 0
    most_leaves: int | None = None
    checked_count: int = 0
    _seals: list[tuple[Seal, int]] = field(default_factory=list)
    _malformed: list[Finding] = field(default_factory=list)

    def take(self, index: int, view: EventView) -> None:
        """Remember an event if it is a seal to be checked."""
        if view.kind == EventKind.LOG_SEALED.value and view.source.id in self.centres and index >= self.seen_size:
            try:
                self._seals.append((parse_seal(view, index=index), index))
            except SealRejectedError as error:
                details = {"code": error.code, "why": str(error)[:200]}
                self._malformed.append(Finding(SealRejectedError.code, Severity.FAULT, f"entry {index}", details))

    def findings(self, events: Mapping[int, AuditedEvent]) -> Iterator[Finding]:
        """Yield the seals that are wrong, and those before which an event is not there, so that it cannot be known.

        Why it is not there was told already: it was lost, or its body was erased by law.
        """
        yield from self._malformed
        chains: dict[AssetId, dict[str, SealedEnd]] = {}
        pairs: dict[str, set[AssetId]] = {}
        index = 0
        for seal, place in sorted(self._chosen(), key=lambda each: each[0].size):
            while index < seal.size and (event := events.get(index)) is not None:
                index += 1
                if event.asset is None:
                    continue
                source, asset = event.source.id, event.asset
                chains.setdefault(asset.id, {})[source] = (source, asset.seq, event.envelope_hash)
                if event.recorder is not None and source not in self.centres:
                    pairs.setdefault(event.recorder, set()).add(asset.id)
            if index < seal.size:
                yield Finding(SEAL_NOT_MADE_AGAIN, Severity.NOTE, f"entry {place}", {"missing": f"entry {index}"})
                continue
            self.checked_count += 1
            right = _made_again(seal.size, pairs, chains)
            if right != seal:
                details = {"size": str(seal.size), "sealed_items": str(seal.count), "items": str(right.count)}
                yield Finding(SEAL_DIFFERS, Severity.DAMAGE, f"entry {place}", details)

    def _chosen(self) -> Iterator[tuple[Seal, int]]:
        total = 0
        for number, (seal, place) in enumerate(sorted(self._seals, key=lambda each: -each[1])):
            total += seal.count
            if number and self.most_leaves is not None and total > self.most_leaves:
                return
            yield seal, place


def _made_again(
    size: int, pairs: Mapping[str, Collection[AssetId]], chains: Mapping[AssetId, Mapping[str, SealedEnd]]
) -> Seal:
    leaves = [
        sealed_leaf(key, asset, sorted(chains[asset].values()))
        for key, assets in ((recorder_key(name), assets) for name, assets in pairs.items())
        for asset in assets
    ]
    return seal_of(size, sorted(leaves))
