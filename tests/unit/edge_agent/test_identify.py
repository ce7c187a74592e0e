"""Who is docked: device facts decide, names and status files only claim (recorders.md cases 2, 6, 7, 22-24)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.boot_sector import BootSector, read_boot_sector
from edge_agent.identify import (
    RefusedModelError,
    SeenIdentity,
    Trust,
    conflicts,
    identify,
    require_pullable,
    score_profile,
)
from edge_agent.profile_reader import shipped_profiles
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import StampMeaning, VolumeFacts, gather_facts, parse_mountinfo
from evidence_model.ids import MalformedIdError
from evidence_model.known import Known, Unknown

PROFILES = shipped_profiles()
NOT_TOLD = Unknown("not told")
FOLDER = VolumeFacts(
    label=NOT_TOLD, fs_uuid=NOT_TOLD, fs_type=NOT_TOLD, usb_id=NOT_TOLD, usb_serial=NOT_TOLD, usb_vendor=NOT_TOLD,
    usb_model=NOT_TOLD, scsi_inquiry=NOT_TOLD, port_path=NOT_TOLD, folder_id=Known("00000000000000aa:17"),
    dirty=NOT_TOLD, media_failure=NOT_TOLD, read_only=True, stamp_meaning=StampMeaning.WALL,
)  # fmt: skip
STICK = replace(
    FOLDER,
    fs_uuid=Known("1A2B-3C4D"),
    usb_id=Known("0bda:0129"),
    usb_serial=Known("YZ0012345"),
    port_path=Known("1-1.4.2"),
)


def test_the_usb_serial_is_the_strongest_fact_and_is_kept_with_the_others() -> None:
    identity = identify(STICK, PROFILES)
    assert identity.trust is Trust.USB_SERIAL
    assert identity.facts["fs_uuid"] == "1A2B-3C4D"
    assert identity.recorder_id.startswith("rec-")
    assert len(identity.recorder_id) == 20


def test_case_2_another_socket_is_the_same_recorder() -> None:
    moved = replace(STICK, port_path=Known("1-1.1"))
    assert identify(moved, PROFILES).recorder_id == identify(STICK, PROFILES).recorder_id


def test_case_7_two_recorders_with_equal_trees_are_two() -> None:
    other = replace(STICK, usb_serial=Known("YZ0099999"))
    assert identify(other, PROFILES).recorder_id != identify(STICK, PROFILES).recorder_id


def test_a_formatted_card_stays_the_same_recorder_by_its_serial() -> None:
    formatted = replace(STICK, fs_uuid=Known("9999-0001"))
    assert identify(formatted, PROFILES).recorder_id == identify(STICK, PROFILES).recorder_id


@pytest.mark.parametrize(
    "serial", ["0123456789ABCDEF", "123456789012", "000000000000", "0", "AAAAAAAA", "None", "serial_no", "---"]
)
def test_case_23_placeholder_serials_identify_nothing_and_are_said(serial: str) -> None:
    identity = identify(replace(STICK, usb_serial=Known(serial)), PROFILES)
    assert identity.trust is Trust.FILE_SYSTEM
    assert [finding.code for finding in identity.findings] == ["EDGE-230"]
    assert identity.facts["usb_serial"] == serial


def test_without_serial_and_volume_number_the_folder_itself_is_the_recorder() -> None:
    identity = identify(FOLDER, PROFILES)
    assert identity.trust is Trust.FOLDER
    assert identity.recorder_id != identify(replace(FOLDER, folder_id=Known("aa:18")), PROFILES).recorder_id


def test_a_zero_volume_number_identifies_nothing() -> None:
    assert identify(replace(FOLDER, fs_uuid=Known("0000-0000")), PROFILES).trust is Trust.FOLDER


def test_the_operators_word_wins_and_device_facts_stay_beside_it() -> None:
    identity = identify(STICK, PROFILES, operator_id="YZ-17")
    assert (identity.recorder_id, identity.trust) == ("YZ-17", Trust.OPERATOR)
    assert identity.facts["usb_serial"] == "YZ0012345"


def test_an_operators_id_cannot_be_a_path() -> None:
    with pytest.raises(MalformedIdError):
        identify(STICK, PROFILES, operator_id="../x")


def test_case_21_names_and_status_files_claim_and_never_identify(tmp_path: Path) -> None:
    for owner in ("012345", "000000"):
        card = tmp_path / owner
        (card / "DCIM/100MEDIA").mkdir(parents=True)
        (card / "ID.txt").write_bytes(b"\xef\xbb\xbfH22-1\r\n")
        (card / "LocalSettings.json").write_text(f'{{"ID": "H22-1", "BadgeId": "{owner}"}}')
    with VolumeRoot.open(tmp_path / "012345") as one, VolumeRoot.open(tmp_path / "000000") as two:
        first, second = (identify(gather_facts(volume, PROFILES), PROFILES) for volume in (one, two))
    assert first.recorder_id != second.recorder_id
    assert {(claim.name, claim.value) for claim in first.claims} == {("recorder_name", "H22-1"), ("officer", "012345")}
    assert {claim.value for claim in second.claims if claim.name == "officer"} == {"000000"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b'{"ID": {"a": 1}}', b"\xff" * 70_000, b"[" * 60_000, b'{"ID": "\\ud800"}']
)
def test_a_broken_status_file_claims_nothing_and_harms_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "DCIM/100MEDIA").mkdir(parents=True)
    (tmp_path / "ID.txt").write_bytes(b"H22")
    (tmp_path / "LocalSettings.json").write_bytes(content)
    with VolumeRoot.open(tmp_path) as volume:
        identity = identify(gather_facts(volume, PROFILES), PROFILES)
    assert identity.profile.id == "amba_dcim"
    assert all(claim.value.isprintable() for claim in identity.claims)
    assert identity.as_body()


def test_a_status_file_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "DCIM/100MEDIA").mkdir(parents=True)
    (tmp_path / "ID.txt").symlink_to("/etc/passwd")
    with VolumeRoot.open(tmp_path) as volume:
        assert not gather_facts(volume, PROFILES).status_texts


def test_case_6_a_shared_usb_id_alone_matches_no_model() -> None:
    amba = replace(FOLDER, usb_id=Known("4255:0001"))
    assert identify(amba, PROFILES).profile.id == "generic_msc"
    novatek = replace(FOLDER, usb_id=Known("0603:8611"))
    assert identify(novatek, PROFILES).profile.id == "generic_msc"
    with_layout = replace(novatek, layout=frozenset({"DCIM", "DCIM/Movie"}))
    assert identify(with_layout, PROFILES).profile.id == "novatek_dcim"


def test_case_22_an_unknown_recorder_is_generic_and_is_pulled() -> None:
    identity = identify(replace(STICK, layout=frozenset({"XYZ", "XYZ/1.bin"})), PROFILES)
    assert identity.profile.id == "generic_msc"
    assert not identity.recognised
    require_pullable(identity)


def test_the_inquiry_decides_whatever_its_blanks_and_case() -> None:
    jieli = replace(FOLDER, scsi_inquiry=Known("dv16    DEVICE  V1.00"))
    assert identify(jieli, PROFILES).profile.id == "jieli_dv16"


def test_the_highest_score_wins_and_a_tie_is_decided_the_same_way_everywhere() -> None:
    layout = frozenset({"DCIM", "DCIM/Movie", "files", "files/data", "DCIM/100GOPRO"})
    facts = replace(FOLDER, layout=layout)
    scores = {profile.id: score_profile(facts, profile)[0] for profile in PROFILES.profiles}
    assert scores["tecsar_msc"] == scores["gopro_files"] == 30
    assert identify(facts, PROFILES).profile.id == "gopro_files"


def test_layout_is_matched_without_case_as_on_fat() -> None:
    assert identify(replace(FOLDER, layout=frozenset({"dcim/MOVIE"})), PROFILES).profile.id == "novatek_dcim"


@pytest.mark.parametrize(
    ("facts", "profile"),
    [
        (replace(STICK, usb_vendor=Known("Axon"), usb_model=Known("Body 3")), "axon_body3"),
        (replace(STICK, usb_vendor=Known("WatchGuard"), usb_model=Known("Camera")), "motorola_v300"),
    ],
)
def test_a_model_of_the_makers_dock_only_is_refused_with_what_to_do(facts: VolumeFacts, profile: str) -> None:
    identity = identify(facts, PROFILES)
    assert identity.profile.id == profile
    with pytest.raises(RefusedModelError) as caught:
        require_pullable(identity)
    assert caught.value.exit_code == 3
    assert caught.value.say_zh


def test_a_label_cannot_keep_readable_footage_from_being_pulled() -> None:
    labelled = replace(STICK, label=Known("AXON_1"))
    assert identify(labelled, PROFILES).profile.id == "axon_body3"
    assert identify(replace(labelled, samples=(b"DCIM/a.mp4",)), PROFILES).profile.id == "generic_msc"


def test_case_24_one_card_in_two_recorders_is_a_finding() -> None:
    seen = [SeenIdentity(recorder_id="rec-other", facts={"fs_uuid": "1A2B-3C4D", "usb_serial": "YZ0000001"})]
    assert [finding.code for finding in conflicts(identify(STICK, PROFILES), seen)] == ["EDGE-231"]


def test_case_24_another_card_in_the_same_recorder_is_noted() -> None:
    seen = [SeenIdentity(recorder_id="rec-same", facts={"fs_uuid": "0001-0002", "usb_serial": "YZ0012345"})]
    assert [finding.code for finding in conflicts(identify(STICK, PROFILES), seen)] == ["EDGE-232"]


def test_the_same_recorder_with_the_same_card_is_no_conflict() -> None:
    identity = identify(STICK, PROFILES)
    assert conflicts(identity, [SeenIdentity(recorder_id=identity.recorder_id, facts=identity.facts)]) == ()


def test_a_folder_below_a_mount_never_takes_the_disks_identity(tmp_path: Path) -> None:
    card, sys_root = tmp_path / "card", tmp_path / "sys"
    card.mkdir()
    device = card.stat().st_dev
    disk = sys_root / "devices/usb1/1-1/block/sda"
    disk.mkdir(parents=True)
    (sys_root / "devices/usb1/1-1/idVendor").write_text("0bda\n")
    (sys_root / "devices/usb1/1-1/serial").write_text("DISK12345\n")
    (sys_root / "dev/block").mkdir(parents=True)
    (sys_root / f"dev/block/{os.major(device)}:{os.minor(device)}").symlink_to(disk)
    udev = {"ID_SERIAL_SHORT": "DISK", "ID_BUS": "usb", "ID_FS_UUID": "x-y"}
    with VolumeRoot.open(card) as volume:
        facts = gather_facts(volume, PROFILES, udev=udev, sys_root=sys_root)
    assert identify(facts, PROFILES).trust is Trust.FOLDER
    assert isinstance(facts.usb_serial, Unknown)


def test_mountinfo_names_are_unescaped_and_odd_lines_passed_over() -> None:
    text = rb"36 35 8:17 / /mnt/a\040b\134 ro,nosuid shared:1 - vfat /dev/sdb1 ro,tz=UTC" + b"\nnonsense\n\n"
    (mount,) = parse_mountinfo(text)
    assert (mount.point, mount.device, mount.fs_type) == (b"/mnt/a b\\", "8:17", "vfat")
    assert {"ro", "tz=UTC"} <= mount.options


def fat32(*, state: int = 0, label: bytes = b"CAM01      ") -> bytes:
    sector = bytearray(512)
    sector[65], sector[66] = state, 0x29
    sector[67:71] = bytes.fromhex("4d3c2b1a")
    sector[71:82], sector[82:90] = label, b"FAT32   "
    return bytes(sector)


def test_case_27_the_dirty_mark_is_read_from_the_boot_sector() -> None:
    clean, dirty, failing = (read_boot_sector(fat32(state=state)) for state in (0, 1, 2))
    assert isinstance(clean, BootSector)
    assert isinstance(dirty, BootSector)
    assert isinstance(failing, BootSector)
    assert (clean.fs_uuid, clean.label, clean.dirty) == ("1A2B-3C4D", Known("CAM01"), False)
    assert (dirty.dirty, dirty.media_failure) == (True, False)
    assert failing.media_failure


def test_exfat_boot_sector_is_read_and_others_are_unknown() -> None:
    sector = bytearray(512)
    sector[3:11], sector[100:104], sector[106] = b"EXFAT   ", bytes.fromhex("4d3c2b1a"), 0b10
    exfat = read_boot_sector(bytes(sector))
    assert isinstance(exfat, BootSector)
    assert (exfat.fs_type, exfat.fs_uuid, exfat.dirty) == ("exfat", "1A2B-3C4D", True)
    assert isinstance(read_boot_sector(b"\0" * 512), Unknown)
    assert isinstance(read_boot_sector(b"short"), Unknown)


def test_a_made_up_sys_tree_gives_the_usb_device_above_the_partition(tmp_path: Path) -> None:
    from edge_agent.volume_facts import _sys_facts  # noqa: PLC0415

    usb = tmp_path / "devices/pci0/usb1/1-1.4.2"
    part = usb / "1-1.4.2:1.0/host6/target6/6:0:0:0/block/sdb/sdb1"
    part.mkdir(parents=True)
    (part / "partition").write_text("1\n")
    disk = part.parent
    (disk / "device").mkdir()
    for path, text in {
        usb / "idVendor": "0bda", usb / "idProduct": "0129", usb / "serial": "YZ0012345",
        usb / "manufacturer": "Hytera", usb / "product": "VM780", disk / "device/vendor": "Hytera  ",
        disk / "device/model": "DSJ-VM780       ",
    }.items():  # fmt: skip
        path.write_text(text + "\n")
    (tmp_path / "dev/block").mkdir(parents=True)
    (tmp_path / "dev/block/8:17").symlink_to(part)
    assert _sys_facts(tmp_path, 8 << 8 | 17) == {
        "inquiry": "Hytera DSJ-VM780", "usb_id": "0bda:0129", "port": "1-1.4.2", "serial": "YZ0012345",
        "manufacturer": "Hytera", "product": "VM780",
    }  # fmt: skip


def test_a_vague_model_counts_only_where_the_site_says_it_uses_it() -> None:
    hikvision = replace(STICK, usb_vendor=Known("HIKVISION"), layout=frozenset({"VIDEO"}))
    assert identify(hikvision, PROFILES).profile.id == "generic_msc"
    opted = frozenset({"hikvision_ds_mcw"})
    assert identify(hikvision, PROFILES, opt_in=opted).profile.id == "hikvision_ds_mcw"
    assert identify(STICK, PROFILES, opt_in=opted).profile.id == "generic_msc"  # being used there is not enough
