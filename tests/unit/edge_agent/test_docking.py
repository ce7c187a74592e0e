"""What is docked follows from what is there, not from the events that told of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.docking import (
    BlockDevice,
    Docked,
    DockedVolume,
    Undocked,
    folder_name,
    port_path_of,
    reconcile,
    volumes,
)

USB = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4/1-1.4:1.0/host6/target6:0:0/6:0:0:{lun}/block/sd{letter}"


def _disk(letter: str = "b", *, lun: int = 0, size: int = 1 << 30, **properties: str) -> BlockDevice:
    return BlockDevice(
        devnode=f"/dev/sd{letter}",
        sys_path=USB.format(lun=lun, letter=letter),
        is_partition=False,
        size_bytes=size,
        properties={"ID_BUS": "usb", **properties},
    )


def _partition(letter: str = "b", number: int = 1, **properties: str) -> BlockDevice:
    return BlockDevice(
        devnode=f"/dev/sd{letter}{number}",
        sys_path=USB.format(lun=0, letter=letter) + f"/sd{letter}{number}",
        is_partition=True,
        size_bytes=1 << 29,
        properties={"ID_BUS": "usb", "PARTN": str(number), **properties},
    )


def test_the_port_path_is_that_of_the_last_socket() -> None:
    assert port_path_of(USB.format(lun=0, letter="b")) == "1-1.4"
    assert port_path_of("/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda") is None


def test_a_card_without_a_table_is_one_volume_and_one_with_partitions_is_each() -> None:
    assert [volume.key for volume in volumes([_disk(ID_FS_TYPE="vfat")])] == ["1-1.4"]
    found = volumes([_disk(ID_PART_TABLE_TYPE="dos"), _partition(ID_FS_TYPE="exfat"), _partition(number=2)])
    assert [(volume.key, volume.fs_type) for volume in found] == [("1-1.4-p1", "exfat"), ("1-1.4-p2", "")]


def test_case_25_a_reader_without_a_card_is_nothing_until_the_card_is_in() -> None:
    assert volumes([_disk(size=0)]) == []
    assert volumes([_disk(size=0), _disk("c", lun=1, ID_FS_TYPE="vfat")])[0].key == "1-1.4-lun1"


def test_case_26_a_table_whose_partitions_are_not_seen_yet_is_waited_for() -> None:
    assert volumes([_disk(ID_PART_TABLE_TYPE="gpt")]) == []


def test_case_43_disks_that_are_no_docks_are_left_alone() -> None:
    inner = BlockDevice(
        devnode="/dev/sda", sys_path="/sys/devices/pci0/ata1/block/sda", is_partition=False, size_bytes=1 << 40
    )
    burner = BlockDevice(
        devnode="/dev/sr0", sys_path=USB.format(lun=0, letter="r"), is_partition=False, size_bytes=1 << 30
    )
    assert volumes([inner, burner, _disk(ID_FS_TYPE="ext4", EVIDOCK_DOCK="0")]) == []


def test_a_site_may_say_that_a_socket_is_a_dock() -> None:
    card = BlockDevice(
        devnode="/dev/mmcblk0p1",
        sys_path="/sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p1",
        is_partition=True,
        size_bytes=1 << 30,
        properties={"EVIDOCK_DOCK": "1", "ID_PATH": "platform-mmc0", "PARTN": "1", "ID_FS_TYPE": "exfat"},
    )
    assert [volume.key for volume in volumes([card])] == ["platform-mmc0-p1"]


def test_nothing_changes_when_the_same_is_there_again() -> None:
    changes, now = reconcile({}, volumes([_disk(ID_FS_TYPE="vfat")]))
    assert [type(change) for change in changes] == [Docked]
    again, _ = reconcile(now, volumes([_disk(ID_FS_TYPE="vfat")]))
    assert again == []


def test_case_03_a_device_that_comes_back_as_a_disk_is_docked_once() -> None:
    _, now = reconcile({}, volumes([]))  # still a vendor device: no block device
    changes, now = reconcile(now, volumes([_disk(ID_FS_TYPE="vfat")]))
    assert len(changes) == 1
    assert reconcile(now, volumes([_disk(ID_FS_TYPE="vfat")]))[0] == []


@pytest.mark.parametrize(
    "other",
    [{"ID_FS_UUID": "2222-2222"}, {"DISKSEQ": "8"}, {"ID_SERIAL": "other"}],
    ids=lambda value: next(iter(value)),
)
def test_another_recorder_in_the_same_socket_between_two_looks_is_both_events(other: dict[str, str]) -> None:
    first = {"ID_FS_TYPE": "vfat", "ID_FS_UUID": "1111-1111", "DISKSEQ": "7", "ID_SERIAL": "one"}
    disk = _disk()
    _, now = reconcile({}, volumes([replace(disk, properties={"ID_BUS": "usb", **first})]))
    changes, _ = reconcile(now, volumes([replace(disk, properties={"ID_BUS": "usb", **first, **other})]))
    assert [type(change) for change in changes] == [Undocked, Docked]


def test_case_23_equal_serials_in_two_sockets_are_two_docks() -> None:
    one = _disk(ID_FS_TYPE="vfat", ID_SERIAL="0123456789")
    two = BlockDevice(
        devnode="/dev/sdc",
        sys_path=one.sys_path.replace("1-1.4", "1-1.3").replace("sdb", "sdc"),
        is_partition=False,
        size_bytes=1 << 30,
        properties=one.properties,
    )
    assert [volume.key for volume in volumes([one, two])] == ["1-1.3", "1-1.4"]


def test_case_36_forty_recorders_at_once_are_forty_docks_and_case_38_all_gone_is_forty_gone() -> None:
    devices = [
        BlockDevice(
            devnode=f"/dev/sd{number}",
            sys_path=f"/sys/devices/usb3/3-{number}/3-{number}:1.0/host9/target9:0:0/9:0:0:0/block/sd{number}",
            is_partition=False,
            size_bytes=1 << 30,
            properties={"ID_BUS": "usb", "ID_FS_TYPE": "vfat"},
        )
        for number in range(1, 41)
    ]
    changes, now = reconcile({}, volumes(devices))
    assert len(changes) == len({change.volume.key for change in changes}) == 40
    changes, now = reconcile(now, volumes([]))
    assert [type(change) for change in changes] == [Undocked] * 40
    assert now == {}


@pytest.mark.parametrize("key", ["../../etc", "1-1.4", "a/b", "", "x\ny"])
def test_a_key_is_a_plain_folder_name(key: str) -> None:
    name = folder_name(key)
    assert "/" not in name
    assert Path(name).name == name or name in {"..", "."}


def test_properties_that_change_alone_are_no_new_stay() -> None:
    volume = DockedVolume(key="k", port_path="p", devnode="/dev/sdb", fs_type="vfat", stay="s", properties={"A": "1"})
    same = DockedVolume(key="k", port_path="p", devnode="/dev/sdb", fs_type="vfat", stay="s", properties={"A": "2"})
    assert volume == same
