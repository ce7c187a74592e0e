"""Folders that look like docked recorders, with real H.264/AAC footage; for the demo, for training and for tests.

Nothing of the product depends on this module. The picture is a test card with a running counter and the sound a tone,
encoded once and then copied with other metadata, so every file has bytes of its own and a whole recorder takes two
starts of ffmpeg.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from evidence_model.errors import UnavailableError, UsageError

RECORDER_ZONE = ZoneInfo("Asia/Shanghai")
SEGMENT_SECONDS = 3
LONG_LOOPS = 19  # further rounds of the seed in a long segment: one minute
GAP = timedelta(seconds=20)  # within one recording
_TIMEOUT_S = 120
_WRITE_BITS = 0o222


class NoFfmpegError(UnavailableError):
    """ffmpeg is not installed, or it could not make the footage."""

    code = "CLI-190"


class NoSuchSimulationError(UsageError):
    """There is no simulated recorder of this model."""

    code = "CLI-191"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One footage file to be made: when the recorder's clock showed what, and the file's number."""

    started: datetime  # aware, in the recorder's zone
    number: int
    chapter: int = 0  # within its recording
    locked: bool = False
    lost_power: bool = False  # cut off before its index was written


Naming: TypeAlias = Callable[[Shot], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one family of recorders lays out its volume."""

    footage: Naming
    extras: Mapping[str, bytes]  # status files, logs and other docks' files, by path
    photo: Naming = lambda shot: f"PHOTO/IMG_{shot.number:04d}.jpg"
    audio: Naming = lambda shot: f"AUDIO/AUD_{shot.number:04d}.wav"
    lock_by_read_only_bit: bool = False


def families() -> list[str]:
    """Return the models that can be simulated; each is the id of a recorder profile."""
    return sorted(_FAMILIES)


def make_recorder(
    dest: Path, *, profile: str = "cn_oem_menu", seed: int = 0, small: bool = True, now: datetime
) -> list[Path]:
    """Make a recorder's folder and return its files: four segments with a gap, a locked one, a photo, a sound, stumps.

    Args:
        dest: made if it is not there; must be empty.
        profile: one of `families()`.
        seed: goes into every file, so recorders of different seeds share no digest.
        small: three-second segments; else of a minute.
        now: the dock's time; the footage ends an hour before it.

    Raises:
        NoSuchSimulationError: no such model, or `dest` holds something.
        NoFfmpegError: ffmpeg is missing or failed.
    """
    family = _FAMILIES.get(profile)
    if family is None:
        raise NoSuchSimulationError(f"no simulated recorder {profile[:40]!r}; there are {', '.join(families())}")
    if dest.exists() and any(dest.iterdir()):
        raise NoSuchSimulationError(f"{dest} is not empty; name a new folder")
    seconds = SEGMENT_SECONDS if small else SEGMENT_SECONDS * (LONG_LOOPS + 1)
    shots = {family.footage(shot): shot for shot in _shots(now.astimezone(RECORDER_ZONE), seconds, seed)}
    first, last = min(shots.values(), key=_started), max(shots.values(), key=_started)
    still = Shot(started=last.started + timedelta(minutes=1), number=last.number + 1)
    sound = Shot(started=last.started + timedelta(minutes=2), number=last.number + 2)
    empty = family.footage(Shot(started=first.started - timedelta(minutes=5), number=first.number - 1))
    photo, audio = family.photo(still), family.audio(sound)
    dest.mkdir(parents=True, exist_ok=True)
    for path in (*shots, photo, audio, empty, *family.extras):
        (dest / path).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="evidock-sim-") as scratch:
        seed_clip = Path(scratch) / "seed.mp4"
        _encode(seed_clip, photo=dest / photo, audio=dest / audio, seed=seed)
        _copy(
            seed_clip, {dest / path: shot for path, shot in shots.items()}, loops=0 if small else LONG_LOOPS, seed=seed
        )
    for path, shot in shots.items():
        if shot.lost_power:
            os.truncate(dest / path, (dest / path).stat().st_size * 3 // 5)
    (dest / empty).touch()
    for path, content in family.extras.items():
        (dest / path).write_bytes(content)
    _stamp(dest, shots, seconds=seconds, others_at=last.started)
    for path, shot in shots.items():
        if shot.locked and family.lock_by_read_only_bit:
            (dest / path).chmod((dest / path).stat().st_mode & ~_WRITE_BITS)
    return sorted(path for path in dest.rglob("*") if path.is_file())


def _shots(now: datetime, seconds: int, seed: int) -> Iterator[Shot]:
    """Yield one recording of three segments, a gap and a fourth; a locked one later; one that lost power."""
    length = timedelta(seconds=seconds)
    start = (now - timedelta(hours=2)).replace(microsecond=0)
    number = 1 + seed % 5_000
    for chapter in range(3):
        yield Shot(started=start + chapter * length, number=number + chapter, chapter=chapter)
    yield Shot(started=start + 3 * length + GAP, number=number + 3, chapter=3)
    later = start + timedelta(minutes=30)
    yield Shot(started=later, number=number + 4, locked=True)
    yield Shot(started=later + timedelta(minutes=25), number=number + 5, lost_power=True)


def _started(shot: Shot) -> datetime:
    return shot.started


def _encode(seed_clip: Path, *, photo: Path, audio: Path, seed: int) -> None:
    tone = 300 + seed % 3_000
    # a picture of its own for each seed: JPEG keeps no comment of ours
    still = f"select=eq(n\\,{seed % 45}),hue=h={seed // 45 % 360}"
    _ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=15:duration={SEGMENT_SECONDS}"),
        *("-f", "lavfi", "-i", f"sine=frequency={tone}:sample_rate=16000:duration={SEGMENT_SECONDS}"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
        *("-g", "15", "-c:a", "aac", "-b:a", "32k", str(seed_clip)),
        *("-map", "0:v", "-vf", still, "-frames:v", "1", "-update", "1", str(photo)),
        *("-map", "1:a", "-c:a", "pcm_s16le" if audio.suffix.lower() == ".wav" else "aac"),
        *("-metadata", f"comment=audio {seed}", str(audio)),
    )


def _copy(seed_clip: Path, targets: Mapping[Path, Shot], *, loops: int, seed: int) -> None:
    arguments = ["-stream_loop", str(loops), "-i", str(seed_clip)]
    for path, shot in targets.items():
        created = shot.started.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
        arguments += ["-map", "0", "-c", "copy", "-metadata", f"comment=simulated {seed}/{shot.number}"]
        arguments += ["-metadata", f"creation_time={created}", str(path)]
    _ffmpeg(*arguments)


def _ffmpeg(*arguments: str) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise NoFfmpegError("ffmpeg is not installed; run `evidock doctor`")
    try:
        done = subprocess.run(
            [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFfmpegError(f"ffmpeg did not run: {error}") from error
    if done.returncode != 0:
        raise NoFfmpegError(f"ffmpeg failed: {done.stderr.decode('utf-8', 'replace')[-300:].strip()}")


def _stamp(dest: Path, shots: Mapping[str, Shot], *, seconds: int, others_at: datetime) -> None:
    """Give every file the modification time a recorder would: the end of its segment, on an even second as on FAT."""
    for path in dest.rglob("*"):
        if path.is_file():
            shot = shots.get(path.relative_to(dest).as_posix())
            ended = shot.started + timedelta(seconds=seconds) if shot else others_at
            at = int(ended.timestamp()) // 2 * 2
            os.utime(path, (at, at))


_SYSTEM_FILES = {"System Volume Information/IndexerVolumeGuid": b"{\0A\0B\0}\0"}
_LOG = b"2026-01-01 00:00:00 power on\n"

_FAMILIES: Mapping[str, Family] = {
    "amba_dcim": Family(
        footage=lambda shot: f"DCIM/100MEDIA/AMBA{shot.number:04d}.MP4",
        photo=lambda shot: f"DCIM/100MEDIA/AMBA{shot.number:04d}.JPG",
        audio=lambda shot: f"DCIM/100MEDIA/AMBA{shot.number:04d}.WAV",
        extras={
            **_SYSTEM_FILES,
            "ID.txt": b"H22-000417\r\n",
            "LocalSettings.json": b'{"ID": "H22-000417", "BadgeId": "012345"}',
        },
        lock_by_read_only_bit=True,
    ),
    "android_dcim": Family(
        footage=lambda shot: f"DCIM/Camera/VID_{shot.started:%Y%m%d_%H%M%S}.mp4",
        photo=lambda shot: f"DCIM/Camera/IMG_{shot.started:%Y%m%d_%H%M%S}.jpg",
        audio=lambda shot: f"Recordings/AUD_{shot.started:%Y%m%d_%H%M%S}.m4a",
        extras={"Android/data/.nomedia": b"", "LOST.DIR/.keep": b""},
    ),
    "cn_oem_menu": Family(
        footage=lambda shot: (
            f"{'IMP' if shot.locked else 'DCIM'}/YZ0012345_012345_{shot.started:%Y%m%d%H%M%S}_{shot.number:04d}"
            f"{'_IMP' if shot.locked else ''}.mp4"
        ),
        photo=lambda shot: f"PHOTO/YZ0012345_012345_{shot.started:%Y%m%d%H%M%S}_{shot.number:04d}.jpg",
        audio=lambda shot: f"AUDIO/YZ0012345_012345_{shot.started:%Y%m%d%H%M%S}_{shot.number:04d}.wav",
        extras={**_SYSTEM_FILES, "LOG/20260101.log": _LOG, "station_bind.ini": b"[bind]\r\nuser=012345\r\n"},
    ),
    "generic_msc": Family(
        footage=lambda shot: f"VIDEO1/REC{shot.number:05d}.mp4",
        extras={"VIDEO1/REC00001.xyz": b"\x01\x02unknown telemetry", "readme.txt": _LOG},
        photo=lambda shot: f"PIC/P{shot.number:05d}.jpg",
        audio=lambda shot: f"SND/S{shot.number:05d}.wav",
    ),
    "gopro_files": Family(
        footage=lambda shot: f"DCIM/100GOPRO/GX{shot.chapter + 1:02d}{shot.number - shot.chapter:04d}.MP4",
        photo=lambda shot: f"DCIM/100GOPRO/GOPR{shot.number:04d}.JPG",
        audio=lambda shot: f"DCIM/100GOPRO/GX01{shot.number:04d}.WAV",
        extras={"DCIM/100GOPRO/GX010001.THM": b"\xff\xd8\xff\xd9", "MISC/version.txt": b"{}"},
    ),
    "havis_mdvr": Family(
        footage=lambda shot: (
            f"{shot.started:%b.%d.%Y}/UNIT12_{shot.started:%b.%d.%Y_%H.%M.%S}"
            f"{'#' if shot.locked else '+' if shot.chapter else ''}.avi"
        ),
        extras={"config.ini": b"unit=UNIT12\n"},
    ),
    "hisi_dtcf": Family(
        footage=lambda shot: (
            f"drive_front_{'emr' if shot.locked else 'norm'}/{shot.started:%Y%m%d_%H%M%S}_{shot.number:04d}.mp4"
        ),
        photo=lambda shot: f"drive_front_photo/{shot.started:%Y%m%d_%H%M%S}_{shot.number:04d}.jpg",
        extras={**_SYSTEM_FILES},
    ),
    "jieli_dv16": Family(
        footage=lambda shot: f"VIDEO/{'LOCK/' if shot.locked else ''}REC_{shot.number:04d}.avi",
        extras={**_SYSTEM_FILES},
        photo=lambda shot: f"DCIM/IMG{shot.number:04d}.jpg",
    ),
    "novatek_dcim": Family(
        footage=lambda shot: (
            f"DCIM/Movie/{'RO/' if shot.locked else ''}{shot.started:%Y_%m%d_%H%M%S}_{shot.number:04d}F.MP4"
        ),
        photo=lambda shot: f"DCIM/Photo/{shot.started:%Y_%m%d_%H%M%S}_{shot.number:04d}.JPG",
        audio=lambda shot: f"DCIM/Movie/{shot.started:%Y_%m%d_%H%M%S}_{shot.number:04d}.WAV",
        extras={"CarNo_Backup.txt": b"A12345\r\n"},
        lock_by_read_only_bit=True,
    ),
    "tecsar_msc": Family(
        footage=lambda shot: f"files/data/{shot.started:%Y-%m-%d_%H-%M-%S}_{shot.number:04d}.mp4",
        photo=lambda shot: f"files/data/{shot.started:%Y-%m-%d_%H-%M-%S}_{shot.number:04d}.jpg",
        audio=lambda shot: f"files/data/{shot.started:%Y-%m-%d_%H-%M-%S}_{shot.number:04d}.wav",
        extras={**_SYSTEM_FILES},
    ),
    "urive_blackbox": Family(
        footage=lambda shot: (
            f"Blackbox/{shot.started:%y/%m/%d/%H}/{'EDR0' if shot.locked else 'MDR1'}_{shot.started:%Y%m%d_%H%M%S}.avi"
        ),
        extras={"Setup/setup.cfg": b"vol=3\n", "Blackbox/26/01/01/08/log.txt": _LOG},
    ),
}
