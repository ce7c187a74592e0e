"""Which envelopes are published next: pure, with the time and the jitter passed in.

A station's events enter the log in the order of its `seq`. So a verified receipt for number n proves that the centre
has every number up to n, and two kinds of envelopes without a receipt are told apart:

*unheard* (above the highest receipted number): the centre may never have got them. New ones go out in order, at most a
window ahead. If nothing is heard, only the first few are sent again, with growing waits: if the centre is away for a
week, the broker's queue for it must not fill with repetitions. The first of them is what all the others wait for.

*known* (below it): the centre has them and waits for bytes. Once all bytes are handed over the receipt must come; if
it does not, the envelope is sent again with growing waits, and the centre answers a repetition with the receipt.

Everything may be sent again at any time without harm, so the schedule lives in memory only: after a restart it is made
anew from the journal.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast and how far ahead."""

    window: int = 2_000
    """Unheard envelopes on their way whose bytes the centre has, or that need none."""
    window_with_bytes: int = 20_000
    """Unheard envelopes on their way in all; most of these wait for slow uploads."""
    probes: int = 16
    """So many unheard ones, the first, are sent again while nothing is heard."""
    first_wait_seconds: float = 5.0
    longest_wait_seconds: float = 600.0


@dataclass(slots=True)
class _Sent:
    due: float
    attempts: int
    bytes_are_there: bool


class Schedule:
    """What was published and has no receipt. Used by one thread; `now` is a monotonic clock in seconds."""

    def __init__(
        self, pace: Pace | None = None, *, heard_to: int = 0, jitter: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._pace = pace or Pace()
        self._heard_to = heard_to
        self._jitter = jitter
        self._unheard: dict[int, _Sent] = {}
        self._order: list[int] = []  # the numbers in `_unheard`, ascending
        self._known: dict[int, _Sent] = {}
        self._ready_count = 0  # of the unheard: their bytes are there

    @property
    def heard_to(self) -> int:
        """Return the highest number for which a receipt was verified."""
        return self._heard_to

    @property
    def on_their_way(self) -> int:
        """Return how many were published and are not proved to have reached the centre."""
        return len(self._unheard)

    def room(self) -> int:
        """Return how many new envelopes may be published now."""
        return max(
            0,
            min(
                self._pace.window - self._ready_count,
                self._pace.window_with_bytes - len(self._unheard),
            ),
        )

    def needs_sending(self, seq: int, *, bytes_are_there: bool) -> bool:
        """Say whether an envelope just read from the journal is to be published.

        No if it is on its way already, or if the centre has it and waits for bytes that are not there yet.
        """
        if seq in self._unheard or seq in self._known:
            return False
        return seq > self._heard_to or bytes_are_there

    def published(self, seq: int, now: float, *, bytes_are_there: bool) -> None:
        """Note that an envelope was published for the first time or again."""
        sent = self._find(seq)
        if sent is not None:
            sent.due = now + self._wait(sent.attempts)
            sent.attempts += 1
        elif seq <= self._heard_to:
            self._known[seq] = _Sent(now + self._wait(0), 1, bytes_are_there)
        else:
            self._unheard[seq] = _Sent(now + self._wait(0), 1, bytes_are_there)
            insort(self._order, seq)
            self._ready_count += bytes_are_there

    def receipted(self, seq: int, now: float) -> None:
        """Note a verified receipt; lower numbers without one are proved to be known to the centre."""
        self._drop(seq)
        if seq <= self._heard_to:
            return
        self._heard_to = seq
        passed_count = bisect_right(self._order, seq)
        for lower in self._order[:passed_count]:
            passed = self._unheard.pop(lower)
            self._ready_count -= passed.bytes_are_there
            if passed.bytes_are_there:
                self._known[lower] = _Sent(now + self._wait(0), 1, bytes_are_there=True)
        del self._order[:passed_count]

    def bytes_are_there(self, seq: int, now: float) -> None:
        """Note that all blobs of an envelope were handed over, so that its receipt is to be expected."""
        sent = self._unheard.get(seq)
        if sent is not None:
            self._ready_count += not sent.bytes_are_there
            sent.bytes_are_there = True
        elif seq <= self._heard_to and seq not in self._known:
            self._known[seq] = _Sent(now + self._wait(0), 1, bytes_are_there=True)

    def not_published(self, seq: int) -> None:
        """Note that the broker did not get it: it is new again, to be read from the journal and published."""
        self._drop(seq)

    def ask_again(self, seq: int, now: float, *, seconds: float) -> None:
        """Bring the next repetition of an envelope forward, or put it off, to `seconds` from now."""
        sent = self._find(seq)
        if sent is not None:
            sent.due = now + seconds

    def centre_may_be_back(self, now: float) -> None:
        """After a silence or a new link: begin with short waits again, since what was sent may have been lost."""
        for _, sent in self._waiting_for_answer():
            sent.attempts = 1
            sent.due = min(sent.due, now + self._wait(0))

    def due(self, now: float, *, limit: int) -> list[int]:
        """Return which envelopes to publish again now: first what all others wait for, in order of `seq`."""
        return list(islice((seq for seq, sent in self._waiting_for_answer() if sent.due <= now), limit))

    def next_due(self) -> float | None:
        """Return when the next repetition is due, or None if nothing is on its way."""
        return min((sent.due for _, sent in self._waiting_for_answer()), default=None)

    def _waiting_for_answer(self) -> Iterator[tuple[int, _Sent]]:
        for seq in self._order[: self._pace.probes]:
            yield seq, self._unheard[seq]
        yield from self._known.items()

    def _find(self, seq: int) -> _Sent | None:
        return self._unheard.get(seq) or self._known.get(seq)

    def _drop(self, seq: int) -> None:
        self._known.pop(seq, None)
        sent = self._unheard.pop(seq, None)
        if sent is not None:
            self._ready_count -= sent.bytes_are_there
            del self._order[bisect_left(self._order, seq)]

    def _wait(self, attempts: int) -> float:
        doubled = self._pace.first_wait_seconds * (1 << min(attempts, 30))
        return min(doubled, self._pace.longest_wait_seconds) * self._jitter()
