"""Were the last events about an item, or other items of its recorder, left out? PKG-051 to PKG-054.

Numbers without gaps show that nothing is missing between two events, and nothing about what came after the last one.
That stands in the daily seal, and whether the seal is right, whoever mirrors the log has recomputed.
"""

from __future__ import annotations

from . import notes
from .check_log import consistent, opened
from .examination import Examination
from .layout import HEAD, MIRRORED, MIRRORED_CONSISTENCY, RECORDER_FILE
from .notes import MAX_SIZE
from .seals import MAX_BYTES, Run, Seal, all_of, chains_hash, check_run, leaf_key, read_run, read_seal
from .strict import RefusedError
from .trust import Trust
from .witnesses import signer_of


def check_seals(exam: Examination, trust: Trust) -> None:
    """Check what the package shows of the newest seal, for each item and each recorder."""
    for path in sorted(exam.bag.sizes):
        if (match := RECORDER_FILE.fullmatch(path)) is not None:
            _check_recorder(exam, path, match[1], trust)
    for item in exam.result.items:
        if f"data/proofs/presence-{item['id']}.json" in exam.bag.sizes:
            _check_item(exam, item, trust)
    for item in exam.result.items:
        _check_shown(exam, item, trust)
    if exam.seals:
        _check_mirrors(exam, trust)


def _check_item(exam: Examination, item: dict[str, str], trust: Trust) -> None:
    """Check that the sealed index has the item with exactly the events that are shown of it, up to the sealed size."""
    path = f"data/proofs/presence-{item['id']}.json"
    found = _read(exam, path, trust)
    if found is None:
        return
    run, seal = found
    try:
        check_run(run, seal)
        if len(run.leaves) != 1 or run.leaves[0][:64] != leaf_key(item["recorder"], item["id"]):
            raise RefusedError("seal.other")
    except RefusedError as error:
        exam.result.refused("PKG-052", path, error)
        return
    exam.count("proofs")
    ends = {
        each.event.source.id: (each.event.item.seq, each.hash.hex())
        for index, each in sorted(exam.events.items())
        if index < seal.size and each.event.item is not None and each.event.item.id == item["id"]
    }
    if chains_hash(ends) != run.leaves[0][64:]:
        exam.result.add("PKG-051", item["id"], "seal.chains", size=seal.size, day=seal.day)
    else:
        item["sealed"] = str(seal.size)


def _check_recorder(exam: Examination, path: str, recorder: str, trust: Trust) -> None:
    """Check that all sealed items of a recorder are shown, and that those in here are among them."""
    found = _read(exam, path, trust)
    if found is None:
        return
    run, seal = found
    try:
        leaves = all_of(run, seal, recorder)
    except RefusedError as error:
        exam.result.refused("PKG-052", path, error)
        return
    exam.count("proofs")
    keys = {leaf[:64] for leaf in leaves}
    here = [item["id"] for item in exam.result.items if item["recorder"] == recorder]
    for name in here:
        if _pulled_at(exam, name, trust) < seal.size and leaf_key(recorder, name) not in keys:
            exam.result.add("PKG-051", name, "seal.absent", size=seal.size, day=seal.day)
    told = {"recorder": recorder, "count": str(len(leaves)), "size": str(seal.size), "day": seal.day}
    exam.result.sealed.append({**told, "here": str(sum(leaf_key(recorder, name) in keys for name in here))})


def _check_shown(exam: Examination, item: dict[str, str], trust: Trust) -> None:
    """Check that no proof is kept back of what a seal in here covers (PKG-052); of what none covers, say so (-053)."""
    covered = [seal.size for seal in exam.seals.values() if seal.size > _pulled_at(exam, item["id"], trust)]
    presence = f"data/proofs/presence-{item['id']}.json"
    recorder = f"data/proofs/recorder-{item['recorder']}.json"
    needed = [presence, *([recorder] if RECORDER_FILE.fullmatch(recorder) else [])]
    for path in needed if covered else ():
        if path not in exam.bag.sizes:
            exam.result.add("PKG-052", item["id"], "file.missing", path=path)
    if not covered and presence not in exam.bag.sizes:
        exam.result.notice("PKG-053", item["id"])


def _pulled_at(exam: Examination, item: str, trust: Trust) -> int:
    """Return where in the log a station first says that it pulled an item; beyond the log if nowhere."""
    return min(
        (
            index
            for index, each in exam.events.items()
            if each.event.kind == "footage.pulled"
            and each.event.source.id != trust.centre
            and each.event.item is not None
            and each.event.item.id == item
        ),
        default=MAX_SIZE,
    )


def _read(exam: Examination, path: str, trust: Trust) -> tuple[Run, Seal] | None:
    """Return a proof and the seal that it is about, or tell why not (PKG-052)."""
    data = exam.small(path, MAX_BYTES, "PKG-052")
    try:
        if data is None:
            return None
        run = read_run(data)
        sealed = exam.events.get(run.seal)
        if sealed is None or sealed.event.kind != "log.sealed" or sealed.event.source.id != trust.centre:
            raise RefusedError("seal.none", index=run.seal)
        exam.seals[run.seal] = read_seal(sealed.event, run.seal)
        return (run, exam.seals[run.seal]) if sealed.is_proved else None  # told with the event
    except RefusedError as error:
        exam.result.refused("PKG-052", path, error)
        return None


def _check_mirrors(exam: Examination, trust: Trust) -> None:
    """Look whether a mirror that the outsider knows has recomputed every seal up to these (PKG-054)."""
    if not trust.mirrors:
        return
    confirmed = 0
    if MIRRORED in exam.bag.sizes and exam.head is not None:
        found = opened(exam, MIRRORED, trust)
        try:
            if found is not None and consistent(exam, found[1], MIRRORED, MIRRORED_CONSISTENCY):
                _, names = notes.verify_note(found[0], [signer_of(vkey) for vkey in trust.mirrors])
                exam.result.about["mirrors"] = ", ".join(sorted(signer.name for signer, _ in names))
                exam.count("signatures", len(names))
                confirmed = found[1].size
        except RefusedError as error:
            if error.reason != "note.unsigned":
                exam.result.refused("PKG-054", MIRRORED, error)
    if confirmed <= max(exam.seals):
        exam.result.notice("PKG-054", HEAD)
