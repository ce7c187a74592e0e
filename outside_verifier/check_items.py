"""Is each item's file the one that a station took from a recorder? PKG-042, its chunk list PKG-043, else PKG-050."""

from __future__ import annotations

from typing import Any

from .event import Event, item_id
from .examination import Examination
from .findings import Severity
from .intervals import text_of
from .stamps import Interval
from .strict import RefusedError, hex_bytes
from .trust import Trust


def check_items(exam: Examination, trust: Trust) -> None:
    """Check each item against the proved events about it."""
    said: dict[str, list[Event]] = {item["id"]: [] for item in exam.items}
    for event in exam.proved_events():
        if event.item is not None and event.item.id in said:
            said[event.item.id].append(event)
    for item in exam.items:
        about = exam.about[item["id"]] = _believed(item, said[item["id"]], trust.centre)
        _check_item(exam, item, about, trust.centre)


def _believed(item: dict[str, Any], about: list[Event], centre: str) -> list[Event]:
    """Return what counts of all that was said about an item: what the centre and the stations that pulled it said.

    Anybody else's words are in the log and change nothing. If no station pulled these bytes, all of it counts.
    """
    pulled_by = {
        event.source.id
        for event in about
        if event.kind == "footage.pulled" and event.source.id != centre and event.subject_sha256 == item["sha256"]
    }
    return [event for event in about if event.source.id in {*pulled_by, centre}] if pulled_by else about


def _check_item(exam: Examination, item: dict[str, Any], about: list[Event], centre: str) -> None:
    """Check one item against what is believed about it; what came from a recorder only a station can say."""
    bag, result = exam.bag, exam.result
    by_stations = [event for event in about if event.source.id != centre]
    pulled = [event for event in by_stations if event.kind == "footage.pulled"]
    named = {(blob.sha256, blob.size_bytes) for event in about for blob in event.blobs if blob.role == "footage"}
    subjects = {event.subject_sha256 for event in pulled}
    stated = (item["sha256"], item["size_bytes"])
    if named - {stated} or subjects - {item["sha256"]}:
        result.add("PKG-050", item["id"], "item.differs")
    if any(item_id(event) != item["id"] for event in pulled):
        result.add("PKG-050", item["id"], "item.id")
    path, is_whole = item["file"], False
    if path is None:
        if item["id"] not in exam.tombstones:
            result.add("PKG-079", item["id"], "item.gone")
    elif item["id"] in exam.tombstones:
        result.add("PKG-077", path, "item.back", severity=Severity.FAULT, index=exam.tombstones[item["id"]])
    elif path not in bag.sizes:
        if path not in exam.named:
            result.add("PKG-050", path, "file.missing", path=path)
    else:
        digest = bag.digests.get(path)
        is_whole = bool(named) and named == {(digest, bag.sizes[path])} and subjects == {digest}
        _check_footage(exam, item, by_stations, is_whole=is_whole)
    body = pulled[0].body if pulled else {}
    result.items.append(
        {
            "id": item["id"],
            "recording": item["recording"],
            "name": _raw_name(body.get("path_hex")),
            "recorder": str(body.get("recorder", ""))[:64],
            "station": pulled[0].source.id if pulled else "",
            **_when(exam, pulled[0] if pulled else None),
            "sha256": item["sha256"],
            "size_bytes": str(item["size_bytes"]),
            "proved": "gone" if path is None else "yes" if is_whole else "no",
        }
    )


def _check_footage(exam: Examination, item: dict[str, Any], by_stations: list[Event], *, is_whole: bool) -> None:
    bag, result = exam.bag, exam.result
    path, chunks = item["file"], item["chunks"]
    is_altered = path in exam.altered
    lists = {blob.sha256 for event in by_stations for blob in event.blobs if blob.role == "chunks"}
    is_list_right = chunks is not None and bag.digests.get(chunks) in lists
    if chunks is not None and chunks in bag.sizes and not is_list_right and chunks not in exam.altered:
        result.add("PKG-043", chunks)
    if chunks is not None and chunks not in bag.sizes and chunks not in exam.named:
        result.add("PKG-050", chunks, "file.missing", path=chunks)
    if is_whole and not is_altered:
        return
    code = "PKG-005" if is_altered else "PKG-042"
    damaged, count = bag.damaged_blocks(path, chunks) if chunks is not None and is_list_right else ([], 0)
    if not damaged:  # no list, or one of other bytes
        result.add(code, path, "blocks.unknown")
        return
    result.add(code, path, "blocks", damaged=_ranges(damaged), whole=count - sum(n <= count for n in damaged))


def _when(exam: Examination, pulled: Event | None) -> dict[str, str]:
    """Return when the file was pulled: by the station's clock, what that clock claimed, and what is proved."""
    if pulled is None:
        return dict.fromkeys(("pulled_at", "clock", "error_ms", "not_before", "not_after"), "")
    place = next((each.index for each in exam.events.values() if each.event is pulled), -1)
    interval = exam.intervals.get(place, Interval())
    return {
        "pulled_at": pulled.time.text,
        "clock": pulled.time.clock,
        "error_ms": "" if pulled.time.error_ms is None else str(pulled.time.error_ms),
        "not_before": text_of(interval.after.earliest) if interval.after is not None else "",
        "not_after": text_of(interval.before.latest) if interval.before is not None else "",
    }


def _raw_name(path_hex: object) -> str:
    """Return the raw name from the recorder as people can read it; it is made safe when it is shown."""
    try:
        return hex_bytes(path_hex, len(path_hex) // 2 if isinstance(path_hex, str) else 0).decode("utf-8", "replace")
    except RefusedError:
        return ""


def _ranges(numbers: list[int]) -> str:
    """Return 5, 17-20 of a sorted list; at most thirty parts."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each, each])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in parts]
    return ", ".join(texts[:30]) + (" …" if len(texts) > 30 else "")  # noqa: PLR2004 - enough to read
