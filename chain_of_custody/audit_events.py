"""Is each leaf a signed event that is still there, unaltered and in its gapless chains?

Envelopes come in any order (they lie by hash); leaves give the order. A leaf's checksum is a hash of its envelope's
hash, so an event that names its predecessor can be checked even when that predecessor's bytes are lost: what is lost is
reported once, and is not reported a second time as a gap.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from chain_of_custody.audit_seals import SealAudit
from chain_of_custody.chain import GENESIS, ChainHead, LinkPlace, place
from chain_of_custody.envelope import Envelope, parse_envelope
from chain_of_custody.errors import LeafRejectedError
from chain_of_custody.event import AssetLink, EventView, SourceLink, parse_event
from chain_of_custody.leaf import Leaf, verify_leaf_signature
from chain_of_custody.seal_event import pulled_from
from chain_of_custody.signatures import KeyId, Verifier
from chain_of_custody.trust_entries import Standing, TrustedSource
from evidence_model.errors import RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import AssetId, EventId

LEAF_MALFORMED = "COC-110"
LEAF_KEY_UNKNOWN = "COC-111"
LEAF_SIGNATURE_WRONG = "COC-112"
LEAF_REPEATED = "COC-113"
ENVELOPE_MISSING = "COC-120"
ENVELOPE_ALTERED = "COC-121"
ENVELOPE_NOT_LOGGED = "COC-122"
ENVELOPE_UNCHECKED = "COC-128"
ENVELOPE_MALFORMED = "COC-123"
ENVELOPE_SIGNATURE_WRONG = "COC-124"
EVENT_MALFORMED = "COC-125"
SOURCE_DID_NOT_SIGN = "COC-126"
EVENT_ID_REPEATED = "COC-127"
SOURCE_GAP = "COC-130"
SOURCE_BROKEN = "COC-131"
SOURCE_REPEATED = "COC-132"
ASSET_GAP = "COC-133"
ASSET_BROKEN = "COC-134"
ASSET_REPEATED = "COC-135"
KEY_NAMES_TWO_SOURCES = "COC-136"
KEY_OUT_OF_RANGE = "COC-155"
KEY_SUSPECT = "COC-156"

_NAME_SUFFIX = ".dsse.json"
_SOURCE_CODES = {LinkPlace.AHEAD: SOURCE_GAP, LinkPlace.BROKEN: SOURCE_BROKEN, LinkPlace.BEHIND: SOURCE_REPEATED}
_ASSET_CODES = {LinkPlace.AHEAD: ASSET_GAP, LinkPlace.BROKEN: ASSET_BROKEN, LinkPlace.BEHIND: ASSET_REPEATED}


@dataclass(frozen=True, slots=True)
class _Event:
    """What chains and seals need of an event; everything else was checked when it was read."""

    event_id: EventId
    source: SourceLink
    asset: AssetLink | None
    envelope_hash: bytes
    recorder: str | None  # whose footage it says that it brought, if it does


@dataclass(slots=True)
class _Chain:
    """The chain of one signer, or of one item of a signer."""

    head: ChainHead = GENESIS
    lost_before: int = 0  # events of this signer, up to `head`, that cannot be read


@dataclass(slots=True)
class _Leaves:
    """The log's leaves by checksum, and which of them have an event that was read."""

    index_of: dict[bytes, int] = field(default_factory=dict)
    leaf_at: dict[int, Leaf] = field(default_factory=dict)
    event_at: dict[int, _Event] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)
    unreadable_count: int = 0  # entries whose leaf cannot be known
    strays: dict[bytes, str] = field(default_factory=dict)  # envelope hash → name, of those that no leaf names
    seals: SealAudit = field(default_factory=SealAudit)


def audit_events(
    entries: Sequence[bytes | None],
    *,
    envelopes: Iterable[tuple[str, bytes]],
    keys: Mapping[KeyId, Verifier],
    sources: Mapping[KeyId, TrustedSource] | None = None,
    seals: SealAudit | None = None,
    on_event: Callable[[int, bytes, EventView], None] = lambda *_: None,
) -> Iterator[Finding]:
    """Yield all that is wrong with leaves, envelopes, chains, seals; `entries` are the log's, None where unreadable.

    `on_event` is told of each event that could be read: its place, the hash of its envelope, what it says.
    """
    owners = {key_id.digest: source for key_id, source in (sources or {}).items()}
    leaves = _Leaves(seals=seals or SealAudit())
    yield from _audit_leaves(entries, leaves, keys)
    for name, raw in envelopes:
        yield from _audit_envelope(name, raw, leaves, keys, on_event)
    for index in leaves.leaf_at:
        if index not in leaves.event_at and index not in leaves.reported:
            details = {"checksum": leaves.leaf_at[index].checksum.hex()}
            yield Finding(ENVELOPE_MISSING, Severity.DAMAGE, f"entry {index}", details)
    yield from _audit_strays(leaves)
    yield from _audit_ranges(leaves, owners)
    yield from _audit_chains(leaves, owners)
    if seals is not None:
        yield from seals.findings(leaves.event_at)


def _audit_leaves(
    entries: Sequence[bytes | None], leaves: _Leaves, keys: Mapping[KeyId, Verifier]
) -> Iterator[Finding]:
    verifiers = {key_id.digest: verifier for key_id, verifier in keys.items()}
    for index, entry in enumerate(entries):
        if entry is None:
            leaves.unreadable_count += 1  # reported with the tree
            continue
        subject = f"entry {index}"
        try:
            leaf = Leaf.parse(entry)
        except LeafRejectedError as error:
            leaves.unreadable_count += 1
            yield Finding(LEAF_MALFORMED, Severity.DAMAGE, subject, {"why": str(error)})
            continue
        leaves.leaf_at[index] = leaf
        verifier = verifiers.get(leaf.key_hash)
        if verifier is None:
            yield Finding(LEAF_KEY_UNKNOWN, Severity.FAULT, subject, {"key": leaf.key_hash.hex()})
        elif not verify_leaf_signature(leaf.checksum, leaf.signature, verifier):
            yield Finding(LEAF_SIGNATURE_WRONG, Severity.DAMAGE, subject, {"key": leaf.key_hash.hex()})
        first = leaves.index_of.setdefault(leaf.checksum, index)
        if first != index:
            leaves.reported.add(index)
            yield Finding(LEAF_REPEATED, Severity.FAULT, subject, {"first": f"entry {first}"})


def _audit_envelope(
    name: str,
    raw: bytes,
    leaves: _Leaves,
    keys: Mapping[KeyId, Verifier],
    on_event: Callable[[int, bytes, EventView], None],
) -> Iterator[Finding]:
    found = sha256(raw).digest()
    if name != found.hex() + _NAME_SUFFIX:
        index = leaves.index_of.get(_checksum_of_name(name))
        details = {"sha256": found.hex()}
        if index is not None:
            leaves.reported.add(index)
            details["entry"] = str(index)
        yield Finding(ENVELOPE_ALTERED, Severity.DAMAGE, name, details)
        return
    index = leaves.index_of.get(sha256(found).digest())
    if index is None:
        leaves.strays[found] = name
        return
    leaves.reported.add(index)  # whatever is wrong with it is said below
    entry = {"entry": str(index)}
    try:
        envelope = parse_envelope(raw)
    except RefusedError as error:
        yield Finding(ENVELOPE_MALFORMED, Severity.FAULT, name, {**entry, "code": error.code, "why": str(error)})
        return
    yield from _audit_signatures(name, envelope, leaves.leaf_at[index], keys, entry)
    try:
        view = parse_event(envelope)
    except RefusedError as error:
        yield Finding(EVENT_MALFORMED, Severity.FAULT, name, {**entry, "code": error.code, "why": str(error)})
        return
    leaves.event_at[index] = _event(view, found)
    on_event(index, found, view)
    leaves.seals.take(index, view)


def _audit_strays(leaves: _Leaves) -> Iterator[Finding]:
    """Yield the envelopes that no leaf names: not logged, or, if as many entries are unreadable, not to be checked."""
    count = leaves.unreadable_count
    for name in leaves.strays.values():
        if len(leaves.strays) > count:
            yield Finding(ENVELOPE_NOT_LOGGED, Severity.FAULT, name, {"unreadable_entries": str(count)})
        else:
            yield Finding(ENVELOPE_UNCHECKED, Severity.NOTE, name, {"unreadable_entries": str(count)})


def _audit_signatures(
    name: str, envelope: Envelope, leaf: Leaf, keys: Mapping[KeyId, Verifier], entry: Mapping[str, str]
) -> Iterator[Finding]:
    message = envelope.pae
    source_signed = False
    for each in envelope.signatures:
        verifier = keys.get(each.key_id)
        if verifier is not None and not verifier.verify(message, each.signature):
            yield Finding(ENVELOPE_SIGNATURE_WRONG, Severity.DAMAGE, name, {**entry, "key": each.key_id.text})
        source_signed = source_signed or each.key_id.digest == leaf.key_hash
    if not source_signed:
        yield Finding(SOURCE_DID_NOT_SIGN, Severity.FAULT, name, {**entry, "key": leaf.key_hash.hex()})


def _audit_ranges(leaves: _Leaves, owners: Mapping[bytes, TrustedSource]) -> Iterator[Finding]:
    """Yield the entries whose key does not count at their place: before its enrolment, or from its revocation on."""
    for index, leaf in leaves.leaf_at.items():
        owner = owners.get(leaf.key_hash)
        if owner is None:
            continue  # told with the leaf, if keys are known at all
        details = {"key": leaf.key_hash.hex(), "source": owner.id}
        match owner.standing(index):
            case Standing.OUTSIDE:
                yield Finding(KEY_OUT_OF_RANGE, Severity.FAULT, f"entry {index}", details)
            case Standing.SUSPECT:
                yield Finding(KEY_SUSPECT, Severity.FAULT, f"entry {index}", details)
            case Standing.GOOD:
                continue


def _audit_chains(leaves: _Leaves, owners: Mapping[bytes, TrustedSource]) -> Iterator[Finding]:
    """Yield breaks in the chains: of a source, whose key may have been replaced, else of a key."""
    sources: dict[bytes, _Chain] = {}
    assets: dict[tuple[bytes, AssetId], _Chain] = {}
    names: dict[bytes, str] = {}
    ids: dict[EventId, int] = {}
    lost = {leaf.checksum for index, leaf in leaves.leaf_at.items() if index not in leaves.event_at}
    lost_count: dict[bytes, int] = {}
    for index in sorted(leaves.leaf_at):
        owner = owners.get(leaves.leaf_at[index].key_hash)
        key = leaves.leaf_at[index].key_hash if owner is None else owner.id.encode()
        event = leaves.event_at.get(index)
        if event is None:
            is_repetition = leaves.index_of[leaves.leaf_at[index].checksum] != index
            lost_count[key] = lost_count.get(key, 0) + (not is_repetition)
            continue
        subject = f"entry {index}"
        first = ids.setdefault(event.event_id, index)
        if first != index:
            yield Finding(EVENT_ID_REPEATED, Severity.FAULT, subject, {"first": f"entry {first}", "id": event.event_id})
        name = names.setdefault(key, event.source.id if owner is None else owner.id)
        if name != event.source.id:
            details = {"key": leaves.leaf_at[index].key_hash.hex(), "sources": f"{name},{event.source.id}"}
            yield Finding(KEY_NAMES_TWO_SOURCES, Severity.FAULT, subject, details)
        links: list[tuple[_Chain, SourceLink | AssetLink, Mapping[LinkPlace, str]]] = [
            (sources.setdefault(key, _Chain()), event.source, _SOURCE_CODES)
        ]
        if event.asset is not None:
            links.append((assets.setdefault((key, event.asset.id), _Chain()), event.asset, _ASSET_CODES))
        for chain, link, codes in links:
            explicable = 0
            if sha256(link.prev).digest() in lost or link.prev in leaves.strays:
                explicable = lost_count.get(key, 0) - chain.lost_before + leaves.unreadable_count
            where = place(chain.head, seq=link.seq, prev=link.prev)
            explained = where is LinkPlace.AHEAD and link.seq - chain.head.seq - 1 <= explicable
            if where is not LinkPlace.NEXT and not explained:
                details = {"of": link.id, "seq": str(link.seq), "after": str(chain.head.seq), "prev": link.prev.hex()}
                yield Finding(codes[where], Severity.FAULT, subject, details)
            if where is not LinkPlace.BEHIND:
                chain.head = ChainHead(link.seq, event.envelope_hash)
            chain.lost_before = lost_count.get(key, 0)


def _event(view: EventView, envelope_hash: bytes) -> _Event:
    return _Event(view.event_id, view.source, view.asset, envelope_hash, pulled_from(view))


def _checksum_of_name(name: str) -> bytes:
    """Return the checksum that the leaf of a file of this name has; of a name that is no hash: one of no leaf."""
    try:
        return sha256(bytes.fromhex(name.removesuffix(_NAME_SUFFIX))).digest()
    except ValueError:
        return b""
