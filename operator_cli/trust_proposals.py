"""What can be proposed: each function takes the next trust document and returns it with one change.

The document's own rules are checked when it is written (`check_document`), and against the one before it when it is
published; here is refused what people would not have meant.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chain_of_custody.enrolment import Enrolment
from chain_of_custody.signatures import KeyId
from chain_of_custody.trust_draft import next_document, with_policy
from chain_of_custody.trust_entries import (
    Authority,
    FinalTree,
    PersonRole,
    RootKey,
    Roots,
    SourceRole,
    TrustedLog,
    TrustedPerson,
    TrustedSource,
)
from chain_of_custody.witness_policy import Group, WitnessPolicy, cosigners_of
from evidence_model.errors import RefusedError
from evidence_model.ids import source_id
from evidence_store.log_folder import LogFolder
from host_io.config import HomePaths
from host_io.keys import make_signing_key
from host_io.trust import Trust, next_log_key_path
from operator_cli.errors import ProposalError
from operator_cli.texts import Texts
from operator_cli.trust_changes import log_head


def enrol(trust: Trust, request: Enrolment, texts: Texts, *, replaces: bool) -> Trust:
    """Enrol a station; with `replaces` its key of now is revoked at the same place.

    Raises:
        ProposalError: another site's, or a station of this name is enrolled (or is not).
    """
    if request.site != trust.site:
        raise ProposalError(texts("keys.other_site", site=request.site, own=trust.site))
    old = trust.station(request.id)
    if (old is not None) != replaces:
        raise ProposalError(texts("keys.is_enrolled" if old is not None else "keys.not_enrolled", name=request.id))
    entry = TrustedSource(
        id=request.id,
        role=SourceRole.STATION,
        key=request.key,
        possession=request.possession,
        sm2=request.sm2,
        start=trust.since,
    )
    kept = tuple(replace(each, until=trust.since) if each is old else each for each in trust.sources)
    return replace(trust, sources=(*kept, entry))


def revoke(trust: Trust, key_id: str, texts: Texts, *, at: int | None, suspect_from: int | None) -> Trust:
    """Let a key count only before a place in the log (None: from now on not any more).

    Raises:
        ProposalError: no such key is in force, or the place is beyond the log's end.
    """
    until = trust.since if at is None else at
    if until > trust.since or (suspect_from or 0) > until:
        raise ProposalError(texts("keys.beyond", size=trust.since))
    sources = [each for each in trust.sources if each.is_in_force and _is_called(each.key_id, key_id)]
    people = [each for each in trust.people if each.until is None and _is_called(each.key_id, key_id)]
    if len(sources) + len(people) != 1:
        raise ProposalError(texts("keys.no_key", key=key_id))
    return replace(
        trust,
        sources=tuple(
            replace(each, until=max(until, each.start), suspect_from=suspect_from) if each in sources else each
            for each in trust.sources
        ),
        people=tuple(replace(each, until=max(until, each.start)) if each in people else each for each in trust.people),
    )


def retire_witness(trust: Trust, name: str, texts: Texts) -> Trust:
    """Take a witness out of the policy; its cosignatures count up to the size that the log has now.

    Raises:
        ProposalError: there is none, or the quorum cannot be met without it.
    """
    policy = trust.witnesses
    if all(each.name != name for each in policy.witnesses):
        raise ProposalError(texts("keys.no_witness", name=name))
    groups = tuple(
        Group(each.name, each.threshold, tuple(member for member in each.members if member != name))
        for each in policy.groups
    )
    if policy.quorum == name or any(each.threshold > len(each.members) for each in groups):
        raise ProposalError(texts("keys.quorum_needs", name=name))
    kept = tuple(each for each in policy.witnesses if each.name != name)
    return with_policy(trust, WitnessPolicy(witnesses=kept, groups=groups, quorum=policy.quorum))


def add_person(trust: Trust, name: str, roles: Sequence[str], key: str, texts: Texts) -> Trust:
    """Enrol a person's key.

    Raises:
        ProposalError: no role is given, or the key is none.
    """
    if not roles:
        raise ProposalError(texts("keys.no_role", name=name))
    person = TrustedPerson(
        id=name, key=_key(key, texts), roles=tuple(PersonRole(role) for role in roles), start=trust.since
    )
    return replace(trust, people=(*trust.people, person))


def set_roots(trust: Trust, roots: Sequence[str], threshold: int, texts: Texts) -> Trust:
    """Let other root holders decide; `roots` are `ID=HEX`.

    Raises:
        ProposalError: one is not of that form.
    """
    keys = []
    for each in roots:
        name, sign, key = each.partition("=")
        if not sign:
            raise ProposalError(texts("keys.no_root", root=each))
        keys.append(RootKey(name, _key(key, texts)))
    return replace(trust, roots=Roots(tuple(keys), threshold))


def set_authority(trust: Trust, name: str, certificates: Sequence[Path], roots: Sequence[Path], texts: Texts) -> Trust:
    """Add a time stamping authority, or put other certificates in the place of its old ones.

    Raises:
        ProposalError: a file holds no certificate, or none is given.
    """
    if not certificates or not roots:
        raise ProposalError(texts("keys.no_certificate", file=name))
    authority = Authority(name=source_id(name), certificates=_ders(certificates, texts), roots=_ders(roots, texts))
    kept = tuple(each for each in trust.authorities if each.name != authority.name)
    return replace(trust, authorities=(*kept, authority))


def add_mirror(trust: Trust, vkey: str) -> Trust:
    """Add a mirror's key."""
    return replace(trust, mirrors=(*trust.mirrors, vkey))


def hand_over(paths: HomePaths, known: Trust, texts: Texts) -> Trust:
    """Return the document by which the next key signs the log; that key is made if it does not lie there.

    Raises:
        ProposalError: its key has signed nothing yet, or its last checkpoint is not shown, cosigned as the policy asks.
    """
    folder = LogFolder(paths.log)
    head = log_head(paths, known)
    try:
        note = folder.checkpoint.read_bytes()
        policy = known.witnesses_at(head.size)
        is_shown = known.open_checkpoint(note).head() == head and policy.is_met_by(cosigners_of(note, policy))
    except (FileNotFoundError, RefusedError):
        is_shown = False
    if not is_shown or head.size <= known.logs[-1].start:  # a key must have signed before it is handed over
        raise ProposalError(texts("keys.not_shown", size=head.size))
    key = make_signing_key(next_log_key_path(paths)).public_key
    ended = replace(known.logs[-1], final=FinalTree(head.size, head.root))
    logs = (*known.logs[:-1], ended, TrustedLog(key=key, start=head.size))
    return replace(next_document(known, size=head.size), logs=logs)


def _ders(files: Sequence[Path], texts: Texts) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for file in files:
        try:
            found += [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(file.read_bytes())]
        except ValueError:
            raise ProposalError(texts("keys.no_certificate", file=file)) from None
    return tuple(found)


def _key(text: str, texts: Texts) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ProposalError(texts("keys.no_public_key", key=text)) from None


def _is_called(key_id: KeyId, text: str) -> bool:
    return len(text) >= 8 and key_id.text.startswith(text)  # noqa: PLR2004 - enough to mean one
