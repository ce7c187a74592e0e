"""What an event says that a person decided: the bodies of docs/spec/decisions.md, one form each.

Every member is always there and no other is allowed, as in the event itself: two readers cannot find two decisions in
one body.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chain_of_custody.errors import EventBodyError
from chain_of_custody.event import EventView
from chain_of_custody.strict_text import decode_hex
from evidence_model.canonical import Json, JsonObject
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from evidence_model.ids import AssetId, asset_id
from evidence_model.instants import parse_instant

MAX_ID_CHARACTERS = 128
MAX_WORDS = 2000
PURPOSES = ("view", "copy")

_MEMBERS: Mapping[EventKind, str] = {
    EventKind.HOLD_PLACED: "assets hold reason",
    EventKind.HOLD_RELEASED: "assets hold placed reason",
    EventKind.DISPOSAL_PROPOSED: "assets disposal erased reason",
    EventKind.DISPOSAL_APPROVED: "assets disposal proposal",
    EventKind.DISPOSAL_DONE: "approval disposal erased proposal",
    EventKind.ACCESS_REQUESTED: "assets basis purpose recipient request",
    EventKind.ACCESS_APPROVED: "assets from request requested until",
    EventKind.ACCESS_REFUSED: "reason request requested",
    EventKind.ACCESS_VIEWED: "assets grant request",
    EventKind.ACCESS_COPIED: "assets grant package request",
    EventKind.ACCESS_CLOSED: "request",
    EventKind.CASE_LINKED: "assets case items",
    EventKind.CASE_UNLINKED: "assets case items",
}
DECISIONS: Mapping[str, EventKind] = {kind.value: kind for kind in _MEMBERS}
"""The kinds of this page, by their names on the wire."""


class DecisionRejectedError(EventBodyError):
    """The body is not of the one form of its kind; it decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One body, whatever its kind; what its kind has no member for is empty."""

    kind: EventKind
    matter: str  # the hold, disposal, request or case that it is part of
    assets: tuple[AssetId, ...] = ()
    refers_to: bytes | None = None  # the hash of the envelope that it answers
    approval: bytes | None = None
    erased: frozenset[bytes] = frozenset()
    purpose: str = ""
    recipient: str = ""
    from_at: datetime | None = None
    until_at: datetime | None = None
    bytes_of: Mapping[AssetId, bytes] = field(default_factory=dict)  # SHA-256 of an item's bytes, as a case names it


def read_decision(view: EventView) -> Decision:
    """Return what an event of a kind in `DECISIONS` says.

    Raises:
        DecisionRejectedError: its body, or its place in an item's chain, is not of the one form.
    """
    kind = DECISIONS[view.kind]
    names = _MEMBERS[kind].split()
    if sorted(view.body) != names:
        raise DecisionRejectedError(f"{view.kind}: exactly {', '.join(names)} belong into it")
    said: dict[str, Any] = {}
    for name in names:
        field_name, read = _READERS[name]
        try:
            said[field_name] = read(view.body[name])
        except RefusedError as error:
            raise DecisionRejectedError(f"{view.kind}: {name}: {error}") from error
    said.pop("", None)
    decision = Decision(kind=kind, **said)
    if decision.from_at and decision.until_at and decision.from_at >= decision.until_at:
        raise DecisionRejectedError(f"{view.kind}: it ends before it begins")
    link = view.asset.id if view.asset is not None else None
    if kind is EventKind.DISPOSAL_DONE and link is None:
        raise DecisionRejectedError(f"{view.kind}: a tombstone stands in its item's chain")
    if kind is not EventKind.DISPOSAL_DONE and link is not None and link not in decision.assets:
        raise DecisionRejectedError(f"{view.kind}: it stands in the chain of an item that it is not about")
    if "items" in names and tuple(decision.bytes_of) != decision.assets:
        raise DecisionRejectedError(f"{view.kind}: items and assets name different things")
    return decision


def assets_listed(body: JsonObject) -> frozenset[str]:
    """Return whatever a body of any kind lists as `assets`."""
    listed = body.get("assets")
    return (
        frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list | tuple) else frozenset()
    )


def _text(at_most: int) -> Callable[[Json], str]:
    def read(value: Json) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= at_most:
            raise DecisionRejectedError(f"a text of 1 to {at_most} characters")
        return value

    return read


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list | tuple):
        raise DecisionRejectedError("a list")
    return value


def _assets(value: Json) -> tuple[AssetId, ...]:
    found = tuple(asset_id(str(each)) for each in _list(value))
    if not found or len(set(found)) != len(found):
        raise DecisionRejectedError("at least one item, none twice")
    return found


def _erased(value: Json) -> frozenset[bytes]:
    found = [decode_hex(each) for each in _list(value)]
    if len(set(found)) != len(found):
        raise DecisionRejectedError("one event twice")
    return frozenset(found)


def _items(value: Json) -> Mapping[AssetId, bytes]:
    found: dict[AssetId, bytes] = {}
    for each in _list(value):
        if not isinstance(each, Mapping) or sorted(each) != ["asset", "sha256"]:
            raise DecisionRejectedError("asset and sha256 of each")
        asset = asset_id(str(each["asset"]))
        if asset in found:
            raise DecisionRejectedError("one item twice")
        found[asset] = decode_hex(each["sha256"])
    return found


def _purpose(value: Json) -> str:
    if value not in PURPOSES:
        raise DecisionRejectedError("view or copy")
    return str(value)


def _package(value: Json) -> None:
    if value is not None:
        decode_hex(value)


_MATTER = ("matter", _text(MAX_ID_CHARACTERS))
_ANSWER = ("refers_to", decode_hex)
_READERS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    **dict.fromkeys(("hold", "disposal", "request", "case"), _MATTER),
    **dict.fromkeys(("placed", "proposal", "requested", "grant"), _ANSWER),
    "approval": ("approval", decode_hex),
    "assets": ("assets", _assets),
    "basis": ("", _text(MAX_WORDS)),
    "erased": ("erased", _erased),
    "from": ("from_at", parse_instant),
    "items": ("bytes_of", _items),
    "package": ("", _package),
    "purpose": ("purpose", _purpose),
    "reason": ("", _text(MAX_WORDS)),
    "recipient": ("recipient", _text(MAX_WORDS)),
    "until": ("until_at", parse_instant),
}
"""By the name of a member: the field of `Decision` that it fills (none: it is only checked), and who reads it."""
