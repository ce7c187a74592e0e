"""A recorder that comes under a known id and is another one: found at docking, told, and pulled all the same.

What recorders say of themselves (names in status files) is compared, too, and is only ever a note: whoever holds the
recorder can write it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from edge_agent.identify import Identity, SeenIdentity
from edge_agent.listing import Listing
from evidence_model.continuity import Break, Counter, Shown, breaks
from evidence_model.findings import Finding, Severity
from evidence_model.known import Known

SAME_NAME: Final = "EDGE-264"
_CODES: Final[Mapping[Break, tuple[str, Severity]]] = {
    Break.SERIAL: ("EDGE-260", Severity.FAULT),
    Break.PRODUCT: ("EDGE-261", Severity.FAULT),
    Break.COUNTER: ("EDGE-262", Severity.FAULT),
    Break.CARD: ("EDGE-263", Severity.NOTE),
}
OF_CONTINUITY: Final = (*(code for code, _ in _CODES.values()), SAME_NAME)
"""Codes that a docking which goes on from the one before clears."""


def shown_by(identity: Identity, listing: Listing) -> Shown:
    """Return what this docking shows of the recorder."""
    return Shown(facts=identity.facts, counter=_newest_number(identity, listing))


def discontinuities(identity: Identity, before: Shown | None, now: Shown) -> tuple[Finding, ...]:
    """Return what does not go on from the dockings before; `before` is None at a first one."""
    if before is None:
        return ()
    findings = []
    for each in breaks(before, now):
        code, severity = _CODES[each]
        details = {**_told(before, "before"), **_told(now, "now")}
        findings.append(Finding(code, severity, identity.recorder_id, details))
    return tuple(findings)


def namesakes(identity: Identity, seen: Iterable[SeenIdentity]) -> tuple[Finding, ...]:
    """Return recorders met before that call themselves the same and bear another serial number."""
    names, serial = _names(identity), identity.facts.get("usb_serial", "")
    return tuple(
        Finding(
            SAME_NAME, Severity.NOTE, identity.recorder_id, {"name": name, "other": other.recorder_id, "serial": serial}
        )
        for other in seen
        for name in sorted(names & other.names)
        if other.recorder_id != identity.recorder_id and serial != other.facts.get("usb_serial", "")
    )


def _names(identity: Identity) -> frozenset[str]:
    return frozenset(claim.value for claim in identity.claims if claim.name == "recorder_name")


def _newest_number(identity: Identity, listing: Listing) -> Counter | None:
    """Return the number of the newest footage; names that bear a time may begin to count anew with each recording."""
    digits = identity.profile.segment.sequence_digits
    numbers = [
        (file.newest_key, file.fields.sequence.value)
        for file in listing.files
        if file.is_footage and isinstance(file.fields.sequence, Known) and not isinstance(file.fields.stamp, Known)
    ]
    if not digits or not numbers:
        return None
    stamp, number = max(numbers)
    return Counter(number, digits, stamp)


def _told(shown: Shown, when: str) -> dict[str, str]:
    told = {f"{name}_{when}": shown.facts[name] for name in ("usb_serial", "usb_id", "fs_uuid") if name in shown.facts}
    return told | ({f"number_{when}": str(shown.counter.number)} if shown.counter is not None else {})
