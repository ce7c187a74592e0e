"""Signed notes (C2SP signed-note) and the checkpoints in them (tlog-checkpoint): what a log's key says of its tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from .keys import Key
from .strict import RefusedError, base64_bytes

MAX_BYTES = 128 * 1024
MAX_SIZE = (1 << 63) - 1
LOG, WITNESS = 1, 4  # note types: Ed25519, cosignature/v1
_MAX_LINES = 64
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]+)\n")


@dataclass(frozen=True)
class Signer:
    """A key under a name."""

    name: str
    kind: int
    key: Key

    @property
    def hint(self) -> bytes:
        """Return the four bytes that stand before its signatures."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key.raw).digest()[:4]

    def signed(self, text: str, signature: bytes) -> bool:
        """Say whether this is its signature of the text."""
        message = text.encode()
        if self.kind == WITNESS:
            seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if seconds > MAX_SIZE:
                return False
            message = b"cosignature/v1\ntime %d\n%b" % (seconds, message)
        return self.key.verify(message, signature) is True


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log: how many leaves, and the root of their tree."""

    origin: str
    size: int
    root: bytes
    signature: bytes  # the log's


def origin_of(log_key: Key) -> str:
    """Return the name of the log of this key."""
    return f"sigsum.org/v1/tree/{log_key.id}"


def verify_note(data: bytes, signers: Iterable[Signer]) -> tuple[str, list[tuple[Signer, bytes]]]:
    """Return the text and the signatures by known signers; none of them, or one that does not fit, is refused."""
    known = {(signer.name, signer.hint): signer for signer in signers}
    text, lines = _parse(data)
    found = []
    for name, hint, signature in lines:
        signer = known.get((name, hint))
        if signer is None:
            continue
        if not signer.signed(text, signature):
            raise RefusedError("note.signature", name=name)
        found.append((signer, signature))
    if not found:
        raise RefusedError("note.unsigned")
    return text, found


def open_checkpoint(data: bytes, log_key: Key) -> Checkpoint:
    """Return what the log of this key signed."""
    text, [(_, signature)] = verify_note(data, [Signer(origin_of(log_key), LOG, log_key)])
    match = _BODY.fullmatch(text)
    if match is None:
        raise RefusedError("checkpoint")
    origin, size, root = match[1], int(match[2]), base64_bytes(match[3])
    if origin != origin_of(log_key) or size > MAX_SIZE or len(root) != 32:  # noqa: PLR2004 - SHA-256
        raise RefusedError("checkpoint")
    if size == 0 and root != sha256(b"").digest():
        raise RefusedError("checkpoint")
    return Checkpoint(origin, size, root, signature)


def _parse(data: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    try:
        whole = data.decode("utf-8") if len(data) <= MAX_BYTES else "\0"
    except UnicodeDecodeError:
        raise RefusedError("note") from None
    text, blank_line, block = whole.rpartition("\n\n")
    if _CONTROL.search(whole) or not blank_line or not block.endswith("\n") or block.count("\n") > _MAX_LINES:
        raise RefusedError("note")
    lines = [_parse_line(line) for line in block[:-1].split("\n")]
    if len({line[:2] for line in lines}) != len(lines):
        raise RefusedError("note.twice")
    return text + "\n", lines


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, blank, encoded = rest.partition(" ")
    if dash != "—" or not blank or not name or "+" in name or any(char.isspace() for char in name):
        raise RefusedError("note")
    blob = base64_bytes(encoded)
    if len(blob) <= 4:  # noqa: PLR2004 - the hint alone
        raise RefusedError("note")
    return name, blob[:4], blob[4:]
