"""A policy pack from TOML text: all mistakes at once, each with its line. Reads no file: the text is handed in."""

import re
from collections.abc import Iterable
from datetime import date, timedelta

from evidence_model.errors import UsageError
from evidence_model.toml_reading import Mistake, TomlReading, TomlTable
from policies.model import (
    Basis,
    Explanation,
    InterruptionReason,
    Pack,
    PreflightThresholds,
    Ruled,
    Source,
    UnknownCountsAs,
)

TAGS = ("case", "party", "handler", "activity", "place")
"""Tags a recording can bear (contract.md, `recordings tag`)."""

_RULE = r"(?:WH|DL|LK|MS|XM)-[A-Z]?(?:\(?\d+\)?)+"
_DURATION = re.compile(r"(\d{1,6}) ?(s|min|h|d)")
_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_ID = r"[a-z][a-z0-9_]{1,40}"
_DAY = r"\d{4}-\d{2}-\d{2}"


class PackError(UsageError):
    """The pack is not usable; `mistakes` has every one of them."""

    code = "POL-001"

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("; ".join(str(mistake) for mistake in self.mistakes))


def read_pack(text: str, *, name: str) -> Pack:
    """Read a pack.

    Args:
        text: the TOML.
        name: what the text is called, for messages.

    Raises:
        PackError: with every mistake and its line.
    """
    reading = TomlReading(text, name=name)
    if reading.mistakes:
        raise PackError(reading.mistakes)
    root = reading.root
    title, pull = root.table("title", required=True), root.table("pull", required=True)
    digests = root.table("digests", required=True)
    tags, retention = root.table("tags", required=True), root.table("retention", required=True)
    pack = Pack(
        id=root.text("id", pattern=_ID),
        title_zh=title.text("zh"),
        title_en=title.text("en"),
        valid_from_on=_day(root, "valid_from"),
        zone=root.text("zone", pattern=r"[A-Za-z]+(?:/[A-Za-z_]+){0,2}"),
        pull_deadline=_duration(pull.table("deadline", required=True)),
        pull_deadline_after_return=_duration(pull.table("after_return", required=True)),
        preflight=_preflight(root.table("preflight", required=True)),
        interruption_reasons={reason.id: reason for reason in _reasons(root)},
        required_tags=_tags(tags.table("required", required=True)),
        retention_months=_months(retention.table("default", required=True)),
        sm3=_flag(digests.table("sm3", required=True)),
    )
    for table in (title, pull, tags, retention, digests, root):
        table.finish()
    if reading.mistakes:
        raise PackError(reading.mistakes)
    return pack


def _source(table: TomlTable) -> Source:
    source = Source(
        basis=table.choice("basis", Basis),
        rules=table.texts("rules", pattern=_RULE),
        article=table.text("article"),
        note_zh=table.text("note_zh", default=""),
        note_en=table.text("note_en", default=""),
    )
    if not source.rules:
        table.wrong("rules", "missing; every value names the rule it comes from or serves")
    if bool(source.note_zh) != bool(source.note_en):
        table.wrong("note_zh", "a note stands in both languages")
    if source.basis is Basis.OURS and not source.note_zh:
        table.wrong("basis", "our own default says in a note why")
    return source


def _duration(table: TomlTable) -> Ruled[timedelta]:
    ruled = Ruled(_span(table, "value"), _source(table))
    table.finish()
    return ruled


def _span(table: TomlTable, key: str) -> timedelta:
    text = table.text(key)
    match = _DURATION.fullmatch(text)
    if match is None:
        if key in table and text:
            table.wrong(key, f"{text[:40]!r} is no duration like 30 s, 15 min, 24 h or 2 d")
        return timedelta()
    return timedelta(seconds=int(match.group(1)) * _UNITS[match.group(2)])


def _months(table: TomlTable) -> Ruled[int]:
    ruled = Ruled(table.integer("months", least=1, most=1_200), _source(table))
    table.finish()
    return ruled


def _flag(table: TomlTable) -> Ruled[bool]:
    ruled = Ruled(table.flag("value"), _source(table))
    table.finish()
    return ruled


def _tags(table: TomlTable) -> Ruled[tuple[str, ...]]:
    ruled = Ruled(table.texts("value", pattern="|".join(TAGS)), _source(table))
    table.finish()
    return ruled


def _preflight(table: TomlTable) -> PreflightThresholds:
    battery, storage = table.table("battery", required=True), table.table("storage", required=True)
    clock = table.table("clock", required=True)
    thresholds = PreflightThresholds(
        source=_source(table),
        battery_warn_below_percent=battery.integer("warn_below_percent", most=100),
        battery_fail_below_percent=battery.integer("fail_below_percent", most=100),
        recording_bytes_per_minute=storage.integer("recording_bytes_per_minute", least=1),
        storage_warn_below_minutes=storage.integer("warn_below_minutes"),
        storage_fail_below_minutes=storage.integer("fail_below_minutes"),
        locked_fail_from_percent=storage.integer("locked_fail_from_percent", least=1, most=100),
        clock_fast_after=_span(clock, "fast_after"),
        clock_warn_from=_span(clock, "warn_from"),
        clock_fail_from=_span(clock, "fail_from"),
        clock_reset_until_year=clock.integer("reset_until_year", least=1970, most=2100),
        clock_reset_dates=clock.texts("reset_dates", pattern=_DAY),
        unknown_counts_as=table.choice("unknown_counts_as", UnknownCountsAs),
    )
    if thresholds.battery_fail_below_percent > thresholds.battery_warn_below_percent:
        battery.wrong("fail_below_percent", "is above the warning")
    if thresholds.storage_fail_below_minutes > thresholds.storage_warn_below_minutes:
        storage.wrong("fail_below_minutes", "is above the warning")
    if thresholds.clock_fail_from < thresholds.clock_warn_from:
        clock.wrong("fail_from", "is below the warning")
    for part in (battery, storage, clock, table):
        part.finish()
    return thresholds


def _reasons(root: TomlTable) -> list[InterruptionReason]:
    reasons: list[InterruptionReason] = []
    for table in root.tables("interruption_reasons"):
        reason = InterruptionReason(
            id=table.text("id", pattern=_ID),
            zh=table.text("zh"),
            en=table.text("en"),
            explanation=table.choice("explanation", Explanation),
            source=_source(table),
        )
        if any(reason.id == other.id for other in reasons):
            table.wrong("id", f"{reason.id!r} stands twice")
        table.finish()
        reasons.append(reason)
    if not reasons:
        root.wrong("interruption_reasons", "missing; a gap could not be explained")
    return reasons


def _day(table: TomlTable, key: str) -> date:
    text = table.text(key, pattern=_DAY)
    try:
        return date.fromisoformat(text)
    except ValueError:
        if text:
            table.wrong(key, f"no such day: {text[:20]!r}")
        return date(1970, 1, 1)
