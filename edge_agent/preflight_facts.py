"""Turns what was gathered about a docked recorder into the facts that the pre-flight checks look at."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from edge_agent.identify import Identity, claim_of
from edge_agent.listing import ListedFile, Listing
from edge_agent.preflight import PreflightFacts, is_reset_stamp
from edge_agent.profile import FileKind, Profile, PullMode
from edge_agent.volume import StorageUse
from edge_agent.volume_facts import StampMeaning, VolumeFacts
from evidence_model.findings import Severity
from evidence_model.known import Known, Unknown
from evidence_model.wall_time import MalformedWallTimeError, WallTime
from policies.model import PreflightThresholds

_PERCENT = 100
_NO_CLOCK = Unknown("the clock of a disk cannot be read")
_RECORDED = frozenset({FileKind.FOOTAGE, FileKind.PHOTO, FileKind.AUDIO})


def facts_for_preflight(
    identity: Identity,
    volume: VolumeFacts,
    listing: Listing,
    use: StorageUse,
    thresholds: PreflightThresholds,
    *,
    docked_at: datetime,
    pending: Iterable[ListedFile] | None = None,
    clock_offset_ms: "Known[int] | Unknown" = _NO_CLOCK,
) -> PreflightFacts:
    """Return the facts.

    Args:
        identity: who is docked.
        volume: what the volume showed.
        listing: all of its files.
        use: its size and free space.
        thresholds: say which stamps are a reset clock's.
        docked_at: trusted time of the docking.
        pending: files the store has not receipted yet, where the caller knows; else all media count.
        clock_offset_ms: measured by a witness better than stamps (GPS time in the media, a vendor's command).
    """
    waiting = [file for file in (listing.files if pending is None else pending) if file.is_footage]
    stamps = [(file, stamp) for file in listing.files if (stamp := recorder_stamp(file, volume.stamp_meaning))]
    sound = [stamp for _, stamp in stamps if not is_reset_stamp(stamp, thresholds)]
    newest = _newest(stamps, sound)
    none = Unknown("no file bears a time of the recorder")
    return PreflightFacts(
        docked_at=docked_at,
        battery_percent=_battery(identity),
        total_bytes=use.total_bytes,
        free_bytes=use.free_bytes,
        locked_bytes=sum(file.allocated_bytes for file in listing.files if file.locked),
        pending_count=len(waiting),
        pending_bytes=sum(file.size_bytes for file in waiting),
        newest_stamp=Known(newest) if newest else none,
        newest_stamp_at=Known(assumed_instant(newest, identity.profile)) if newest else none,
        reset_stamp_count=len(stamps) - len(sound),
        clock_offset_ms=clock_offset_ms,
        fs_type=volume.fs_type,
        dirty=volume.dirty,
        media_failure=volume.media_failure,
        error_count=sum(finding.severity is not Severity.NOTE for finding in listing.findings),
        recorder_id=identity.recorder_id,
        trust=identity.trust,
        profile_id=identity.profile.id,
        recognised=identity.recognised,
        refused=identity.profile.pull is PullMode.REFUSE,
    )


def recorder_stamp(file: ListedFile, meaning: StampMeaning) -> WallTime | None:
    """Return the time the recorder itself put on a medium: the name's, else a FAT entry's; None where neither is.

    The modification time of an ordinary folder is the copier's, so it says nothing about a recorder's clock.
    """
    if file.kind not in _RECORDED:
        return None
    if isinstance(file.fields.stamp, Known):
        return file.fields.stamp.value
    if meaning not in {StampMeaning.WALL, StampMeaning.WALL_OR_INSTANT}:
        return None
    try:
        return WallTime.of_naive_unix_ns(file.mtime_ns)
    except MalformedWallTimeError:
        return None


def assumed_instant(stamp: WallTime, profile: Profile) -> datetime:
    """Return the instant of a recorder's stamp if its clock stands in the profile's zone."""
    return stamp.at(profile.tz)


def _newest(stamps: list[tuple[ListedFile, WallTime]], sound: list[WallTime]) -> WallTime | None:
    """Return the stamp of the last file by its counter if a reset clock wrote that one, else the latest sound stamp."""
    counted = [(file.fields.sequence.value, stamp) for file, stamp in stamps if isinstance(file.fields.sequence, Known)]
    last = max(counted, default=None)
    if last is not None and last[1] not in sound:
        return last[1]
    return max(sound, default=None) or max((stamp for _, stamp in stamps), default=None)


def _battery(identity: Identity) -> "Known[int] | Unknown":
    claimed = claim_of(identity, "battery_percent")
    if isinstance(claimed, Known) and claimed.value.rstrip("% ").isdecimal():
        percent = int(claimed.value.rstrip("% ")[:9])
        if percent <= _PERCENT:
            return Known(percent)
    return Unknown("a disk does not tell its battery")


def offset_of(gps_at: datetime, stamp: WallTime, profile: Profile) -> "Known[int] | Unknown":
    """Return by how many ms the recorder was ahead when GPS time and its own stamp were written together.

    A difference that is a multiple of 15 minutes is a wrong zone, not a wrong clock (recorders.md section 3.5).
    """
    ahead = stamp.at(profile.tz) - gps_at
    quarter = timedelta(minutes=15)
    rest = ahead % quarter
    near_zone = min(rest, quarter - rest) <= timedelta(seconds=30)
    if near_zone and abs(ahead) >= quarter:
        return Unknown("the recorder's zone differs from the one assumed")
    return Known(ahead // timedelta(milliseconds=1))
