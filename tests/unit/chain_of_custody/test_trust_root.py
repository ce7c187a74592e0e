"""Who may change a site's trust, and what of it never changes (docs/spec/trust-root.md)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chain_of_custody.errors import (
    RootChangeRejectedError,
    RootOrderError,
    RootSignaturesMissingError,
    TrustRejectedError,
)
from chain_of_custody.signatures import Ed25519Signer
from chain_of_custody.trust_document import Trust
from chain_of_custody.trust_draft import Draft, next_document, read_draft, with_policy
from chain_of_custody.trust_entries import (
    FinalTree,
    PersonRole,
    PolicyFrom,
    RootKey,
    Roots,
    Standing,
    TrustedLog,
    TrustedPerson,
)
from chain_of_custody.trust_root import check_root, check_roots, sign_root
from chain_of_custody.witness_policy import WitnessPolicy
from tests.trusts import ROOT, first_trust, next_trust, source


def _key(number: int) -> Ed25519Signer:
    return Ed25519Signer.from_seed(bytes([number]) * 32)


A, B, C = _key(11), _key(12), _key(13)
TWO_OF_THREE = Roots(tuple(RootKey(name, key.public_key) for name, key in (("a", A), ("b", B), ("c", C))), 2)
PERSON = TrustedPerson(id="P001234", key=_key(20).public_key, roles=(PersonRole.OFFICER,))
FIRST = replace(
    first_trust("site-1", _key(1), ("centre", _key(2)), [("st-1", _key(3)), ("st-2", _key(4))]), people=(PERSON,)
)
CLOSED = replace(FIRST.sources[1], until=7, suspect_from=5)
OLD = next_trust(FIRST, since=9, sources=(FIRST.sources[0], CLOSED, FIRST.sources[2]))


@pytest.mark.parametrize(
    ("signers", "is_enough"),
    [
        ((ROOT, A, B), True),
        ((ROOT, B, C), True),
        ((A, B, C), False),  # the new ones alone
        ((ROOT,), False),  # the old one alone
        ((ROOT, A), False),
        ((ROOT, A, _key(3)), False),  # a station is no root
    ],
)
def test_the_roots_of_both_documents_must_have_signed(signers: tuple[Ed25519Signer, ...], *, is_enough: bool) -> None:
    raw = sign_root(next_trust(FIRST, roots=TWO_OF_THREE), signers)
    if is_enough:
        assert check_root(raw, FIRST).roots == TWO_OF_THREE
    else:
        with pytest.raises(RootSignaturesMissingError):
            check_root(raw, FIRST)


def test_a_signature_of_a_root_that_does_not_fit_is_refused() -> None:
    draft = Draft(FIRST, {}).signed(ROOT)
    other = Draft(replace(FIRST, since=1), draft.signatures)
    with pytest.raises(RootSignaturesMissingError):
        check_root(other.to_bytes(), None)
    assert check_root(draft.to_bytes(), None) == FIRST


ORDERS: dict[str, tuple[Trust, Trust | None]] = {
    "the second comes first": (next_trust(FIRST), None),
    "the first comes again": (FIRST, FIRST),
    "one is left out": (replace(next_trust(FIRST), number=3), FIRST),
    "after another history": (replace(next_trust(FIRST), previous=bytes(32)), FIRST),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_documents_follow_one_another(order: tuple[Trust, Trust | None]) -> None:
    trust, before = order
    with pytest.raises(RootOrderError):
        check_root(sign_root(trust, [ROOT]), before)


def test_a_chain_is_walked_from_the_first() -> None:
    documents = [FIRST, OLD, next_trust(OLD)]
    raws = [sign_root(each, [ROOT]) for each in documents]
    assert check_roots(raws) == documents[-1]
    for wrong in ([], raws[1:], [raws[0], raws[2]]):
        with pytest.raises(RootOrderError):
            check_roots(wrong)


POLICY = WitnessPolicy()
BAD: dict[str, Callable[[], Trust]] = {
    "a station left out": lambda: next_trust(OLD, sources=OLD.sources[:-1]),
    "a range opened again": lambda: next_trust(OLD, sources=(OLD.sources[0], FIRST.sources[1], OLD.sources[2])),
    "a range closed elsewhere": lambda: next_trust(
        OLD, sources=(OLD.sources[0], replace(CLOSED, until=8), OLD.sources[2])
    ),
    "no suspicion any more": lambda: next_trust(
        OLD, sources=(OLD.sources[0], replace(CLOSED, suspect_from=None), OLD.sources[2])
    ),
    "a later suspicion": lambda: next_trust(
        OLD, sources=(OLD.sources[0], replace(CLOSED, suspect_from=6), OLD.sources[2])
    ),
    "a start moved": lambda: next_trust(OLD, sources=(*OLD.sources[:2], replace(OLD.sources[2], start=3))),
    "a person left out": lambda: next_trust(OLD, people=()),
    "a person promoted": lambda: next_trust(OLD, people=(replace(PERSON, roles=(PersonRole.APPROVING_LEADER,)),)),
    "another log": lambda: next_trust(OLD, logs=(TrustedLog(key=_key(30).public_key),)),
    "another policy of the past": lambda: next_trust(
        replace(OLD, policies=(PolicyFrom(), PolicyFrom(start=5))), policies=(PolicyFrom(), PolicyFrom(start=6))
    ),
    "an older time": lambda: next_trust(OLD, since=8),
    "a station that counts from before": lambda: next_trust(
        OLD, sources=(*OLD.sources, source("site-1", "st-3", _key(5), start=8))
    ),
    "a person who counts from before": lambda: next_trust(
        OLD, people=(PERSON, replace(PERSON, id="P2", key=_key(21).public_key, start=8))
    ),
}
GOOD: dict[str, Callable[[], Trust]] = {
    "nothing": lambda: next_trust(OLD),
    "a new station": lambda: next_trust(OLD, sources=(*OLD.sources, source("site-1", "st-3", _key(5), start=9))),
    "another key of a station": lambda: next_trust(
        OLD, sources=(*OLD.sources, source("site-1", "st-1", _key(5), start=9))
    ),
    "an earlier suspicion": lambda: next_trust(
        OLD, sources=(OLD.sources[0], replace(CLOSED, suspect_from=2), OLD.sources[2])
    ),
    "a person who left": lambda: next_trust(OLD, people=(replace(PERSON, until=9),)),
    "a log that hands over": lambda: next_trust(
        OLD,
        logs=(
            replace(OLD.logs[0], final=FinalTree(9, bytes(32))),
            TrustedLog(key=_key(30).public_key, start=9),
        ),
    ),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_nothing_that_was_written_is_taken_back(change: Callable[[], Trust]) -> None:
    after = change()
    before = OLD if after.previous == OLD.hash else replace(OLD, policies=(PolicyFrom(), PolicyFrom(start=5)))
    with pytest.raises(RootChangeRejectedError):
        check_root(sign_root(after, [ROOT]), before)


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD.keys())
def test_what_is_added_or_closed_is_accepted(change: Callable[[], Trust]) -> None:
    after = change()
    assert check_root(sign_root(after, [ROOT]), OLD) == after


def test_where_an_event_stands_decides_and_nothing_else() -> None:
    assert [CLOSED.standing(index) for index in (0, 4, 5, 6, 7, 99)] == [
        *2 * [Standing.GOOD],
        *2 * [Standing.SUSPECT],
        *2 * [Standing.OUTSIDE],
    ]
    late = replace(CLOSED, start=3)
    assert late.standing(2) is Standing.OUTSIDE
    assert [PERSON.holds(0), replace(PERSON, start=4, until=6).holds(3), replace(PERSON, until=6).holds(6)] == [
        True,
        False,
        False,
    ]


def test_a_policy_holds_for_larger_checkpoints_alone_and_one_to_come_may_change() -> None:
    changed = with_policy(next_document(OLD, size=12), POLICY)
    assert [each.start for each in changed.policies] == [0, 13]
    again = with_policy(next_document(changed, size=12), POLICY)
    assert [each.start for each in again.policies] == [0, 13]
    assert check_root(sign_root(again, [ROOT]), changed) == again


def test_a_draft_goes_from_one_to_the_next_and_is_then_the_signed_document() -> None:
    draft = Draft(FIRST, {})
    assert read_draft(draft.to_bytes()) == draft
    signed = read_draft(draft.signed(A).to_bytes()).signed(ROOT)
    assert signed.to_bytes() == sign_root(FIRST, [ROOT, A])
    assert [signed.has_of(each) for each in FIRST.roots.keys] == [True]
    for bad in (b"", draft.to_bytes() + b"\n", signed.to_bytes().replace(b"dsse", b"x"), b'{"signatures":[]}'):
        if bad != signed.to_bytes():
            with pytest.raises(TrustRejectedError):
                read_draft(bad)
