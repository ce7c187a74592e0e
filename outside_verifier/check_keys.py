"""Whose keys are in the package, and are they the outsider's? PKG-012."""

from __future__ import annotations

from .examination import Examination
from .layout import TRUST
from .openssl_sm2 import pem
from .strict import RefusedError
from .trust import MAX_BYTES, Trust, differences, parse_trust


def read_own_keys(exam: Examination) -> Trust | None:
    """Return the keys that the package brings; they prove nothing by themselves."""
    data = exam.small(TRUST, MAX_BYTES, "PKG-001")
    try:
        return parse_trust(data) if data is not None else None
    except RefusedError as error:
        exam.result.refused("PKG-012", TRUST, error)
        return None


def check_keys(exam: Examination, own: Trust, known: Trust | None) -> None:
    """Compare the package's keys with the outsider's, and its key files with its trust.json (PKG-012)."""
    speakers = {each.event.source.id for each in exam.events.values()}
    for wrong in differences(own, known, speakers) if known is not None else []:
        exam.result.add("PKG-012", TRUST, "trust.differs", key=wrong)
    expected = {f"data/trust/keys/{key_id}.pem": key.pem() for key_id, key in own.all_keys.items()}
    expected.update({f"data/trust/keys/{key_id}.pem": pem(point) for key_id, point in own.sm2.items()})
    for name, key in own.sources.items():
        if key.is_ed25519:
            expected[f"data/trust/submit-{name}.pub"] = f"{key.ssh_line()} {name}\n".encode()
    expected["data/trust/policy.sigsum"] = own.witnesses.sigsum_text(own.log).encode()
    for path, data in expected.items():
        if path not in exam.bag.sizes or exam.small(path, MAX_BYTES, "PKG-012") != data:
            exam.result.add("PKG-012", path, "trust.file")
    for path in exam.bag.sizes:
        if path.startswith("data/trust/") and path not in expected and path != TRUST:
            exam.result.add("PKG-050", path, "file.stray")
