"""The bodies with which people decide (docs/spec/decisions.md): exactly these members, each in its one form."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .event import Event, check_instant
from .strict import RefusedError, hex_bytes, members, text_of

FORMS = {
    "hold.placed": "assets hold reason",
    "hold.released": "assets hold placed reason",
    "disposal.proposed": "assets disposal erased reason",
    "disposal.approved": "assets disposal proposal",
    "disposal.done": "approval disposal erased proposal",
    "access.requested": "assets basis purpose recipient request",
    "access.approved": "assets from request requested until",
    "access.refused": "reason request requested",
    "access.viewed": "assets grant request",
    "access.copied": "assets grant package request",
    "access.closed": "request",
    "case.linked": "assets case items",
    "case.unlinked": "assets case items",
}
_MATTERS = {"hold", "disposal", "request", "case"}
_ANSWERS = ("placed", "proposal", "requested", "grant")
_ITEM = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Decision:
    """A decision: to which matter it belongs, which items it is about, which event (by its hash) it answers."""

    kind: str
    matter: str
    assets: frozenset[str]
    answers: str
    body: dict[str, Any]


def read_decision(event: Event) -> Decision:
    """Return the decision in an event of one of these kinds."""
    body = members(event.body, FORMS[event.kind], event.kind)
    for name, value in body.items():
        _CHECKS[name](value)
    link = event.item.id if event.item is not None else None
    if event.kind == "disposal.done" and link is None:
        raise RefusedError("members", what="asset", expected="id prev seq")
    if event.kind != "disposal.done" and link is not None and link not in body.get("assets", ()):
        raise RefusedError("form", what="asset", text=link)
    if "until" in body and body["from"] >= body["until"]:  # of one form and length: text sorts as time does
        raise RefusedError("instant", text=body["until"])
    if "items" in body and [each["asset"] for each in body["items"]] != body["assets"]:
        raise RefusedError("list", what="items")
    matter = next(body[name] for name in body if name in _MATTERS)
    answers = next((body[name] for name in _ANSWERS if name in body), "")
    return Decision(event.kind, matter, frozenset(body.get("assets", ())), answers, body)


def _text(at_most: int) -> Callable[[object], object]:
    return lambda value: text_of(value, "body", at_most, 1)


def _distinct(value: object, check: Callable[[object], object], at_least: int = 0) -> None:
    if not isinstance(value, list) or len(value) < at_least:
        raise RefusedError("list", what="body")
    for each in value:
        check(each)
    if len(set(value)) != len(value):
        raise RefusedError("list", what="body")


def _asset(value: object) -> None:
    if not isinstance(value, str) or not _ITEM.fullmatch(value):
        raise RefusedError("form", what="asset", text=value)


def _items(value: object) -> None:
    if not isinstance(value, list):
        raise RefusedError("list", what="items")
    for each in value:
        hex_bytes(members(each, "asset sha256", "items")["sha256"])


def _purpose(value: object) -> None:
    if value not in ("view", "copy"):
        raise RefusedError("form", what="purpose", text=value)


_CHECKS: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(_MATTERS, _text(128)),
    **dict.fromkeys(("reason", "basis", "recipient"), _text(2000)),
    **dict.fromkeys((*_ANSWERS, "approval"), hex_bytes),
    **dict.fromkeys(("from", "until"), check_instant),
    "assets": lambda value: _distinct(value, _asset, 1),
    "erased": lambda value: _distinct(value, hex_bytes),
    "items": _items,
    "package": lambda value: value is None or hex_bytes(value),
    "purpose": _purpose,
}
