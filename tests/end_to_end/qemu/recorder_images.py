"""Disk images of recorders: FAT or exFAT, with or without partitions, filled without a kernel driver for either."""

import subprocess
from enum import Enum
from pathlib import Path

_OFFSET = 2048 * 512  # where the one partition begins
_TABLE_TYPE = {"vfat": "c", "exfat": "7"}


class Layout(Enum):
    """How the file system lies on the disk."""

    WHOLE = "whole"  # from the first sector on, as many recorders do it
    PARTITION = "partition"


def make_image(image: Path, source: Path, *, fs_type: str, layout: Layout, size_mib: int = 64) -> None:
    """Make the disk with everything below `source` on it."""
    volume = image.with_suffix(".volume")
    _sized(volume, size_mib << 20)
    if fs_type == "vfat":
        _run("mkfs.vfat", "-F", "32", "-n", "RECORDER", str(volume))
        entries = [str(entry) for entry in sorted(source.iterdir())]
        _run("mcopy", "-s", "-m", "-Q", "-i", str(volume), *entries, "::")
    else:
        _run("mkfs.exfat", "-L", "执法仪", str(volume))
        # in a mount namespace of its own: nothing stays mounted, whatever happens to this process
        place = image.with_suffix(".mount")
        place.mkdir()
        fill = 'mount -t exfat-fuse -o loop "$1" "$3" && cp -r --preserve=timestamps "$2"/. "$3" && umount "$3"'
        alone = ("unshare", "--mount", "--propagation=private")
        _run(*alone, "sh", "-c", fill, "sh", str(volume), str(source), str(place))
        place.rmdir()
    if layout is Layout.WHOLE:
        volume.rename(image)
        return
    _sized(image, _OFFSET + (size_mib << 20))
    table = f"label: dos\nstart=2048, type={_TABLE_TYPE[fs_type]}\n"
    _run("sfdisk", "--quiet", str(image), words=table)
    _run("dd", f"if={volume}", f"of={image}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")
    volume.unlink()


def _sized(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        file.truncate(size_bytes)


def _run(*command: str, words: str = "") -> None:
    done = subprocess.run(
        command,
        input=words,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
