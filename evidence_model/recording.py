"""What a file's name says, and by which rule the files of one recorder follow each other."""

from dataclasses import dataclass
from enum import Enum

from evidence_model.canonical import Json, JsonObject, decimal
from evidence_model.errors import RefusedError
from evidence_model.known import Known, Unknown, text_of
from evidence_model.wall_time import WallTime

NOT_TOLD = Unknown("the name does not tell")
MOST_RULE_MS = 86_400_000  # as profiles may say; what arithmetic cannot hold would stop whoever groups files
MOST_SEQUENCE_DIGITS = 18


class MalformedFieldsError(RefusedError):
    """The object in an event is not what a name or a segment rule looks like there."""

    code = "EM-032"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFields:
    """The fields of a recorder's file name; an empty text means that the name bears none.

    `group` is what all chapters of one recording share (GoPro's four digits), `sequence` counts files, `chapter`
    counts within a group, `mark` is the sign itself (`+`, `#`, `IMP`, `RO`).
    """

    stamp: "Known[WallTime] | Unknown" = NOT_TOLD
    sequence: "Known[int] | Unknown" = NOT_TOLD
    chapter: "Known[int] | Unknown" = NOT_TOLD
    group: str = ""
    channel: str = ""
    mark: str = ""
    device: str = ""
    user: str = ""

    def as_body(self) -> dict[str, Json]:
        """Return the fields as they stand in an event; what the name does not tell is left out."""
        body: dict[str, Json] = {
            name: text_of(fact)
            for name, fact in (("chapter", self.chapter), ("sequence", self.sequence))
            if isinstance(fact, Known)
        }
        if isinstance(self.stamp, Known):
            body["stamp"] = self.stamp.value.text
        texts = {
            "channel": self.channel,
            "device": self.device,
            "group": self.group,
            "mark": self.mark,
            "user": self.user,
        }
        return body | {name: text for name, text in texts.items() if text}

    @classmethod
    def from_body(cls, body: JsonObject) -> "NameFields":
        """Read what `as_body` wrote.

        Raises:
            MalformedFieldsError: a member of another type.
        """
        texts = {name: body.get(name, "") for name in ("channel", "device", "group", "mark", "user")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise MalformedFieldsError("a field of a file name is not a text")
        stamp = body.get("stamp")
        return cls(
            stamp=Known(WallTime(str(stamp))) if stamp is not None else NOT_TOLD,
            sequence=_number(body, "sequence"),
            chapter=_number(body, "chapter"),
            **{name: str(text) for name, text in texts.items()},
        )


class JoinBy(Enum):
    """What tells that one file continues another."""

    TIME_THEN_SEQUENCE = "time_then_seq"  # start of the next = end of this one; consecutive numbers help after a jump
    RISING_CHAPTER = "same_num_rising_chap"  # same group, next chapter (GoPro)
    MARK_PLUS = "mark_plus"  # a `+` in the name says: continues the file before (Havis)
    NOTHING = "none"  # every file stands alone (photos, unknown makers without stamps)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRule:
    """How a recorder model cuts a recording into files; data of its profile, copied into every event of a file."""

    by: JoinBy = JoinBy.TIME_THEN_SEQUENCE
    tolerance_ms: int = 3_000  # 2 s grain of FAT stamps and 1 s of rounding
    gap_limit_ms: int = 30_000  # up to here: same recording with a gap in it
    nominal_ms: int = 0  # length of a full segment as the model's menu says; 0 = not said
    sequence_digits: int = 0  # at 10**digits the counter starts again; 0 = the counter is no help

    def as_body(self) -> dict[str, Json]:
        """Return the rule as it stands in an event."""
        return {
            "by": self.by.value,
            "gap_limit_ms": str(self.gap_limit_ms),
            "nominal_ms": str(self.nominal_ms),
            "sequence_digits": str(self.sequence_digits),
            "tolerance_ms": str(self.tolerance_ms),
        }

    @classmethod
    def from_body(cls, body: JsonObject) -> "SegmentRule":
        """Read what `as_body` wrote.

        Raises:
            MalformedFieldsError: an unknown way of joining, or a number that no profile can say.
            MalformedJsonError: a number that is not a decimal string.
        """
        try:
            by = JoinBy(body.get("by"))
        except ValueError as error:
            raise MalformedFieldsError(f"no such way of joining: {str(body.get('by'))[:60]!r}") from error
        numbers = {
            name: decimal(body.get(name, "0"), what=name)
            for name in ("gap_limit_ms", "nominal_ms", "sequence_digits", "tolerance_ms")
        }
        for name, value in numbers.items():
            if value > (MOST_SEQUENCE_DIGITS if name == "sequence_digits" else MOST_RULE_MS):
                raise MalformedFieldsError(f"{name} {value} is more than any profile says")
        return cls(by=by, **numbers)


def _number(body: JsonObject, name: str) -> "Known[int] | Unknown":
    value = body.get(name)
    return NOT_TOLD if value is None else Known(decimal(value, what=name))
