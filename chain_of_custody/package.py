"""An evidence package's own two documents, its contents and its statement (docs/spec/evidence-package.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.envelope import make_envelope
from chain_of_custody.signatures import Signer
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.digests import Digest
from evidence_model.ids import AssetId, EventId, RecordingId, SourceId
from evidence_model.instants import wire_instant

PACKAGE_TYPE = "application/vnd.evidock.package+json"
_VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ChainEnd:
    """The newest event of one source about an item: nothing that the source said of it later is in the log."""

    source: SourceId
    seq: int
    last: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEntry:
    """One original: where it lies under `data/`, and how far each source's chain about it goes."""

    id: AssetId
    recording: RecordingId
    sha256: Digest
    size_bytes: int
    file: str | None  # None: its bytes were disposed of
    chunks: str | None
    chains: tuple[ChainEnd, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageStatement:
    """What the centre signs about a package: what it is made of, for whom, and which head all proofs lead to."""

    id: EventId
    site: SourceId
    created_at: datetime
    recipient: str
    basis: str
    approval: bytes | None
    head: Checkpoint
    file_count: int
    payload_bytes: int
    manifest_sha256: Digest
    tagmanifest_sha256: Digest


def contents_json(
    *, events: Iterable[int], items: Iterable[ItemEntry], erased: Iterable[tuple[int, bytes]] = ()
) -> bytes:
    """Return `data/package.json`; the same log and footage always give the same bytes.

    `erased` are place and hash of events whose bodies were erased by law; without any there is no such member.
    """
    gone: list[Json] = [{"index": str(index), "sha256": envelope.hex()} for index, envelope in sorted(erased)]
    return canonical_bytes(
        {
            **({"erased": gone} if gone else {}),
            "events": [str(index) for index in sorted(events)],
            "items": [
                {
                    "chains": [
                        {"last": end.last.hex(), "seq": str(end.seq), "source": end.source}
                        for end in sorted(item.chains)
                    ],
                    "chunks": item.chunks,
                    "file": item.file,
                    "id": item.id,
                    "recording": item.recording,
                    "sha256": item.sha256.hex,
                    "size_bytes": str(item.size_bytes),
                }
                for item in sorted(items, key=lambda item: item.id)
            ],
            "version": _VERSION,
        }
    )


def sign_package(statement: PackageStatement, signer: Signer) -> bytes:
    """Return `package.dsse.json`."""
    payload = canonical_bytes(
        {
            "approval": None if statement.approval is None else statement.approval.hex(),
            "basis": statement.basis,
            "created_at": wire_instant(statement.created_at),
            "file_count": str(statement.file_count),
            "head": {
                "origin": statement.head.origin,
                "root": statement.head.root.hex(),
                "size": str(statement.head.size),
            },
            "id": statement.id,
            "manifest_sha256": statement.manifest_sha256.hex,
            "payload_bytes": str(statement.payload_bytes),
            "recipient": statement.recipient,
            "site": statement.site,
            "tagmanifest_sha256": statement.tagmanifest_sha256.hex,
            "version": _VERSION,
        }
    )
    return make_envelope(payload, [signer], PACKAGE_TYPE)
