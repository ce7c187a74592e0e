"""What the newest seal shows of a package's items and recorders: nothing of theirs was left out (evidence-package.md).

The index is made again from the catalogue and is what was signed, or nothing is exported: the catalogue or the seal is
then not what it was. Without a seal that the package's head contains, the package says so by having no such proof.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from chain_of_custody.seal_event import parse_seal
from chain_of_custody.sealed_index import SealedRun
from evidence_model.canonical import canonical_bytes
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, SourceId
from evidence_store import body_reading as read
from evidence_store.errors import NotSealedError
from evidence_store.package_events import PackagedEvent
from evidence_store.sealed_catalogue import SealedCatalogue

SEAL_NOT_THE_CATALOGUES = "STO-121"


@dataclass(slots=True)
class PackagedSeal:
    """Proofs about the `log.sealed` at `index`, by their names in the package."""

    index: int
    proofs: dict[str, SealedRun] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each proof."""
        for name, run in self.proofs.items():
            document = {
                "first": str(run.first),
                "leaves": [leaf.hex() for leaf in run.leaves],
                "proof": [each.hex() for each in run.proof],
                "seal": str(self.index),
                "version": "1",
            }
            yield f"proofs/{name}.json", canonical_bytes(document)


def newest_seal(
    db: sqlite3.Connection, centre: SourceId, head_size: int = read.SQLITE_MOST
) -> tuple[int, bytes] | None:
    """Return place and envelope hash of the newest `log.sealed` of the centre that a head of this size contains."""
    query = "select log_index, hash from event where kind = ? and source = ? and log_index < ? order by log_index desc"
    row = db.execute(query + " limit 1", (EventKind.LOG_SEALED.value, centre, head_size)).fetchone()
    return (row["log_index"], row["hash"]) if row else None


def seal_proofs(
    db: sqlite3.Connection,
    sealed: PackagedEvent | None,
    *,
    pulled: Sequence[tuple[AssetId, str, int]],
    recorders: Collection[RecorderId],
) -> tuple[PackagedSeal | None, list[Finding]]:
    """Return what the seal proves of items (id, recorder, place of their first event), their recorders and others.

    None: there is no seal, or none that covers any of it.

    Raises:
        NotSealedError: `recorders` were asked for, and there is no seal yet.
    """
    if sealed is None:
        if recorders:
            raise NotSealedError(", ".join(recorders))
        return None, []
    try:
        seal = parse_seal(sealed.view, index=sealed.index)
        covered = [(asset, recorder) for asset, recorder, index in pulled if index < seal.size]
        names = {recorder for _, recorder in covered} | set(recorders)
        if not names:
            return None, []  # it is older than everything in here
        catalogue = SealedCatalogue(db, seal.size, names)
        if not catalogue.is_of(seal):
            return None, [_differs(sealed, "the catalogue gives another index")]
        result = PackagedSeal(sealed.index)
        for asset, recorder in covered:
            result.proofs[f"presence-{asset}"] = catalogue.presence(seal, recorder, asset)
        for recorder in sorted(names - {""}):
            result.proofs[f"recorder-{recorder}"] = catalogue.everything_of(seal, recorder)
    except RefusedError as error:
        return None, [_differs(sealed, str(error)[:200])]
    return result, []


def _differs(sealed: PackagedEvent, why: str) -> Finding:
    return Finding(SEAL_NOT_THE_CATALOGUES, Severity.DAMAGE, f"entry {sealed.index}", {"why": why})
