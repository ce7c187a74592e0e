"""Every kind of fact that can be logged, by its name on the wire (contract.md, custody event)."""

from enum import Enum


class EventKind(Enum):
    """Past tense: what a signed event says became true."""

    RECORDER_DOCKED = "recorder.docked"
    PREFLIGHT_DONE = "preflight.done"
    RECORDER_FREED = "recorder.freed"
    FOOTAGE_PULLED = "footage.pulled"
    FOOTAGE_MISSING = "footage.missing"
    FOOTAGE_GAP = "footage.gap"
    FOOTAGE_REREAD = "footage.reread"
    TAGS_SET = "tags.set"
    NOTE_INTERRUPTION = "note.interruption"
    RECORDING_MARKED = "recording.marked"
    STORE_RECEIVED = "store.received"
    FIXITY_CHECKED = "fixity.checked"
    RECONCILIATION_DONE = "reconciliation.done"
    LOG_SEALED = "log.sealed"
    LOG_HANDOVER = "log.handover"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    DISPOSAL_PROPOSED = "disposal.proposed"
    DISPOSAL_APPROVED = "disposal.approved"
    DISPOSAL_DONE = "disposal.done"
    ACCESS_REQUESTED = "access.requested"
    ACCESS_APPROVED = "access.approved"
    ACCESS_REFUSED = "access.refused"
    ACCESS_VIEWED = "access.viewed"
    ACCESS_COPIED = "access.copied"
    ACCESS_CLOSED = "access.closed"
    CASE_LINKED = "case.linked"
    CASE_UNLINKED = "case.unlinked"
    KEY_ENROLLED = "key.enrolled"
    KEY_REVOKED = "key.revoked"
    TRUST_CHANGED = "trust.changed"


class ActorKind(Enum):
    """Who acted."""

    STATION = "station"
    CENTRE = "centre"
    PERSON = "person"


class ActorLevel(Enum):
    """How well it is proved that it was this actor; shown in every report."""

    PERSON_KEY = "person-key"
    SESSION = "session"
    STATION = "station"
