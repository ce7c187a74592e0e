"""What each kind of event changes in the catalogue: one small function a kind, in a table.

Every function is given an event that is in the log, in the order of the log, and writes only what follows from it, so
that applying the log again gives the same rows. Kinds that are not in the table change nothing but the event list.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chain_of_custody.decision_bodies import DECISIONS
from chain_of_custody.event import EventView
from evidence_model.canonical import JsonObject
from evidence_model.events import EventKind
from evidence_model.ids import recorder_id
from evidence_model.instants import EPOCH, unix_ms
from evidence_model.messages import BlobRole, blobs_of
from evidence_store import body_reading as read
from evidence_store.errors import NotItsItemError


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log: its place, the hash of its envelope, and what it says."""

    index: int
    hash: bytes
    view: EventView

    @property
    def wall_unix_ms(self) -> int:
        """Return what the source's clock said."""
        return unix_ms(self.view.time.reading.wall_at)


Handler = Callable[[sqlite3.Connection, LoggedEvent], None]


def _footage_pulled(db: sqlite3.Connection, event: LoggedEvent) -> None:
    view, body = event.view, event.view.body
    if view.asset is None:
        return
    size = read.number(body, "size_bytes") or 0
    recorder = _recorder(body)
    db.execute(
        "insert into item (asset_id, recorder_id, station, session_id, raw_path, size_bytes, listed_size_bytes, digest,"
        " kind, locked, mtime_ns, profile, fields, segment_rule, flags, media, witnesses, pulled_index,"
        " pulled_wall_unix_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', '{}', ?, ?)"
        " on conflict (asset_id) do update set locked = max(locked, excluded.locked)",
        (
            view.asset.id,
            recorder,
            view.source.id,
            read.text(body, "session") or "",
            read.raw_bytes(body, "path_hex") or b"",
            size,
            _first(read.number(body, "listed_size_bytes"), size),
            view.subject.sha256,
            read.text(body, "kind") or "unknown",
            read.flag(body, "locked"),
            _stamp(body),
            read.text(body, "profile") or "",
            _json(read.table(body, "fields")),
            _json(read.table(body, "segment_rule")),
            json.dumps(sorted(set(read.texts(body, "flags")))),
            event.index,
            event.wall_unix_ms,
        ),
    )
    row = _item(db, event)
    if row is not None and row["digest"] != view.subject.sha256:
        raise ValueError("another file has this asset id")
    _is_stale(db, recorder)


def _footage_reread(db: sqlite3.Connection, event: LoggedEvent) -> None:
    view, body = event.view, event.view.body
    row = _item(db, event)
    if row is None:
        return
    _check_pulled(db, event)
    if row["station"] != view.source.id and row["reread_index"] is not None:
        return  # docked at two stations: what the first one found out stands, or will
    start_at, duration_ms = read.instant(body, "start_at"), read.number(body, "duration_ms")
    _check_end(start_at or EPOCH, duration_ms or 0)
    fields, rule = read.table(body, "fields"), read.table(body, "segment_rule")
    db.execute(
        "update item set reread_index = ?, media = ?, witnesses = ?, start_unix_ms = ?, duration_ms = ?, flags = ?,"
        " fields = case when ? = '{}' then fields else ? end,"
        " segment_rule = case when ? = '{}' then segment_rule else ? end where asset_id = ?",
        (
            event.index,
            _json(read.table(body, "media")),
            _json(read.table(body, "time_witnesses")),
            unix_ms(start_at) if start_at else None,
            duration_ms,
            json.dumps(sorted({*json.loads(row["flags"]), *read.texts(body, "flags")})),
            _json(fields),
            _json(fields),
            _json(rule),
            _json(rule),
            view.asset.id if view.asset else None,
        ),
    )
    _is_stale(db, row["recorder_id"])


def _store_received(db: sqlite3.Connection, event: LoggedEvent) -> None:
    row = _item(db, event)
    if row is None:
        return
    verified_at = read.instant(event.view.body, "verified_at")
    db.execute(
        "update item set received_index = ?, received_unix_ms = ? where asset_id = ? and received_index is null",
        (event.index, unix_ms(verified_at) if verified_at else event.wall_unix_ms, row["asset_id"]),
    )


def _recorder_docked(db: sqlite3.Connection, event: LoggedEvent) -> None:
    body = event.view.body
    docked_at = read.instant(body, "docked_at")
    listing = next((each.digest.raw for each in blobs_of(body) if each.role is BlobRole.LISTING), None)
    db.execute(
        "insert into dock (log_index, session_id, recorder_id, station, profile, docked_unix_ms, file_count,"
        " is_complete, listing, is_read) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            event.index,
            read.text(body, "session") or "",
            _recorder(body),
            event.view.source.id,
            read.text(body, "profile") or "",
            unix_ms(docked_at) if docked_at else event.wall_unix_ms,
            read.number(body, "file_count") or 0,
            body.get("complete") is not False,
            listing,
        ),
    )


def _footage_missing(db: sqlite3.Connection, event: LoggedEvent) -> None:
    body = event.view.body
    db.execute(
        "insert into missing (log_index, recorder_id, session_id, raw_path, size_bytes, reason)"
        " values (?, ?, ?, ?, ?, ?)",
        (
            event.index,
            _recorder(body),
            read.text(body, "session") or "",
            read.raw_bytes(body, "path_hex") or b"",
            read.number(body, "size_bytes") or 0,
            read.text(body, "reason") or "",
        ),
    )


def _recorder_freed(db: sqlite3.Connection, event: LoggedEvent) -> None:
    if event.view.asset is not None:
        _check_pulled(db, event)
        db.execute("insert into freed (log_index, asset_id) values (?, ?)", (event.index, event.view.asset.id))


def _tags_set(db: sqlite3.Connection, event: LoggedEvent) -> None:
    tags = read.table(event.view.body, "tags")
    rows = [
        (asset, name, value, event.index)
        for asset in read.assets(event.view.body, "assets")
        for name, value in tags.items()
        if isinstance(value, str)
    ]
    db.executemany(
        "insert into tag (asset_id, name, value, log_index) values (?, ?, ?, ?) on conflict (asset_id, name)"
        " do update set value = excluded.value, log_index = excluded.log_index",
        rows,
    )


def _recording_marked(db: sqlite3.Connection, event: LoggedEvent) -> None:
    mark = read.text(event.view.body, "mark")
    if mark is None:
        return
    is_on = event.view.body.get("on") is not False
    db.executemany(
        "insert into mark (asset_id, mark, is_on, log_index) values (?, ?, ?, ?) on conflict (asset_id, mark)"
        " do update set is_on = excluded.is_on, log_index = excluded.log_index",
        [(asset, mark, is_on, event.index) for asset in read.assets(event.view.body, "assets")],
    )


def _note_interruption(db: sqlite3.Connection, event: LoggedEvent) -> None:
    body = event.view.body
    from_at, until_at = read.instant(body, "from_at"), read.instant(body, "until_at")
    db.execute(
        "insert into note (log_index, text, reason, from_unix_ms, until_unix_ms) values (?, ?, ?, ?, ?)",
        (
            event.index,
            read.text(body, "text") or "",
            read.text(body, "reason") or "",
            unix_ms(from_at) if from_at else None,
            unix_ms(until_at) if until_at else None,
        ),
    )
    db.executemany(
        "insert into note_asset (log_index, asset_id) values (?, ?)",
        [(event.index, asset) for asset in read.assets(body, "assets")],
    )


def _key_enrolled(db: sqlite3.Connection, event: LoggedEvent) -> None:
    body = event.view.body
    role, public_key = read.text(body, "role"), read.raw_bytes(body, "key")
    if role not in {"station", "centre", "log"} or public_key is None:
        return
    db.execute(
        "insert into enrolled_key (key_id, role, id, public_key, log_index) values (?, ?, ?, ?, ?)"
        " on conflict (key_id) do nothing",
        (event.view.subject.sha256.hex(), role, read.text(body, "id") or "", public_key, event.index),
    )


HANDLERS: Mapping[str, Handler] = {
    EventKind.FOOTAGE_PULLED.value: _footage_pulled,
    EventKind.FOOTAGE_REREAD.value: _footage_reread,
    EventKind.FOOTAGE_MISSING.value: _footage_missing,
    EventKind.RECORDER_DOCKED.value: _recorder_docked,
    EventKind.RECORDER_FREED.value: _recorder_freed,
    EventKind.TAGS_SET.value: _tags_set,
    EventKind.RECORDING_MARKED.value: _recording_marked,
    EventKind.NOTE_INTERRUPTION.value: _note_interruption,
    EventKind.STORE_RECEIVED.value: _store_received,
    EventKind.KEY_ENROLLED.value: _key_enrolled,
}

CENTRE_ALONE = frozenset(
    (
        EventKind.STORE_RECEIVED.value,
        EventKind.FIXITY_CHECKED.value,
        EventKind.RECONCILIATION_DONE.value,
        EventKind.LOG_SEALED.value,
        EventKind.LOG_HANDOVER.value,
        EventKind.KEY_ENROLLED.value,
        EventKind.KEY_REVOKED.value,
        EventKind.TRUST_CHANGED.value,
        *DECISIONS,
    )
)
"""Kinds that change something only when the centre says them; anybody else's are in the log and change nothing."""


def _item(db: sqlite3.Connection, event: LoggedEvent) -> sqlite3.Row | None:
    if event.view.asset is None:
        return None
    query = "select asset_id, recorder_id, station, digest, flags, reread_index from item where asset_id = ?"
    row: sqlite3.Row | None = db.execute(query, (event.view.asset.id,)).fetchone()
    return row


def _check_pulled(db: sqlite3.Connection, event: LoggedEvent) -> None:
    """Return if the source pulled this very item itself, and so knows what it speaks of."""
    view = event.view
    query = (
        "select 1 from event join event_blob using (log_index) join item using (asset_id, digest)"
        " where asset_id = ? and source = ? and event.kind = ? and role = ?"
    )
    pulled = (EventKind.FOOTAGE_PULLED.value, BlobRole.FOOTAGE.value)
    if db.execute(query, (view.asset.id if view.asset else None, view.source.id, *pulled)).fetchone() is None:
        raise NotItsItemError(f"{view.kind} by {view.source.id}, which never pulled this file")


def _recorder(body: JsonObject) -> str:
    """Return whose footage it is; a name that no recorder can have makes no sense of the whole event."""
    name = read.text(body, "recorder")
    return recorder_id(name) if name else ""


def _is_stale(db: sqlite3.Connection, recorder: str) -> None:
    db.execute("insert into stale_recorder (recorder_id) values (?) on conflict do nothing", (recorder,))


def _check_end(start_at: datetime, duration_ms: int) -> datetime:
    """Return when it ended; an end that no calendar has raises, and the event makes no sense."""
    return start_at + timedelta(milliseconds=duration_ms)


def _stamp(body: JsonObject) -> int | None:
    value = read.text(body, "mtime_ns") or ""
    if value.startswith("-"):  # before 1970, as a reset clock writes
        before = read.number({"mtime_ns": value[1:]}, "mtime_ns")
        return None if before is None else -before
    return read.number(body, "mtime_ns")


def _first(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value


def _json(value: JsonObject) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
