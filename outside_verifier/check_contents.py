"""Does `package.json` say of events, proofs and footage what the folders have? PKG-050."""

from __future__ import annotations

from .contents import read_package
from .examination import Examination
from .layout import (
    ANCHOR,
    CONSISTENCY,
    CONTENTS,
    EVENT_FILE,
    HANDOVER_FILE,
    HEAD,
    MIRRORED,
    MIRRORED_CONSISTENCY,
    PRESENCE_FILE,
    PROOF_FILE,
    RECORDER_FILE,
)
from .strict import RefusedError

_MAX_PACKAGE_JSON = 64 << 20
_PROOFS = (HEAD, ANCHOR, CONSISTENCY, MIRRORED, MIRRORED_CONSISTENCY)


def check_contents(exam: Examination) -> None:
    """Read `package.json` and compare the names of the files with it."""
    bag, result = exam.bag, exam.result
    data = exam.small(CONTENTS, _MAX_PACKAGE_JSON, "PKG-001")
    try:
        exam.listed, exam.items, exam.erased_said = read_package(data) if data is not None else (set(), [], {})
    except RefusedError as error:
        result.refused("PKG-050", CONTENTS, error)
        return
    exam.is_listed = data is not None
    there = exam.indexes()
    for index in sorted(exam.listed ^ there if exam.is_listed else ()):
        result.add("PKG-050", f"data/events/{index}.dsse.json", "contents.events")
    exam.count("items", len(exam.items))
    ids = {item["id"] for item in exam.items}
    expected = {path for item in exam.items for path in (item["file"], item["chunks"]) if path}
    for path in bag.sizes:
        event, proof = EVENT_FILE.fullmatch(path), PROOF_FILE.fullmatch(path)
        if path.startswith("data/footage/"):
            stray = exam.is_listed and path not in expected
        elif path.startswith("data/events/"):
            stray = event is None or int(event[1]) not in exam.listed | there
        elif HANDOVER_FILE.fullmatch(path):
            continue  # with the log
        elif (presence := PRESENCE_FILE.fullmatch(path)) is not None:
            stray = presence[1] not in ids
        elif path.startswith("data/proofs/") and path not in _PROOFS and not RECORDER_FILE.fullmatch(path):
            stray = proof is None or int(proof[1]) not in exam.listed | there | {*exam.erased_said.values()}
        else:
            continue
        if stray:
            result.add("PKG-050", path, "file.stray")
