"""The states of an item say what is durably true of one file of a recorder (design.md, the way of a recording).

No program writes a state: each writes the fact it alone can know, in one place, and the state follows from the facts
(view `item_state` in `host_io/station.sql`). So a state can't contradict the facts, whatever died between two lines.
"""

from enum import Enum


class ItemState(Enum):
    """In the order in which they become true."""

    SEEN = "seen"  # listed on the recorder; no byte of it is promised
    PULLED = "pulled"  # fsynced and renamed into the spool; not yet spoken of
    SEALED = "sealed"  # named by an envelope that this station signed
    UPLOADED = "uploaded"  # the store has all bytes, not yet re-read and receipted
    RECEIPTED = "receipted"  # receipt verified: bytes re-read at the store, event in the log
    FREED = "freed"  # the recorder's copy is erased, by a signed event


class SessionState(Enum):
    """One stay of a recorder in a dock."""

    DOCKED = "docked"  # seen, not yet identified
    PULLING = "pulling"
    WAITING = "waiting"  # for space, for files still growing
    INTERRUPTED = "interrupted"  # the recorder went away in the middle; the next docking goes on
    PULLED = "pulled"  # everything listed is sealed
    FAILED = "failed"  # something could not be pulled; the finding says what
    GONE = "gone"  # undocked after all was pulled
