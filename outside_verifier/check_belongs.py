"""Is all of it about the items, and is anything missing that belongs in? PKG-043, PKG-044, PKG-045, PKG-050."""

from __future__ import annotations

from .event import Event
from .examination import Examination
from .trust import Trust

ANSWERS = {"access.refused", "access.closed"}  # to a request that is about an item, which they do not name again


def check_blobs(exam: Examination) -> None:
    """Check that every blob besides the footage that a believed event names is there (PKG-043), and no other (-050)."""
    bag = exam.bag
    beside = {("footage", item["sha256"]) for item in exam.items}
    beside |= {("chunks", bag.digests.get(item["chunks"]) or "") for item in exam.items}
    needed = set()
    dockings = [event for event in exam.proved_events() if event.kind == "recorder.docked"]
    for event in [*dockings, *(event for events in exam.about.values() for event in events)]:
        for blob in event.blobs:
            if (blob.role, blob.sha256) in beside:
                continue
            path = f"data/blobs/{blob.sha256}"
            needed.add(path)
            if path not in bag.sizes:
                is_told = blob.role in {"footage", "chunks"}  # with the item
                is_gone = event.item is not None and event.item.id in exam.tombstones  # lawfully, as its footage
                if path not in exam.named and not is_told and not is_gone:
                    exam.result.add("PKG-043", path, "file.missing", path=path)
            elif path not in exam.altered and (
                (bag.digests.get(path), bag.sizes[path]) != (blob.sha256, blob.size_bytes)
            ):
                exam.result.add("PKG-043", path)
    every_event_is_read = all(each.is_proved for each in exam.events.values())
    for path in bag.sizes:
        if path.startswith("data/blobs/") and path not in needed and every_event_is_read and exam.items:
            exam.result.add("PKG-050", path, "file.stray")


def check_belongs(exam: Examination, trust: Trust) -> None:
    """Check that each event is about an item (PKG-044), and that nothing is missing that it needs (PKG-045)."""
    if not exam.is_listed:
        return  # told with package.json
    ids = {item["id"]: item["sha256"] for item in exam.items}
    events = [each.event for each in exam.events.values()]
    brought = {
        _docking(event): event.item.id
        for event in events
        if event.kind == "footage.pulled" and event.item is not None and ids.get(event.item.id) == event.subject_sha256
    }
    requests = [each for each in exam.events.values() if each.event.kind == "access.requested"]
    asked_by_hash = {each.hash.hex() for each in requests}
    asked = {each.event.body.get("request") for each in requests}
    enrolled = set()
    for each in exam.events.values():
        event = each.event
        assets = event.body.get("assets")
        if event.kind in {"key.enrolled", "key.revoked"}:
            belongs = event.subject_sha256 in {*exam.signers, trust.log.id}
            if event.kind == "key.enrolled" and event.source.id == trust.centre:
                enrolled.add(event.subject_sha256)
        elif event.kind == "log.sealed":
            belongs = each.index in exam.seals
        elif event.kind == "recorder.docked":
            belongs = _docking(event) in brought
        elif event.kind in ANSWERS:
            belongs = event.body.get("requested") in asked_by_hash or event.body.get("request") in asked
        else:
            belongs = event.item is not None and event.item.id in ids
            belongs |= isinstance(assets, list) and any(isinstance(asset, str) and asset in ids for asset in assets)
        if not belongs:
            exam.result.add("PKG-044", f"data/events/{each.index}.dsse.json")
    docked = {_docking(event) for event in events if event.kind == "recorder.docked"}
    for docking in brought.keys() - docked:
        exam.result.add("PKG-045", brought[docking], "belongs.docking")
    for key_id in sorted(exam.signers - enrolled):
        exam.result.add("PKG-045", key_id, "belongs.enrolment")


def _docking(event: Event) -> tuple[str, str]:
    """Return which docking an event is of."""
    return event.source.id, str(event.body.get("session"))
