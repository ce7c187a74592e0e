"""The checks of docs/spec/evidence-package.md, in its order. Everything that is wrong is told, not only the first.

`verify_package` is the table of contents: one line for each check, which is a function in a module of its own. A check
takes the `Examination`, leaves there what later ones need, and adds what it finds to its `result`.
"""

from __future__ import annotations

from .asked import Asked
from .bag import SayProgress, open_bag
from .check_bag import check_bytes, check_footage_bytes, check_names
from .check_belongs import check_belongs, check_blobs
from .check_chains import check_item_chains, check_source_order
from .check_contents import check_contents
from .check_decisions import check_decisions
from .check_erased import check_erased
from .check_events import check_events
from .check_gm import check_sm2, check_sm3
from .check_items import check_items
from .check_keys import check_keys, read_own_keys
from .check_log import check_anchor, check_handed_over, check_head
from .check_roots import about_roots, believed, check_newest
from .check_seals import check_seals
from .check_signed import check_signed
from .check_time import check_time
from .examination import Examination
from .findings import Result, Severity
from .layout import SIGNED
from .trust import Trust


def verify_package(
    folder: str, known: Trust | None = None, progress: SayProgress | None = None, asked: Asked | None = None
) -> Result:
    """Check a package; `known` is the outsider's own copy of the site's keys, without it the package's own are used."""
    result = Result()
    try:
        bag = open_bag(folder)
    except OSError as error:
        why = error.strerror or error
        result.add("PKG-001", folder, "file.unreadable", severity=Severity.UNCHECKED, path=folder, why=why)
        return result
    if "bagit.txt" not in bag.sizes and SIGNED not in bag.sizes:
        result.add("PKG-001", folder, "package.none", severity=Severity.UNCHECKED)
        return result
    exam = Examination(bag, result, asked or Asked())
    # Is it whole? What no key is needed for.
    check_names(exam)
    check_bytes(exam, progress)
    own = read_own_keys(exam)
    trust = believed(exam, own, known)
    check_contents(exam)
    check_footage_bytes(exam, told_later=trust is not None)
    if trust is None:
        return result  # told already; without any key nothing more can be said
    about_roots(exam, trust)
    result.keys = {"log": trust.log.id, **{name: key.id for name, key in trust.sources.items()}}
    # Who made it, and which log does it rest on?
    check_signed(exam, trust)
    check_head(exam, trust)
    check_newest(exam, own, known)
    check_handed_over(exam, trust)
    check_anchor(exam, trust)
    # Is each event signed and in the log, and what do they say together?
    check_events(exam, trust)
    if own is not None:
        check_keys(exam, own)
    check_item_chains(exam)
    check_source_order(exam)
    check_time(exam, trust)
    # Did people who may decide what was done with it?
    check_decisions(exam, trust)
    check_erased(exam, trust)
    # Is the footage theirs, and is all of it here and nothing besides?
    check_items(exam, trust)
    check_seals(exam, trust)
    check_blobs(exam)
    check_belongs(exam, trust)
    # What a site may add to SHA-256 and Ed25519.
    check_sm3(exam)
    check_sm2(exam, trust.sm2)
    return result
