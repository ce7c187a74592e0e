"""The process in which a stranger's media file is parsed: limits first, then ffprobe, then a small result on stdout.

Run by its path with `python -I`, so it imports nothing of ours. It reads one file, writes nothing, has no standard
input, and is killed with its whole session when it takes too long (media_facts.py).
"""

import ctypes
import json
import resource
import sys

MEMORY_BYTES = 2 << 30
CPU_SECONDS = 20
OPEN_FILES = 64
# no playlist (hls, dash, concat, image sequences): a file on a recorder must not make us open another one
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,flv,live_flv,mpegts,mpeg,mpegvideo,matroska,webm,asf,wav,mp3,aac,amr,ogg,flac,"
    "h264,hevc,m4v,dhav,jpeg_pipe,png_pipe,bmp_pipe"
)
FORMAT_KEYS = ("format_name", "duration", "bit_rate", "nb_streams")
STREAM_KEYS = (
    "index", "codec_type", "codec_name", "profile", "width", "height", "avg_frame_rate", "r_frame_rate",
    "sample_rate", "channels", "duration",
)  # fmt: skip
TAGS = (
    "creation_time", "date", "location", "location-eng", "make", "model", "encoder", "comment", "firmware",
    "com.android.version", "com.android.manufacturer", "com.android.model",
    "com.apple.quicktime.creationdate", "com.apple.quicktime.location.ISO6709", "com.apple.quicktime.make",
    "com.apple.quicktime.model", "com.apple.quicktime.software", "handler_name", "timecode", "rotate",
)  # fmt: skip
MAX_STREAMS = 16
MAX_TEXT = 200
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def main() -> int:
    """Probe the file named as the only argument; exit 0 with JSON, 3 where ffprobe made nothing of it, 4 without it."""
    limit()
    import ffmpeg  # noqa: PLC0415 - after the limits are in force

    try:
        found = ffmpeg.probe(
            f"file:{sys.argv[1]}",
            protocol_whitelist="file",
            format_whitelist=FORMATS,
            max_streams=str(MAX_STREAMS * 4),
            show_program_version=None,
        )
    except FileNotFoundError:
        return 4
    except ffmpeg.Error:
        return 3
    except (ValueError, MemoryError):
        return 3
    json.dump(trimmed(found), sys.stdout)
    return 0


def limit() -> None:
    """Bound memory, time and descriptors, and forbid writing any file, for this process and what it starts.

    What it starts has none of the agent's rights either (its unit hands it the one to mount).
    """
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def trimmed(found: object) -> dict[str, object]:
    """Return the members that are wanted, as short texts."""
    whole = _members(found)
    media_format = _members(whole.get("format"))
    streams = whole.get("streams")
    return {
        "tool": _text(_members(whole.get("program_version")).get("version", "")),
        "format": _chosen(media_format, FORMAT_KEYS),
        "tags": _chosen(_members(media_format.get("tags")), TAGS),
        "streams": [
            {**_chosen(_members(stream), STREAM_KEYS), "tags": _chosen(_members(_members(stream).get("tags")), TAGS)}
            for stream in (streams if isinstance(streams, list) else [])[:MAX_STREAMS]
        ],
    }


def _members(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _chosen(members: dict[str, object], keys: tuple[str, ...]) -> dict[str, str]:
    return {key: _text(members[key]) for key in keys if key in members}


def _text(value: object) -> str:
    return str(value)[:MAX_TEXT]


if __name__ == "__main__":
    sys.exit(main())
