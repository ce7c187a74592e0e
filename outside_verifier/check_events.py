"""Is each event what its source signed (PKG-020 to -023, -025, -026), and does it stand in the log (PKG-031, -032)?"""

from __future__ import annotations

from collections.abc import Mapping

from . import envelope as dsse
from . import sigsum
from .check_ranges import check_range
from .event import parse_event
from .examination import Examination, Logged
from .keys import Key
from .people import signed_by
from .strict import RefusedError
from .trust import Source, Trust


def check_events(exam: Examination, trust: Trust) -> None:
    """Check each event by itself; what they say together, `check_chains`, `check_items` and `check_belongs` ask."""
    people = {each.key.id: each.key for each in trust.people}
    for index in sorted(exam.indexes()):
        _check_event(exam, index, trust, people)


def _check_event(exam: Examination, index: int, trust: Trust, people: Mapping[str, Key]) -> None:
    path = f"data/events/{index}.dsse.json"
    raw = exam.small(path, dsse.MAX_BYTES, "PKG-020")
    if raw is None:
        return
    try:
        envelope = dsse.parse_envelope(raw)
        event = parse_event(envelope)
    except RefusedError as error:
        exam.result.refused("PKG-020", path, error)
        return
    exam.count("events")
    _check_beside(exam, index, envelope)
    entry: Source | None = None
    is_right = True
    try:
        signed, unchecked = dsse.signers(envelope, trust.by_id)
        by_source = (trust.entry(key_id, event.source.id) for key_id in sorted(signed | unchecked))
        entry = next((each for each in by_source if each is not None), None)
        if entry is None:
            raise RefusedError("envelope.source", source=event.source.id)
        exam.note_unchecked(path, unchecked, f"data/events/{index}")
        exam.count("signatures", len(signed))
        exam.signers |= signed | unchecked
    except RefusedError as error:
        exam.result.refused("PKG-021", path, error)
        is_right = False
    if entry is not None:
        is_right = check_range(exam, path, entry, index)
    is_right = check_proof(exam, index, envelope.hash, trust, event.source.id) is not None and is_right
    by_people = signed_by(envelope, people)
    exam.count("signatures", sum(by_people.values()))
    exam.note_unchecked(
        path, {key_id for key_id, is_checked in by_people.items() if not is_checked}, f"data/events/{index}"
    )
    exam.events[index] = Logged(index, envelope.hash, event, is_right, frozenset(by_people))


def _check_beside(exam: Examination, index: int, envelope: dsse.Envelope) -> None:
    """Compare the raw files beside an envelope (PKG-022)."""
    base = f"data/events/{index}"
    expected = {f"{base}.payload": envelope.payload, f"{base}.pae": envelope.pae}
    for key_id, signature in envelope.signatures.items():
        expected[f"{base}.{key_id}.sig"] = signature
    for path, data in expected.items():
        if path not in exam.bag.sizes or exam.small(path, 2 * dsse.MAX_BYTES, "PKG-022") != data:
            exam.result.add("PKG-022", path)
    for path in sorted(exam.event_files[index] - {*expected, f"{base}.dsse.json"}):
        exam.result.add("PKG-022", path)


def check_proof(exam: Examination, index: int, envelope: bytes, trust: Trust, source: str | None = None) -> str | None:
    """Check that the log has the envelope of this hash at this place, signed for by `source` (None: by anybody known).

    Returns the id of the key that signed the leaf; None if something is wrong, which was told.
    """
    path = f"data/proofs/{index}.sigsum"
    try:
        proof = sigsum.parse_proof(exam.bag.read(path, sigsum.MAX_BYTES))
    except RefusedError as error:
        exam.result.refused("PKG-032", path, error)
        return None
    is_right = True
    leaf = proof.leaf_of(envelope)
    entry = trust.entry(leaf.key_hash.hex(), source)
    if entry is None or not leaf.is_signed_by(entry.key):
        exam.result.add("PKG-031", path, "leaf", source=source or "?")
        is_right = False
    try:
        if proof.index != index:
            raise RefusedError("proof.place", index=proof.index)
        head = exam.head
        if head is None:
            return None  # told with the checkpoint
        if (proof.log_id, proof.size, proof.root) != (exam.log_id, head.size, head.root):
            raise RefusedError("proof.head")
        if proof.signature != head.signature:
            raise RefusedError("proof.head")
        proof.check_inclusion(leaf)
    except RefusedError as error:
        exam.result.refused("PKG-032", path, error)
        return None
    exam.count("signatures")
    exam.count("proofs")
    return leaf.key_hash.hex() if is_right else None
