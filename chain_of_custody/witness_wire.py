"""What a log asks a witness and what it answers: the bodies of C2SP tlog-witness, and their form over MQTT."""

import re
from dataclasses import dataclass
from enum import Enum

from chain_of_custody.errors import NoteRejectedError, WitnessReplyRejectedError, WitnessRequestRejectedError
from chain_of_custody.notes import NoteSignature, parse_note
from chain_of_custody.strict_text import NotCanonicalTextError, decode_base64, decode_hex, encode_base64
from chain_of_custody.tree import HASH_BYTES
from evidence_model.canonical import canonical_bytes, decimal, parse_strict
from evidence_model.errors import RefusedError

MAX_REQUEST_BYTES = 160 * 1024
MAX_REPLY_BYTES = 16 * 1024
MAX_PROOF_LINES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n", re.ASCII)
_MEMBERS = frozenset({"body", "request", "status"})


class Answer(Enum):
    """What a witness answers, by its HTTP status."""

    COSIGNED = 200
    MALFORMED = 400
    NOT_SIGNED_BY_THE_LOG = 403
    UNKNOWN_LOG = 404
    OTHER_OLD_SIZE = 409
    INCONSISTENT = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: `note` is a signed checkpoint, `proof` shows that it contains the tree of `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Return the request's body."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


@dataclass(frozen=True, slots=True)
class WitnessReply:
    """An answer; `body` is the one that HTTP has.

    `request` is the SHA-256 of the request's body: over MQTT messages come late, twice and out of order.
    """

    request: bytes
    answer: Answer
    body: str

    def to_bytes(self) -> bytes:
        """Return the message: RFC 8785 JSON of `body`, `request` and `status`."""
        return canonical_bytes({"body": self.body, "request": self.request.hex(), "status": str(self.answer.value)})


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read a request's body; nothing in it is verified yet.

    Raises:
        WitnessRequestRejectedError: malformed.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise WitnessRequestRejectedError(f"a request of {len(data)} bytes; at most {MAX_REQUEST_BYTES} are read")
    head, separator, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
        proof = tuple(decode_base64(line, size_bytes=HASH_BYTES) for line in lines)
    except (UnicodeDecodeError, NotCanonicalTextError) as error:
        raise WitnessRequestRejectedError(f"not a consistency proof: {error}") from error
    old = _OLD.fullmatch(first)
    if not separator or old is None or len(lines) > MAX_PROOF_LINES:
        raise WitnessRequestRejectedError("an old size, at most 63 hashes, an empty line and a checkpoint are read")
    return AddCheckpoint(int(old[1]), proof, note)


def parse_reply(data: bytes) -> WitnessReply:
    """Read an answer that came over MQTT; a cosignature in it is not verified yet.

    Raises:
        WitnessReplyRejectedError: malformed.
    """
    if len(data) > MAX_REPLY_BYTES:
        raise WitnessReplyRejectedError(f"an answer of {len(data)} bytes; at most {MAX_REPLY_BYTES} are read")
    try:
        reply = _read_reply(data)
    except (RefusedError, ValueError) as error:
        raise WitnessReplyRejectedError(f"not a witness's answer: {error}") from error
    if reply.to_bytes() != data:
        raise WitnessReplyRejectedError("an answer is RFC 8785 JSON: blanks, order of keys or escapes differ")
    return reply


def last_size_of(reply: WitnessReply) -> int:
    """Return the size that the witness cosigned last, out of a 409.

    Raises:
        WitnessReplyRejectedError: its body is no size.
    """
    match = _SIZE.fullmatch(reply.body)
    if match is None:
        raise WitnessReplyRejectedError(f"a tree size was expected, not {reply.body[:40]!r}")
    return int(match[1])


def cosignature_lines_of(reply: WitnessReply) -> tuple[NoteSignature, ...]:
    """Return the signature lines of a 200, not verified yet.

    Raises:
        WitnessReplyRejectedError: its body holds none, or something else.
    """
    try:
        return parse_note(b"lines\n\n" + reply.body.encode()).signatures
    except NoteRejectedError as error:
        raise WitnessReplyRejectedError(f"signature lines were expected: {error}") from error


def _read_reply(data: bytes) -> WitnessReply:
    members = parse_strict(data)
    body = members.get("body")
    if members.keys() != _MEMBERS or not isinstance(body, str):
        raise WitnessReplyRejectedError("an answer has exactly body, request and status")
    return WitnessReply(decode_hex(members["request"]), Answer(decimal(members["status"], what="status")), body)
