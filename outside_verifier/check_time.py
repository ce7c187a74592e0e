"""When was it, by an outside authority's time? The stamps PKG-060 to PKG-064, clocks against them PKG-065, PKG-066."""

from __future__ import annotations

import re

from . import notes, sigsum
from .examination import Examination
from .findings import Severity
from .intervals import disagreements, intervals
from .merkle import check_consistency
from .stamps import MAX_BYTES, Authority, Stamp, Unchecked, find_openssl, read_stamp
from .strict import RefusedError, hex_bytes
from .trust import Trust

_SIZE = r"([1-9][0-9]{0,18})"
_STAMP = re.compile(rf"data/time/{_SIZE}\.([a-z0-9-]{{1,48}})\.tsr")
_BESIDE = re.compile(rf"data/time/{_SIZE}\.(?:checkpoint|consistency)")
_FINDING_OF = {"stamp.imprint": "PKG-061", "stamp.signer": "PKG-062"}


def check_time(exam: Examination, trust: Trust) -> None:
    """Check each stamp, find each event's interval, and compare the sources' clocks with it and with themselves."""
    proved = [each for each in exam.events.values() if each.is_proved]
    exam.intervals = intervals(proved, _check_stamps(exam, trust))
    for reason, index, facts in disagreements(proved, exam.intervals):
        code = "PKG-066" if reason == "time.beacon" else "PKG-065"
        exam.result.add(code, f"data/events/{index}.dsse.json", reason, severity=Severity.FAULT, **facts)


def _check_stamps(exam: Examination, trust: Trust) -> list[Stamp]:
    """Return the stamps that count, and tell of those that do not."""
    openssl = find_openssl()
    known = {each.name: each for each in trust.authorities}
    stamps: list[Stamp] = []
    notes_by_size: dict[int, bytes | None] = {}
    for path in sorted(exam.bag.sizes):
        match = _STAMP.fullmatch(path)
        if match is None:
            continue
        size = int(match[1])
        if size not in notes_by_size:
            notes_by_size[size] = _stamped_checkpoint(exam, size, trust)
        stamp = _unchecked(exam, path, size, notes_by_size[size], known.get(match[2]))
        if stamp is None:
            continue
        if openssl is None:
            exam.result.add("PKG-063", path, "stamp.command", severity=Severity.UNCHECKED, command=stamp.command())
        elif not stamp.is_signed(openssl):
            exam.result.add("PKG-062", path, "stamp.signature")
        else:
            exam.count("signatures")
            stamps.append(stamp.stamp())
    for path in exam.bag.sizes:
        beside = _BESIDE.fullmatch(path)
        is_known = _STAMP.fullmatch(path) or path.endswith(".pem")  # those are told with the keys
        is_of_a_stamp = beside is not None and int(beside[1]) in notes_by_size
        if path.startswith("data/time/") and not is_known and not is_of_a_stamp:
            exam.result.add("PKG-050", path, "file.stray")
    return stamps


def _stamped_checkpoint(exam: Examination, size: int, trust: Trust) -> bytes | None:
    """Return a stamped checkpoint's bytes if it is of this log and the head contains it (PKG-064)."""
    path, head = f"data/time/{size}.checkpoint", exam.head
    try:
        note = exam.bag.read(path, notes.MAX_BYTES)
        checkpoint = trust.open_checkpoint(note)
        lines = exam.bag.read(f"data/time/{size}.consistency", sigsum.MAX_BYTES).decode("ascii", "replace").split("\n")
        if lines.pop() or checkpoint.size != size:
            raise RefusedError("proof.form")
        if head is None:
            return None  # told with the checkpoint
        proof = [hex_bytes(line) for line in lines]
        check_consistency(checkpoint.size, checkpoint.root, head.size, head.root, proof)
    except RefusedError as error:
        exam.result.refused("PKG-064", path, error)
        return None
    exam.count("signatures")
    return note


def _unchecked(
    exam: Examination, path: str, size: int, note: bytes | None, authority: Authority | None
) -> Unchecked | None:
    """Return a stamp of which only the signature is left to check, or tell why it does not count."""
    if authority is None:  # no lie by itself, and no proof either
        exam.result.add("PKG-062", path, "stamp.authority", severity=Severity.FAULT)
        return None
    if note is None:
        return None  # told with the checkpoint
    try:
        return read_stamp(exam.bag.read(path, MAX_BYTES), note, size, authority)
    except RefusedError as error:
        exam.result.refused(_FINDING_OF.get(error.reason, "PKG-060"), path, error)
        return None
