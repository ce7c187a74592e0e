"""Files of one recorder into recordings, with every gap, overlap, missing number and clock jump found (WH-R16, WH-R18).

How it works. Each file looks for the one that continues it, by the rule of its recorder model: sequence marks first
(chapters, a `+` in the name), then time, then consecutive numbers where a clock step breaks the time. All candidate
links are sorted from the surest to the weakest and taken while both ends are free, so every file has at most one
before it and one after it, chains come out, and a chain is a recording. Nothing depends on the order of the input, and
every file is in exactly one recording: grouping is a view and can be redone without loss.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise

from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, RecorderId, RecordingId, recording_id_of
from evidence_model.instants import EPOCH
from evidence_model.known import Known, Unknown
from evidence_model.recording import JoinBy, NameFields, SegmentRule

MAX_CANDIDATES = 8
MAX_HOLE = 10_000  # a larger jump of a counter is another counter, not that many deleted files
_ZERO = timedelta()
_MILLISECOND = timedelta(milliseconds=1)
_UNTIMED = Unknown("start or length is not known")


class Irregularity(Enum):
    """What can be wrong between two files; the value is the finding's code."""

    GAP = "EM-040"
    OVERLAP = "EM-041"
    MISSING_NUMBERS = "EM-042"
    CLOCK_JUMP = "EM-043"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a recorder as the timeline needs it."""

    asset_id: AssetId
    recorder_id: RecorderId
    raw_path: bytes
    start_at: "Known[datetime] | Unknown"
    duration: "Known[timedelta] | Unknown"
    fields: NameFields
    rule: SegmentRule
    locked: bool = False
    is_footage: bool = True  # False: a photo or an empty file, which only takes a number

    @property
    def end_at(self) -> "Known[datetime] | Unknown":
        """Return when it ended, if both start and length are known."""
        if isinstance(self.start_at, Known) and isinstance(self.duration, Known):
            return Known(self.start_at.value + self.duration.value)
        return _UNTIMED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFinding:
    """One irregularity between two files; `after` or `before` is empty where the other file is missing."""

    kind: Irregularity
    after: str  # asset id of the file before it
    before: str  # asset id of the file after it
    length: timedelta = _ZERO  # of the gap, the overlap or the jump (negative: backwards)
    first_missing: int = 0
    last_missing: int = 0

    def as_finding(self) -> Finding:
        """Return it in the form that all checks have."""
        details = {"after": self.after, "before": self.before}
        if self.kind is Irregularity.MISSING_NUMBERS:
            if self.last_missing:  # else a mark says that something came before, not how it was numbered
                details |= {"first": str(self.first_missing), "last": str(self.last_missing)}
        else:
            details["length_ms"] = str(self.length // _MILLISECOND)
        severity = Severity.NOTE if self.kind is Irregularity.OVERLAP else Severity.FAULT
        return Finding(self.kind.value, severity, self.before or self.after, details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Files that were recorded as one, in order, with what is irregular between them."""

    segments: tuple[Segment, ...]
    findings: tuple[TimelineFinding, ...]
    known_as: RecordingId | None = None  # where the short id is another recording's already

    @property
    def id(self) -> RecordingId:
        """Return the id that it is known by, else the one that follows from the first file."""
        return self.known_as or recording_id_of(self.segments[0].asset_id)

    @property
    def recorder_id(self) -> RecorderId:
        """Return whose recording it is."""
        return self.segments[0].recorder_id

    @property
    def start_at(self) -> "Known[datetime] | Unknown":
        """Return when the first file began."""
        return self.segments[0].start_at

    @property
    def end_at(self) -> "Known[datetime] | Unknown":
        """Return when the last file ended."""
        return self.segments[-1].end_at

    @property
    def is_uninterrupted(self) -> bool:
        """Return whether no gap, jump or missing number lies in it (WH-R16)."""
        return all(finding.kind is Irregularity.OVERLAP for finding in self.findings)


def group(segments: Iterable[Segment]) -> tuple[Recording, ...]:
    """Return all recordings of the files given, the earliest first; the same for every order of the input.

    A file given twice (same asset id) counts once.
    """
    by_stream: dict[tuple[str, str, str], dict[AssetId, Segment]] = defaultdict(dict)
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    for segment in segments:
        fields = segment.fields
        if isinstance(fields.sequence, Known):
            numbers[segment.recorder_id, fields.device].add(fields.sequence.value)
        if segment.is_footage:
            by_stream[segment.recorder_id, fields.device, fields.channel][segment.asset_id] = segment
    recordings: list[Recording] = []
    for (recorder, device, _), stream in by_stream.items():
        taken = numbers[recorder, device]
        ordered = sorted(stream.values(), key=_order)
        chains = _chains(ordered)
        holes = _holes(ordered, taken)
        recordings += [_recording(chain, holes) for chain in chains]
    return tuple(sorted(recordings, key=lambda recording: _order(recording.segments[0])))


class _Surety(Enum):
    """How sure a link is; lower is surer."""

    MARK = 0
    TIME_AND_NUMBER = 1
    TIME = 2
    NEAR_TIME = 3
    NUMBER = 4


@dataclass(frozen=True, slots=True)
class _Link:
    surety: _Surety
    delta: timedelta  # start of the next − end of this one; zero where not known
    before: Segment
    after: Segment

    @property
    def key(self) -> tuple[int, timedelta, str, str]:
        return (self.surety.value, abs(self.delta), self.before.asset_id, self.after.asset_id)


def _chains(ordered: Sequence[Segment]) -> list[list[Segment]]:
    """Take links from the surest on while both ends are free; return the chains that come out."""
    following: dict[AssetId, Segment] = {}
    preceded: set[AssetId] = set()
    head = {segment.asset_id: segment.asset_id for segment in ordered}  # union-find, so that no ring closes

    def head_of(asset: AssetId) -> AssetId:
        while head[asset] != asset:
            head[asset] = head[head[asset]]
            asset = head[asset]
        return asset

    for link in sorted(_links(ordered), key=lambda link: link.key):
        before, after = link.before.asset_id, link.after.asset_id
        if before in following or after in preceded or head_of(before) == head_of(after):
            continue
        following[before] = link.after
        preceded.add(after)
        head[head_of(after)] = head_of(before)
    chains = []
    for first in ordered:
        if first.asset_id in preceded:
            continue
        chain = [first]
        while (next_one := following.get(chain[-1].asset_id)) is not None:
            chain.append(next_one)
        chains.append(chain)
    return chains


def _links(ordered: Sequence[Segment]) -> Iterator[_Link]:
    timed = [segment for segment in ordered if isinstance(segment.start_at, Known)]
    starts = [segment.start_at.value for segment in timed if isinstance(segment.start_at, Known)]
    chapters: dict[tuple[str, int], list[Segment]] = defaultdict(list)
    numbered: dict[int, list[Segment]] = defaultdict(list)
    for segment in ordered:
        if isinstance(segment.fields.chapter, Known):
            chapters[segment.fields.group, segment.fields.chapter.value].append(segment)
        if isinstance(segment.fields.sequence, Known):
            numbered[segment.fields.sequence.value].append(segment)
    for segment in ordered:
        if segment.rule.by is JoinBy.RISING_CHAPTER:
            yield from _by_chapter(segment, chapters)
        elif segment.rule.by is JoinBy.TIME_THEN_SEQUENCE:
            yield from _by_time(segment, timed, starts)
            yield from _by_number(segment, numbered)
    for before, after in pairwise(timed):
        yield from _by_mark(before, after)


def _by_chapter(segment: Segment, chapters: Mapping[tuple[str, int], list[Segment]]) -> Iterator[_Link]:
    """Yield the files that bear the next chapter of the same group (GoPro); several after a counter started again."""
    chapter = segment.fields.chapter
    if isinstance(chapter, Known):
        for step in (1, 2):  # 2: one chapter is missing between them, found as a hole below
            for other in chapters.get((segment.fields.group, chapter.value + step), ())[:MAX_CANDIDATES]:
                if other.rule.by is JoinBy.RISING_CHAPTER:
                    yield _Link(_Surety.MARK if step == 1 else _Surety.NUMBER, _delta(segment, other), segment, other)


def _by_time(segment: Segment, timed: Sequence[Segment], starts: Sequence[datetime]) -> Iterator[_Link]:
    """Yield the files that begin where this one ends, up to the gap limit."""
    end, start = segment.end_at, segment.start_at
    if not isinstance(end, Known) or not isinstance(start, Known):
        return
    limit = timedelta(milliseconds=segment.rule.gap_limit_ms)
    tolerance = timedelta(milliseconds=segment.rule.tolerance_ms)
    middle = bisect_left(starts, end.value)
    window = timed[max(0, middle - MAX_CANDIDATES) : middle + MAX_CANDIDATES]
    for other in window:
        delta = _delta(segment, other)
        if other is segment or abs(delta) > limit or _order(other) <= _order(segment) or _counts_back(segment, other):
            continue
        if other.rule.by is JoinBy.TIME_THEN_SEQUENCE:
            surety = _Surety.NEAR_TIME
            if abs(delta) <= tolerance:
                surety = _Surety.TIME_AND_NUMBER if _follows(segment, other) else _Surety.TIME
            yield _Link(surety, delta, segment, other)


def _by_mark(before: Segment, after: Segment) -> Iterator[_Link]:
    """Yield a file with a `+` after the one right before it, unless a long pause shows that its true one is missing."""
    if after.rule.by is JoinBy.MARK_PLUS is before.rule.by and "+" in after.fields.mark:
        delta = _delta(before, after)  # zero where the length of the first is not known: then the mark decides alone
        if abs(delta) <= timedelta(milliseconds=before.rule.gap_limit_ms):
            yield _Link(_Surety.MARK, delta, before, after)


def _by_number(segment: Segment, numbered: Mapping[int, list[Segment]]) -> Iterator[_Link]:
    """Yield the next number after a full segment whose time does not fit: the clock was set between the two."""
    sequence, rule = segment.fields.sequence, segment.rule
    if not isinstance(sequence, Known) or not rule.sequence_digits or not _is_full(segment):
        return
    for number in {sequence.value + 1, (sequence.value + 1) % 10**rule.sequence_digits}:
        for other in numbered.get(number, ())[:MAX_CANDIDATES]:
            if other is not segment and other.rule.by is JoinBy.TIME_THEN_SEQUENCE:
                delta = _delta(segment, other)
                if abs(delta) > timedelta(milliseconds=rule.gap_limit_ms):
                    yield _Link(_Surety.NUMBER, delta, segment, other)


def _recording(chain: Sequence[Segment], holes: Mapping[AssetId, TimelineFinding]) -> Recording:
    findings: list[TimelineFinding] = []
    for place, segment in enumerate(chain):
        if place == 0:
            if segment.rule.by is JoinBy.MARK_PLUS and "+" in segment.fields.mark:  # it continues what is not here
                findings.append(TimelineFinding(kind=Irregularity.MISSING_NUMBERS, after="", before=segment.asset_id))
        else:
            findings += _between(chain[place - 1], segment)
        if segment.asset_id in holes:
            findings.append(holes[segment.asset_id])
    return Recording(segments=tuple(chain), findings=tuple(findings))


def _between(before: Segment, after: Segment) -> Iterator[TimelineFinding]:
    rule = before.rule
    tolerance, limit = timedelta(milliseconds=rule.tolerance_ms), timedelta(milliseconds=rule.gap_limit_ms)
    delta = _delta(before, after)
    kind = None
    if abs(delta) > limit and isinstance(before.end_at, Known):
        kind = Irregularity.CLOCK_JUMP  # joined by a mark or a number although the clock says otherwise
    elif delta > tolerance:
        kind = Irregularity.GAP
    elif delta < -tolerance:
        kind = Irregularity.OVERLAP
    if kind is not None:
        length = abs(delta) if kind is Irregularity.OVERLAP else delta
        yield TimelineFinding(kind=kind, after=before.asset_id, before=after.asset_id, length=length)
    one, two = before.fields.chapter, after.fields.chapter
    if isinstance(one, Known) and isinstance(two, Known) and two.value - one.value > 1:
        yield TimelineFinding(
            kind=Irregularity.MISSING_NUMBERS,
            after=before.asset_id,
            before=after.asset_id,
            first_missing=one.value + 1,
            last_missing=two.value - 1,
        )


def _holes(ordered: Sequence[Segment], taken: set[int]) -> dict[AssetId, TimelineFinding]:
    """Return, by the file after each hole, the numbers that no file of this recorder bears (recorders.md case 47)."""
    holes: dict[AssetId, TimelineFinding] = {}
    last: tuple[Segment, int] | None = None
    for segment in ordered:
        sequence = segment.fields.sequence
        if not isinstance(sequence, Known) or not segment.rule.sequence_digits:
            continue
        if last is not None and 1 < sequence.value - last[1] <= MAX_HOLE:
            missing = [number for number in range(last[1] + 1, sequence.value) if number not in taken]
            if missing:
                holes[segment.asset_id] = TimelineFinding(
                    kind=Irregularity.MISSING_NUMBERS,
                    after=last[0].asset_id,
                    before=segment.asset_id,
                    first_missing=missing[0],
                    last_missing=missing[-1],
                )
        last = (segment, sequence.value)
    return holes


def _delta(before: Segment, after: Segment) -> timedelta:
    if isinstance(before.end_at, Known) and isinstance(after.start_at, Known):
        return after.start_at.value - before.end_at.value
    return _ZERO


def _follows(before: Segment, after: Segment) -> bool:
    one, two = before.fields.sequence, after.fields.sequence
    return isinstance(one, Known) and isinstance(two, Known) and two.value == one.value + 1


def _counts_back(before: Segment, after: Segment) -> bool:
    """Return whether the counter says that `after` came first; a counter that ran over its end says nothing."""
    one, two, digits = before.fields.sequence, after.fields.sequence, before.rule.sequence_digits
    if not digits or not isinstance(one, Known) or not isinstance(two, Known):
        return False
    round_length: int = 10**digits
    return 0 < one.value - two.value < round_length // 2


def _is_full(segment: Segment) -> bool:
    """Return whether the recorder cut this file at the length its menu allows, so that it goes on in the next."""
    rule = segment.rule
    if not rule.nominal_ms or not isinstance(segment.duration, Known):
        return False
    return abs(segment.duration.value - rule.nominal_ms * _MILLISECOND) <= rule.tolerance_ms * _MILLISECOND


def _order(segment: Segment) -> tuple[bool, datetime, int, str]:
    start, sequence = segment.start_at, segment.fields.sequence
    return (
        isinstance(start, Unknown),
        start.value if isinstance(start, Known) else EPOCH,
        sequence.value if isinstance(sequence, Known) else 0,
        segment.asset_id,
    )
