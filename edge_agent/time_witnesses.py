"""Every time that a file bears, side by side and raw; none is corrected, and none overwrites another (design.md, 5).

Beside the raw text stands what it is worth: under which zone it was read, and the instant that would be. The dock's
own time is the only one this station vouches for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

from edge_agent.listing import ListedFile
from edge_agent.media_facts import MediaFacts
from edge_agent.profile import ContainerClock, Profile
from edge_agent.settle import STAMP_LIMITS
from edge_agent.volume_facts import StampMeaning
from evidence_model.canonical import Json
from evidence_model.instants import wire_instant
from evidence_model.known import Known, Unknown, text_of
from evidence_model.wall_time import MalformedWallTimeError, WallTime

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?")
_CONTAINER_EPOCHS = frozenset({"1904-01-01", "1970-01-01"})  # what an unset clock writes into an MP4


class Witness(Enum):
    """Where a time was read."""

    NAME = "name"
    FILE_SYSTEM = "file-system"
    CONTAINER = "container"  # creation_time of the container
    CONTAINER_ZONED = "container-zoned"  # a second one that states its zone
    DOCK = "dock"


class ZoneBasis(Enum):
    """Why a reading was taken as lying in the zone it was read under."""

    STATED = "stated"  # the text itself says so
    PROFILE = "profile"  # the recorder model's assumed zone
    FORMAT = "format"  # the format says UTC, and the model is known to keep to it
    FORMAT_UNSURE = "format-unsure"  # the format says UTC; many makers write local time there
    MOUNT = "mount"  # the file system counts true UTC
    HOST = "host"  # this machine's zone was mixed in by the mount
    TRUSTED = "trusted"  # this station's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWitness:
    """One reading: the raw text, and the instant under the zone it was read with."""

    witness: Witness
    raw: "Known[str] | Unknown"
    at: "Known[datetime] | Unknown"
    basis: ZoneBasis
    zone: str = ""

    def as_body(self) -> dict[str, Json]:
        """Return the reading as it stands in an event."""
        return {
            "at": wire_instant(self.at.value) if isinstance(self.at, Known) else text_of(self.at),
            "basis": self.basis.value,
            "raw": text_of(self.raw),
            "zone": self.zone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWitnesses:
    """All readings for one file."""

    readings: Mapping[Witness, TimeWitness]
    location: "Known[str] | Unknown"

    def as_body(self) -> dict[str, Json]:
        """Return the readings as they stand in an event; unknown ones are shown as that."""
        body: dict[str, Json] = {witness.value: reading.as_body() for witness, reading in self.readings.items()}
        return body | {"location": text_of(self.location)}

    @property
    def start_at(self) -> "Known[datetime] | Unknown":
        """Return the best instant for the start of the recording: the name's, a stated one, then the container's.

        A file system stamp is the end of writing, never its start, so it takes no part.
        """
        order = (Witness.NAME, Witness.CONTAINER_ZONED, Witness.CONTAINER)
        for witness in order:
            reading = self.readings.get(witness)
            if reading is not None and isinstance(reading.at, Known):
                return reading.at
        return Unknown("no witness tells when it began")


def witnesses(
    listed: ListedFile,
    media: MediaFacts,
    profile: Profile,
    *,
    stamp_meaning: StampMeaning,
    docked_at: datetime,
) -> TimeWitnesses:
    """Put all times side by side."""
    container = media.container
    created = container.value.creation_time if isinstance(container, Known) else container
    dated = container.value.creation_date if isinstance(container, Known) else container
    location = container.value.location if isinstance(container, Known) else container
    readings = (
        _name(listed, profile),
        _file_system(listed, profile, stamp_meaning),
        _container(created, profile),
        _zoned(dated),
        TimeWitness(
            witness=Witness.DOCK,
            raw=Known(wire_instant(docked_at)),
            at=Known(docked_at),
            basis=ZoneBasis.TRUSTED,
            zone="UTC",
        ),
    )
    return TimeWitnesses(readings={reading.witness: reading for reading in readings}, location=location)


def _name(listed: ListedFile, profile: Profile) -> TimeWitness:
    stamp = listed.fields.stamp
    return TimeWitness(
        witness=Witness.NAME,
        raw=Known(stamp.value.text) if isinstance(stamp, Known) else stamp,
        at=Known(stamp.value.at(profile.tz)) if isinstance(stamp, Known) else stamp,
        basis=ZoneBasis.PROFILE,
        zone=profile.zone,
    )


def _file_system(listed: ListedFile, profile: Profile, meaning: StampMeaning) -> TimeWitness:
    if listed.mtime_ns in STAMP_LIMITS:
        cut = Unknown("before 1677 or after 2262; the exact stamp stands in footage.pulled")
        return TimeWitness(witness=Witness.FILE_SYSTEM, raw=cut, at=cut, basis=ZoneBasis.MOUNT)
    raw = Known(str(listed.mtime_ns))
    try:
        wall = WallTime.of_naive_unix_ns(listed.mtime_ns)
    except MalformedWallTimeError:
        why = Unknown("no clock shows this time")
        return TimeWitness(witness=Witness.FILE_SYSTEM, raw=raw, at=why, basis=ZoneBasis.MOUNT)
    if meaning in {StampMeaning.WALL, StampMeaning.WALL_OR_INSTANT}:
        at: Known[datetime] | Unknown = Known(wall.at(profile.tz))
        basis, zone = ZoneBasis.PROFILE, profile.zone
    elif meaning is StampMeaning.INSTANT:
        at, basis, zone = Known(wall.at(UTC)), ZoneBasis.MOUNT, "UTC"
    else:
        at, basis, zone = Unknown("the mount mixed this machine's zone in"), ZoneBasis.HOST, ""
    return TimeWitness(witness=Witness.FILE_SYSTEM, raw=raw, at=at, basis=basis, zone=zone)


def _container(raw: "Known[str] | Unknown", profile: Profile) -> TimeWitness:
    """Read `creation_time`; its `Z` comes from the format, so it is believed only as far as the model is known."""
    if profile.container_clock is ContainerClock.LOCAL:
        basis, zone = ZoneBasis.PROFILE, profile.zone
    else:
        sure = profile.container_clock is ContainerClock.UTC
        basis, zone = ZoneBasis.FORMAT if sure else ZoneBasis.FORMAT_UNSURE, "UTC"
    wall, _ = _parsed(raw)
    at: Known[datetime] | Unknown = (
        wall if isinstance(wall, Unknown) else Known(wall.value.at(profile.tz if basis is ZoneBasis.PROFILE else UTC))
    )
    return TimeWitness(witness=Witness.CONTAINER, raw=raw, at=at, basis=basis, zone=zone)


def _zoned(raw: "Known[str] | Unknown") -> TimeWitness:
    wall, zone = _parsed(raw)
    at: Known[datetime] | Unknown = Unknown("no zone is stated")
    if isinstance(wall, Unknown):
        at = wall
    elif zone:
        at = Known(wall.value.at(_fixed(zone)))
    return TimeWitness(witness=Witness.CONTAINER_ZONED, raw=raw, at=at, basis=ZoneBasis.STATED, zone=zone)


def _parsed(raw: "Known[str] | Unknown") -> "tuple[Known[WallTime] | Unknown, str]":
    if isinstance(raw, Unknown):
        return raw, ""
    match = _STAMP.fullmatch(raw.value)
    if match is None:
        return Unknown("not a time"), ""
    if match.group(1) in _CONTAINER_EPOCHS:
        return Unknown("the clock was not set"), ""
    try:
        return Known(WallTime(f"{match.group(1)}T{match.group(2)}")), match.group(3) or ""
    except MalformedWallTimeError:
        return Unknown("no such time"), ""


def _fixed(zone: str) -> timezone:
    if zone == "Z":
        return UTC
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if zone[0] == "+" else -offset)
