"""Ids, instants, digests, sizes, topics, blob references: read strictly, written in one way."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence_model.canonical import JsonObject, MalformedJsonError
from evidence_model.digests import Digest, MalformedDigestError, chunk_list_text
from evidence_model.findings import catalogue
from evidence_model.ids import (
    MalformedIdError,
    RecorderId,
    SourceId,
    asset_id,
    asset_id_of,
    event_id,
    recorder_id,
    source_id,
)
from evidence_model.instants import MalformedInstantError, from_unix_ms, parse_instant, unix_ms, wire_instant
from evidence_model.messages import BlobRef, BlobRole, blobs_of
from evidence_model.sizes import MalformedSizeError, parse_size, people_size
from evidence_model.topics import Channel, parse_station_topic, station_topic

DIGEST = Digest(hashlib.sha256(b"x").digest())


def test_asset_id_follows_from_recorder_path_size_and_digest_and_from_nothing_else() -> None:
    recorder = RecorderId("rec-1")
    one = asset_id_of(recorder=recorder, raw_path=b"a\xff", size_bytes=1, digest=DIGEST)
    assert one == asset_id_of(recorder=recorder, raw_path=b"a\xff", size_bytes=1, digest=DIGEST)
    assert asset_id(one) == one
    assert one != asset_id_of(recorder=RecorderId("rec-2"), raw_path=b"a\xff", size_bytes=1, digest=DIGEST)
    assert one != asset_id_of(recorder=recorder, raw_path=b"a", size_bytes=1, digest=DIGEST)
    assert one != asset_id_of(recorder=recorder, raw_path=b"a\xff", size_bytes=2, digest=DIGEST)


@given(st.integers(min_value=0, max_value=2**48 - 1), st.binary(min_size=10, max_size=10))
def test_event_id_is_a_uuid_of_version_7_that_sorts_by_time(at: int, random: bytes) -> None:
    made = uuid.UUID(event_id(unix_ms=at, random=random))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == at


@pytest.mark.parametrize("text", ["", "A", "a.b", "a/b", "a+b", "-a", "a-", "a" * 49, "站", "a b", "a\n"])
def test_names_that_a_topic_or_path_could_misread_are_refused(text: str) -> None:
    with pytest.raises(MalformedIdError):
        source_id(text)


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a\n", "-a", "a" * 65])
def test_recorder_names_that_could_leave_a_folder_are_refused(text: str) -> None:
    with pytest.raises(MalformedIdError):
        recorder_id(text)


def test_topics_read_back_as_written() -> None:
    topic = station_topic(SourceId("site-1"), SourceId("st-2"), Channel.EVENTS)
    assert topic == "evidock/v1/site-1/stations/st-2/events"
    assert parse_station_topic(topic).station == "st-2"


@pytest.mark.parametrize("topic", ["", "evidock/v1/s/stations/x", "evidock/v2/s/stations/x/events", "a/b/c/d/e/f"])
def test_foreign_topics_are_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not a station's topic"):
        parse_station_topic(topic)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_instants_read_back_to_the_millisecond(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    assert parse_instant(wire_instant(at)) == at
    assert from_unix_ms(unix_ms(at)) == at


def test_naive_instants_are_refused_never_repaired() -> None:
    with pytest.raises(MalformedInstantError):
        wire_instant(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(MalformedInstantError):
        unix_ms(datetime(2026, 1, 1))  # noqa: DTZ001


def test_other_zones_are_written_as_utc() -> None:
    beijing = timezone(timedelta(hours=8))
    assert wire_instant(datetime(2026, 11, 22, 9, 2, 3, 456000, tzinfo=beijing)) == "2026-11-22T01:02:03.456Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T01:02:03Z",
        "2026-11-22 01:02:03.456Z",
        "2026-02-30T01:02:03.456Z",
        "2026-11-22T01:02:03.456+00:00",
        None,
    ],
)
def test_other_writings_of_an_instant_are_refused(text: object) -> None:
    with pytest.raises(MalformedInstantError):
        parse_instant(text)


def test_chunk_list_is_what_split_and_sha256sum_print() -> None:
    digests = hashlib.sha256(b"1").digest() + hashlib.sha256(b"2").digest()
    assert (
        chunk_list_text(digests) == f"{hashlib.sha256(b'1').hexdigest()}\n{hashlib.sha256(b'2').hexdigest()}\n".encode()
    )
    assert chunk_list_text(b"") == b""


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n"])
def test_digests_in_other_writings_are_refused(text: str) -> None:
    with pytest.raises(MalformedDigestError):
        Digest.parse(text)


def test_sizes_are_text_only_at_the_edge() -> None:
    assert parse_size("64 MiB") == 64 << 20
    assert people_size(64 << 20) == "64.0 MiB"
    with pytest.raises(MalformedSizeError):
        parse_size("64 MB")


def test_blobs_of_a_body_read_back_as_written() -> None:
    blob = BlobRef(BlobRole.FOOTAGE, DIGEST, 12)
    assert blobs_of({"blobs": [blob.as_json()]}) == (blob,)
    assert blobs_of({}) == ()


@pytest.mark.parametrize(
    "blobs",
    ["x", ["x"], [{"role": "footage"}], [{"role": "loot", "sha256": "0" * 64, "size_bytes": "1"}],
     [{"role": "footage", "sha256": "0" * 64, "size_bytes": "-1"}]],
)  # fmt: skip
def test_malformed_blob_lists_are_refused(blobs: object) -> None:
    body: JsonObject = {"blobs": blobs}  # type: ignore[dict-item]
    with pytest.raises(MalformedJsonError):
        blobs_of(body)


def test_every_code_of_the_catalogue_has_both_languages_and_a_fix() -> None:
    for code, texts in catalogue().items():
        assert set(texts) == {"zh", "en", "fix_zh", "fix_en"}, code
        assert all(texts.values()), code
