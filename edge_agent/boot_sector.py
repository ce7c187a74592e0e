"""The first sector of a FAT or exFAT volume: serial number, label, and whether it was left dirty; bytes in, values out.

Read by us because a station without udev has no other source, and because nobody else tells the dirty mark without
mounting read-write. Nothing is ever repaired on the original (recorders.md case 27).
"""

from dataclasses import dataclass

from evidence_model.known import Known, Unknown
from evidence_model.names import display_name

SECTOR_BYTES = 512
_NO_LABELS = frozenset({"", "NO NAME"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSector:
    """What a FAT or exFAT boot sector says; `fs_uuid` is written as blkid writes it."""

    fs_type: str
    fs_uuid: str
    label: "Known[str] | Unknown"
    dirty: bool  # not taken out cleanly the last time something wrote to it
    media_failure: bool  # a driver noted read or write errors


def read_boot_sector(sector: bytes) -> BootSector | Unknown:
    """Read the sector, or say why it is neither FAT nor exFAT."""
    if len(sector) < SECTOR_BYTES:
        return Unknown("shorter than a sector")
    if sector[3:11] == b"EXFAT   ":
        flags = int.from_bytes(sector[106:108], "little")
        return BootSector(
            fs_type="exfat",
            fs_uuid=_serial(sector[100:104]),
            label=Unknown("exFAT keeps its label in the root folder"),
            dirty=bool(flags & 0b010),
            media_failure=bool(flags & 0b100),
        )
    for offset, marks in ((66, (b"FAT32   ",)), (38, (b"FAT12   ", b"FAT16   ", b"FAT     "))):
        if sector[offset] in {0x28, 0x29} and sector[offset + 16 : offset + 24] in marks:
            label = display_name(sector[offset + 5 : offset + 16].rstrip(b" \0"))
            state = sector[offset - 1]
            return BootSector(
                fs_type="vfat",
                fs_uuid=_serial(sector[offset + 1 : offset + 5]),
                label=Unknown("no label in the boot sector") if label in _NO_LABELS else Known(label),
                dirty=bool(state & 0b01),
                media_failure=bool(state & 0b10),
            )
    return Unknown("neither FAT nor exFAT")


def _serial(four: bytes) -> str:
    digits = four[::-1].hex().upper()
    return f"{digits[:4]}-{digits[4:]}"
