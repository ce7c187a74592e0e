"""What a trust document changes, in words: for those who are to sign it, and for those who put it in force."""

from collections.abc import Iterator

from chain_of_custody.trust_draft import Draft
from chain_of_custody.trust_entries import TrustedPerson, TrustedSource
from host_io.trust import Trust
from operator_cli.texts import Texts


def changes(before: Trust | None, after: Trust, texts: Texts) -> Iterator[str]:
    """Yield one line for each change; all that it says where nothing is before it."""
    yield from _keys(before, after, texts)
    if before is None or before.roots != after.roots:
        names = texts.listed(f"{each.id} {each.key_id.text[:16]}" for each in after.roots.keys)
        yield texts("keys.roots", threshold=after.roots.threshold, count=len(after.roots.keys), names=names)
    if before is None or before.policies != after.policies:
        names = texts.listed(each.name for each in after.witnesses.witnesses) or texts("word.none")
        yield texts("keys.policy", size=after.policies[-1].start, quorum=after.witnesses.quorum, names=names)
    for log in after.logs:
        if before is None or log not in before.logs:
            yield texts("keys.log", key=log.key.hex()[:16], size=log.start)
    yield from _outsiders(before, after, texts)


def signatures(before: Trust | None, draft: Draft, texts: Texts) -> Iterator[str]:
    """Yield who signed and who is missing, of the document's own roots and of those before it."""
    documents = [draft.trust] if before is None or before.number >= draft.trust.number else [before, draft.trust]
    for document in documents:
        signed = [each.id for each in document.roots.keys if draft.has_of(each)]
        missing = [each.id for each in document.roots.keys if not draft.has_of(each)]
        yield texts(
            "keys.signatures",
            number=document.number,
            count=len(signed),
            threshold=document.roots.threshold,
            signed=texts.listed(signed) or texts("word.none"),
            missing=texts.listed(missing) or texts("word.none"),
        )


def _keys(before: Trust | None, after: Trust, texts: Texts) -> Iterator[str]:
    old_sources = {each.key: each for each in before.sources} if before else {}
    for each in after.sources:
        yield from _source(old_sources.get(each.key), each, texts)
    old_people = {each.key: each for each in before.people} if before else {}
    for person in after.people:
        yield from _person(old_people.get(person.key), person, texts)


def _outsiders(before: Trust | None, after: Trust, texts: Texts) -> Iterator[str]:
    old = before.authorities if before else ()
    yield from (texts("keys.authority", name=each.name) for each in after.authorities if each not in old)
    names = {each.name for each in after.authorities}
    yield from (texts("keys.authority_gone", name=each.name) for each in old if each.name not in names)
    mirrors = before.mirrors if before else ()
    yield from (texts("keys.mirror", mirror=each) for each in after.mirrors if each not in mirrors)
    yield from (texts("keys.mirror_gone", mirror=each) for each in mirrors if each not in after.mirrors)


def _source(old: TrustedSource | None, new: TrustedSource, texts: Texts) -> Iterator[str]:
    words = {"name": new.id, "role": texts(f"custody.role_{new.role.value}"), "key": new.key_id.text[:16]}
    if old is None:
        yield texts("keys.enrols", start=new.start, **words)
    if new.until is not None and (old is None or old.until is None):
        yield texts("keys.revokes", until=new.until, **words)
    if new.suspect_from is not None and (old is None or old.suspect_from != new.suspect_from):
        yield texts("keys.suspects", start=new.suspect_from, **words)


def _person(old: TrustedPerson | None, new: TrustedPerson, texts: Texts) -> Iterator[str]:
    if old is None:
        roles = texts.listed(each.value for each in new.roles)
        yield texts("keys.person", name=new.id, roles=roles, key=new.key_id.text[:16], start=new.start)
    elif old.until != new.until:
        yield texts("keys.person_until", name=new.id, key=new.key_id.text[:16], until=new.until)
