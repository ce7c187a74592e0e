"""Who may change a site's trust: each document is signed by enough roots of its own and of the one before it.

The rule is TUF's (root role, key rotation): thieves of all new keys, or of too few old ones, change nothing, and no
document can be left out or come back. What was believed once stays written: a key's range may be closed, never erased.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chain_of_custody.envelope import Envelope, make_envelope, parse_envelope, verify_envelope
from chain_of_custody.errors import (
    RootChangeRejectedError,
    RootOrderError,
    RootSignaturesMissingError,
    SignatureRejectedError,
    TrustRejectedError,
)
from chain_of_custody.signatures import KeyId, Signer, verifier_for
from chain_of_custody.trust_document import MAX_TRUST_BYTES, Trust, document_bytes, parse_document
from chain_of_custody.trust_entries import Roots, TrustedLog, TrustedPerson, TrustedSource
from evidence_model.errors import RefusedError

ROOT_TYPE = "application/vnd.evidock.trust-root+json"
MAX_ROOT_BYTES = 2 * MAX_TRUST_BYTES


def sign_root(trust: Trust, signers: Sequence[Signer]) -> bytes:
    """Return the envelope of a document, signed by some of its roots, or of those before it."""
    return make_envelope(document_bytes(trust), signers, ROOT_TYPE, limit=MAX_ROOT_BYTES)


def read_root(raw: bytes) -> tuple[Trust, Envelope]:
    """Read a signed document; whether those who signed it are enough is not looked at.

    Raises:
        TrustRejectedError: it is no envelope of a trust document.
    """
    try:
        envelope = parse_envelope(raw, limit=MAX_ROOT_BYTES)
    except RefusedError as error:
        raise TrustRejectedError(str(error)[:300]) from error
    if envelope.payload_type != ROOT_TYPE:
        raise TrustRejectedError(f"{envelope.payload_type} is no trust document")
    return parse_document(envelope.payload), envelope


def signed_by(envelope: Envelope, roots: Roots) -> frozenset[KeyId]:
    """Return which of these roots signed; each key counts once.

    Raises:
        SignatureRejectedError: a signature of one of them does not fit.
    """
    known = [verifier_for(each.key) for each in roots.keys]
    if not {each.key_id for each in envelope.signatures} & {each.key_id for each in known}:
        return frozenset()
    return verify_envelope(envelope, known)


def check_root(raw: bytes, before: Trust | None) -> Trust:
    """Return the document of a root if it may follow `before`; with None it must be the first.

    Raises:
        TrustRejectedError: it is no trust document.
        RootSignaturesMissingError: too few of its own roots, or of those before it, signed it.
        RootOrderError: its number, or the digest of the one before it, is another.
        RootChangeRejectedError: it takes back what was written, or is of another site.
    """
    trust, envelope = read_root(raw)
    if before is None and trust.number != 1:
        raise RootOrderError(f"document {trust.number} comes first; document 1 does")
    if before is not None and (trust.number, trust.previous) != (before.number + 1, before.hash):
        raise RootOrderError(
            f"document {trust.number} does not follow the document {before.number} that is trusted here"
        )
    for whose in (trust, before):
        if whose is None:
            continue
        try:
            count = len(signed_by(envelope, whose.roots))
        except SignatureRejectedError as error:
            raise RootSignaturesMissingError(f"document {trust.number}: {error}") from error
        if count < whose.roots.threshold:
            raise RootSignaturesMissingError(
                f"document {trust.number} is signed by {count} of the {whose.roots.threshold} roots that document"
                f" {whose.number} asks for"
            )
    if before is not None:
        check_change(before, trust)
    return trust


def check_roots(raws: Iterable[bytes]) -> Trust:
    """Return the newest document of a site, all of whose roots are given from the first on.

    Raises:
        RefusedError: as `check_root`; RootOrderError if there is none.
    """
    trust: Trust | None = None
    for raw in raws:
        trust = check_root(raw, trust)
    if trust is None:
        raise RootOrderError("there is no root")
    return trust


def check_change(before: Trust, after: Trust) -> None:
    """Return if a document keeps what the one before it wrote.

    Raises:
        RootChangeRejectedError: site, an entry or a range was taken back, or something is to count from before.
    """
    if after.site != before.site or after.since < before.since:
        raise RootChangeRejectedError(f"it is of {after.site} at size {after.since}: another site, or an older time")
    kept = [
        *map(_keeps_source, before.sources, after.sources),
        *map(_keeps_person, before.people, after.people),
        *map(_keeps_log, before.logs, after.logs),
        len(after.sources) >= len(before.sources),
        len(after.people) >= len(before.people),
        len(after.logs) >= len(before.logs),
    ]
    if not all(kept):
        raise RootChangeRejectedError("a key of the past is changed, left out, or opened again")
    policies = tuple(each for each in before.policies if each.start <= after.since)  # what was to come may change
    if after.policies[: len(policies)] != policies:
        raise RootChangeRejectedError("a witness policy of the past is changed")
    starts = [each.start for each in after.sources[len(before.sources) :]]
    starts += [each.start for each in after.people[len(before.people) :]]
    starts += [each.start for each in after.policies[len(policies) :]]
    if any(start < before.since for start in starts):
        raise RootChangeRejectedError(f"something new is to count from before size {before.since}")


def _keeps_source(old: TrustedSource, new: TrustedSource) -> bool:
    """Say whether an entry is the same, but for a range that was closed or suspected meanwhile."""
    is_closed_rightly = old.until in (None, new.until)
    is_suspected_rightly = old.suspect_from is None or (
        new.suspect_from is not None and new.suspect_from <= old.suspect_from
    )
    same = replace(old, until=new.until, suspect_from=new.suspect_from)
    return same == new and is_closed_rightly and is_suspected_rightly


def _keeps_person(old: TrustedPerson, new: TrustedPerson) -> bool:
    return replace(old, until=new.until) == new and old.until in (None, new.until)


def _keeps_log(old: TrustedLog, new: TrustedLog) -> bool:
    return replace(old, final=new.final) == new and old.final in (None, new.final)
