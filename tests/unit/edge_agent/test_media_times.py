"""All times of a file stand side by side, raw; a zone is named or it is said that it is assumed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.boxes import MediaFlag
from edge_agent.listing import ListedFile
from edge_agent.media_facts import Container, MediaFacts, probe
from edge_agent.profile import FileKind
from edge_agent.profile_reader import shipped_profiles
from edge_agent.time_witnesses import TimeWitnesses, Witness, ZoneBasis, witnesses
from edge_agent.volume_facts import StampMeaning
from evidence_model.canonical import canonical_bytes
from evidence_model.known import Known, Unknown
from tests.real_media import ANDROID_9, IPHONE_5, real_file

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PROFILES = shipped_profiles()
NONE = Unknown("the container does not tell")


def seen(name: str, *, profile: str = "generic_msc", mtime_s: int = 1_795_341_600) -> ListedFile:
    model = PROFILES.get(profile)
    return ListedFile(
        raw_path=name.encode(), size_bytes=9, mtime_ns=mtime_s * 10**9, allocated_bytes=9, locked=False,
        kind=FileKind.FOOTAGE, fields=model.fields_of(name.encode()),
    )  # fmt: skip


def media(*, created: str = "", dated: str = "") -> MediaFacts:
    container = Container(
        format="mov", duration_ms=Known(1_000), streams=(), creation_time=Known(created) if created else NONE,
        creation_date=Known(dated) if dated else NONE, location=NONE, make=NONE, model=NONE, tags={}, tool="",
    )  # fmt: skip
    return MediaFacts(structure=NONE, container=Known(container), flags=frozenset())


def read(
    name: str,
    facts: MediaFacts,
    *,
    profile: str = "generic_msc",
    meaning: StampMeaning = StampMeaning.WALL,
    mtime_s: int = 0,
) -> TimeWitnesses:
    model = PROFILES.get(profile)
    return witnesses(seen(name, profile=profile, mtime_s=mtime_s), facts, model, stamp_meaning=meaning, docked_at=NOW)


def test_real_android_file_shows_that_its_name_is_local_and_its_container_utc() -> None:
    path = real_file(ANDROID_9)
    facts = read(path.name, probe(path), profile="android_dcim")
    name, container = facts.readings[Witness.NAME], facts.readings[Witness.CONTAINER]
    assert name.raw == Known("2019-12-20T17:08:32")
    assert container.at == Known(datetime(2019, 12, 20, 20, 8, 34, tzinfo=UTC))
    assert container.basis is ZoneBasis.FORMAT
    # the name was taken under Shanghai: 11 hours off, a multiple of 15 minutes plus the clip's length, so a zone error
    assert isinstance(name.at, Known)
    assert container.at.value - name.at.value == timedelta(hours=11, seconds=2)
    assert facts.location == Known("-15.8355-048.0153/")


def test_real_iphone_file_states_its_zone_itself() -> None:
    facts = read("motion.mov", probe(real_file(IPHONE_5)))
    zoned = facts.readings[Witness.CONTAINER_ZONED]
    assert zoned.at == Known(datetime(2012, 11, 26, 23, 33, 10, tzinfo=UTC))
    assert (zoned.basis, zoned.zone) == (ZoneBasis.STATED, "-0800")
    assert facts.start_at == zoned.at


def test_case_19_fat_and_exfat_with_the_same_stamp_give_the_same_instant() -> None:
    stamp = 1_795_341_600  # 10:00:00 on the recorder's wall clock
    fat = read("a.bin", media(), meaning=StampMeaning.WALL, mtime_s=stamp).readings[Witness.FILE_SYSTEM]
    exfat = read("a.bin", media(), meaning=StampMeaning.WALL_OR_INSTANT, mtime_s=stamp).readings[Witness.FILE_SYSTEM]
    assert fat.at == exfat.at == Known(datetime(2026, 11, 22, 2, 0, tzinfo=UTC))
    assert fat.raw == Known(str(stamp * 10**9))


def test_case_16_a_mount_that_mixed_in_this_machines_zone_gives_no_instant() -> None:
    stamp = read("a.bin", media(), meaning=StampMeaning.HOST_ZONE, mtime_s=1_795_341_600).readings[Witness.FILE_SYSTEM]
    assert isinstance(stamp.at, Unknown)
    assert stamp.basis is ZoneBasis.HOST
    assert isinstance(stamp.raw, Known)


def test_an_ordinary_file_system_counts_utc() -> None:
    stamp = read("a.bin", media(), meaning=StampMeaning.INSTANT, mtime_s=1_795_341_600).readings[Witness.FILE_SYSTEM]
    assert stamp.at == Known(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


def test_a_gopros_utc_is_read_as_the_local_time_it_is() -> None:
    container = read("GX010001.MP4", media(created="2026-11-22T10:00:00.000000Z"), profile="gopro_files").readings[
        Witness.CONTAINER
    ]
    assert container.at == Known(datetime(2026, 11, 22, 2, 0, tzinfo=UTC))
    assert container.basis is ZoneBasis.PROFILE


def test_an_unknown_makers_utc_is_said_to_be_unsure() -> None:
    container = read("x.mp4", media(created="2026-11-22T10:00:00.000000Z")).readings[Witness.CONTAINER]
    assert container.basis is ZoneBasis.FORMAT_UNSURE


@pytest.mark.parametrize(
    "created", ["1970-01-01T00:00:00.000000Z", "1904-01-01T00:00:00.000000Z", "yesterday", "2026-99-01T00:00:00Z"]
)
def test_a_container_whose_clock_was_not_set_is_unknown_and_its_text_is_kept(created: str) -> None:
    container = read("x.mp4", media(created=created)).readings[Witness.CONTAINER]
    assert isinstance(container.at, Unknown)
    assert container.raw == Known(created)


def test_a_date_without_a_zone_is_no_instant() -> None:
    assert isinstance(read("x.mp4", media(dated="2026-11-22")).readings[Witness.CONTAINER_ZONED].at, Unknown)
    assert isinstance(read("x.mp4", media(dated="2026-11-22T10:00:00")).readings[Witness.CONTAINER_ZONED].at, Unknown)


def test_an_absurd_stamp_is_kept_raw_and_is_no_instant() -> None:
    stamp = read("a.bin", media(), mtime_s=2**40).readings[Witness.FILE_SYSTEM]
    assert stamp.raw == Known(str(2**40 * 10**9))
    assert isinstance(stamp.at, Unknown)


def test_the_start_is_the_names_and_never_the_file_systems() -> None:
    with_name = read("VID_20261122_100000.mp4", media(created="2026-11-22T02:00:09.000000Z"))
    assert with_name.start_at == Known(datetime(2026, 11, 22, 2, 0, tzinfo=UTC))
    assert isinstance(read("x.bin", media(), mtime_s=1_795_341_600).start_at, Unknown)


def test_the_body_is_signable_shows_every_witness_and_no_number() -> None:
    body = read("VID_20261122_100000.mp4", media()).as_body()
    assert {"name", "file-system", "container", "container-zoned", "dock", "location"} == set(body)
    assert b"unknown: " in canonical_bytes(body)


def test_media_that_could_not_be_read_leave_the_other_witnesses_standing(tmp_path: Path) -> None:
    stump = tmp_path / "VID_20261122_100000.mp4"
    stump.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    facts = probe(stump)
    assert MediaFlag.NO_INDEX in facts.flags
    assert isinstance(read(stump.name, facts).start_at, Known)
