"""A recorder's copy may go only when nothing at all speaks against it."""

from dataclasses import replace

import pytest

from evidence_model.digests import Digest
from evidence_model.known import Known, Unknown
from retention.recorder_copy import CopyFacts, FreePolicy, KeepReason, decide

DIGEST = Digest(b"\x01" * 32)
ON = FreePolicy(enabled=True)
PERFECT = CopyFacts(
    receipt_verified=True,
    spool_copy_reread=True,
    locked=False,
    same_size_and_stamp=True,
    item_digest=DIGEST,
    recorder_digest=Known(DIGEST),
    has_holes=False,
    damage_found=False,
)

AGAINST = [
    (replace(PERFECT, receipt_verified=False), KeepReason.NO_RECEIPT),
    (replace(PERFECT, spool_copy_reread=False), KeepReason.NOT_REREAD),
    (replace(PERFECT, locked=True), KeepReason.LOCKED),
    (replace(PERFECT, same_size_and_stamp=False), KeepReason.CHANGED),
    (replace(PERFECT, recorder_digest=Unknown("not read")), KeepReason.NOT_CHECKED),
    (replace(PERFECT, recorder_digest=Known(Digest(b"\x02" * 32))), KeepReason.DIFFERENT_BYTES),
    (replace(PERFECT, has_holes=True), KeepReason.HOLES),
    (replace(PERFECT, damage_found=True), KeepReason.DAMAGE),
    (replace(PERFECT, freed_before=True), KeepReason.FREED_BEFORE),
    (replace(PERFECT, read_only=True), KeepReason.READ_ONLY),
]


def test_a_receipted_checked_and_unchanged_copy_may_go_and_says_why() -> None:
    decision = decide(PERFECT, ON)
    assert decision.may_free
    assert decision.grounds == (
        "receipt-verified-by-this-station",
        "recorder-read-again-right-before",
        "bytes-equal",
    )


def test_freeing_is_off_until_a_site_asks_for_it() -> None:
    assert decide(PERFECT, FreePolicy()).keep == (KeepReason.OFF,)


@pytest.mark.parametrize(("facts", "reason"), AGAINST, ids=lambda value: getattr(value, "name", ""))
def test_case_30_each_reason_alone_keeps_the_copy(facts: CopyFacts, reason: KeepReason) -> None:
    decision = decide(facts, ON)
    assert decision.keep == (reason,)
    assert not decision.may_free
    assert decision.grounds == ()


def test_every_reason_is_tried_and_all_are_told_together() -> None:
    decided = set(KeepReason) - {KeepReason.CANNOT_BE_ERASED}  # which is what comes of a yes
    assert {reason for _, reason in AGAINST} | {KeepReason.OFF} == decided
    worst = CopyFacts(
        receipt_verified=False,
        spool_copy_reread=False,
        locked=True,
        same_size_and_stamp=False,
        item_digest=DIGEST,
        recorder_digest=Unknown("gone"),
        has_holes=True,
        damage_found=True,
        freed_before=True,
        read_only=True,
    )
    assert set(decide(worst, FreePolicy()).keep) == decided - {KeepReason.DIFFERENT_BYTES}


def test_case_31_a_locked_copy_goes_only_where_the_policy_says_so() -> None:
    locked = replace(PERFECT, locked=True)
    assert decide(locked, FreePolicy(enabled=True, locked_too=True)).may_free


def test_only_a_copy_that_is_otherwise_free_to_go_is_read_again() -> None:
    unchecked = replace(PERFECT, recorder_digest=Unknown("not read again yet"))
    assert decide(unchecked, ON).only_unchecked
    assert not decide(replace(unchecked, receipt_verified=False), ON).only_unchecked
    assert not decide(unchecked, FreePolicy()).only_unchecked
