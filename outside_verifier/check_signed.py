"""Did the centre sign this package (PKG-010), is it what the centre signed (PKG-011), and for whom (PKG-015)?"""

from __future__ import annotations

from . import envelope as dsse
from .contents import read_signed
from .examination import Examination
from .findings import Severity
from .layout import MANIFEST, SIGNED, TAG_MANIFEST
from .strict import RefusedError
from .trust import Trust

PACKAGE_TYPE = "application/vnd.evidock.package+json"


def check_signed(exam: Examination, trust: Trust) -> None:
    """Check the signature of `package.dsse.json`, and manifests, counts and site against what it says."""
    bag, result = exam.bag, exam.result
    raw = exam.small(SIGNED, dsse.MAX_BYTES, "PKG-010")
    if raw is None:
        return
    centre = trust.sources[trust.centre]
    try:
        envelope = dsse.parse_envelope(raw)
        if envelope.payload_type != PACKAGE_TYPE:
            raise RefusedError("event.type", found=envelope.payload_type)
        _, unchecked = dsse.signers(envelope, {centre.id: centre})
        signed = exam.signed = read_signed(envelope.payload)
    except RefusedError as error:
        result.refused("PKG-010", SIGNED, error)
        return
    exam.note_unchecked(SIGNED, unchecked, "")
    exam.count("signatures")
    result.about = {name: signed[name] for name in ("id", "created_at", "recipient", "basis", "site")}
    found = {
        "manifest_sha256": bag.digests.get(MANIFEST),
        "tagmanifest_sha256": bag.digests.get(TAG_MANIFEST),
        "file_count": str(sum(path.startswith("data/") for path in exam.named)),
        "site": trust.site,
    }
    payload = [path for path in exam.named if path.startswith("data/")]
    if exam.altered.isdisjoint(payload):  # else the bytes do differ, and that was told
        found["payload_bytes"] = str(sum(bag.sizes[path] for path in payload))
    for name, value in found.items():
        if value != signed[name]:
            result.add("PKG-011", SIGNED, "signed.differs", name=name, signed=signed[name], found=value)
    recipient, asked = signed["recipient"], exam.asked.recipient
    if asked is not None and recipient != asked:
        result.add("PKG-015", SIGNED, "recipient", severity=Severity.FAULT, found=recipient or "?", asked=asked)
