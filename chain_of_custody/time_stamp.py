"""RFC 3161 time stamps: an authority outside the agency says that some bytes existed at its time.

A stamp proves that bytes existed, never who made them. It counts only if it is by a certificate that the trust document
names for this authority: a chain to a root that everybody has would let any of its customers be taken for it
(custody-anchors §2.13). Certificates are judged at the time in the stamp, so one that has expired since is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate
from rfc3161_client import (
    Accuracy,
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.verify import SHA256_OID

from chain_of_custody.trust_entries import Authority
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId

MAX_STAMP_BYTES = 1 << 18
_GRANTED = 0
_FIRST_YEAR, _LAST_YEAR, _MOST_ACCURACY = 1000, 2999, timedelta(days=1)
_WHOLE_SECONDS = timedelta(seconds=1)  # the second in a stamp is counted as begun: fractions are not read


class StampUnreadableError(RefusedError):
    """The bytes are no granted RFC 3161 answer."""

    code = "COC-180"


class StampOfAnotherError(RefusedError):
    """The stamp is not signed by a certificate that the trust document names for this authority, or not rightly."""

    code = "COC-181"


class StampOfOtherBytesError(RefusedError):
    """The stamp is over other bytes, or answers another request."""

    code = "COC-182"


class StampedOtherLogError(RefusedError):
    """What was stamped is not there, or is no checkpoint of this log of the size that its name says."""

    code = "COC-188"


def authority_pem(authority: Authority) -> bytes:
    """Return the authority's certificates as PEM, those that sign first."""
    certificates = (load_der_x509_certificate(each) for each in (*authority.certificates, *authority.roots))
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a verified stamp says; the time lies between `earliest_at` and `latest_at` by the authority's own word."""

    authority: SourceId
    token: bytes
    """SHA-256 of the whole answer: what a beacon names."""
    at: datetime
    accuracy: timedelta
    certificate_ends_at: datetime

    @property
    def earliest_at(self) -> datetime:
        """Return the instant before which the stamp was not made."""
        return self.at - self.accuracy

    @property
    def latest_at(self) -> datetime:
        """Return the instant after which the stamp was not made."""
        return self.at + self.accuracy + _WHOLE_SECONDS


@dataclass(frozen=True, slots=True)
class StampRequest:
    """What is sent to an authority, and the number by which its answer is known."""

    raw: bytes
    nonce: int


def stamp_request(message: bytes) -> StampRequest:
    """Return the request to stamp `message` (SHA-256, with a nonce, with the signing certificate in the answer)."""
    builder = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    assert request.nonce is not None  # noqa: S101 - it was asked for in the line above
    return StampRequest(request.as_bytes(), request.nonce)


def verify_stamp(raw: bytes, message: bytes, authority: Authority, *, nonce: int | None = None) -> Stamp:
    """Return what an authority's answer says of `message`.

    Raises:
        StampUnreadableError: it is no granted answer.
        StampOfAnotherError: not by this authority, or its signature does not verify.
        StampOfOtherBytesError: over other bytes, or not in answer to the request with this nonce.
    """
    try:
        answer = _decode(raw)
        pinned = _pinned(answer, [load_der_x509_certificate(each) for each in authority.certificates])
        info = answer.tst_info
        if info.message_imprint.hash_algorithm.dotted_string != SHA256_OID:
            raise StampOfOtherBytesError(f"stamp by {authority.name}: not over a SHA-256")
        if info.message_imprint.message != sha256(message).digest():
            raise StampOfOtherBytesError(f"stamp by {authority.name}: over other bytes")
        if nonce is not None and info.nonce != nonce:
            raise StampOfOtherBytesError(f"stamp by {authority.name}: answers another request")
        if pinned is None:
            raise StampOfAnotherError(f"not signed by a certificate of {authority.name} that the trust document names")
        roots = [load_der_x509_certificate(each) for each in authority.roots]
        builder = VerifierBuilder(tsa_certificate=pinned, roots=roots)
        builder.build().verify(answer, sha256(message).digest())
        at, accuracy = info.gen_time.replace(tzinfo=UTC), _accuracy(answer)
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR or accuracy > _MOST_ACCURACY:
            raise StampUnreadableError(f"stamp by {authority.name}: no sensible time")
        return Stamp(
            authority=authority.name,
            token=sha256(raw).digest(),
            at=at,
            accuracy=accuracy,
            certificate_ends_at=pinned.not_valid_after_utc,
        )
    except (VerificationError, ValueError) as error:
        raise StampOfAnotherError(f"stamp by {authority.name}: {error}"[:300]) from error


def _decode(raw: bytes) -> TimeStampResponse:
    try:
        answer = decode_timestamp_response(raw if len(raw) <= MAX_STAMP_BYTES else b"")
        if answer.status != _GRANTED:
            raise StampUnreadableError(f"refused with status {answer.status}: {' '.join(answer.status_string)[:200]}")
        answer.tst_info.gen_time  # noqa: B018 - reads it, so that what cannot be read is told here
        answer.signed_data  # noqa: B018 - the same
    except ValueError as error:
        raise StampUnreadableError(f"not an RFC 3161 answer: {error}"[:300]) from error
    return answer


def _pinned(answer: TimeStampResponse, certificates: Sequence[Certificate]) -> Certificate | None:
    """Return the certificate of the trust document that the signer names; it may be another one all the same."""
    signers = [(each.issuer, each.serial_number) for each in answer.signed_data.signer_infos]
    return next((each for each in certificates if [(each.issuer, each.serial_number)] == signers), None)


def _accuracy(answer: TimeStampResponse) -> timedelta:
    accuracy: Accuracy | None = answer.tst_info.accuracy  # the library's types leave out that a stamp may have none
    if accuracy is None:
        return timedelta()
    return timedelta(seconds=accuracy.seconds, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0)
