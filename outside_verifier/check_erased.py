"""Bodies that were erased by law: the entry must be proved as any other, and a lawful tombstone must name it (PKG-079).

Nothing is known of what such an event said but its place, its hash and who signed for it.
"""

from __future__ import annotations

from .check_events import check_proof
from .examination import Examination
from .trust import Trust


def check_erased(exam: Examination, trust: Trust) -> None:
    """Check each entry that `package.json` names as erased."""
    for envelope, index in sorted(exam.erased_said.items(), key=lambda each: each[1]):
        key_id = check_proof(exam, index, bytes.fromhex(envelope), trust)
        if key_id is not None:
            exam.signers.add(key_id)
        tombstone = exam.erased.get(envelope)
        if tombstone is None or tombstone <= index:
            exam.result.add("PKG-079", f"data/proofs/{index}.sigsum", "body.gone")
        elif key_id is not None:
            exam.result.erased.append({"index": str(index), "tombstone": str(tombstone), "sha256": envelope})
