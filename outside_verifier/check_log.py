"""Which state of which log does the package rest on, and who saw it when? PKG-030, PKG-033 to PKG-035 (and PKG-011)."""

from __future__ import annotations

from datetime import datetime

from . import notes, sigsum
from .asked import instant_text
from .examination import Examination
from .findings import Severity
from .layout import ANCHOR, CONSISTENCY, HANDOVER_FILE, HEAD, SIGNED
from .merkle import check_consistency
from .strict import RefusedError, hex_bytes
from .trust import Trust


def check_head(exam: Examination, trust: Trust) -> None:
    """Check who signed (PKG-030) and cosigned (PKG-034) the head, and that the centre named it (PKG-011)."""
    found = opened(exam, HEAD, trust)
    if found is None:
        return
    note, head = found
    exam.head = head
    exam.result.about.update(origin=head.origin, size=str(head.size))
    _check_witnesses(exam, note, head, trust)
    exam.log_id = trust.log_of(note).key.id
    if exam.signed is not None:
        said = exam.signed["head"]
        if (said["origin"], said["size"], said["root"]) != (head.origin, str(head.size), head.root.hex()):
            exam.result.add("PKG-011", SIGNED, "signed.differs", name="head", signed=said["size"], found=str(head.size))


def check_anchor(exam: Examination, trust: Trust) -> None:
    """Check that the head contains an earlier state of the log (PKG-033)."""
    if (ANCHOR in exam.bag.sizes) != (CONSISTENCY in exam.bag.sizes):
        exam.result.add("PKG-033", ANCHOR, "proof.half")
    found = opened(exam, ANCHOR, trust)
    if found is not None and consistent(exam, found[1], ANCHOR, CONSISTENCY):
        exam.result.about["anchor"] = str(found[1].size)


def check_handed_over(exam: Examination, trust: Trust) -> None:
    """Check that the head contains each tree with which the log's key was handed over before it (PKG-033).

    The tree goes on under the next key; without this the new key could sign a tree that leaves the past out.
    """
    head, needed = exam.head, set()
    for log in trust.logs:
        if head is None or log.final is None or log.key.id == exam.log_id:
            break
        size, root = log.final
        path = f"data/proofs/handover-{size}"
        needed.add(path)
        if size and consistent(exam, notes.Checkpoint("", size, root, b""), path, path):
            exam.result.about["handed_over"] = str(size)
    for path in exam.bag.sizes:
        if head is not None and HANDOVER_FILE.fullmatch(path) and path not in needed:
            exam.result.add("PKG-050", path, "file.stray")


def consistent(exam: Examination, older: notes.Checkpoint, path: str, proof_path: str) -> bool:
    """Say whether the head is proved to contain an older checkpoint, or tell why not (PKG-033)."""
    head = exam.head
    if head is None:
        return False
    try:
        lines = exam.bag.read(proof_path, sigsum.MAX_BYTES).decode("ascii", "replace").split("\n")
        if lines.pop():
            raise RefusedError("proof.form")
        proof = [hex_bytes(line) for line in lines]
        check_consistency(older.size, older.root, head.size, head.root, proof)
    except RefusedError as error:
        exam.result.refused("PKG-033", path, error)
        return False
    return True


def opened(exam: Examination, path: str, trust: Trust) -> tuple[bytes, notes.Checkpoint] | None:
    """Return the note and what the log signed in it, or tell why not (PKG-030)."""
    note = exam.small(path, notes.MAX_BYTES, "PKG-030")
    if note is None:
        return None
    try:
        checkpoint = trust.open_checkpoint(note)
    except RefusedError as error:
        exam.result.refused("PKG-030", path, error)
        return None
    exam.count("signatures")
    return note, checkpoint


def _check_witnesses(exam: Examination, note: bytes, head: notes.Checkpoint, trust: Trust) -> None:
    policy = trust.witnesses_at(head.size)
    try:
        cosigners = policy.cosigners(note)
    except RefusedError as error:
        exam.result.refused("PKG-034", HEAD, error)
        return
    exam.count("signatures", len(cosigners))
    exam.result.about["witnesses"] = ", ".join(sorted(cosigners))
    if not policy.is_met_by(cosigners):
        exam.result.add("PKG-034", HEAD, "witnesses", count=len(cosigners), quorum=policy.quorum)
    cosigned_at = policy.time_of(cosigners)
    if cosigned_at is not None:
        exam.result.about["cosigned_at"] = instant_text(cosigned_at)
    _check_age(exam, cosigned_at)


def _check_age(exam: Examination, cosigned_at: datetime | None) -> None:
    """Compare with what the outsider asked for (PKG-035): an old package is true in all it says, and not the newest."""
    asked, result = exam.asked.min_time, exam.result
    if asked is None:
        return
    text = instant_text(asked)
    if cosigned_at is None:
        result.add("PKG-035", HEAD, "head.undated", severity=Severity.FAULT, asked=text)
    elif cosigned_at < asked:
        said = instant_text(cosigned_at)
        result.add("PKG-035", HEAD, "head.old", severity=Severity.FAULT, asked=text, cosigned_at=said)
