"""What a package holds beside the originals: events, proofs, time stamps, keys, pages and the verifier."""

from collections.abc import Iterable, Sequence
from importlib import resources

from chain_of_custody.signatures import ED25519_KEY_BYTES, KeyId, public_key_pem, sm2_public_key_pem
from chain_of_custody.sigsum import sigsum_proof, ssh_public_key
from chain_of_custody.time_stamp import authority_pem
from evidence_store.bag import Bag
from evidence_store.package_contents import PackageContents
from evidence_store.package_decisions import ErasedEvent
from evidence_store.package_events import PackagedEvent
from host_io.trust import Trust, trust_bytes
from outside_verifier.build import pyz_bytes

_PAGES = ("HOW-TO-VERIFY.md", "怎样验证.md")


def put_records(bag: Bag, contents: PackageContents, trust: Trust, roots: Sequence[bytes]) -> None:
    """Put all beside the originals into the package; `roots` are the signed trust documents from the first on."""
    _put_events(bag, contents, trust)
    _put_proofs(bag, contents)
    for name, data in contents.time.items():
        bag.put(f"time/{name}", data)
    for authority in trust.authorities:
        bag.put(f"time/{authority.name}.pem", authority_pem(authority))
    _put_trust(bag, contents, trust, roots)
    bag.put("verify/verify.pyz", pyz_bytes())
    for page in _PAGES:
        bag.put(page, resources.files("evidence_store").joinpath("package_pages", page).read_bytes())


def _put_events(bag: Bag, contents: PackageContents, trust: Trust) -> None:
    witnesses = trust.witnesses_at(contents.state.head.size)
    for event in contents.events:
        place, envelope = f"events/{event.index}", event.envelope
        bag.put(f"{place}.dsse.json", envelope.raw)
        bag.put(f"{place}.payload", envelope.payload)
        bag.put(f"{place}.pae", envelope.pae)
        for signature in envelope.signatures:
            bag.put(f"{place}.{signature.key_id}.sig", signature.signature)
    entries: list[PackagedEvent | ErasedEvent] = [*contents.events, *contents.erased]
    for entry in entries:
        proof = sigsum_proof(
            log_key=trust.log_key,
            leaf=entry.leaf,
            index=entry.index,
            note=contents.state.note,
            inclusion_proof=entry.proof,
            witnesses=[each.key for each in witnesses.witnesses],
        )
        bag.put(f"proofs/{entry.index}.sigsum", proof)


def _put_proofs(bag: Bag, contents: PackageContents) -> None:
    bag.put("proofs/checkpoint-head", contents.state.note)
    if contents.anchor is not None:
        bag.put("proofs/checkpoint-anchor", contents.anchor.note)
        bag.put("proofs/consistency", _lines(contents.anchor.consistency))
    for size, proof in contents.handed_over.items():
        bag.put(f"proofs/handover-{size}", _lines(proof))
    if contents.mirrored is not None:
        bag.put("proofs/checkpoint-mirrored", contents.mirrored.note)
        bag.put("proofs/consistency-mirrored", _lines(contents.mirrored.consistency))
    for name, data in contents.seal.files() if contents.seal is not None else ():
        bag.put(name, data)


def _put_trust(bag: Bag, contents: PackageContents, trust: Trust, roots: Sequence[bytes]) -> None:
    bag.put("trust/trust.json", trust_bytes(trust))
    bag.put("trust/policy.sigsum", trust.policy(contents.state.head.size).sigsum_text().encode())
    for number, root in enumerate(roots, start=1):
        bag.put(f"trust/roots/{number}.dsse.json", root)
    by_sources = (*(log.key for log in trust.logs), *(source.key for source in trust.sources))
    for key in (*by_sources, *(person.key for person in trust.people)):
        bag.put(f"trust/keys/{KeyId.of(key)}.pem", public_key_pem(key))
    for source in trust.sources:
        if source.sm2 is not None:
            bag.put(f"trust/keys/{KeyId.of(source.sm2)}.pem", sm2_public_key_pem(source.sm2))
        if len(source.key) == ED25519_KEY_BYTES:
            until = "" if source.until is None else f"-until-{source.until}"
            bag.put(f"trust/submit-{source.id}{until}.pub", ssh_public_key(source.key, name=source.id))


def _lines(hashes: Iterable[bytes]) -> bytes:
    return "".join(f"{each.hex()}\n" for each in hashes).encode()
