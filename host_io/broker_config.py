"""The configuration of a home's embedded broker (nats-server): who may say and hear what (contract.md, MQTT)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from evidence_model.ids import SourceId
from evidence_model.topics import Channel, checkpoints_topic, every_station, stamps_topic, station_topic
from host_io.broker_access import centre_user, station_user

_MIB = 1 << 20
_MAX_PAYLOAD_BYTES = _MIB  # an event has 60 KiB, a receipt at most 256 KiB
_MAX_STORE_BYTES = 2048 * _MIB
_LOG_BYTES = 4 * _MIB
_TO_STATIONS = (Channel.RECEIPTS, Channel.ALERTS, Channel.WITNESS)


def nats_config(
    *,
    site: SourceId,
    stations: Sequence[SourceId],
    secrets: Mapping[str, str],
    mqtt_port: int,
    store: Path,
    log_file: Path,
) -> str:
    """Return the configuration as JSON, which nats-server reads as well as its own form.

    The store is synced by the kernel and by nats-server's own two-minute rhythm, not at each message: measured on two
    cores 6,900 messages/s so, 1,300/s with `sync_interval: always`. A power cut may hence take messages that were
    acknowledged, which costs one repetition: truth lies in the outboxes at both ends, and no acknowledgement of a
    broker is a receipt.
    """
    return json.dumps(
        {
            "server_name": f"evidock-{site}",
            "listen": "127.0.0.1:-1",  # NATS's own protocol can't be turned off: any free port, the same users
            "max_payload": _MAX_PAYLOAD_BYTES,
            "log_file": str(log_file),
            "log_size_limit": _LOG_BYTES,
            "jetstream": {"store_dir": str(store), "max_file_store": _MAX_STORE_BYTES, "max_memory_store": 64 * _MIB},
            "mqtt": {"listen": f"127.0.0.1:{mqtt_port}", "max_ack_pending": 8192, "ack_wait": "30s"},
            "authorization": {
                "users": [
                    {"user": user, "password": secrets[user], "permissions": allowed}
                    for user, allowed in permissions(site, stations).items()
                ]
            },
        },
        indent=1,
    )


def permissions(site: SourceId, stations: Sequence[SourceId]) -> dict[str, dict[str, list[str]]]:
    """Return per user the NATS subjects to which it may publish and subscribe; everything else is denied."""
    users = {
        centre_user(): {
            "publish": [
                *(_subject(every_station(site, channel)) for channel in _TO_STATIONS),
                _subject(checkpoints_topic(site)),
                _subject(stamps_topic(site)),
            ],
            "subscribe": [
                _subject(every_station(site, channel))
                for channel in (Channel.EVENTS, Channel.STATUS, Channel.COSIGNATURES, Channel.ALERTS)
            ],
        }
    }
    for station in stations:
        users[station_user(station)] = {
            "publish": [
                _subject(station_topic(site, station, channel))
                for channel in (Channel.EVENTS, Channel.STATUS, Channel.COSIGNATURES, Channel.ALERTS)
            ],
            "subscribe": [
                *(_subject(station_topic(site, station, channel)) for channel in _TO_STATIONS),
                _subject(checkpoints_topic(site)),
                _subject(stamps_topic(site)),
            ],
        }
    return users


def _subject(topic: str) -> str:
    """Return the NATS subject of an MQTT topic; our names have no dot, so the translation is exact."""
    return topic.replace("/", ".").replace("+", "*")
