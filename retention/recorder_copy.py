"""May a recorder's copy of one file be erased? A pure decision, with every reason against it (design.md, promise 1).

The answer is no, unless the store's copy is proved: the receipt was verified by this very station, and the recorder's
copy, read once more from end to end right before, is exactly what was receipted. Freeing is off until a site asks for
it. Who acts on a yes is `edge_agent.free`; it signs the decision's reasons with the event.
"""

from dataclasses import dataclass
from enum import Enum

from evidence_model.digests import Digest
from evidence_model.known import Known, Unknown


class KeepReason(Enum):
    """Why a copy stays; each alone is enough."""

    OFF = "freeing-is-off"
    NO_RECEIPT = "no-receipt-verified-by-this-station"
    NOT_REREAD = "spool-copy-not-read-again"
    LOCKED = "locked-on-the-recorder"
    CHANGED = "size-or-stamp-changed-since-the-copy"
    NOT_CHECKED = "recorder-not-read-again-right-before"
    DIFFERENT_BYTES = "recorder-reads-different-bytes"
    HOLES = "copy-has-holes"
    DAMAGE = "damage-found-at-this-docking"
    FREED_BEFORE = "erased-before-and-there-again"
    READ_ONLY = "recorder-is-write-protected"
    CANNOT_BE_ERASED = "recorder-refuses-to-erase-it"  # tried and failed: no decision, what came of one


@dataclass(frozen=True, slots=True, kw_only=True)
class FreePolicy:
    """What a site allows."""

    enabled: bool = False
    locked_too: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFacts:
    """What is known of one file of a recorder, of its item, and of the docking."""

    receipt_verified: bool
    spool_copy_reread: bool
    locked: bool  # when it was copied, or now
    same_size_and_stamp: bool
    item_digest: Digest
    recorder_digest: "Known[Digest] | Unknown"  # of all bytes, read from the recorder right before
    has_holes: bool
    damage_found: bool
    freed_before: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class CopyDecision:
    """The conclusion; `keep` is empty exactly when the copy may be erased."""

    keep: tuple[KeepReason, ...]

    @property
    def may_free(self) -> bool:
        """Return whether the recorder's copy may be erased."""
        return not self.keep

    @property
    def only_unchecked(self) -> bool:
        """Return whether nothing but the last reading of the recorder is missing: it is worth doing."""
        return self.keep == (KeepReason.NOT_CHECKED,)

    @property
    def grounds(self) -> tuple[str, ...]:
        """Return what the signed event says for it."""
        if self.keep:
            return ()
        return ("receipt-verified-by-this-station", "recorder-read-again-right-before", "bytes-equal")


def decide(facts: CopyFacts, policy: FreePolicy) -> CopyDecision:
    """Say whether the recorder's copy may be erased, and every reason against it."""
    against = {
        KeepReason.OFF: not policy.enabled,
        KeepReason.NO_RECEIPT: not facts.receipt_verified,
        KeepReason.NOT_REREAD: not facts.spool_copy_reread,
        KeepReason.LOCKED: facts.locked and not policy.locked_too,
        KeepReason.CHANGED: not facts.same_size_and_stamp,
        KeepReason.NOT_CHECKED: isinstance(facts.recorder_digest, Unknown),
        KeepReason.DIFFERENT_BYTES: (
            isinstance(facts.recorder_digest, Known) and facts.recorder_digest.value != facts.item_digest
        ),
        KeepReason.HOLES: facts.has_holes,
        KeepReason.DAMAGE: facts.damage_found,
        KeepReason.FREED_BEFORE: facts.freed_before,
        KeepReason.READ_ONLY: facts.read_only,
    }
    return CopyDecision(tuple(reason for reason, holds in against.items() if holds))
