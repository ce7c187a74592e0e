"""Which trust document counts: the package's, or the outsider's own? PKG-012, PKG-013, PKG-014."""

from __future__ import annotations

import re

from . import roots
from .examination import Examination
from .findings import Severity
from .layout import HEAD, TRUST
from .strict import RefusedError
from .trust import Trust

ROOT_FILE = re.compile(r"data/trust/roots/([1-9][0-9]{0,8})\.dsse\.json")


def root_path(number: int) -> str:
    """Return where the signed document of this number lies in a package."""
    return f"data/trust/roots/{number}.dsse.json"


def believed(exam: Examination, own: Trust | None, known: Trust | None) -> Trust | None:
    """Return the document that counts.

    The package's own counts if the outsider's document leads to it, each signed by enough roots of its own and of the
    one before it; else the outsider's. Without one of his own, the package's is shown for what it says.
    """
    chain = _read_chain(exam, own) if own is not None else []
    if own is None or known is None:
        return known or own
    if known.number > own.number:
        for wrong in roots.taken_back(own, known):
            exam.result.add("PKG-012", TRUST, "trust.differs", key=wrong)
        return known
    if len(chain) < known.number or chain[known.number - 1].raw != known.raw:
        exam.result.add("PKG-012", TRUST, "trust.another", number=known.number)
        return known
    return own if len(chain) == own.number else known


def about_roots(exam: Examination, trust: Trust) -> None:
    """Note who decides which keys count: many, or one machine that guards itself."""
    numbers = {"trust": trust.number, "roots": len(trust.roots), "threshold": trust.threshold}
    exam.result.about_trust = {name: str(number) for name, number in numbers.items()}


def check_newest(exam: Examination, own: Trust | None, known: Trust | None) -> None:
    """Tell if an old document came back: the log already was as large as the outsider's newer one says (PKG-014)."""
    if own is None or known is None or exam.head is None or known.number <= own.number:
        return
    if exam.head.size >= known.since:
        number, newer, size = own.number, known.number, known.since
        exam.result.add("PKG-014", HEAD, "trust.old", severity=Severity.FAULT, number=number, known=newer, size=size)


def _read_chain(exam: Examination, own: Trust) -> list[Trust]:
    """Return the package's documents from the first on, as far as each may follow the one before it (PKG-013)."""
    chain: list[Trust] = []
    for number in range(1, own.number + 1):
        path = root_path(number)
        try:
            trust, envelope = roots.read_root(exam.bag.read(path, roots.MAX_BYTES))
            roots.check_root(trust, envelope, chain[-1] if chain else None)
            if trust.number == own.number and trust.raw != own.raw:
                raise RefusedError("root.differs")
        except RefusedError as error:
            exam.result.refused("PKG-013", path, error)
            return chain
        exam.count("signatures", len(envelope.signatures))
        chain.append(trust)
    return chain
