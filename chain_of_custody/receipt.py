"""The centre's receipt: this event stands in the log at this index, and the bytes it needs were re-read then.

A receipt is the only thing after which a recorder's copy may be freed, so it is believed only with the centre's
signature, the log's signature on the checkpoint, and the inclusion proof between the leaf and that checkpoint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint
from chain_of_custody.envelope import pae
from chain_of_custody.errors import (
    LogForkedError,
    LogShrunkError,
    ReceiptMismatchError,
    ReceiptRejectedError,
    ReceiptSignatureError,
    ReceiptUnwitnessedError,
)
from chain_of_custody.proofs import verify_inclusion
from chain_of_custody.signatures import KeyId, Signer, verifier_for
from chain_of_custody.strict_text import decode_base64, decode_hex, encode_base64
from chain_of_custody.tree import TreeHead
from chain_of_custody.witness_policy import NO_WITNESSES, WitnessPolicy, cosigners_of
from evidence_model.canonical import Json, JsonObject, canonical_bytes, decimal, parse_strict
from evidence_model.errors import RefusedError
from evidence_model.instants import parse_instant, wire_instant

RECEIPT_TYPE = "application/vnd.evidock.receipt+json"
MAX_RECEIPT_BYTES = 256 * 1024
MAX_PROOF_HASHES = 63
_MEMBERS = frozenset(
    {"blob_verified_at", "checkpoint", "event", "inclusion_proof", "index", "keyid", "leaf", "signature"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it was read; nothing in it is verified yet."""

    event: bytes
    leaf: bytes
    index: int
    inclusion_proof: tuple[bytes, ...]
    checkpoint: bytes
    blob_verified_at: datetime | None
    key_id: KeyId
    signature: bytes

    @property
    def signed_message(self) -> bytes:
        """Return the bytes that the centre signed."""
        return _signed_message(
            _unsigned(
                event=self.event,
                leaf=self.leaf,
                index=self.index,
                inclusion_proof=self.inclusion_proof,
                checkpoint=self.checkpoint,
                blob_verified_at=self.blob_verified_at,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """What a station knows now. `head` is to be remembered durably if it is larger than the largest one known."""

    event: bytes
    leaf: bytes
    index: int
    head: TreeHead
    checkpoint: Checkpoint
    blob_verified_at: datetime | None


def make_receipt(
    *,
    event: bytes,
    leaf: bytes,
    index: int,
    inclusion_proof: Sequence[bytes],
    checkpoint: bytes,
    blob_verified_at: datetime | None,
    signer: Signer,
) -> bytes:
    """Return the receipt as canonical JSON; the checkpoint is public and the blobs were re-read before this is called.

    `event` is the envelope's hash, `leaf` its leaf hash, `checkpoint` the signed note.
    """
    members = _unsigned(
        event=event,
        leaf=leaf,
        index=index,
        inclusion_proof=inclusion_proof,
        checkpoint=checkpoint,
        blob_verified_at=blob_verified_at,
    )
    signature = encode_base64(signer.sign(_signed_message(members)))
    return canonical_bytes({**members, "keyid": signer.key_id.text, "signature": signature})


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt; nothing is verified yet.

    Raises:
        ReceiptRejectedError: too large, members missing or unknown, or not canonical.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise ReceiptRejectedError(f"a receipt of {len(data)} bytes; at most {MAX_RECEIPT_BYTES} are read")
    try:
        members = _members(data)
        at = members["blob_verified_at"]
        return Receipt(
            event=decode_hex(members["event"]),
            leaf=decode_hex(members["leaf"]),
            index=decimal(members["index"], what="index"),
            inclusion_proof=_hashes(members["inclusion_proof"]),
            checkpoint=_text(members["checkpoint"]).encode(),
            blob_verified_at=None if at is None else parse_instant(at),
            key_id=KeyId.parse(_text(members["keyid"])),
            signature=decode_base64(_text(members["signature"])),
        )
    except ReceiptRejectedError:
        raise
    except RefusedError as error:
        raise ReceiptRejectedError(f"not a receipt: {error}") from error


def verify_receipt(
    data: bytes,
    *,
    centre_key: bytes,
    log_key: bytes,
    event: bytes,
    leaf: bytes,
    remembered: Iterable[TreeHead] = (),
    witnesses: WitnessPolicy = NO_WITNESSES,
) -> VerifiedReceipt:
    """Return what the receipt proves about the event with envelope hash `event` and leaf hash `leaf`.

    `remembered` are heads of this log seen before, at least the largest. One of the same size must have the same root;
    a size below the largest that is not itself remembered is refused. That a larger tree contains the smaller is proved
    by a consistency proof, which is not in a receipt (`proofs.verify_consistency`).

    Raises:
        ReceiptRejectedError: malformed, not by this centre, about something else, or from a log that shrank.
        NoteRejectedError: the checkpoint is not signed by this log.
        CheckpointRejectedError: the signed text is not a checkpoint of this log.
        ProofRejectedError: the leaf is not in that tree at that index.
        LogForkedError: the log signed two trees of one size.
        ReceiptUnwitnessedError: all of this is right, and the witnesses' cosignatures are still missing.
    """
    receipt = parse_receipt(data)
    centre = verifier_for(centre_key)
    if receipt.key_id != centre.key_id:
        raise ReceiptSignatureError(
            f"signed by key {receipt.key_id.text[:16]}…, the centre's is {centre.key_id.text[:16]}…"
        )
    if not centre.verify(receipt.signed_message, receipt.signature):
        raise ReceiptSignatureError("the centre's signature does not fit the receipt")
    if receipt.event != event or receipt.leaf != leaf:
        raise ReceiptMismatchError(f"about event {receipt.event.hex()[:16]}…, {event.hex()[:16]}… was expected")
    checkpoint = open_checkpoint(receipt.checkpoint, log_key=log_key)
    check_head(
        checkpoint.head(), remembered
    )  # first: two signed roots of one size are evidence whatever the proof says
    verify_inclusion(
        leaf_hash=leaf,
        index=receipt.index,
        size=checkpoint.size,
        proof=receipt.inclusion_proof,
        root=checkpoint.root,
    )
    cosigners = cosigners_of(receipt.checkpoint, witnesses)
    if not witnesses.is_met_by(cosigners):
        raise ReceiptUnwitnessedError(
            f"{len(cosigners)} cosignatures at size {checkpoint.size} are fewer than {witnesses.quorum} needs"
        )
    return VerifiedReceipt(
        event=event,
        leaf=leaf,
        index=receipt.index,
        head=checkpoint.head(),
        checkpoint=checkpoint,
        blob_verified_at=receipt.blob_verified_at,
    )


def check_head(head: TreeHead, remembered: Iterable[TreeHead]) -> None:
    """Return if a signed head does not contradict those remembered.

    Raises:
        LogForkedError: another root at the same size.
        LogShrunkError: a size below the largest remembered that was not seen before.
    """
    known = tuple(remembered)
    for each in known:
        if each.size == head.size and each.root != head.root:
            raise LogForkedError(
                f"the log signed two roots of size {head.size}: {head.root.hex()} and {each.root.hex()}; "
                "keep both checkpoints and tell the auditor"
            )
    largest = max((each.size for each in known), default=0)
    if head.size < largest and head not in known:
        raise LogShrunkError(f"a checkpoint of size {head.size} after one of {largest}; ask for a newer receipt")


def _members(data: bytes) -> JsonObject:
    members = parse_strict(data)
    if members.keys() != _MEMBERS:
        raise ReceiptRejectedError(f"a receipt has exactly {', '.join(sorted(_MEMBERS))}")
    if canonical_bytes(members) != data:
        raise ReceiptRejectedError("a receipt is RFC 8785 JSON: blanks, order of keys or escapes differ")
    return members


def _unsigned(
    *,
    event: bytes,
    leaf: bytes,
    index: int,
    inclusion_proof: Sequence[bytes],
    checkpoint: bytes,
    blob_verified_at: datetime | None,
) -> JsonObject:
    return {
        "event": event.hex(),
        "leaf": leaf.hex(),
        "index": str(index),
        "inclusion_proof": [each.hex() for each in inclusion_proof],
        "checkpoint": checkpoint.decode(),
        "blob_verified_at": None if blob_verified_at is None else wire_instant(blob_verified_at),
    }


def _signed_message(members: JsonObject) -> bytes:
    return pae(RECEIPT_TYPE, canonical_bytes(members))


def _hashes(value: Json) -> tuple[bytes, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_PROOF_HASHES:
        raise ReceiptRejectedError(f"inclusion_proof is a list of at most {MAX_PROOF_HASHES} hashes")
    return tuple(decode_hex(each) for each in value)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ReceiptRejectedError(f"text was expected, not {value!r:.80}")
    return value
