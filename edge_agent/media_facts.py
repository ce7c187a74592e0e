"""What a pulled file says of itself: structure, container, streams, and the raw times and places written in it.

Parsing happens in a process of its own with limits (media_child.py) and only on our spool copy. Bad media never raise:
what cannot be read is `Unknown` with its reason, and the file is kept bit for bit.
"""

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from edge_agent.boxes import MediaFlag, Structure, look_at
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.findings import Finding, Severity
from evidence_model.known import Known, Unknown, text_of
from evidence_model.names import display_name

DEFAULT_TIMEOUT_S = 20.0
_MAX_ANSWER = 256 << 10
_MAX_TEXT = 200
_MADE_NOTHING_OF_IT, _NO_FFPROBE = 3, 4
_NO_PROGRAM = Unknown("ffprobe is not installed")
_SECONDS = re.compile(r"(\d{1,12})(?:\.(\d{1,9}))?")
_CHILD = Path(__file__).with_name("media_child.py")

_CODES = {
    MediaFlag.NO_INDEX: ("EDGE-250", Severity.NOTE),
    MediaFlag.CUT_SHORT: ("EDGE-250", Severity.NOTE),
    MediaFlag.EMPTY: ("EDGE-251", Severity.NOTE),
    MediaFlag.ENCRYPTED_LOOK: ("EDGE-252", Severity.NOTE),
    MediaFlag.ZERO_TAIL: ("EDGE-253", Severity.NOTE),
    MediaFlag.UNREADABLE: ("EDGE-254", Severity.NOTE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One stream of a container, as ffprobe names it."""

    kind: str  # video, audio, data, subtitle
    codec: str
    width: int = 0
    height: int = 0
    rate: str = ""  # frames per second as a fraction, or samples per second
    channels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What a media container says; times and places are raw text, nobody has converted them."""

    format: str
    duration_ms: "Known[int] | Unknown"
    streams: tuple[Stream, ...]
    creation_time: "Known[str] | Unknown"  # labelled UTC by the format, whatever the maker wrote there
    creation_date: "Known[str] | Unknown"  # some makers add one with its zone
    location: "Known[str] | Unknown"
    make: "Known[str] | Unknown"
    model: "Known[str] | Unknown"
    tags: Mapping[str, str]
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """All that is known of one media file."""

    structure: "Known[Structure] | Unknown"
    container: "Known[Container] | Unknown"
    flags: frozenset[MediaFlag]

    @property
    def duration_ms(self) -> "Known[int] | Unknown":
        """Return the playing time."""
        return self.container.value.duration_ms if isinstance(self.container, Known) else self.container

    @property
    def is_whole(self) -> bool:
        """Return whether nothing speaks against the file being complete."""
        return not self.flags

    def as_body(self) -> dict[str, Json]:
        """Return the facts as they stand in an event: ASCII keys, decimal strings, unknowns shown."""
        body: dict[str, Json] = {"flags": sorted(flag.value for flag in self.flags)}
        if isinstance(self.container, Unknown):
            return body | {"container": text_of(self.container)}
        media = self.container.value
        return body | {
            "container": media.format,
            "creation_date": text_of(media.creation_date),
            "creation_time": text_of(media.creation_time),
            "duration_ms": text_of(media.duration_ms),
            "location": text_of(media.location),
            "make": text_of(media.make),
            "model": text_of(media.model),
            "streams": [_stream_body(stream) for stream in media.streams],
        }

    def blob(self) -> bytes:
        """Return all that was read, for the `probe` blob; the same file and tool give the same bytes."""
        boxes = list(self.structure.value.boxes) if isinstance(self.structure, Known) else []
        tags = self.container.value.tags if isinstance(self.container, Known) else {}
        tool = self.container.value.tool if isinstance(self.container, Known) else ""
        return canonical_bytes({"boxes": boxes, "facts": self.as_body(), "tags": dict(tags), "tool": tool}) + b"\n"

    def findings(self, subject: str) -> tuple[Finding, ...]:
        """Return the flags as findings about `subject`; notes all of them: the bytes are what they are."""
        codes = sorted({_CODES[flag] for flag in self.flags}, key=itemgetter(0))
        flags = ", ".join(sorted(flag.value for flag in self.flags))
        return tuple(Finding(code, severity, subject, {"flags": flags}) for code, severity in codes)


def probe(path: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S, python: str = sys.executable) -> MediaFacts:
    """Look at our own copy of a file; never raises for what is in it.

    Args:
        path: the spool copy.
        timeout_s: after this the child and all it started are killed.
        python: the interpreter for the child.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        why = Unknown(f"not readable: {error.strerror}")
        return MediaFacts(structure=why, container=why, flags=frozenset({MediaFlag.UNREADABLE}))
    try:
        structure = look_at(fd)
    except OSError as error:
        why = Unknown(f"not readable: {error.strerror}")
        return MediaFacts(structure=why, container=why, flags=frozenset({MediaFlag.UNREADABLE}))
    finally:
        os.close(fd)
    flags = structure.flags
    if MediaFlag.EMPTY in flags:
        return MediaFacts(structure=Known(structure), container=Unknown("the file is empty"), flags=flags)
    container = _container(path, timeout_s=timeout_s, python=python)
    if isinstance(container, Unknown) and not flags and container != _NO_PROGRAM:
        flags = frozenset({MediaFlag.UNREADABLE})
    return MediaFacts(structure=Known(structure), container=container, flags=flags)


def _container(path: Path, *, timeout_s: float, python: str) -> "Known[Container] | Unknown":
    if shutil.which("ffprobe") is None:
        return _NO_PROGRAM
    answer = _run_child([python, "-I", str(_CHILD), str(path.resolve())], timeout_s=timeout_s)
    if isinstance(answer, Unknown):
        return answer
    try:
        loaded = json.loads(answer)
    except (ValueError, RecursionError):
        return Unknown("ffprobe's answer was cut off")
    return Known(_read_container(loaded)) if isinstance(loaded, dict) else Unknown("ffprobe's answer makes no sense")


def _run_child(command: list[str], *, timeout_s: float) -> bytes | Unknown:
    """Run the child in a session of its own; whatever happens, nothing of that session is left running."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        start_new_session=True,
        close_fds=True,
    )
    try:
        answer = _read_answer(child, deadline=time.monotonic() + timeout_s)
    finally:
        # before the leader is reaped its number cannot have become somebody else's
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if answer is None:
        return Unknown(f"ffprobe took longer than {timeout_s:.0f} s")
    if code == 0:
        return answer
    reasons = {_MADE_NOTHING_OF_IT: "ffprobe made nothing of it", _NO_FFPROBE: _NO_PROGRAM.why}
    return Unknown(reasons.get(code, f"ffprobe ended with {code}"))


def _read_answer(child: "subprocess.Popen[bytes]", *, deadline: float) -> bytes | None:
    """Return what the child wrote before it ended, at most 256 KiB; None if it did not end in time."""
    answer = b""
    ended = os.pidfd_open(child.pid)
    try:
        with selectors.DefaultSelector() as selector:
            if child.stdout is not None:
                selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(timeout=max(0.0, deadline - time.monotonic()))
                if not ready or len(answer) > _MAX_ANSWER:
                    return None
                for key, _ in ready:
                    piece = b"" if key.fd == ended else os.read(key.fd, 1 << 16)
                    answer += piece
                    if not piece:
                        selector.unregister(key.fileobj)
    finally:
        os.close(ended)
    return answer


def _read_container(answer: Mapping[str, object]) -> Container:
    media, tags = _texts(answer.get("format")), _texts(answer.get("tags"))
    listed = answer.get("streams")
    streams = listed if isinstance(listed, list) else []
    for stream in streams:  # some makers write the time into the streams only
        if isinstance(stream, Mapping):
            tags = {**_texts(stream.get("tags")), **tags}
    return Container(
        format=media.get("format_name", ""),
        duration_ms=_milliseconds(media.get("duration", "")),
        streams=tuple(_stream(_texts(stream)) for stream in streams),
        creation_time=_tag(tags, "creation_time"),
        creation_date=_tag(tags, "com.apple.quicktime.creationdate", "date"),
        location=_tag(tags, "com.apple.quicktime.location.ISO6709", "location", "location-eng"),
        make=_tag(tags, "com.apple.quicktime.make", "com.android.manufacturer", "make"),
        model=_tag(tags, "com.apple.quicktime.model", "com.android.model", "model"),
        tags=tags,
        tool=_texts({"tool": answer.get("tool")}).get("tool", ""),
    )


def _texts(value: object) -> dict[str, str]:
    """Return the texts of a foreign object, short and safe to show."""
    if not isinstance(value, Mapping):
        return {}
    return {
        key: display_name(member.encode("utf-8", "replace"))[:_MAX_TEXT]
        for key, member in value.items()
        if isinstance(key, str) and key.isascii() and isinstance(member, str)
    }


def _stream(members: Mapping[str, str]) -> Stream:
    kind = members.get("codec_type", "")
    rate = members.get("avg_frame_rate", "") if kind == "video" else members.get("sample_rate", "")
    return Stream(
        kind=kind,
        codec=members.get("codec_name", ""),
        width=_count(members.get("width", "")),
        height=_count(members.get("height", "")),
        rate=rate,
        channels=_count(members.get("channels", "")),
    )


def _stream_body(stream: Stream) -> dict[str, Json]:
    body: dict[str, Json] = {"codec": stream.codec, "kind": stream.kind, "rate": stream.rate}
    if stream.width:
        body |= {"height": str(stream.height), "width": str(stream.width)}
    if stream.channels:
        body |= {"channels": str(stream.channels)}
    return body


def _tag(tags: Mapping[str, str], *names: str) -> "Known[str] | Unknown":
    for name in names:
        if text := tags.get(name):
            return Known(text)
    return Unknown("the container does not tell")


def _milliseconds(text: str) -> "Known[int] | Unknown":
    match = _SECONDS.fullmatch(text)
    if match is None:
        return Unknown("the container does not tell")
    return Known(int(match.group(1)) * 1_000 + int((match.group(2) or "0").ljust(3, "0")[:3]))


def _count(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0  # noqa: PLR2004
