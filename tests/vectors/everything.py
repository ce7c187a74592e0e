"""All public vectors, and the index that describes each of them to a program."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evidence_model.canonical import canonical_bytes
from tests.unit.chain_of_custody import vector_files as custody
from tests.vectors import cases, decision_cases, key_cases, material, packages, rfc6962, seal_cases, stamp_cases
from tests.vectors.custody_words import ZH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence_model.canonical import JsonObject

FOLDER = Path(__file__).parents[2] / "vectors"
CASES = [*cases.CASES, *key_cases.CASES, *decision_cases.CASES, *seal_cases.CASES, *stamp_cases.CASES]
INDEX, PROOFS = "index.json", "rfc6962.json"
BY_HAND = ("README.md", ".gitattributes")
_KINDS = {
    "checkpoint": "checkpoint",
    "cosigned-checkpoint": "checkpoint",
    "envelope.dsse.json": "envelope",
    "event.json": "event",
    "inclusion.json": "inclusion",
    "keys.json": "keys",
    "leaf.hex": "leaf",
    "message.json": "message",
    "receipt.json": "receipt",
    "type.dsse.json": "envelope",
    "vkeys": "keys",
}


def files() -> dict[str, bytes]:
    """Return every file under `vectors/` that is not written by hand, by path."""
    index = sorted(entries(), key=lambda entry: str(entry["path"]))
    return {
        **custody.files(),
        **dict(packages.files(CASES)),
        material.NAME: material.MATERIAL.to_bytes(),
        PROOFS: canonical_bytes(rfc6962.document()) + b"\n",
        INDEX: canonical_bytes(index) + b"\n",
    }


def entries() -> Iterator[JsonObject]:
    """Yield what the index says of each vector."""
    for path in custody.files():
        top, *_, name = path.split("/")
        title = path if top == "good" else path.split("/")[1]
        code, _, words = title.partition("_")
        if top == "good":
            yield _entry(path, _KINDS[name], f"good: {name}", ZH.get(title, ""), [])
        else:
            yield _entry(path, _KINDS[name], words.replace("_s_", "'s ").replace("_", " "), ZH.get(title, ""), [code])
    for base in packages.bases(CASES):
        yield _entry(f"packages/{base.name}", "package", base.en, base.zh, [])
    for case in CASES:
        yield _entry(case.path, "package", case.en, case.zh, sorted(case.expected))
    yield _entry(PROOFS, "proofs", "196 proofs in hash trees, good and bad", "哈希树的 196 个证明，有好有坏", [])


def write() -> None:
    """Write all of them anew; what nobody makes any more goes."""
    made = files()
    for old in FOLDER.rglob("*"):
        if old.is_file() and old.relative_to(FOLDER).as_posix() not in {*BY_HAND, *made}:
            old.unlink()
    for path, data in made.items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_bytes(data)


def _entry(path: str, kind: str, en: str, zh: str, expected: list[str]) -> JsonObject:
    return {"desc_en": en, "desc_zh": zh, "expected": expected, "kind": kind, "path": path}


if __name__ == "__main__":
    with ExitStack() as stack:
        if sys.argv[1:] == ["--material"]:
            material.MATERIAL.make_anew(stack)
        write()
