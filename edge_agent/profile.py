"""A recorder model as data: what it looks like, where its media lie, what its names and marks mean.

Profiles say nothing about who a recorder is (identify.py does) and hold no code; a new model is a new TOML file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from zoneinfo import ZoneInfo

from evidence_model.known import Known, Unknown
from evidence_model.names import decode_name
from evidence_model.recording import NOT_TOLD, NameFields, SegmentRule
from evidence_model.wall_time import MalformedWallTimeError, WallTime

_MONTHS = {
    name: f"{number:02d}"
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_NOT_DIGITS = re.compile(r"[^0-9]")
_MAX_DIGITS = 18


class FileKind(Enum):
    """What a file on a recorder is, by its place and name alone."""

    FOOTAGE = "footage"
    PHOTO = "photo"
    AUDIO = "audio"
    LOG = "log"
    UNKNOWN = "unknown"  # pulled like footage: what we do not know may be evidence
    SIDE = "side"  # left by another dock or by an operating system: listed, never pulled, trusted or deleted


class Evidence(Enum):
    """How well a block of a profile is founded."""

    VERIFIED = "verified"  # a source says so
    PLAUSIBLE = "plausible"  # domain knowledge, no source reached
    DERIVED = "derived"  # our conclusion from verified facts


class PullMode(Enum):
    """Whether this agent takes the footage of such recorders."""

    TAKE = "take"
    REFUSE = "refuse"  # the maker's own dock is the only way; the profile says what to tell people


class ContainerClock(Enum):
    """What a container's `creation_time` is worth on this model."""

    UTC = "utc"
    LOCAL = "local"  # written as if UTC, in truth the recorder's wall clock
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRule:
    """What a volume of such a recorder shows. Each rule that holds is one fact; `facts_needed` of them are enough."""

    usb_ids: tuple[str, ...] = ()  # "0603:8611"
    usb_ids_shared: bool = True  # the id is of a chip that thousands of products bear
    usb_names: re.Pattern[str] | None = None  # vendor and model text of the USB device
    scsi_inquiry: tuple[str, ...] = ()  # compared without blanks and case
    label: re.Pattern[str] | None = None
    layout_all: tuple[str, ...] = ()  # paths that must all be there
    layout_any: tuple[str, ...] = ()  # at least one of these, each counts
    layout: re.Pattern[str] | None = None  # at least one path matches
    file_names: bool = False  # most media files are named by the profile's patterns
    site_opt_in: bool = False  # too vague for every site: only where the site says it uses this model
    facts_needed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFile:
    """A file on the volume that claims something; a claim is shown and never trusted."""

    path: str
    form: str  # text | json | lines ("key=value")
    claims: Mapping[str, str]  # key in the file ("" = the whole text) → name of the claim


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRule:
    """What marks a file that the officer or a sensor locked against loop recording."""

    folders: frozenset[str] = frozenset()  # casefolded names of folders
    fat_read_only: bool = False
    marks: frozenset[str] = frozenset()  # casefolded `mark` of the name
    names: re.Pattern[str] | None = None  # file names of events


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One recorder model, as a file of `edge_agent/profiles/` says it."""

    id: str
    title_zh: str
    title_en: str
    evidence: Mapping[str, Evidence]  # block of the file → how well it is founded
    pull: PullMode = PullMode.TAKE
    say_zh: str = ""  # for people, where pulling is refused or the model needs a hint
    say_en: str = ""
    match: MatchRule = field(default_factory=MatchRule)
    globs: Mapping[FileKind, tuple[re.Pattern[str], ...]] = field(default_factory=dict)
    extensions: Mapping[str, FileKind] = field(default_factory=dict)
    patterns: tuple[re.Pattern[str], ...] = ()
    locked: LockRule = field(default_factory=LockRule)
    segment: SegmentRule = field(default_factory=SegmentRule)
    status_files: tuple[StatusFile, ...] = ()
    zone: str = "Asia/Shanghai"  # under which the recorder's clock is assumed to stand
    container_clock: ContainerClock = ContainerClock.UNSURE
    side_files: tuple[re.Pattern[str], ...] = ()

    @property
    def tz(self) -> ZoneInfo:
        """Return the assumed zone."""
        return ZoneInfo(self.zone)

    def kind_of(self, raw_path: bytes) -> FileKind:
        """Return what a file is, by its place and name: side file, else extension, else the profile's folders."""
        path = decode_name(raw_path)[0]
        by_extension = self.extensions.get(_extension(path), FileKind.UNKNOWN)
        if any(pattern.fullmatch(path) for pattern in self.side_files):
            return FileKind.SIDE
        if _in_bin(path):
            # what somebody threw away on the recorder may be the very footage in question: taken, not counted as such
            return FileKind.SIDE if by_extension in {FileKind.UNKNOWN, FileKind.LOG} else FileKind.UNKNOWN
        if by_extension is not FileKind.UNKNOWN:
            return by_extension
        for kind, patterns in self.globs.items():
            if any(pattern.fullmatch(path) for pattern in patterns):
                return kind
        return FileKind.UNKNOWN

    def fields_of(self, raw_path: bytes) -> NameFields:
        """Return what the file's name tells by the profile's patterns; nothing where none fits."""
        name = decode_name(raw_path.rsplit(b"/", 1)[-1])[0]
        for pattern in self.patterns:
            if match := pattern.fullmatch(name):
                return _fields({key: value or "" for key, value in match.groupdict().items()})
        return _NO_FIELDS

    def is_locked(self, raw_path: bytes, fields: NameFields, *, read_only_bit: bool) -> bool:
        """Return whether the recorder marks this file as not to be overwritten."""
        *folders, name = decode_name(raw_path)[0].split("/")
        rule = self.locked
        return (
            (rule.fat_read_only and read_only_bit)
            or any(folder.casefold() in rule.folders for folder in folders)
            or (bool(fields.mark) and fields.mark.casefold() in rule.marks)
            or (rule.names is not None and rule.names.fullmatch(name) is not None)
        )


_NO_FIELDS = NameFields()

# Folders in which operating systems keep what was thrown away.
_BINS = frozenset({".trashes", ".trash", "$recycle.bin", "recycler", "recycled"})


def _in_bin(path: str) -> bool:
    return any(part.casefold() in _BINS or part.casefold().startswith(".trash-") for part in path.split("/")[:-1])


def _extension(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name.rpartition(".")[2].casefold() if "." in name else ""


def _fields(groups: Mapping[str, str]) -> NameFields:
    return NameFields(
        stamp=_stamp(groups),
        sequence=_count(groups.get("seq", "")),
        chapter=_chapter(groups),
        group=groups.get("num", ""),
        channel=groups.get("ch", ""),
        mark=groups.get("mark", ""),
        device=groups.get("dev", ""),
        user=groups.get("user", ""),
    )


def _stamp(groups: Mapping[str, str]) -> "Known[WallTime] | Unknown":
    if stamp := _NOT_DIGITS.sub("", groups.get("stamp", "")):
        date, time = stamp[:8], stamp[8:]
    else:
        date = "".join(_date_digits(groups))
        time = _NOT_DIGITS.sub("", groups.get("t", ""))
    if not date:
        return NOT_TOLD
    try:
        return Known(WallTime.of_parts(date, time.ljust(6, "0")))
    except MalformedWallTimeError:
        return Unknown(f"the name shows a time that does not exist: {date} {time}")


def _date_digits(groups: Mapping[str, str]) -> Iterator[str]:
    if day := groups.get("d", ""):
        month, _, rest = day.partition(".")
        if name := _MONTHS.get(month.casefold()):  # Nov.22.2026
            number, _, year = rest.partition(".")
            yield from (year, name, number)
            return
        yield _NOT_DIGITS.sub("", day)
        return
    year = groups.get("y", "")
    yield "20" + year if len(year) == 2 else year  # noqa: PLR2004 - two-digit years are of this century
    yield _NOT_DIGITS.sub("", groups.get("md", ""))


def _count(text: str) -> "Known[int] | Unknown":
    return Known(int(text)) if text.isdecimal() and text.isascii() and len(text) <= _MAX_DIGITS else NOT_TOLD


def _chapter(groups: Mapping[str, str]) -> "Known[int] | Unknown":
    text = groups.get("chap")
    if text is None:
        return NOT_TOLD
    if not text:
        return Known(0)  # the first chapter of a GoPro bears no number (GOPR0123, then GP010123)
    if text.isalpha() and text.isascii():  # loop recordings count AA, AB …
        value = 0
        for letter in text.upper():
            value = value * 26 + ord(letter) - ord("A")
        return Known(value)
    return _count(text)
