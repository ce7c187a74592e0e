"""Brings a checkpoint to its quorum: whom to ask for what, and when it may be shown. No link, no disk, no thread.

One *round* is one checkpoint that all witnesses are asked to cosign. It ends when the quorum is reached; the next one
is about the newest checkpoint, so that under load each round covers all that was logged during the one before. What a
witness cosigned last is not kept: asked with another old size it answers with its own (tlog-witness, 409).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chain_of_custody.cosignature import add_signature, verify_cosignatures
from chain_of_custody.errors import NoteRejectedError, WitnessReplyRejectedError
from chain_of_custody.notes import NoteSignature
from chain_of_custody.witness_policy import Witness, WitnessPolicy
from chain_of_custody.witness_wire import (
    AddCheckpoint,
    Answer,
    WitnessReply,
    cosignature_lines_of,
    last_size_of,
)
from evidence_store.ledger import PublicLog

ASK_AGAIN_SECONDS: Final = 2.0
ROUND_SECONDS: Final = 10.0
REST_SECONDS: Final = 60.0  # for a witness that said no: nothing it will be asked soon mends that


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to be sent to a witness."""

    witness: Witness
    body: bytes


@dataclass(frozen=True, slots=True)
class Dissent:
    """A witness says what it should not: it knows another history than ours, or does not know our log."""

    witness: str
    answer: Answer
    text: str


@dataclass(slots=True)
class _Seat:
    """One witness, as far as we know."""

    witness: Witness
    size: int = 0  # what it cosigned last, if we guess right
    request: bytes = b""  # SHA-256 of what it was asked and has not answered
    asked_mono: float = 0.0
    rests_until: float = 0.0
    line: NoteSignature | None = None  # its cosignature in this round


@dataclass(slots=True)
class Cosigning:
    """The rounds of one log under one policy; used by one thread."""

    policy: WitnessPolicy
    mono: Callable[[], float]
    on_dissent: Callable[[Dissent], None] = lambda _dissent: None
    _seats: dict[str, _Seat] = field(init=False)
    _round: PublicLog | None = field(init=False, default=None)
    _began_mono: float = field(init=False, default=0.0)
    _is_met: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        self._seats = {each.name: _Seat(each) for each in self.policy.witnesses}

    def asks(self, newest: PublicLog) -> Iterator[Ask]:
        """Yield what is to be sent now so that the newest checkpoint comes to its quorum."""
        now = self.mono()
        current = self._begin(newest, now)
        if current is None:
            return
        for seat in self._seats.values():
            if seat.line is not None or now < seat.rests_until:
                continue
            if seat.request and now - seat.asked_mono < ASK_AGAIN_SECONDS:
                continue
            old = min(seat.size, current.head.size)
            body = AddCheckpoint(old, current.consistency_proof(old), current.note).to_bytes()
            seat.request, seat.asked_mono = hashlib.sha256(body).digest(), now
            yield Ask(seat.witness, body)

    def hear(self, name: str, reply: WitnessReply) -> bytes | None:
        """Take a witness's answer; return the cosigned checkpoint if it has brought the quorum just now.

        What is late, repeated, malformed or by nobody we asked changes nothing.
        """
        seat, current = self._seats.get(name), self._round
        if seat is None or current is None or not seat.request or reply.request != seat.request:
            return None
        seat.request = b""
        try:
            if reply.answer is Answer.COSIGNED:
                seat.line = _line_of(current.note, seat.witness, cosignature_lines_of(reply))
                seat.size = current.head.size
            elif reply.answer is Answer.OTHER_OLD_SIZE:
                self._learn(seat, last_size_of(reply), current)
            else:
                self._dissent(seat, reply.answer, reply.body)
        except (WitnessReplyRejectedError, NoteRejectedError) as error:
            self._dissent(seat, reply.answer, str(error))
        return self._note_if_met(current)

    def missing(self) -> Sequence[str]:
        """Return the names of the witnesses that have not cosigned in this round."""
        return [name for name, seat in self._seats.items() if seat.line is None]

    def _begin(self, newest: PublicLog, now: float) -> PublicLog | None:
        """Return the checkpoint of this round, beginning a new round if it is time."""
        current = self._round
        is_new = current is None or newest.head.size > current.head.size
        if is_new and (self._is_met or now - self._began_mono > ROUND_SECONDS):
            self._round, self._began_mono, self._is_met = newest, now, False
            for seat in self._seats.values():
                seat.line, seat.request = None, b""
        return self._round if self.missing() else None

    def _learn(self, seat: _Seat, size: int, current: PublicLog) -> None:
        if size > current.head.size:
            self._dissent(seat, Answer.OTHER_OLD_SIZE, f"it cosigned size {size}, this log has {current.head.size}")
        else:
            seat.size = size

    def _dissent(self, seat: _Seat, answer: Answer, text: str) -> None:
        seat.rests_until = self.mono() + REST_SECONDS
        self.on_dissent(Dissent(seat.witness.name, answer, text.strip()[:300]))

    def _note_if_met(self, current: PublicLog) -> bytes | None:
        lines = [seat.line for seat in self._seats.values() if seat.line is not None]
        cosigners = [seat.witness.key_id for seat in self._seats.values() if seat.line is not None]
        if self._is_met or not self.policy.is_met_by(cosigners):
            return None
        self._is_met = True
        note = current.note
        for line in lines:
            note = add_signature(note, line)
        return note


def _line_of(note: bytes, witness: Witness, lines: Sequence[NoteSignature]) -> NoteSignature:
    """Return the witness's own line; others that it sends along are ignored.

    Raises:
        NoteSignatureError: its cosignature does not fit our checkpoint; WitnessReplyRejectedError: there is none.
    """
    for line in lines:
        if (line.name, line.key_hash) == (witness.key.name, witness.key.key_hash):
            verify_cosignatures(add_signature(note, line), (witness.key,))
            return line
    raise WitnessReplyRejectedError(f"no cosignature by {witness.key.name[:80]!r} is in the answer")
