"""A receipt is believed only whole: centre, log, leaf and place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from chain_of_custody.checkpoint import open_checkpoint, sign_checkpoint
from chain_of_custody.envelope import envelope_hash
from chain_of_custody.errors import (
    LogForkedError,
    LogShrunkError,
    NoteRejectedError,
    NoteSignerUnknownError,
    ProofIndexError,
    ProofRejectedError,
    ReceiptMismatchError,
    ReceiptRejectedError,
    ReceiptSignatureError,
)
from chain_of_custody.receipt import VerifiedReceipt, make_receipt, parse_receipt, verify_receipt
from chain_of_custody.tree import TreeHead
from evidence_model.canonical import canonical_bytes
from evidence_model.errors import RefusedError
from tests.fakes.log_on_disc import LogOnDisc, Source
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from pathlib import Path

CENTRE = key_of("centre")
AT = datetime(2026, 11, 22, 1, 2, 3, 456000, tzinfo=UTC)


class Story:
    """Five events of one station in a log, and the receipt of the third."""

    def __init__(self, folder: Path) -> None:
        self.log = LogOnDisc(folder)
        self.source = Source("st-1")
        self.said = [self.source.say() for _ in range(5)]
        self.plan = self.log.log_events(self.source, self.said)
        self.parts: dict[str, Any] = {
            "event": envelope_hash(self.said[2]),
            "leaf": self.source.leaf(self.said[2]).hash(),
            "index": 2,
            "inclusion_proof": self.plan.inclusion_proof(2),
            "checkpoint": self.log.checkpoint,
            "blob_verified_at": AT,
            "signer": CENTRE,
        }

    def receipt(self, **change: object) -> bytes:
        return make_receipt(**{**self.parts, **change})

    def verify(self, data: bytes, **change: Any) -> VerifiedReceipt:
        expected: dict[str, Any] = {
            "centre_key": CENTRE.public_key,
            "log_key": self.log.log.public_key,
            "event": self.parts["event"],
            "leaf": self.parts["leaf"],
        }
        return verify_receipt(data, **{**expected, **change})


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_an_honest_receipt_says_where_the_event_stands_and_since_when_its_bytes_are_there(story: Story) -> None:
    found = story.verify(story.receipt())
    assert (found.index, found.blob_verified_at, found.head) == (2, AT, story.plan.new)
    assert found.checkpoint == open_checkpoint(story.log.checkpoint, log_key=story.log.log.public_key)
    assert story.verify(story.receipt(blob_verified_at=None)).blob_verified_at is None


def test_a_receipt_is_one_flat_canonical_object(story: Story) -> None:
    data = story.receipt()
    document = json.loads(data)
    assert rfc8785.dumps(document) == data
    assert sorted(document) == [
        "blob_verified_at", "checkpoint", "event", "inclusion_proof", "index", "keyid", "leaf", "signature",
    ]  # fmt: skip
    assert document["blob_verified_at"] == "2026-11-22T01:02:03.456Z"
    assert parse_receipt(data).index == 2


def test_a_receipt_of_another_centre_is_refused(story: Story) -> None:
    with pytest.raises(ReceiptSignatureError):
        story.verify(story.receipt(signer=key_of("other")))
    document = json.loads(story.receipt(signer=key_of("other")))
    document["keyid"] = CENTRE.key_id.text
    with pytest.raises(ReceiptSignatureError):
        story.verify(canonical_bytes(document))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("blob_verified_at", None),
        ("blob_verified_at", "2026-11-22T01:02:03.457Z"),
        ("index", "3"),
        ("event", "0" * 64),
        ("leaf", "0" * 64),
        ("inclusion_proof", []),
    ],
)
def test_no_member_can_be_changed_after_signing(story: Story, member: str, value: object) -> None:
    document = json.loads(story.receipt())
    document[member] = value
    with pytest.raises(ReceiptSignatureError):
        story.verify(canonical_bytes(document))


def test_a_receipt_of_another_event_is_refused(story: Story) -> None:
    """Attack 18."""
    with pytest.raises(ReceiptMismatchError):
        story.verify(story.receipt(event=envelope_hash(story.said[1])))
    with pytest.raises(ReceiptMismatchError):
        story.verify(story.receipt(leaf=story.source.leaf(story.said[1]).hash()))


def test_a_receipt_signed_by_the_centre_still_needs_the_proof(story: Story) -> None:
    for change in ({"index": 1}, {"inclusion_proof": story.plan.inclusion_proof(1)}, {"inclusion_proof": ()}):
        with pytest.raises(ProofRejectedError):
            story.verify(story.receipt(**change))
    with pytest.raises(ProofIndexError):
        story.verify(story.receipt(index=5))


def test_a_receipt_signed_by_the_centre_still_needs_the_log(story: Story, tmp_path: Path) -> None:
    forged = LogOnDisc(tmp_path / "forged", key_of("other"))
    plan = forged.log_events(story.source, story.said)
    assert plan.inclusion_proof(2) == story.plan.inclusion_proof(2)
    with pytest.raises(NoteSignerUnknownError):
        story.verify(story.receipt(checkpoint=forged.checkpoint))
    with pytest.raises(NoteRejectedError):
        story.verify(story.receipt(checkpoint=story.log.checkpoint.replace(b"\n5\n", b"\n6\n")))


def test_a_log_that_shrank_is_refused_until_it_shows_a_newer_checkpoint(story: Story) -> None:
    """Attack 9: yesterday's backup. A receipt that was only late is repeated under the newest checkpoint."""
    old = story.receipt()
    larger = story.log.log_events(story.source, [story.source.say()])
    with pytest.raises(LogShrunkError):
        story.verify(old, remembered=[larger.new])
    story.verify(old, remembered=[larger.new, story.plan.new])  # that very checkpoint was seen before
    again = story.receipt(checkpoint=story.log.checkpoint, inclusion_proof=larger.inclusion_proof(2))
    assert story.verify(again, remembered=[larger.new]).head == larger.new
    assert story.verify(again, remembered=[story.plan.new]).head == larger.new


def test_two_roots_of_one_size_are_a_fork(story: Story) -> None:
    """Attack 10: both checkpoints are kept as proof."""
    with pytest.raises(LogForkedError):
        story.verify(story.receipt(), remembered=[TreeHead(5, bytes(32))])
    story.verify(story.receipt(), remembered=[story.plan.new])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("extra", "x"),
        ("index", "02"),
        ("index", "-2"),
        ("index", None),
        ("event", "AB" * 32),
        ("inclusion_proof", {}),
        ("inclusion_proof", ["0" * 64] * 64),
        ("inclusion_proof", ["0"]),
        ("checkpoint", None),
        ("blob_verified_at", "2026-11-22"),
        ("blob_verified_at", ""),
        ("keyid", "x"),
        ("signature", "YR=="),
        ("signature", None),
    ],
)
def test_a_malformed_receipt_is_refused(story: Story, member: str, value: object) -> None:
    document = json.loads(story.receipt())
    document[member] = value
    with pytest.raises(ReceiptRejectedError):
        parse_receipt(rfc8785.dumps(document))


def test_a_receipt_in_another_spelling_is_refused(story: Story) -> None:
    data = story.receipt()
    for wrong in (data + b"\n", data.replace(b":", b": ", 1), data[:-1] + b',"index":"2"}', b"", b"[]", b"x" * 300_000):
        with pytest.raises(RefusedError):
            parse_receipt(wrong)


def test_a_checkpoint_with_cosignatures_serves_as_well(story: Story) -> None:
    from chain_of_custody.cosignature import add_signature, cosign  # noqa: PLC0415 - one test's matter

    checkpoint = open_checkpoint(story.log.checkpoint, log_key=story.log.log.public_key)
    note = add_signature(sign_checkpoint(checkpoint, story.log.log), cosign(checkpoint, signer=CENTRE, name="w", at=AT))
    assert story.verify(story.receipt(checkpoint=note)).head == story.plan.new
