"""Reads what this verifier needs of an RFC 3161 answer: DER (ITU-T X.690) and nothing laxer.

Every length is the whole length, in its shortest form; what is not read by name is skipped by its length. Whether the
signature over it verifies is openssl's to say (`stamps`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .strict import RefusedError

INTEGER, OCTETS, OID, TIME, SEQUENCE, SET, FIRST, SECOND = 0x02, 0x04, 0x06, 0x18, 0x30, 0x31, 0xA0, 0xA1
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_TIME_STAMP = bytes.fromhex("2a864886f70d0109100104")  # 1.2.840.113549.1.9.16.1.4
_SHA256 = bytes.fromhex("608648016503040201")  # 2.16.840.1.101.3.4.2.1
_TIME = re.compile(rb"([12]\d{3})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d*[1-9])?Z")
_LONG_FORM = 0x80
_MOST_LENGTH_BYTES = 4
_MOST_ACCURACY = timedelta(days=1)


@dataclass(frozen=True)
class Token:
    """What an answer says, and of which certificate it says that it signed."""

    imprint: bytes
    at: datetime  # the second as it began: fractions are not read
    accuracy: timedelta
    signer: bytes  # issuer and serial number, as DER
    certificates: tuple[bytes, ...]  # those that were sent with it


class Reader:
    """Goes through the members of one value in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int | None:
        """Return which member is next; None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def whole(self, tag: int) -> tuple[bytes, bytes]:
        """Return the next member with its tag and length, and its content."""
        data, start = self._data, self._at
        if self.tag != tag or start + 2 > len(data):
            raise RefusedError("der")
        length, at = data[start + 1], start + 2
        if length >= _LONG_FORM:
            count = length - _LONG_FORM
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
            if not 1 <= count <= _MOST_LENGTH_BYTES or length < max(_LONG_FORM, 1 << 8 * (count - 1)):
                raise RefusedError("der")
        self._at = at + length
        if self._at > len(data):
            raise RefusedError("der")
        return data[start : self._at], data[at : self._at]

    def take(self, tag: int) -> bytes:
        """Return the content of the next member."""
        return self.whole(tag)[1]

    def inside(self, tag: int) -> Reader:
        """Return a reader of the next member's content."""
        return Reader(self.take(tag))

    def skip(self, *tags: int) -> None:
        """Skip the next member if it is one of these."""
        if self.tag in tags:
            self.take(self.tag or 0)

    def end(self) -> None:
        """Nothing may follow."""
        if self.tag is not None:
            raise RefusedError("der")


def parse_answer(data: bytes) -> Token:
    """Read a TimeStampResp (RFC 3161, section 2.4.2) that grants a stamp over a SHA-256."""
    outer = Reader(data)
    answer = outer.inside(SEQUENCE)
    outer.end()
    if answer.inside(SEQUENCE).take(INTEGER) != b"\0":
        raise RefusedError("stamp.refused")
    content = answer.inside(SEQUENCE)
    answer.end()
    if content.take(OID) != _SIGNED_DATA:
        raise RefusedError("der")
    signed = content.inside(FIRST).inside(SEQUENCE)
    signed.take(INTEGER)
    signed.take(SET)
    what = signed.inside(SEQUENCE)
    if what.take(OID) != _TIME_STAMP:
        raise RefusedError("der")
    info = what.inside(FIRST).take(OCTETS)
    certificates = Reader(signed.take(FIRST) if signed.tag == FIRST else b"")
    signed.skip(SECOND)
    signers = signed.inside(SET)
    signer = signers.inside(SEQUENCE)
    signers.end()  # exactly one signed
    signer.take(INTEGER)
    name = signer.take(SEQUENCE)
    sent = []
    while certificates.tag is not None:
        sent.append(certificates.whole(SEQUENCE)[0])
    return _info(info, name, tuple(sent))


def issuer_and_serial(certificate: bytes) -> bytes:
    """Return issuer and serial number of a certificate as a signer names them (RFC 5652, section 10.2.4)."""
    body = Reader(certificate).inside(SEQUENCE).inside(SEQUENCE)
    body.skip(FIRST)
    serial, _ = body.whole(INTEGER)
    body.take(SEQUENCE)
    return body.whole(SEQUENCE)[0] + serial


def _info(data: bytes, signer: bytes, certificates: tuple[bytes, ...]) -> Token:
    """Read a TSTInfo."""
    outer = Reader(data)
    info = outer.inside(SEQUENCE)
    outer.end()
    info.take(INTEGER)
    info.take(OID)
    imprint = info.inside(SEQUENCE)
    if imprint.inside(SEQUENCE).take(OID) != _SHA256:
        raise RefusedError("stamp.hash")
    digest = imprint.take(OCTETS)
    info.take(INTEGER)
    at = _time(info.take(TIME))
    accuracy = timedelta()
    if info.tag == SEQUENCE:
        parts = info.inside(SEQUENCE)
        units = {INTEGER: "seconds", 0x80: "milliseconds", 0x81: "microseconds"}
        while parts.tag in units:
            tag = parts.tag
            accuracy += timedelta(**{units[tag]: int.from_bytes(parts.take(tag)[:4], "big")})
        parts.end()
    if accuracy > _MOST_ACCURACY:
        raise RefusedError("der")
    return Token(digest, at, accuracy, signer, certificates)


def _time(text: bytes) -> datetime:
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second = map(int, match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        raise RefusedError("der") from None
