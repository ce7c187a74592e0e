"""Which keys does the package bring, and do its key files for other tools hold the same? PKG-012."""

from __future__ import annotations

from .check_roots import ROOT_FILE
from .examination import Examination
from .layout import POLICY, TRUST
from .openssl_sm2 import pem
from .strict import RefusedError
from .trust import MAX_BYTES, Trust, parse_trust


def read_own_keys(exam: Examination) -> Trust | None:
    """Return the keys that the package brings; they prove nothing by themselves."""
    data = exam.small(TRUST, MAX_BYTES, "PKG-001")
    try:
        return parse_trust(data) if data is not None else None
    except RefusedError as error:
        exam.result.refused("PKG-012", TRUST, error)
        return None


def check_keys(exam: Examination, own: Trust) -> None:
    """Compare the key files for other tools with the package's trust.json (PKG-012)."""
    expected = {f"data/trust/keys/{key_id}.pem": key.pem() for key_id, key in own.all_keys.items()}
    expected.update({f"data/trust/keys/{key_id}.pem": pem(point) for key_id, point in own.sm2.items()})
    expected |= {f"data/time/{each.name}.pem": each.pem() for each in own.authorities}
    for each in own.entries:
        if each.key.is_ed25519:
            until = "" if each.until is None else f"-until-{each.until}"
            line = f"{each.key.ssh_line()} {each.name}\n"
            expected[f"data/trust/submit-{each.name}{until}.pub"] = line.encode()
    if exam.head is not None:
        policy = own.witnesses_at(exam.head.size)
        expected[POLICY] = policy.sigsum_text(own.log).encode()
    for path, data in expected.items():
        if path not in exam.bag.sizes or exam.small(path, MAX_BYTES, "PKG-012") != data:
            exam.result.add("PKG-012", path, "trust.file")
    for path in exam.bag.sizes:
        root = ROOT_FILE.fullmatch(path)
        is_root = root is not None and int(root[1]) <= own.number
        is_key_file = path.startswith("data/trust/") or (path.startswith("data/time/") and path.endswith(".pem"))
        if is_key_file and path not in {*expected, TRUST, POLICY} and not is_root:
            exam.result.add("PKG-050", path, "file.stray")
