"""Profiles from TOML: all mistakes of all files at once, each with its line; a key nobody knows is a mistake.

`common.toml` holds what every model shares (extensions, side files of systems and of other docks); every other file is
one model and its name is the model's id.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from edge_agent.profile import (
    ContainerClock,
    Evidence,
    FileKind,
    LockRule,
    MatchRule,
    Profile,
    PullMode,
    StatusFile,
)
from evidence_model.errors import UsageError
from evidence_model.recording import MOST_RULE_MS, MOST_SEQUENCE_DIGITS, JoinBy, SegmentRule
from evidence_model.toml_reading import Mistake, TomlReading, TomlTable

COMMON = "common"
GENERIC = "generic_msc"
CLAIMS = frozenset(
    {"recorder_name", "officer", "unit", "battery_percent", "clock", "free_bytes", "firmware", "bound_at"}
)
FIELDS = frozenset({"y", "md", "d", "t", "stamp", "seq", "num", "chap", "ch", "mark", "dev", "user"})
"""Names of the groups a pattern may have: year, month and day, whole date, time of day, whole stamp, counter, group
number, chapter in the group, channel, mark, device, user."""

_ID = r"[a-z0-9][a-z0-9_]{1,40}"
_USB_ID = r"[0-9a-f]{4}:[0-9a-f]{4}"
_GLOB = r"[^/\\].*"


class ProfileError(UsageError):
    """The profiles are not usable as they stand; `mistakes` has every one of them."""

    code = "EDGE-220"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("; ".join(str(mistake) for mistake in self.mistakes))


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """All recorder models this station knows, in the order of their ids."""

    profiles: tuple[Profile, ...]

    @property
    def generic(self) -> Profile:
        """Return the model that fits everything."""
        return self.get(GENERIC)

    def get(self, profile_id: str) -> Profile:
        """Return the model of that id.

        Raises:
            UnknownProfileError: there is none.
        """
        for profile in self.profiles:
            if profile.id == profile_id:
                return profile
        raise UnknownProfileError(profile_id)

    def known_or_generic(self, profile_id: str | None) -> Profile:
        """Return the model of that id, or the one that fits everything if it is known no more."""
        try:
            return self.get(profile_id or GENERIC)
        except UnknownProfileError:
            return self.generic


class UnknownProfileError(UsageError):
    """No profile has this id."""

    code = "EDGE-221"

    def __init__(self, profile_id: str) -> None:
        super().__init__(f"no recorder profile {profile_id[:60]!r}; `evidock recorder profiles` lists them")


@cache
def shipped_profiles() -> ProfileSet:
    """Return the models that come with the product."""
    folder = resources.files("edge_agent") / "profiles"
    return read_profiles(
        {
            entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        }
    )


def read_profiles(texts: Mapping[str, str]) -> ProfileSet:
    """Read profiles from id → TOML text; a site adds its own to the shipped texts before calling this.

    Raises:
        ProfileError: with every mistake of every text.
    """
    mistakes: list[Mistake] = []
    common = TomlReading(texts.get(COMMON, ""), name=f"{COMMON}.toml")
    shared = _Shared.read(common.root)
    common.root.finish()
    mistakes += common.mistakes
    profiles = []
    for name in sorted(set(texts) - {COMMON}):
        reading = TomlReading(texts[name], name=f"{name}.toml")
        if not reading.mistakes:
            profile = _profile(reading.root, shared)
            if profile.id != name:
                reading.root.wrong("id", f"{profile.id[:60]!r} is not the file's name")
            reading.root.finish()
            profiles.append(profile)
        mistakes += reading.mistakes
    if not any(profile.id == GENERIC for profile in profiles):
        mistakes.append(Mistake(f"{GENERIC}.toml", 1, "missing: without it an unknown recorder could not be pulled"))
    if mistakes:
        raise ProfileError(mistakes)
    return ProfileSet(tuple(profiles))


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Return what `**`, `*` and `?` mean for paths below a volume's root; letters match in either case, as on FAT."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts), re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Shared:
    extensions: Mapping[str, FileKind]
    side_files: tuple[re.Pattern[str], ...]

    @classmethod
    def read(cls, root: TomlTable) -> "_Shared":
        return cls(_extensions(root.table("extensions")), _globs(root, "side_files"))


def _profile(root: TomlTable, shared: _Shared) -> Profile:
    title, say = root.table("title", required=True), root.table("say")
    names, time = root.table("names"), root.table("time")
    blocks = {"file": root}
    blocks |= {key: root.table(key) for key in ("match", "media", "locked", "segment", "status") if key in root}
    blocks |= {"names": names} if "names" in root else {}
    blocks |= {"time": time} if "time" in root else {}
    media, status = blocks.get("media", root.table("media")), blocks.get("status", root.table("status"))
    extensions = media.table("extensions")
    profile = Profile(
        id=root.text("id", pattern=_ID),
        title_zh=title.text("zh"),
        title_en=title.text("en"),
        evidence={block: table.choice("evidence", Evidence) for block, table in blocks.items()},
        pull=root.choice("pull", PullMode, default=PullMode.TAKE),
        say_zh=say.text("zh", default=""),
        say_en=say.text("en", default=""),
        match=_match(blocks.get("match", root.table("match"))),
        globs={
            kind: globs
            for kind in (FileKind.LOG, FileKind.PHOTO, FileKind.AUDIO, FileKind.FOOTAGE)
            if (globs := _globs(media, kind.value))
        },
        extensions={**shared.extensions, **_extensions(extensions)},
        patterns=_patterns(names),
        locked=_locked(blocks.get("locked", root.table("locked"))),
        segment=_segment(blocks.get("segment", root.table("segment"))),
        status_files=tuple(_status_file(table) for table in status.tables("files")),
        zone=_zone(time),
        container_clock=time.choice("container", ContainerClock, default=ContainerClock.UNSURE),
        side_files=shared.side_files + _globs(root, "side_files"),
    )
    if profile.pull is PullMode.REFUSE and not (profile.say_zh and profile.say_en):
        root.wrong("say", "a model that is refused must say in zh and en what to do instead")
    for key, table in {"title": title, "say": say, **blocks}.items():
        if key != "file":  # the caller finishes the root
            table.finish()
    return profile


def _match(table: TomlTable) -> MatchRule:
    return MatchRule(
        usb_ids=table.texts("usb_ids", pattern=_USB_ID),
        usb_ids_shared=table.flag("usb_ids_shared", default=True),
        usb_names=table.expression("usb_names"),
        scsi_inquiry=table.texts("scsi_inquiry"),
        label=table.expression("label"),
        layout_all=table.texts("layout_all", pattern=_GLOB),
        layout_any=table.texts("layout_any", pattern=_GLOB),
        layout=table.expression("layout"),
        file_names=table.flag("file_names", default=False),
        site_opt_in=table.flag("site_opt_in", default=False),
        facts_needed=table.integer("facts_needed", default=1, least=1, most=5),
    )


def _patterns(table: TomlTable) -> tuple[re.Pattern[str], ...]:
    patterns = []
    for text in table.texts("patterns"):
        pattern = table.compiled("patterns", text)
        if pattern is None:
            continue
        for group in sorted(set(pattern.groupindex) - FIELDS):
            table.wrong("patterns", f"{group!r} is no field of a name; there are {', '.join(sorted(FIELDS))}")
        patterns.append(pattern)
    return tuple(patterns)


def _locked(table: TomlTable) -> LockRule:
    return LockRule(
        folders=frozenset(folder.casefold() for folder in table.texts("folders")),
        fat_read_only=table.flag("fat_read_only", default=False),
        marks=frozenset(mark.casefold() for mark in table.texts("marks")),
        names=table.expression("names"),
    )


def _segment(table: TomlTable) -> SegmentRule:
    rule = SegmentRule()
    return SegmentRule(
        by=table.choice("by", JoinBy, default=rule.by),
        tolerance_ms=table.integer("tolerance_ms", default=rule.tolerance_ms, most=600_000),
        gap_limit_ms=table.integer("gap_limit_ms", default=rule.gap_limit_ms, most=MOST_RULE_MS),
        nominal_ms=table.integer("nominal_ms", default=rule.nominal_ms, most=MOST_RULE_MS),
        sequence_digits=table.integer("sequence_digits", default=rule.sequence_digits, most=MOST_SEQUENCE_DIGITS),
    )


def _status_file(table: TomlTable) -> StatusFile:
    claims_table = table.table("claims", required=True)
    claims = {key: claims_table.text(key) for key in claims_table.known_keys()}
    for key, claim in claims.items():
        if claim not in CLAIMS:
            claims_table.wrong(key, f"{claim[:60]!r} is no claim; there are {', '.join(sorted(CLAIMS))}")
    path = table.text("path", pattern=_GLOB)
    if ".." in path.split("/"):
        table.wrong("path", "leads out of the volume")
    form = table.text("form", pattern="text|json|lines")
    table.finish()
    return StatusFile(path=path, form=form, claims=claims)


def _zone(table: TomlTable) -> str:
    zone = table.text("zone", default="Asia/Shanghai")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        table.wrong("zone", f"no time zone {zone[:60]!r}")
        return "UTC"
    return zone


def _globs(table: TomlTable, key: str) -> tuple[re.Pattern[str], ...]:
    globs = table.texts(key, pattern=_GLOB)
    for glob in globs:
        if ".." in glob.split("/"):
            table.wrong(key, f"{glob[:60]!r} leads out of the volume")
    return tuple(glob_pattern(glob) for glob in globs)


def _extensions(table: TomlTable) -> dict[str, FileKind]:
    result: dict[str, FileKind] = {}
    for kind in FileKind:
        if kind.value in table:
            result |= dict.fromkeys(table.texts(kind.value, pattern="[a-z0-9]{1,10}"), kind)
    table.finish()
    return result
