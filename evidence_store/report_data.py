"""What the reports of an evidence package say, as the data that the template sets.

Everything about an item and its events is read from the signed events that go into the package, in the order of the
log; only the gaps between items are the centre's own reckoning, and are shown as that. Texts stay data up to the end:
nothing from an event is ever pasted into markup.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.cosignature import verify_cosignatures
from chain_of_custody.event import EventView
from chain_of_custody.signatures import KeyId
from evidence_model.canonical import Json, JsonObject
from evidence_model.digests import Digest
from evidence_model.events import ActorLevel, EventKind
from evidence_model.findings import catalogue
from evidence_model.ids import AssetId, EventId, RecordingId
from evidence_model.known import Known
from evidence_store import body_reading as read
from evidence_store.own_facts import keys_of
from evidence_store.package_contents import PackageContents, PackagedItem
from evidence_store.package_events import PackagedEvent, is_pull_of
from evidence_store.report_font import ReportFont
from evidence_store.report_words import ReportWords, ranges, reason_words, seconds
from host_io.trust import Trust

MOST_CHARACTERS = 2500  # of one text; whoever types one has 2000
_MOST_IN_A_CELL = 600  # of the table of events; notes and tags stand in full with their recording
_MOST_OF_A_NAME = 1000  # so that it and what stands below it have room on one page
_KEPT_AT_THE_END = 100
_MOST_OF_A_SUBJECT = 24
_TO_MILLISECONDS = len("2026-11-22 09:00:05.000")
_INSTANTS = frozenset({"docked_at", "from", "from_at", "spoken_at", "until", "until_at", "verified_at"})
_WORDS_FOR = {"mark": "marks", "role": "roles"}
_LABELS = ("cover", "sections", "recording", "events", "claims", "keys")
_SAID_OF_RECORDINGS = {EventKind.TAGS_SET.value, EventKind.NOTE_INTERRUPTION.value, EventKind.RECORDING_MARKED.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What a report is about; `approval` is the approving event's hash, `intervals` the proved bounds of an item."""

    id: EventId
    created_at: datetime
    recipient: str
    basis: str
    contents: PackageContents
    trust: Trust
    zone: tzinfo
    approval: str | None = None
    intervals: Mapping[AssetId, tuple[datetime, datetime]] = field(default_factory=dict)


class ReportData:
    """The data of one report in one language."""

    def __init__(self, facts: ReportFacts, words: ReportWords, font: ReportFont) -> None:
        self._facts = facts
        self._words = words
        self._font = font
        self._items, self._events = facts.contents.items, facts.contents.events
        self._numbers = {item.id: number for number, item in enumerate(self._items, start=1)}
        self._digests: dict[AssetId, Digest] = {item.id: item.digest for item in self._items}
        self._about: dict[AssetId, list[EventView]] = {item.id: [] for item in self._items}
        for event in self._events:
            if event.view.asset is not None and event.view.asset.id in self._about:
                self._about[event.view.asset.id].append(event.view)
        self._words_said = [event for event in self._events if event.view.kind in _SAID_OF_RECORDINGS]

    def as_json(self) -> dict[str, object]:
        """Return all of it; every text can be drawn by the font."""
        words = self._words
        return {
            "language": words.language,
            "labels": {name: words.section(name) for name in _LABELS},
            "title": words.of("cover", "title"),
            "what": words.of("cover", "what", zone=self._facts.zone),
            "binding": words.of("cover", "binding"),
            "no_interval": "" if self._facts.intervals else words.of("values", "no_interval"),
            "footer": [
                words.of("cover", "footer_package", id=self._facts.id),
                words.of("cover", "footer_head", size=self._head.size, root=self._head.root.hex()),
            ],
            "cover": list(self._cover()),
            "recordings": [self._recording(each) for each in dict.fromkeys(item.recording for item in self._items)],
            "events": [self._event(each) for each in self._events],
            "claims": words.page.claims,
            "claims_intro": words.of("claims", "intro", page=words.page.name),
            "steps": [[step.title, step.code] for step in words.page.steps],
            "steps_intro": words.of("steps", "intro", page=words.page.name),
            "limits": words.page.limits,
            "keys_intro": words.of("keys", "intro"),
            "keys": [
                [self._word("roles", role), self._shown(name), str(KeyId.of(key))]
                for role, name, key in keys_of(self._facts.trust)
            ],
            "terms": list(words.section("terms").items()),
            "certificate": self._certificate(),
        }

    # ---------------------------------------------------------------------------------------------- cover

    @property
    def _head(self) -> Checkpoint:
        return self._facts.contents.state.head

    def _counts(self) -> dict[str, object]:
        return {
            "recordings": len({item.recording for item in self._items}),
            "items": len(self._items),
            "events": len(self._events),
        }

    def _cover(self) -> Iterator[list[str]]:
        facts, words = self._facts, self._words
        bytes_ = sum(item.size_bytes for item in self._items)
        rows = {
            "site": self._shown(facts.trust.site),
            "package": facts.id,
            "created": self._time(facts.created_at),
            "recipient": self._shown(facts.recipient) or words.word("not_stated"),
            "basis": self._shown(facts.basis) or words.word("not_stated"),
            "approval": facts.approval or words.of("values", "no_approval"),
            "contents": words.of("values", "contents", size=bytes_, **self._counts()),
            "log": self._shown(self._head.origin),
            "head": str(self._head.size),
            "root": self._head.root.hex(),
            "witnesses": self._witnesses(),
            "rule": words.listed(
                self._shown(line)
                for line in facts.trust.witnesses.text().splitlines()
                if not line.startswith("witness ")
            ),
        }
        yield from ([words.of("facts", name), value] for name, value in rows.items())

    def _witnesses(self) -> str:
        known = self._facts.trust.witnesses.witnesses
        found = verify_cosignatures(self._facts.contents.state.note, (each.key for each in known))
        told = (
            self._words.of("values", "witness", name=self._shown(each.name), at=self._time(each.cosigned_at))
            for each in found
        )
        return self._words.listed(told) or self._words.of("values", "no_witness")

    # ---------------------------------------------------------------------------------------------- recordings

    def _recording(self, recording: RecordingId) -> dict[str, object]:
        words = self._words
        items = [item for item in self._items if item.recording == recording]
        said = self._said_of({item.id for item in items})
        tags, marks = self._tags(said), self._marks(said)
        not_set = [self._word("tags", name) for name in words.section("tags") if not tags.get(name)]
        return {
            "title": words.of("recording", "title", id=recording),
            "facts": [
                *([self._word("tags", name), self._shown(value)] for name, value in tags.items() if value),
                *([[words.of("recording", "not_set"), words.listed(not_set)]] if not_set else []),
                *([[words.of("recording", "marks"), words.listed(marks)]] if marks else []),
            ],
            "items": [self._item(item) for item in items],
            "notes": [self._note(each) for each in said if each.view.kind == EventKind.NOTE_INTERRUPTION.value],
            "gaps": [self._gap(each) for each in self._facts.contents.gaps.get(recording, ())],
        }

    def _said_of(self, assets: set[AssetId]) -> list[PackagedEvent]:
        return [each for each in self._words_said if not assets.isdisjoint(read.assets(each.view.body, "assets"))]

    def _tags(self, said: Iterable[PackagedEvent]) -> dict[str, str]:
        """Return the newest value of each tag; an empty one was taken away."""
        tags = dict.fromkeys(self._words.section("tags"), "")  # in this order
        for each in said:
            if each.view.kind == EventKind.TAGS_SET.value:
                words = read.table(each.view.body, "tags")
                tags |= {name: value for name, value in words.items() if isinstance(value, str)}
        return tags

    def _marks(self, said: Iterable[PackagedEvent]) -> list[str]:
        marks: dict[str, bool] = {}
        for each in said:
            mark = read.text(each.view.body, "mark")
            if each.view.kind == EventKind.RECORDING_MARKED.value and mark is not None:
                marks[mark] = each.view.body.get("on") is not False
        return [self._word("marks", mark) for mark, is_on in marks.items() if is_on]

    def _note(self, event: PackagedEvent) -> str:
        return self._words.of(
            "recording",
            "note",
            index=event.index,
            at=self._time(event.view.time.reading.wall_at),
            who=self._who(event.view),
            words=self._said(event.view.body),
        )

    def _gap(self, finding: Mapping[str, object]) -> str:
        words, details = self._words, finding["details"]
        code = str(finding["code"])
        parts = [f"{code} {catalogue().get(code, {}).get(words.language, '')}"]
        if isinstance(details, Mapping):
            numbers = {name: self._numbers.get(AssetId(str(details.get(name))), "–") for name in ("after", "before")}
            parts.append(words.of("recording", "between", **numbers))
            if length_ms := details.get("length_ms"):
                parts.append(words.of("recording", "length", seconds=seconds(int(length_ms))))
            if first := details.get("first"):
                parts.append(words.of("recording", "missing", first=first, last=details.get("last")))
        return words.listed(parts)

    def _item(self, item: PackagedItem) -> dict[str, object]:
        about = self._about[item.id]
        pull = next((each for each in about if is_pull_of(each, self._digests)), None)
        body: JsonObject = {} if pull is None else pull.body
        interval = self._facts.intervals.get(item.id)
        return {
            "number": str(self._numbers[item.id]),
            "name": self._cut(self._font.shown_name(item.raw_path), most=_MOST_OF_A_NAME),
            "recorder": self._shown(read.text(body, "recorder") or self._words.word("unknown")),
            "station": self._shown(item.station),
            "size": str(item.size_bytes),
            "pulled": [self._words.word("unknown"), ""] if pull is None else self._moment(pull),
            "sha256": item.digest.hex,
            "interval": None
            if interval is None
            else self._words.of("values", "interval", since=self._time(interval[0]), until=self._time(interval[1])),
            "remarks": self._words.listed(self._remarks(item, body, about)),
        }

    def _remarks(self, item: PackagedItem, body: JsonObject, about: Iterable[EventView]) -> Iterator[str]:
        for view in about:
            start_at, length = read.instant(view.body, "start_at"), read.number(view.body, "duration_ms")
            if view.kind == EventKind.FOOTAGE_REREAD.value and start_at is not None and length is not None:
                yield self._words.of("recording", "recorded", start=self._time(start_at), seconds=seconds(length))
                break
        if read.flag(body, "locked"):
            yield self._words.of("recording", "locked")
        listed = read.number(body, "listed_size_bytes")
        if listed is not None and listed != item.size_bytes:
            yield self._words.of("recording", "listed", count=listed)
        holes = read.table(body, "holes")
        if count := read.number(holes, "count"):
            yield self._words.of("recording", "holes", count=count, size=read.number(holes, "size_bytes"))

    # ---------------------------------------------------------------------------------------------- events

    def _event(self, event: PackagedEvent) -> list[str]:
        view = event.view
        return [
            str(event.index),
            *self._moment(view),
            self._word("kinds", view.kind),
            self._cut(self._said(view.body), most=_MOST_IN_A_CELL),
            self._subject(view),
            self._who(view),
            self._shown(view.source.id),
        ]

    def _subject(self, view: EventView) -> str:
        assets = read.assets(view.body, "assets") or ([view.asset.id] if view.asset is not None else [])
        numbers = sorted(self._numbers[each] for each in assets if each in self._numbers)
        if numbers:
            return self._words.word("numbers", numbers=ranges(numbers))
        name = self._shown(view.subject.name)
        return name if len(name) <= _MOST_OF_A_SUBJECT else f"{name[: _MOST_OF_A_SUBJECT - 1]}…"

    def _who(self, view: EventView) -> str:
        level = self._words.of("levels", view.actor.level.value, id=self._shown(view.actor.id))
        typed_by = read.text(view.body, "typed_by")
        if typed_by and view.actor.level is ActorLevel.STATION:
            level = self._words.listed([level, self._words.of("levels", "typed", user=self._shown(typed_by))])
        return level

    def _said(self, body: JsonObject) -> str:
        """Return the members of a body that people have words for, in the order of these."""
        members = self._words.section("members")
        return self._words.listed(
            f"{word} {self._value(name, body[name])}"
            for name, word in members.items()
            if body.get(name) not in (None, "")
        )

    def _value(self, name: str, value: Json) -> str:
        if isinstance(value, bool):
            return self._words.of("words", str(value).lower())
        if name == "tags" and isinstance(value, Mapping):
            return self._words.listed(
                f"{self._word('tags', tag)} {self._shown(str(each))}" for tag, each in value.items()
            )
        if not isinstance(value, str):
            return self._shown(str(value))
        if name == "reason" and value in (reasons := reason_words(self._words.language)):
            return reasons[value]
        if name in _WORDS_FOR:
            return self._word(_WORDS_FOR[name], value)
        at = read.instant({name: value}, name) if name in _INSTANTS else None
        return self._shown(value) if at is None else self._time(at)

    # ---------------------------------------------------------------------------------------------- the rest

    def _certificate(self) -> dict[str, object]:
        words = self._words
        values = {
            "id": self._facts.id,
            "site": self._shown(self._facts.trust.site),
            "created": self._time(self._facts.created_at),
            "size": self._head.size,
            "root": self._head.root.hex(),
            "page": words.page.name,
            **self._counts(),
        }
        certificate = words.section("certificate")
        return {**certificate, "paragraphs": [each.format(**values) for each in certificate["paragraphs"]]}

    def _word(self, section: str, name: str) -> str:
        """Return the word for something on the wire; what has none stands as it is."""
        return self._words.section(section).get(name) or self._shown(name)

    def _shown(self, text: str) -> str:
        return self._cut(self._font.shown(text))

    def _cut(self, text: str, most: int = MOST_CHARACTERS) -> str:
        if len(text) <= most:
            return text
        return f"{text[: most - _KEPT_AT_THE_END]}{self._words.word('cut')}{text[-_KEPT_AT_THE_END:]}"

    def _time(self, at: datetime) -> str:
        with contextlib.suppress(OverflowError):  # a clock may say the last hours of the year 9999
            at = at.astimezone(self._facts.zone)
        return at.isoformat(sep=" ", timespec="milliseconds")

    def _moment(self, view: EventView) -> list[str]:
        """Return what the source's clock said, and below it the zone and how well that clock was kept."""
        reading = view.time.reading
        at = self._time(reading.wall_at)
        error = f" ±{reading.error_ms.value} ms" if isinstance(reading.error_ms, Known) else ""
        return [
            at[:_TO_MILLISECONDS],
            f"{at[_TO_MILLISECONDS:]}  {self._word('clocks', reading.source.value)}{error}",
        ]
