"""Is what is docked under a recorder's id still the same recorder? What two dockings showed is compared; pure.

Only what the device and its files show is compared, and only where both dockings showed it. A formatted card, a counter
that starts again after its last number, and another socket are nothing of the kind.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from evidence_model.canonical import Json, JsonObject, MalformedJsonError, decimal

_COMPARED = ("fs_uuid", "usb_id", "usb_serial")
_NEAR_ITS_END = 0.9  # of all numbers that a counter has
_NEAR_ITS_BEGINNING = 0.1
_MOST_DIGITS = 12
# what chips answer when nobody gave them a serial number
_WORTHLESS_SERIAL = re.compile(r"(?i)(.)\1*|0*123456789(?:0|abcdef)?.*|none|n/?a|default|serial.*|.{0,3}|\W*")


class Break(Enum):
    """What does not go on from one docking of a recorder to the next."""

    SERIAL = "serial"  # another serial number
    PRODUCT = "product"  # another USB vendor or product
    COUNTER = "counter"  # a newer file bears a lower number
    CARD = "card"  # another volume, and no serial number says that it is the same recorder


@dataclass(frozen=True, slots=True)
class Counter:
    """The number of the newest file whose name bears no time; at 10**digits it starts again."""

    number: int
    digits: int
    stamp: str  # the file system's own time of that file, for comparing

    def as_body(self) -> dict[str, Json]:
        """Return it as it stands in an event."""
        return {"digits": str(self.digits), "number": str(self.number), "stamp": self.stamp}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one docking showed of the recorder, or all dockings up to one."""

    facts: Mapping[str, str] = field(default_factory=dict)
    counter: Counter | None = None

    @classmethod
    def from_body(cls, body: JsonObject) -> "Shown":
        """Read what `as_body` wrote; what is absent or malformed was not shown."""
        facts, counter = body.get("facts"), body.get("counter")
        known = facts if isinstance(facts, Mapping) else {}
        return cls(
            facts={name: value for name in _COMPARED if isinstance(value := known.get(name), str) and value},
            counter=_counter(counter) if isinstance(counter, Mapping) else None,
        )

    def as_body(self) -> dict[str, Json]:
        """Return it as JSON."""
        body: dict[str, Json] = {"facts": {name: self.facts[name] for name in _COMPARED if name in self.facts}}
        return body | ({"counter": self.counter.as_body()} if self.counter is not None else {})

    def then(self, later: "Shown") -> "Shown":
        """Return what is known after a later docking: a docking that shows no serial number takes none away."""
        return Shown(facts={**self.facts, **later.facts}, counter=later.counter or self.counter)


def is_worthless_serial(serial: str) -> bool:
    """Say whether a serial number identifies nothing: a maker's placeholder, as many devices have it."""
    return _WORTHLESS_SERIAL.fullmatch(serial) is not None


def breaks(before: Shown, now: Shown) -> tuple[Break, ...]:
    """Return what does not go on; nothing at a first docking."""
    found = []
    serials = [shown.facts.get("usb_serial", "") for shown in (before, now)]
    are_known = not any(is_worthless_serial(serial) for serial in serials)
    if are_known and serials[0] != serials[1]:
        found.append(Break.SERIAL)
    if _differ("usb_id", before, now):
        found.append(Break.PRODUCT)
    is_other_card = _differ("fs_uuid", before, now)
    if is_other_card and not are_known:
        found.append(Break.CARD)
    if not is_other_card and before.counter and now.counter and _went_back(before.counter, now.counter):
        found.append(Break.COUNTER)
    return tuple(found)


def _differ(name: str, before: Shown, now: Shown) -> bool:
    values = {shown.facts[name].lower() for shown in (before, now) if shown.facts.get(name)}
    return len(values) > 1


def _went_back(before: Counter, now: Counter) -> bool:
    if now.stamp <= before.stamp or now.number >= before.number:
        return False  # nothing newer lies on it: the newest files may be erased, or its clock was reset
    count = 10 ** min(before.digits, now.digits)
    return not (before.number >= count * _NEAR_ITS_END and now.number <= count * _NEAR_ITS_BEGINNING)


def _counter(body: Mapping[str, Json]) -> Counter | None:
    stamp = body.get("stamp")
    try:
        number, digits = decimal(body.get("number"), what="number"), decimal(body.get("digits"), what="digits")
    except MalformedJsonError:
        return None
    return Counter(number, digits, stamp) if isinstance(stamp, str) and 0 < digits <= _MOST_DIGITS else None
