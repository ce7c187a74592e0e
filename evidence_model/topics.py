"""MQTT topic names (contract.md, MQTT); no topic text stands anywhere else."""

from dataclasses import dataclass
from enum import Enum

from evidence_model.ids import SourceId, source_id


class Channel(Enum):
    """What a station and the centre say to each other."""

    EVENTS = "events"
    RECEIPTS = "receipts"
    STATUS = "status"
    WITNESS = "witness"
    """Centre to station: a checkpoint to be cosigned (tlog-witness, add-checkpoint)."""
    COSIGNATURES = "cosignatures"
    """Station to centre: the answer."""
    ALERTS = "alerts"


def station_topic(site: SourceId, station: SourceId, channel: Channel) -> str:
    """Return `evidock/v1/<site>/stations/<station>/<channel>`."""
    return f"evidock/v1/{site}/stations/{station}/{channel.value}"


def every_station(site: SourceId, channel: Channel) -> str:
    """Return the filter that the centre subscribes to for one channel of all stations."""
    return f"evidock/v1/{site}/stations/+/{channel.value}"


def checkpoints_topic(site: SourceId) -> str:
    """Return the topic on which the latest checkpoint stands."""
    return f"evidock/v1/{site}/checkpoints"


def stamps_topic(site: SourceId) -> str:
    """Return the topic on which the centre tells the hash of the newest time stamp (`messages.stamp_message`)."""
    return f"evidock/v1/{site}/stamps"


@dataclass(frozen=True, slots=True)
class StationAddress:
    """Who speaks on a topic, and about what."""

    site: SourceId
    station: SourceId
    channel: Channel


def parse_station_topic(topic: str) -> StationAddress:
    """Read a station topic.

    Raises:
        MalformedIdError: site or station is no name.
        ValueError: the topic is not a station's.
    """
    match topic.split("/"):
        case ["evidock", "v1", site, "stations", station, channel]:
            return StationAddress(source_id(site), source_id(station), Channel(channel))
        case _:
            raise ValueError(f"not a station's topic: {topic[:120]!r}")
