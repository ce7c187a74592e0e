"""What stands beside SHA-256 and Ed25519 where a site asks for it: SM3 and SM2. PKG-024 (not checked here), PKG-027.

They are additions: without them everything is proved as well, so what cannot be checked on this machine changes no exit
code. One that is checked and does not fit is damage like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from . import envelope as dsse
from .bag import BLOCK
from .examination import Examination
from .findings import Severity
from .openssl_sm2 import OpensslSm2
from .strict import RefusedError


def check_sm3(exam: Examination) -> None:
    """Compare each item's file with the SM3 that the events about it say, if they say one."""
    for item in exam.items:
        path, sha256 = item["file"], item["sha256"]
        said = {
            event.subject_sm3
            for event in exam.about.get(item["id"], [])
            if event.kind == "footage.pulled" and event.subject_sha256 == sha256 and event.subject_sm3
        }
        if not said or exam.bag.digests.get(path) != sha256:
            continue  # none is said, or the file is not the one that it is said of: told already
        found = _sm3_of(exam, path)
        if found is None:
            exam.result.add("PKG-024", path, "sm3", severity=Severity.NOTE, path=path, said=", ".join(sorted(said)))
        elif said != {found}:
            exam.result.add("PKG-027", path, "sm3.differs", found=found, said=", ".join(sorted(said)))


def check_sm2(exam: Examination, points: Mapping[str, bytes]) -> None:
    """Check the signatures by SM2 keys of which the trust file tells (id → point) with this machine's openssl."""
    openssl = None
    for index in sorted(exam.events):
        path = f"data/events/{index}.dsse.json"
        try:
            envelope = dsse.parse_envelope(exam.bag.read(path, dsse.MAX_BYTES))
        except RefusedError:
            continue  # told already
        for key_id in envelope.signatures.keys() & points.keys():
            openssl = openssl or OpensslSm2()
            verdict = openssl.verify(points[key_id], envelope.pae, envelope.signatures[key_id])
            if verdict is None:
                base = f"data/events/{index}"
                exam.result.add("PKG-024", path, "sm2", severity=Severity.NOTE, key=key_id, base=base)
            elif verdict:
                exam.count("signatures")
            else:
                exam.result.add("PKG-027", path, "envelope.signature", key=key_id)


def _sm3_of(exam: Examination, path: str) -> str | None:
    try:
        digest = hashlib.new("sm3")
    except ValueError:
        return None
    try:
        with exam.bag.open(path) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
