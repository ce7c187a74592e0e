"""Recorder models are data: each family's tree is told apart, its names read, its marks seen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.identify import Identity, identify
from edge_agent.listing import Listing, list_volume
from edge_agent.profile import FileKind, PullMode
from edge_agent.profile_reader import (
    COMMON,
    ProfileError,
    UnknownProfileError,
    glob_pattern,
    read_profiles,
    shipped_profiles,
)
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import gather_facts
from evidence_model.known import Known
from operator_cli.simulated_recorder import families, make_recorder

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PROFILES = shipped_profiles()
MINIMAL = 'id = "generic_msc"\ntitle = { zh = "一", en = "a" }\nevidence = "derived"\n'


def docked(path: Path) -> tuple[Identity, Listing]:
    with VolumeRoot.open(path) as volume:
        identity = identify(gather_facts(volume, PROFILES), PROFILES)
        return identity, list_volume(volume, identity.profile)


@pytest.mark.parametrize("family", [name for name in families() if name != "jieli_dv16"])
def test_each_family_is_recognised_by_its_tree(tmp_path: Path, family: str) -> None:
    make_recorder(tmp_path / "r", profile=family, now=NOW)
    assert docked(tmp_path / "r")[0].profile.id == family


@pytest.mark.parametrize("family", families())
def test_each_family_is_pulled_whole_with_its_locked_file_seen(tmp_path: Path, family: str) -> None:
    made = make_recorder(tmp_path / "r", profile=family, now=NOW)
    identity, listing = docked(tmp_path / "r")
    kinds = [file.kind for file in listing.files]
    assert len(listing.files) == len(made)
    assert kinds.count(FileKind.FOOTAGE) == 7  # six shots and an empty file
    assert sum(file.is_footage for file in listing.files) == 6
    assert FileKind.PHOTO in kinds
    assert FileKind.AUDIO in kinds or family == "gopro_files"
    marks_locks = identity.profile.id not in {"tecsar_msc", "gopro_files", "android_dcim", "generic_msc"}
    if marks_locks:
        assert [file.locked for file in listing.files if file.is_footage].count(True) == 1


def test_at_least_ten_models_and_a_fallback_are_shipped() -> None:
    assert len(PROFILES.profiles) >= 12
    assert PROFILES.generic.id == "generic_msc"


def test_every_block_of_every_profile_says_how_well_it_is_founded() -> None:
    for profile in PROFILES.profiles:
        assert "file" in profile.evidence, profile.id
        assert profile.title_zh, profile.id


@pytest.mark.parametrize(
    ("profile", "name", "body"),
    [
        (
            "novatek_dcim",
            "2026_1122_101500_003F.MP4",
            {"stamp": "2026-11-22T10:15:00", "sequence": "3", "channel": "F"},
        ),
        ("novatek_dcim", "2025_10_12_220337_00.TS", {"stamp": "2025-10-12T22:03:37", "channel": "00"}),
        (
            "cn_oem_menu",
            "YZ0012345_012345_20261122101500_0007_IMP.mp4",
            {"device": "YZ0012345", "user": "012345", "stamp": "2026-11-22T10:15:00", "sequence": "7", "mark": "IMP"},
        ),
        ("gopro_files", "GOPR0123.MP4", {"group": "0123", "chapter": "0"}),
        ("gopro_files", "GP020123.MP4", {"group": "0123", "chapter": "2"}),
        ("gopro_files", "GX010123.MP4", {"group": "0123", "chapter": "1"}),
        ("gopro_files", "GHAB0123.MP4", {"group": "0123", "chapter": "1"}),
        (
            "havis_mdvr",
            "UNIT12_Nov.22.2026_10.15.00+.avi",
            {"device": "UNIT12", "stamp": "2026-11-22T10:15:00", "mark": "+"},
        ),
        ("havis_mdvr", "Nov.22.2026_10.15.00.avi", {"stamp": "2026-11-22T10:15:00"}),
        ("urive_blackbox", "EDR0_20261122_101500.avi", {"mark": "EDR", "channel": "0", "stamp": "2026-11-22T10:15:00"}),
        ("hisi_dtcf", "20261122_101500_0003.mp4", {"stamp": "2026-11-22T10:15:00", "sequence": "3"}),
        ("tecsar_msc", "2026-11-22_10-15-00.mp4", {"stamp": "2026-11-22T10:15:00"}),
        ("android_dcim", "VID_20191220_170832.mp4", {"stamp": "2019-12-20T17:08:32", "mark": "VID"}),
        ("amba_dcim", "AMBA0417.MP4", {"device": "AMBA", "sequence": "417"}),
        ("jieli_dv16", "MOVI0003.avi", {"sequence": "3"}),
        ("generic_msc", "2026-11-22_10-15-00.avi", {"stamp": "2026-11-22T10:15:00"}),
        ("generic_msc", "REC00017.mp4", {"sequence": "17"}),
        ("generic_msc", "没有时间.mp4", {}),
    ],
)
def test_names_give_their_fields(profile: str, name: str, body: dict[str, str]) -> None:
    assert PROFILES.get(profile).fields_of(b"DCIM/" + name.encode()).as_body() == body


def test_a_date_that_does_not_exist_is_unknown_and_not_guessed() -> None:
    fields = PROFILES.get("novatek_dcim").fields_of(b"2026_1399_101500_003.MP4")
    assert not isinstance(fields.stamp, Known)
    assert fields.sequence == Known(3)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("System Volume Information/WPSettings.dat", FileKind.SIDE),
        ("station_bind.ini", FileKind.SIDE),
        ("ID.txt", FileKind.SIDE),
        ("LocalSettings.json", FileKind.SIDE),
        ("DCIM/._a.mp4", FileKind.SIDE),
        (".Trashes/info.txt", FileKind.SIDE),
        (".Trashes/501/thrown_away.mp4", FileKind.UNKNOWN),  # taken, but no footage of ours to count
        ("$RECYCLE.BIN/x.mp4", FileKind.UNKNOWN),
        ("DCIM/a.mp4", FileKind.FOOTAGE),
        ("DCIM/a.MP4", FileKind.FOOTAGE),
        ("FOUND.000/FILE0000.CHK", FileKind.UNKNOWN),
        ("DCIM/noextension", FileKind.UNKNOWN),
        ("DCIM/a.enc", FileKind.UNKNOWN),
    ],
)
def test_case_44_what_other_docks_and_systems_left_is_no_footage(path: str, kind: FileKind) -> None:
    assert PROFILES.generic.kind_of(path.encode()) is kind


def test_an_unknown_extension_in_a_footage_folder_of_the_model_is_footage() -> None:
    assert PROFILES.get("novatek_dcim").kind_of(b"DCIM/Movie/x.enc") is FileKind.FOOTAGE
    assert PROFILES.get("novatek_dcim").kind_of(b"CarNo_Backup.txt") is FileKind.LOG


@pytest.mark.parametrize("profile", ["axon_body3", "motorola_v300"])
def test_models_of_the_makers_dock_only_say_what_to_do_instead(profile: str) -> None:
    refused = PROFILES.get(profile)
    assert refused.pull is PullMode.REFUSE
    assert refused.say_zh
    assert refused.say_en


def test_every_mistake_of_every_file_is_reported_at_once_with_its_line() -> None:
    bad = (
        'id = "other"\ntitle = { zh = "一" }\nevidence = "rumour"\ncolour = "red"\n'
        '[names]\nevidence = "derived"\npatterns = ["(", "(?P<when>x)"]\n'
    )
    with pytest.raises(ProfileError) as caught:
        read_profiles(
            {"generic_msc": MINIMAL, "bad": bad, "worse": "= 1\n", COMMON: 'oops = 1\nside_files = ["../x"]\n'}
        )
    found = {(mistake.name, mistake.line) for mistake in caught.value.mistakes}
    assert found == {
        ("bad.toml", 1), ("bad.toml", 2), ("bad.toml", 3), ("bad.toml", 4), ("bad.toml", 7),
        ("worse.toml", 1), ("common.toml", 1), ("common.toml", 2),
    }  # fmt: skip
    assert len([mistake for mistake in caught.value.mistakes if mistake.line == 7]) == 2


def test_a_refusing_profile_must_say_what_to_do() -> None:
    with pytest.raises(ProfileError, match="must say"):
        read_profiles({"generic_msc": MINIMAL, "x1": MINIMAL.replace("generic_msc", "x1") + 'pull = "refuse"\n'})


def test_without_the_fallback_no_set_of_profiles_is_accepted() -> None:
    with pytest.raises(ProfileError, match="unknown recorder"):
        read_profiles({"x1": MINIMAL.replace("generic_msc", "x1")})


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_profile_can_name_a_status_file_outside_the_volume(path: str) -> None:
    text = (
        MINIMAL
        + '[status]\nevidence = "derived"\n[[status.files]]\n'
        + f'path = "{path}"\nform = "text"\nclaims = {{ "" = "officer" }}\n'
    )
    with pytest.raises(ProfileError):
        read_profiles({"generic_msc": text})


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(UnknownProfileError, match="nonsense"):
        PROFILES.get("nonsense")


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("DCIM/**", "dcim/a/b.mp4", True),
        ("**/x.txt", "x.txt", True),
        ("**/x.txt", "a/b/x.txt", True),
        ("a/*.mp4", "a/b/c.mp4", False),
        ("a/?.mp4", "a/b.mp4", True),
        ("a.mp4", "aXmp4", False),
        ("DCIM/*", "DCIM/new\nline", True),
    ],
)
def test_globs_mean_what_people_expect_and_ignore_case_as_fat_does(glob: str, path: str, fits: bool) -> None:
    assert (glob_pattern(glob).fullmatch(path) is not None) is fits


def test_case_49_no_profile_can_hold_a_command_for_the_recorder() -> None:
    for key in ("deny_cmds", "format", "delete", "reset", "firmware", "clock_set", "cmd"):
        with pytest.raises(ProfileError, match="unknown key"):
            read_profiles({"generic_msc": MINIMAL + f'{key} = "x"\n'})
