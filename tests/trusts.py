"""Trust documents for tests, signed by a root that everybody knows; never one to trust."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chain_of_custody.signatures import Ed25519Signer, Signer
from chain_of_custody.trust_document import Trust, prove_possession
from chain_of_custody.trust_entries import PolicyFrom, RootKey, Roots, SourceRole, TrustedLog, TrustedSource
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import NO_WITNESSES, WitnessPolicy
from evidence_model.ids import SourceId
from host_io import durable
from host_io.config import HomePaths
from host_io.trust import root_path, trust_bytes

ROOT = Ed25519Signer.from_seed(b"r" * 32)


def source(
    site: str, name: str, signer: Signer, *, role: SourceRole = SourceRole.STATION, start: int = 0
) -> TrustedSource:
    """Return an entry with its proof of possession."""
    site_id, id_ = SourceId(site), SourceId(name)
    possession = prove_possession(site_id, id_, signer)
    return TrustedSource(id=id_, role=role, key=signer.public_key, possession=possession, start=start)


def first_trust(
    site: str,
    log: Signer,
    centre: tuple[str, Signer],
    stations: Iterable[tuple[str, Signer]] = (),
    *,
    witnesses: WitnessPolicy = NO_WITNESSES,
    root: Signer = ROOT,
) -> Trust:
    """Return the document 1 of a site with one root."""
    return Trust(
        site=SourceId(site),
        number=1,
        previous=None,
        since=0,
        roots=Roots((RootKey("root-1", root.public_key),)),
        logs=(TrustedLog(key=log.public_key),),
        sources=(
            source(site, *centre, role=SourceRole.CENTRE),
            *(source(site, name, signer) for name, signer in stations),
        ),
        policies=(PolicyFrom(witnesses),),
    )


def with_witnesses(trust: Trust, policy: WitnessPolicy) -> Trust:
    """Return the same document, with these witnesses from the first checkpoint on."""
    return replace(trust, policies=(PolicyFrom(policy),))


def next_trust(before: Trust, **changes: Any) -> Trust:
    """Return the document that follows `before`, with some members changed."""
    return replace(before, number=before.number + 1, previous=before.hash, **changes)


def put_trust(paths: HomePaths | Path, trust: Trust, *signers: Signer) -> None:
    """Write a signed document into a home as `publish` does, whatever is there; by the known root, or by others."""
    home = paths if isinstance(paths, HomePaths) else HomePaths(paths)
    durable.make_folders(home.trust_roots)
    durable.write_file(root_path(home, trust.number), sign_root(trust, signers or (ROOT,)), mode=0o444)
    durable.write_file(home.trust, trust_bytes(trust), mode=0o644)
