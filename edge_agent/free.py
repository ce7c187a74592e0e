"""Erases a recorder's copies that may go, one by one, and signs each; nothing else of ours ever writes to a recorder.

Order for each file: decide → read it again from end to end on the recorder → decide again → intent in station.db →
unlink → fsync the folder → signed `recorder.freed` and the end of the intent in one transaction. If power fails between
unlink and event, the intent tells the next docking to sign what the recorder shows (`cure`).
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from edge_agent.codes import FREED_UNSAID
from edge_agent.errors import StopRequestedError
from edge_agent.facts import file_subject, recorder_freed
from edge_agent.item_book import KnownItem
from edge_agent.journal import Desk
from edge_agent.listing import listed_file
from edge_agent.ports import Patience
from edge_agent.profile import Profile
from edge_agent.settle import Stamp
from edge_agent.station import Station
from edge_agent.volume import UnsafePathError, VolumeRoot
from evidence_model.digests import Digest
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, SessionId
from evidence_model.instants import unix_ms
from evidence_model.known import Known, Unknown
from host_io import durable
from retention.recorder_copy import CopyDecision, CopyFacts, FreePolicy, KeepReason, decide

_BLOCK_BYTES: Final = 1 << 20
_NOT_READ: Final = Unknown("not read again yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeOutcome:
    """What became of one copy on the recorder."""

    asset_id: AssetId
    raw_path: bytes
    size_bytes: int
    freed: bool
    keep: tuple[KeepReason, ...]

    def as_json(self) -> dict[str, object]:
        """Return the outcome as `recorder free --json` shows it."""
        return {
            "id": self.asset_id,
            "path_hex": self.raw_path.hex(),
            "size_bytes": self.size_bytes,
            "freed": self.freed,
            "keep": [reason.value for reason in self.keep],
        }


def free_recorder(
    station: Station,
    desk: Desk,
    volume: VolumeRoot,
    recorder_id: RecorderId,
    *,
    session_id: SessionId,
    policy: FreePolicy,
    patience: Patience,
) -> list[FreeOutcome]:
    """Erase every copy on the docked recorder that may go; the others stay, each with its reasons.

    Raises:
        VolumeGoneError: the recorder went away; what was erased is signed, or is at the next docking.
        StopRequestedError: told to stop between two files.
    """
    profile = station.profiles.known_or_generic(desk.sessions.profile_of(recorder_id))
    damage = desk.sessions.has_damage(session_id)
    read_only = volume.usage().read_only
    outcomes = []
    for item in desk.items.of_recorder(recorder_id):
        if patience.is_set():
            raise StopRequestedError("stopped between two files; what was erased is signed")
        decision, status = _decide(volume, profile, item, policy, damage=damage, read_only=read_only, digest=_NOT_READ)
        if status is None:
            continue  # no longer on the recorder
        if decision.only_unchecked:
            digest = _read_again(volume, item)
            decision, status = _decide(volume, profile, item, policy, damage=damage, read_only=read_only, digest=digest)
        if decision.may_free and status is not None:
            try:
                _erase(station, desk, volume, item, decision, session_id=session_id)
            except (OSError, UnsafePathError):
                volume.check_present()
                # the intent stays: what the recorder shows at its next docking says whether the file went or not
                decision = CopyDecision((KeepReason.CANNOT_BE_ERASED,))
        outcomes.append(
            FreeOutcome(
                asset_id=item.asset_id,
                raw_path=item.raw_path,
                size_bytes=item.size_bytes,
                freed=decision.may_free,
                keep=decision.keep,
            )
        )
    return outcomes


def cure(
    station: Station, desk: Desk, recorder_id: RecorderId, present: Iterable[bytes], *, session_id: SessionId
) -> int:
    """Sign what a stop left unsaid: copies that were about to be erased and are not on the recorder any more.

    `present` are the raw paths of a complete listing. An intent whose file is still there is void: it is decided anew.
    """
    paths = set(present)
    cured = 0
    for item, reasons in desk.items.intents(recorder_id):
        with desk.transaction():
            if item.raw_path not in paths:
                _say_freed(station, desk, item, reasons, session_id=session_id)
                desk.find(
                    Finding(
                        FREED_UNSAID, Severity.NOTE, file_subject(recorder_id, item.raw_path), {"asset": item.asset_id}
                    )
                )
                cured += 1
            desk.items.forget_intent(item.asset_id)
    return cured


def _decide(
    volume: VolumeRoot,
    profile: Profile,
    item: KnownItem,
    policy: FreePolicy,
    *,
    damage: bool,
    read_only: bool,
    digest: "Known[Digest] | Unknown",
) -> tuple[CopyDecision, os.stat_result | None]:
    try:
        status = volume.stat_file(item.raw_path)
    except (FileNotFoundError, UnsafePathError):
        volume.check_present()
        return CopyDecision((KeepReason.CHANGED,)), None
    except OSError:
        volume.check_present()
        return CopyDecision((KeepReason.CHANGED,)), None
    facts = CopyFacts(
        receipt_verified=item.receipted,
        spool_copy_reread=item.reread_seq is not None,
        locked=item.locked or listed_file(volume, profile, item.raw_path, status).locked,
        same_size_and_stamp=Stamp(status.st_size, status.st_mtime_ns).row == (item.size_bytes, item.mtime_ns),
        item_digest=item.digest,
        recorder_digest=digest,
        has_holes=item.flawed,
        damage_found=damage,
        freed_before=item.freed_seq is not None,
        read_only=read_only,
    )
    return decide(facts, policy), status


def _read_again(volume: VolumeRoot, item: KnownItem) -> "Known[Digest] | Unknown":
    """Digest the recorder's copy once more, past the page cache where the file system allows it."""
    try:
        fd = volume.open_file(item.raw_path)
    except (OSError, UnsafePathError) as error:
        volume.check_present()
        return Unknown(f"cannot be opened: {error}")
    hasher = hashlib.sha256()
    view = memoryview(bytearray(_BLOCK_BYTES))
    try:
        durable.forget_cached(fd)
        while count := os.readv(fd, [view]):
            hasher.update(view[:count])
    except OSError as error:
        volume.check_present()
        return Unknown(f"cannot be read: {error.strerror}")
    finally:
        os.close(fd)
    return Known(Digest(hasher.digest()))


def _erase(
    station: Station,
    desk: Desk,
    volume: VolumeRoot,
    item: KnownItem,
    decision: CopyDecision,
    *,
    session_id: SessionId,
) -> None:
    now = unix_ms(station.clock.now())
    with desk.transaction():
        desk.items.intend(item.asset_id, session_id, json.dumps(decision.grounds), at_unix_ms=now)
    # if power fails here: an intent whose file is still there is void
    folder, _, name = item.raw_path.rpartition(b"/")
    with volume.folder(folder) as fd:
        durable.unlink_at(fd, name)
    # if power fails here: the next docking finds the file gone, and signs by the intent
    with desk.transaction():
        _say_freed(station, desk, item, decision.grounds, session_id=session_id)
        desk.items.forget_intent(item.asset_id)


def _say_freed(
    station: Station, desk: Desk, item: KnownItem, reasons: tuple[str, ...], *, session_id: SessionId
) -> None:
    event = desk.say(
        recorder_freed(
            station=station.journal.station,
            session_id=session_id,
            recorder_id=item.recorder_id,
            asset_id=item.asset_id,
            raw_path=item.raw_path,
            size_bytes=item.size_bytes,
            digest=item.digest,
            receipt_index=desk.items.receipt_index(item.pulled_seq),
            reasons=reasons,
        )
    )
    desk.items.was_freed(item.asset_id, seq=event.seq)
