"""C2SP signed note v1.0.0: a text, a blank line, and signature lines; read strictly, so that it has one meaning.

— <name> base64(4-byte key hash ‖ signature)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from chain_of_custody.errors import (
    NoteKeyRejectedError,
    NoteRejectedError,
    NoteSignatureError,
    NoteSignerUnknownError,
)
from chain_of_custody.signatures import ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES, Ed25519Verifier
from chain_of_custody.strict_text import NotCanonicalTextError, decode_base64, encode_base64

MAX_NOTE_BYTES = 128 * 1024
MAX_SIGNATURES = 64
KEY_HASH_BYTES = 4
_DASH = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_TIMESTAMP_BYTES = 8
MAX_TIMESTAMP = (1 << 63) - 1


class NoteAlgorithm(Enum):
    """The signature types of C2SP that we use, by their identifier byte."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key under a name, as one signer of notes; name and key hash together tell it from all others."""

    name: str
    algorithm: NoteAlgorithm
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise NoteKeyRejectedError(f"no name for a note's signer: {self.name[:80]!r}")
        if len(self.public_key) != ED25519_KEY_BYTES:
            raise NoteKeyRejectedError(f"an Ed25519 public key has 32 bytes, this has {len(self.public_key)}")

    @property
    def key_hash(self) -> bytes:
        """Return the four bytes that stand before each signature; a hint, not a proof."""
        encoded = self.name.encode() + b"\n" + bytes([self.algorithm.value]) + self.public_key
        return sha256(encoded).digest()[:KEY_HASH_BYTES]

    @property
    def vkey(self) -> str:
        """Return the key as text: name+hash+base64."""
        material = bytes([self.algorithm.value]) + self.public_key
        return f"{self.name}+{self.key_hash.hex()}+{encode_base64(material)}"


def parse_vkey(text: str) -> NoteKey:
    """Read a verifier key.

    Raises:
        NoteKeyRejectedError: malformed, an algorithm we do not use, or a key hash that is not this key's.
    """
    match = _VKEY.fullmatch(text)
    if match is None:
        raise NoteKeyRejectedError(f"not a verifier key (name+hash+key): {text[:120]!r}")
    name, key_hash, encoded = match.groups()
    try:
        material = decode_base64(encoded)
        algorithm = NoteAlgorithm(material[0])
    except (NotCanonicalTextError, ValueError, IndexError) as error:
        raise NoteKeyRejectedError(f"verifier key of {name[:80]!r}: unknown algorithm or bad base64") from error
    key = NoteKey(name, algorithm, material[1:])
    if key.key_hash.hex() != key_hash:
        raise NoteKeyRejectedError(
            f"verifier key of {name[:80]!r}: key hash {key_hash}, {key.key_hash.hex()} was expected"
        )
    return key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_hash: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """Return the line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_hash + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read: nothing in it is verified yet. `text` ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """A note that at least one known key signed and no known key contradicts."""

    text: str
    verified: tuple[NoteSignature, ...]
    unknown: tuple[NoteSignature, ...]


def parse_note(data: bytes) -> Note:
    """Read a signed note; `encode_note` gives the same bytes back.

    Raises:
        NoteRejectedError: not UTF-8, a control character, no blank line, a malformed or a repeated signature line.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise NoteRejectedError(f"a note of {len(data)} bytes; at most {MAX_NOTE_BYTES} are read")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteRejectedError("a note is UTF-8 text") from error
    _check_text(whole)
    text, separator, block = whole.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteRejectedError("a note is a text, a blank line and signature lines, each with its newline")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteRejectedError(f"{len(lines)} signature lines; at most {MAX_SIGNATURES} are read")
    signatures = tuple(_parse_line(line) for line in lines)
    if len({(each.name, each.key_hash) for each in signatures}) != len(signatures):
        raise NoteRejectedError("one signer stands in two lines")
    return Note(text + "\n", signatures)


def encode_note(note: Note) -> bytes:
    """Return the note's bytes.

    Raises:
        NoteRejectedError: they would not be read back as this note.
    """
    data = (note.text + "\n" + "".join(each.line for each in note.signatures)).encode()
    if parse_note(data) != note:
        raise NoteRejectedError("this text cannot be signed as a note")
    return data


def verify_note(data: bytes, keys: Iterable[NoteKey]) -> VerifiedNote:
    """Return the note if a known key signed it; lines of unknown signers are only listed.

    Raises:
        NoteSignatureError: a line of a known signer does not verify.
        NoteSignerUnknownError: no known signer is among the lines.
        NoteRejectedError: malformed.
    """
    note = parse_note(data)
    known = {(key.name, key.key_hash): key for key in keys}
    verified, unknown = [], []
    for each in note.signatures:
        key = known.get((each.name, each.key_hash))
        if key is None:
            unknown.append(each)
        elif verify_line(note.text, each, key):
            verified.append(each)
        else:
            raise NoteSignatureError(f"the signature of {each.name[:80]!r} does not fit the text")
    if not verified:
        raise NoteSignerUnknownError(f"none of {len(known)} known keys signed this note")
    return VerifiedNote(note.text, tuple(verified), tuple(unknown))


def verify_line(text: str, line: NoteSignature, key: NoteKey) -> bool:
    """Say whether the line is the key's signature over `text`, by the key's algorithm."""
    match key.algorithm:
        case NoteAlgorithm.ED25519:
            message, signature = text.encode(), line.signature
        case NoteAlgorithm.COSIGNATURE_V1:
            if len(line.signature) != _TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES:
                return False
            time = int.from_bytes(line.signature[:_TIMESTAMP_BYTES], "big")
            if time > MAX_TIMESTAMP:
                return False
            message, signature = cosigned_message(text, time), line.signature[_TIMESTAMP_BYTES:]
    return Ed25519Verifier(key.public_key).verify(message, signature)


def cosigned_message(text: str, unix_s: int) -> bytes:
    """Return what a cosigner signs (C2SP tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {unix_s}\n{text}".encode()


def _parse_line(line: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator or not _is_name(name):
        raise NoteRejectedError(f"not a signature line: {line[:80]!r}")
    try:
        blob = decode_base64(encoded)
    except NotCanonicalTextError as error:
        raise NoteRejectedError(f"signature of {name[:80]!r}: {error}") from error
    if len(blob) <= KEY_HASH_BYTES:
        raise NoteRejectedError(f"signature of {name[:80]!r}: nothing after the key hash")
    return NoteSignature(name, blob[:KEY_HASH_BYTES], blob[KEY_HASH_BYTES:])


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise NoteRejectedError("a note has no control character but newline")


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)
