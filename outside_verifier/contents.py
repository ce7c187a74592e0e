"""The package's two documents: what the centre signed of it, and what is in it (docs/spec/evidence-package.md)."""

from __future__ import annotations

from typing import Any

from .bag import is_safe
from .event import check_instant
from .strict import RefusedError, canonical_object, hex_bytes, members, number, text_of


def read_signed(payload: bytes) -> dict[str, Any]:
    """Return what the centre signed."""
    signed = members(
        canonical_object(payload),
        "approval basis created_at file_count head id manifest_sha256 payload_bytes recipient site"
        " tagmanifest_sha256 version",
        "package.dsse.json",
    )
    head = members(signed["head"], "origin root size", "head")
    text_of(head["origin"], "head.origin", 200)
    hex_bytes(head["root"])
    for value in (head["size"], signed["file_count"], signed["payload_bytes"]):
        number(value)
    for name in ("manifest_sha256", "tagmanifest_sha256"):
        hex_bytes(signed[name])
    for name in ("basis", "recipient", "site", "id"):
        text_of(signed[name], name, 4000)
    check_instant(signed["created_at"])
    if signed["approval"] is not None:
        hex_bytes(signed["approval"])
    if signed["version"] != "1":
        raise RefusedError("version", found=signed["version"])
    return signed


def read_package(data: bytes) -> tuple[set[int], list[dict[str, Any]], dict[str, int]]:
    """Return the places of the events in the log, the items, and by their hashes the places of events without a body.

    Paths get their `data/` in front.
    """
    document = members(canonical_object(data), "events items version", "package.json", "erased")
    if document["version"] != "1":
        raise RefusedError("version", found=document["version"])
    if not isinstance(document["events"], list) or not isinstance(document["items"], list):
        raise RefusedError("list", what="package.json")
    events = [number(each) for each in document["events"]]
    items = [_read_item(each) for each in document["items"]]
    ids = [item["id"] for item in items]
    if events != sorted(set(events)) or ids != sorted(set(ids)):
        raise RefusedError("sorted", what="package.json")
    return set(events), items, _read_erased(document.get("erased", []), set(events))


def _read_erased(value: object, events: set[int]) -> dict[str, int]:
    if not isinstance(value, list):
        raise RefusedError("list", what="erased")
    entries = [members(each, "index sha256", "erased") for each in value]
    erased = {hex_bytes(each["sha256"]).hex(): number(each["index"]) for each in entries}
    places = list(erased.values())
    if len(places) != len(value) or places != sorted(set(places)) or not events.isdisjoint(places):
        raise RefusedError("sorted", what="erased")
    return erased


def _read_item(value: object) -> dict[str, Any]:
    item = dict(members(value, "chains chunks file id recording sha256 size_bytes", "package.json"))
    folder = f"footage/{hex_bytes(item['id'], 16).hex()}/"
    hex_bytes(item["sha256"])
    text_of(item["recording"], "recording", 200)
    item["size_bytes"] = number(item["size_bytes"])
    for name in ("file", "chunks"):
        path = item[name]
        if path is None:
            continue
        if not text_of(path, name, 500).startswith(folder) or "/" in path[len(folder) :] or not is_safe(path):
            raise RefusedError("text", what=name)
        item[name] = f"data/{path}"
    if item["file"] is not None and item["chunks"] is not None and item["chunks"] != f"{item['file']}.chunks":
        raise RefusedError("text", what="chunks")
    if not isinstance(item["chains"], list):
        raise RefusedError("list", what="chains")
    chains = {}
    for each in item["chains"]:
        chain = members(each, "last seq source", "chains")
        chains[text_of(chain["source"], "source", 48)] = (number(chain["seq"]), hex_bytes(chain["last"]).hex())
    if list(chains) != sorted(chains) or len(chains) != len(item["chains"]):
        raise RefusedError("sorted", what="chains")
    item["chains"] = chains
    return item
