"""What the checks of one package share: the bag, the answer, and what each check learned that a later one needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .asked import Asked
from .bag import Bag
from .event import Event
from .findings import Result, Severity
from .layout import EVENT_FILE
from .notes import Checkpoint
from .seals import Seal
from .stamps import Interval
from .strict import RefusedError


@dataclass(frozen=True)
class Logged:
    """An event of the package, its place in the log, and the hash of its envelope."""

    index: int
    hash: bytes
    event: Event
    is_proved: bool  # signature, leaf and proof are right
    signed_by: frozenset[str] = frozenset()  # ids of people's keys that signed it, too


@dataclass
class Examination:
    """One package while it is examined. Each member says which check fills it; before that it is empty."""

    bag: Bag
    result: Result
    asked: Asked
    event_files: dict[int, set[str]] = field(default_factory=dict)  # by place in the log; from the bag
    named: dict[str, str] = field(default_factory=dict)  # check_bag: path and the digest that a manifest names
    altered: set[str] = field(default_factory=set)  # check_bag: files of which PKG-004 or PKG-005 is told
    is_listed: bool = False  # check_contents: package.json says what is in here
    listed: set[int] = field(default_factory=set)  # check_contents: the events that it names
    items: list[dict[str, Any]] = field(default_factory=list)  # check_contents: and the items
    signed: dict[str, Any] | None = None  # check_signed: what the centre signed
    log_id: str = ""  # check_log: with which of the log's keys the head is signed
    head: Checkpoint | None = None  # check_log: where all proofs lead to
    events: dict[int, Logged] = field(default_factory=dict)  # check_events: those in their form, by place
    signers: set[str] = field(default_factory=set)  # check_events: ids of keys that signed one
    intervals: dict[int, Interval] = field(default_factory=dict)  # check_time: what is proved of when, by place
    seals: dict[int, Seal] = field(default_factory=dict)  # check_seals: what proofs are about, by place
    erased_said: dict[str, int] = field(default_factory=dict)  # check_contents: entries without a body, by hash
    tombstones: dict[str, int] = field(default_factory=dict)  # check_decisions: lawful ones, by item: their places
    erased: dict[str, int] = field(default_factory=dict)  # check_decisions: events whose bodies they name, by hash
    about: dict[str, list[Event]] = field(default_factory=dict)  # check_items: what is believed, by item

    def __post_init__(self) -> None:
        """Sort the files of the events by their places, and start counting."""
        self.result.checked = dict.fromkeys(("events", "signatures", "proofs", "items", "files", "bytes"), 0)
        for path in self.bag.sizes:
            if (match := EVENT_FILE.fullmatch(path)) is not None:
                self.event_files.setdefault(int(match[1]), set()).add(path)

    def count(self, what: str, number: int = 1) -> None:
        """Count what was checked."""
        self.result.checked[what] += number

    def indexes(self) -> set[int]:
        """Return the places of which the package has an envelope."""
        return {index for index, paths in self.event_files.items() if f"data/events/{index}.dsse.json" in paths}

    def proved_events(self) -> Iterator[Event]:
        """Yield what is signed by its source and stands in the log."""
        return (each.event for each in self.events.values() if each.is_proved)

    def small(self, path: str, at_most: int, code: str) -> bytes | None:
        """Return a small file, or tell why it cannot be read (a required one that is missing was told before)."""
        try:
            return self.bag.read(path, at_most)
        except RefusedError as error:
            if error.reason != "file.missing":
                self.result.refused(code, path, error)
            return None

    def note_unchecked(self, path: str, key_ids: set[str], base: str) -> None:
        """Tell of signatures that no code on this machine can check (PKG-023)."""
        for key_id in sorted(key_ids):
            self.result.add("PKG-023", path, "p256", severity=Severity.UNCHECKED, key=key_id, base=base)
