"""Says in the log that numbers are missing among the files of a recorder: possibly deleted before it came (case 47).

Only what the listing alone shows is said here. Gaps and overlaps in time need each file's length and are found on the
timeline; the store keeps both side by side and joins nothing over them.
"""

import hashlib
from collections.abc import Iterator

from edge_agent.facts import footage_gap
from edge_agent.journal import Desk
from edge_agent.listing import Listing
from edge_agent.profile import Profile
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.ids import AssetId, RecorderId, SessionId, SourceId
from evidence_model.known import Known, Unknown
from evidence_model.timeline import Irregularity, Segment, group

_MOST_TOLD = 100
_NO_LENGTH = Unknown("the listing does not tell a length")


def say_gaps(
    desk: Desk,
    listing: Listing,
    profile: Profile,
    *,
    station: SourceId,
    recorder_id: RecorderId,
    session_id: SessionId,
) -> int:
    """Sign a `footage.gap` for each run of missing numbers that was not said at an earlier docking; return how many."""
    said = 0
    with desk.transaction():
        for body in missing_numbers(listing, profile, recorder_id):
            if said >= _MOST_TOLD:
                break
            digest = hashlib.sha256(canonical_bytes(body)).digest()
            if desk.items.is_told_gap(recorder_id, digest):
                continue
            event = desk.say(footage_gap(body, station=station, session_id=session_id, recorder_id=recorder_id))
            desk.items.told_gap(recorder_id, digest, seq=event.seq)
            said += 1
    return said


def missing_numbers(listing: Listing, profile: Profile, recorder_id: RecorderId) -> Iterator[dict[str, Json]]:
    """Yield each run of numbers that no file bears, and the files around it; nothing if the listing is cut short."""
    if not listing.complete:
        return
    paths: dict[str, bytes] = {}
    segments = []
    for file in listing.files:
        name = AssetId(hashlib.sha256(file.raw_path).hexdigest()[:32])  # stands for the file within this function only
        paths[name] = file.raw_path
        stamp = file.fields.stamp
        segments.append(
            Segment(
                asset_id=name,
                recorder_id=recorder_id,
                raw_path=file.raw_path,
                start_at=Known(stamp.value.at(profile.tz)) if isinstance(stamp, Known) else stamp,
                duration=_NO_LENGTH,
                fields=file.fields,
                rule=profile.segment,
                locked=file.locked,
                is_footage=file.is_footage,
            )
        )
    seen = set()
    for recording in group(segments):
        for finding in recording.findings:
            if finding.kind is not Irregularity.MISSING_NUMBERS or finding in seen:
                continue
            seen.add(finding)
            yield {
                "after_path_hex": paths.get(finding.after, b"").hex(),
                "before_path_hex": paths.get(finding.before, b"").hex(),
                "code": finding.kind.value,
                "first": str(finding.first_missing),
                "last": str(finding.last_missing),
            }
