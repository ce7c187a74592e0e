"""What the volume tells is checked, what it hides is unknown, and the policy says what unknown counts as (MS-D4)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest

from edge_agent.identify import Trust, identify
from edge_agent.listing import ListedFile, Listing, list_volume
from edge_agent.preflight import Check, PreflightFacts, Verdict, check
from edge_agent.preflight_facts import facts_for_preflight, offset_of
from edge_agent.profile import FileKind
from edge_agent.profile_reader import shipped_profiles
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import StampMeaning, gather_facts
from evidence_model.canonical import canonical_bytes
from evidence_model.known import Known, Unknown
from evidence_model.recording import NameFields
from evidence_model.wall_time import WallTime
from operator_cli.simulated_recorder import make_recorder
from operator_cli.texts import Language, Texts
from policies.model import UnknownCountsAs
from policies.reader import read_pack

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PACK = read_pack((resources.files("policies") / "packs" / "baseline.toml").read_text(encoding="utf-8"), name="baseline")
LIMITS = PACK.preflight
PROFILES = shipped_profiles()
GIB = 1 << 30
FIT = PreflightFacts(
    docked_at=NOW, battery_percent=Known(88), total_bytes=64 * GIB, free_bytes=60 * GIB, locked_bytes=0,
    pending_count=0, pending_bytes=0, newest_stamp=Known(WallTime("2026-11-22T11:30:00")),
    newest_stamp_at=Known(NOW - timedelta(minutes=30)), reset_stamp_count=0, clock_offset_ms=Known(800),
    fs_type=Known("vfat"), dirty=Known(value=False), media_failure=Known(value=False), error_count=0,
    recorder_id="rec-0011223344556677", trust=Trust.USB_SERIAL, profile_id="novatek_dcim", recognised=True,
    refused=False,
)  # fmt: skip
UNMEASURED = Unknown("the clock of a disk cannot be read")


def found(facts: PreflightFacts, name: str) -> Check:
    (one,) = [one for one in check(facts, LIMITS).checks if one.name == name]
    return one


def test_a_fit_recorder_passes_every_check() -> None:
    result = check(FIT, LIMITS)
    assert result.verdict is Verdict.PASS
    assert {one.verdict for one in result.checks} == {Verdict.PASS}
    assert [one.name for one in result.checks] == [
        "battery", "storage", "clock", "pending_footage", "filesystem", "identity"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("percent", "verdict"), [(100, "pass"), (60, "pass"), (59, "warn"), (20, "warn"), (19, "fail"), (0, "fail")]
)
def test_battery_limits_are_the_packs(percent: int, verdict: str) -> None:
    assert found(replace(FIT, battery_percent=Known(percent)), "battery").verdict.value == verdict


def test_case_48_a_hidden_battery_is_unknown_and_makes_the_whole_amber() -> None:
    hidden = replace(FIT, battery_percent=Unknown("a disk does not tell its battery"))
    battery = found(hidden, "battery")
    assert battery.verdict is Verdict.UNKNOWN
    assert battery.as_json(Texts(Language.EN))["value"] is None
    assert check(hidden, LIMITS).verdict is Verdict.WARN


@pytest.mark.parametrize("counts_as", list(UnknownCountsAs))
def test_case_48_what_unknown_counts_as_is_the_policys_to_say(counts_as: UnknownCountsAs) -> None:
    hidden = replace(FIT, battery_percent=Unknown("hidden"))
    assert check(hidden, replace(LIMITS, unknown_counts_as=counts_as)).verdict.value == counts_as.value


def test_case_32_a_card_full_of_locked_files_fails_before_field_use() -> None:
    full = found(replace(FIT, locked_bytes=60 * GIB, free_bytes=1 * GIB), "storage")
    assert (full.verdict, full.reason) == (Verdict.FAIL, "storage.locked_full")
    assert "锁定" in str(full.as_json(Texts(Language.ZH))["reason"])


@pytest.mark.parametrize(
    ("minutes", "verdict"), [(240, "pass"), (239, "warn"), (60, "warn"), (59, "fail"), (0, "fail")]
)
def test_storage_is_measured_in_minutes_of_recording(minutes: int, verdict: str) -> None:
    free = minutes * LIMITS.recording_bytes_per_minute
    assert found(replace(FIT, free_bytes=free), "storage").verdict.value == verdict


def test_a_volume_without_a_size_is_unknown_not_full() -> None:
    assert found(replace(FIT, total_bytes=0, free_bytes=0), "storage").verdict is Verdict.UNKNOWN


def test_a_stamp_later_than_the_dock_proves_a_fast_clock() -> None:
    fast = replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp_at=Known(NOW + timedelta(hours=1)))
    clock = found(fast, "clock")
    assert (clock.verdict, clock.value, clock.unit) == (Verdict.FAIL, Known("3600"), "s")


def test_stamps_alone_prove_neither_a_right_clock_nor_a_slow_one() -> None:
    for minutes in (0, 30, 60 * 24 * 365):
        old = replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp_at=Known(NOW - timedelta(minutes=minutes)))
        assert found(old, "clock").verdict is Verdict.UNKNOWN
    within_grain = replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp_at=Known(NOW + timedelta(seconds=60)))
    assert found(within_grain, "clock").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "stamp",
    ["1970-01-01T00:03:00", "1980-01-01T00:00:00", "2000-01-01T08:00:00", "2010-01-01T00:00:00", "2016-12-31T23:59:59"],
)
def test_case_14_a_clock_that_lost_its_time_is_seen(stamp: str) -> None:
    facts = replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp=Known(WallTime(stamp)), reset_stamp_count=1)
    clock = found(facts, "clock")
    assert (clock.verdict, clock.reason) == (Verdict.FAIL, "clock.reset")


def test_case_14_some_reset_stamps_among_good_ones_are_a_warning() -> None:
    clock = found(replace(FIT, clock_offset_ms=UNMEASURED, reset_stamp_count=2), "clock")
    assert (clock.verdict, clock.reason) == (Verdict.WARN, "clock.was_reset")


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [(0, "pass"), (-29_999, "pass"), (30_000, "warn"), (-30_000, "warn"), (300_000, "fail"), (-300_000, "fail")],
)
def test_a_measured_offset_decides_in_both_directions(ms: int, verdict: str) -> None:
    assert found(replace(FIT, clock_offset_ms=Known(ms)), "clock").verdict.value == verdict


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"dirty": Known(value=True)}, "warn", "filesystem.dirty"),
        ({"media_failure": Known(value=True)}, "fail", "filesystem.media_failure"),
        ({"error_count": 3}, "fail", "filesystem.errors"),
        ({"fs_type": Unknown("?")}, "unknown", "filesystem.unknown"),
    ],
)
def test_case_27_the_file_systems_state_is_told_and_nothing_repaired(
    change: dict[str, object], verdict: str, reason: str
) -> None:
    one = found(replace(FIT, **change), "filesystem")  # type: ignore[arg-type]  # one member each, of its own type
    assert (one.verdict.value, one.reason) == (verdict, reason)


def test_waiting_footage_is_a_warning_with_its_count() -> None:
    one = found(replace(FIT, pending_count=3, pending_bytes=9), "pending_footage")
    assert (one.verdict, one.value) == (Verdict.WARN, Known("3"))


def test_one_failed_check_fails_the_whole() -> None:
    assert check(replace(FIT, error_count=1, battery_percent=Unknown("x")), LIMITS).verdict is Verdict.FAIL


@pytest.mark.parametrize("language", list(Language))
def test_every_reason_and_fix_has_a_sentence_with_all_its_values(language: Language) -> None:
    texts = Texts(language)
    variants = [
        FIT,
        replace(
            FIT,
            battery_percent=Unknown("x"),
            clock_offset_ms=UNMEASURED,
            total_bytes=0,
            trust=Trust.FOLDER,
            fs_type=Unknown("x"),
        ),
        replace(
            FIT,
            battery_percent=Known(30),
            clock_offset_ms=Known(60_000),
            free_bytes=9 * GIB,
            trust=Trust.FILE_SYSTEM,
            dirty=Known(value=True),
        ),
        replace(
            FIT,
            battery_percent=Known(3),
            clock_offset_ms=Known(600_000),
            free_bytes=1,
            trust=Trust.OPERATOR,
            error_count=1,
            pending_count=2,
        ),
        replace(
            FIT,
            clock_offset_ms=UNMEASURED,
            reset_stamp_count=1,
            locked_bytes=64 * GIB,
            refused=True,
            media_failure=Known(value=True),
        ),
        replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp_at=Known(NOW + timedelta(days=1))),
        replace(FIT, clock_offset_ms=UNMEASURED, newest_stamp=Known(WallTime("2000-01-01T00:00:00"))),
    ]
    seen = set()
    for facts in variants:
        for one in check(facts, LIMITS).checks:
            for text_id in filter(None, (one.reason, one.fix)):
                seen.add(text_id)
                assert texts.has(f"preflight.{text_id}"), text_id
            shown = one.as_json(texts)
            assert "{" not in str(shown["reason"]) + str(shown["fix"])
            assert (one.verdict is Verdict.PASS) == (shown["fix"] == "")
    assert len(seen) == 41  # every text in the catalogue is reached


def test_the_json_form_is_the_contracts() -> None:
    shown = check(FIT, LIMITS).as_json(Texts(Language.EN))
    assert shown["verdict"] == "pass"
    checks = shown["checks"]
    assert isinstance(checks, list)
    assert all({"name", "verdict", "value", "unit", "reason", "fix"} <= set(one) for one in checks)


def test_the_event_body_is_signable_and_shows_unknowns() -> None:
    body = check(replace(FIT, battery_percent=Unknown("x")), LIMITS).as_body()
    assert b'"value":"unknown"' in canonical_bytes(body)


def test_a_docked_folder_is_checked_from_end_to_end(tmp_path: Path) -> None:
    make_recorder(tmp_path / "r", now=NOW)
    with VolumeRoot.open(tmp_path / "r") as volume:
        facts = gather_facts(volume, PROFILES)
        identity = identify(facts, PROFILES)
        listing = list_volume(volume, identity.profile)
        gathered = facts_for_preflight(identity, facts, listing, volume.usage(), LIMITS, docked_at=NOW)
    verdicts = {one.name: one.verdict for one in check(gathered, LIMITS).checks}
    assert verdicts["battery"] is Verdict.UNKNOWN
    assert verdicts["clock"] is Verdict.UNKNOWN
    assert verdicts["pending_footage"] is Verdict.WARN
    assert gathered.pending_count == 6
    assert gathered.newest_stamp == Known(WallTime("2026-11-22T10:57:00"))


def shot(name: str, *, mtime_s: int = 0, sequence: int | None = None, stamp: str = "") -> ListedFile:
    fields = NameFields(
        stamp=Known(WallTime(stamp)) if stamp else Unknown("-"),
        sequence=Known(sequence) if sequence is not None else Unknown("-"),
    )
    return ListedFile(
        raw_path=name.encode(), size_bytes=9, mtime_ns=mtime_s * 10**9, allocated_bytes=9, locked=False,
        kind=FileKind.FOOTAGE, fields=fields,
    )  # fmt: skip


def gathered_from(tmp_path: Path, *files: ListedFile, meaning: StampMeaning) -> PreflightFacts:
    with VolumeRoot.open(tmp_path) as volume:
        facts = replace(gather_facts(volume, PROFILES), stamp_meaning=meaning)
        listing = Listing(files=files, findings=(), complete=True)
        return facts_for_preflight(identify(facts, PROFILES), facts, listing, volume.usage(), LIMITS, docked_at=NOW)


def test_case_14_the_last_file_by_its_counter_tells_that_the_clock_is_reset_now(tmp_path: Path) -> None:
    files = (shot("a", sequence=7, stamp="2026-11-21T10:00:00"), shot("b", sequence=8, stamp="2000-01-01T00:00:09"))
    facts = gathered_from(tmp_path, *files, meaning=StampMeaning.INSTANT)
    assert found(facts, "clock").reason == "clock.reset"


def test_the_copiers_modification_time_says_nothing_of_the_recorders_clock(tmp_path: Path) -> None:
    future = int((NOW + timedelta(days=2)).timestamp())
    assert isinstance(
        gathered_from(tmp_path, shot("a", mtime_s=future), meaning=StampMeaning.INSTANT).newest_stamp, Unknown
    )
    fat = gathered_from(tmp_path, shot("a", mtime_s=future), meaning=StampMeaning.WALL)
    assert found(fat, "clock").reason == "clock.fast"


def test_case_15_an_offset_is_measured_against_gps_and_a_wrong_zone_is_no_offset() -> None:
    profile = PROFILES.generic
    at = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert offset_of(at, WallTime("2026-11-22T10:00:07"), profile) == Known(7_000)
    assert offset_of(at, WallTime("2026-11-22T09:58:00"), profile) == Known(-120_000)
    assert isinstance(offset_of(at, WallTime("2026-11-22T02:00:05"), profile), Unknown)
