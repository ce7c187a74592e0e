"""RFC 3161 stamps of a real authority (`openssl ts`): what counts, and that rfc3161-client and openssl agree."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from chain_of_custody.time_stamp import (
    StampOfAnotherError,
    StampOfOtherBytesError,
    StampUnreadableError,
    stamp_request,
    verify_stamp,
)
from chain_of_custody.trust_entries import Authority
from evidence_model.errors import RefusedError
from tests.brokers import wait_for
from tests.time_authority import TimeAuthority, openssl_accepts

MESSAGE = b"sigsum.org/v1/tree/...\n3\nroot\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("tsa") / "one", "tsa-1")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("tsa") / "two", "tsa-2")


def accepted(raw: bytes, message: bytes, authority: Authority) -> bool:
    try:
        verify_stamp(raw, message, authority)
    except RefusedError:
        return False
    return True


def agreed(tmp_path: Path, raw: bytes, message: bytes, by: TimeAuthority) -> bool:
    """Return what both verifiers say of a stamp."""
    token, data = tmp_path / "token", tmp_path / "data"
    token.write_bytes(raw)
    data.write_bytes(message)
    ours = accepted(raw, message, by.authority)
    assert openssl_accepts(token, data, by, at=datetime.now(tz=UTC)) == ours
    return ours


def test_a_stamp_of_the_authority_is_accepted_and_says_when(one: TimeAuthority, tmp_path: Path) -> None:
    before = datetime.now(tz=UTC)
    request = stamp_request(MESSAGE)
    raw = one.answer(request.raw)
    stamp = verify_stamp(raw, MESSAGE, one.authority, nonce=request.nonce)
    assert before - timedelta(seconds=2) <= stamp.at <= datetime.now(tz=UTC)
    assert stamp.earliest_at == stamp.at - timedelta(seconds=1)
    assert stamp.latest_at >= before, "the second is counted whole, and the stated accuracy added"
    assert stamp.certificate_ends_at == one.certificate.not_valid_after_utc
    assert agreed(tmp_path, raw, MESSAGE, one)


def test_attack_46_a_stamp_over_other_bytes(one: TimeAuthority, tmp_path: Path) -> None:
    raw = one.stamp(b"another checkpoint")
    with pytest.raises(StampOfOtherBytesError):
        verify_stamp(raw, MESSAGE, one.authority)
    assert not agreed(tmp_path, raw, MESSAGE, one)
    assert agreed(tmp_path, raw, b"another checkpoint", one)


def test_attack_45_a_stamp_of_another_authority(one: TimeAuthority, two: TimeAuthority, tmp_path: Path) -> None:
    raw = two.stamp(MESSAGE)
    with pytest.raises(StampOfAnotherError):
        verify_stamp(raw, MESSAGE, one.authority)
    assert not agreed(tmp_path, raw, MESSAGE, one)
    assert agreed(tmp_path, raw, MESSAGE, two)


def test_attack_45_injected_certificates_make_it_nobody_elses(one: TimeAuthority, tmp_path: Path) -> None:
    liar = TimeAuthority(tmp_path / "liar", "tsa-3")
    liar.send_more_certificates([one.certificate, one.root])
    raw = liar.stamp(MESSAGE)
    assert not accepted(raw, MESSAGE, one.authority)
    assert not agreed(tmp_path, raw, MESSAGE, one)


def test_a_certificate_of_the_same_root_that_is_not_pinned_does_not_count(tmp_path: Path) -> None:
    other = TimeAuthority(tmp_path / "other", "tsa-4")
    pinned = other.authority
    other.renew()
    raw = other.stamp(MESSAGE)
    with pytest.raises(StampOfAnotherError):
        verify_stamp(raw, MESSAGE, pinned)
    assert agreed(tmp_path, raw, MESSAGE, other), "once it is enrolled it counts"


def test_attack_47_a_certificate_that_expired_since_is_accepted(tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "short", "tsa-5")
    authority.renew(until=timedelta(seconds=2))
    raw = authority.stamp(MESSAGE)
    stamp = verify_stamp(raw, MESSAGE, authority.authority)
    wait_for(lambda: datetime.now(tz=UTC) > stamp.certificate_ends_at, what="the certificate's end")
    token, data = tmp_path / "token", tmp_path / "data"
    token.write_bytes(raw)
    data.write_bytes(MESSAGE)
    assert verify_stamp(raw, MESSAGE, authority.authority) == stamp
    assert openssl_accepts(token, data, authority, at=stamp.at)
    assert not openssl_accepts(token, data, authority, at=datetime.now(tz=UTC)), "it is expired now, so this tests it"


def test_a_certificate_that_had_expired_before_is_refused(tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "old", "tsa-6")
    authority.renew(since=timedelta(days=-900), until=timedelta(days=-800))
    raw = authority.stamp(MESSAGE)
    with pytest.raises(StampOfAnotherError):
        verify_stamp(raw, MESSAGE, authority.authority)
    assert not agreed(tmp_path, raw, MESSAGE, authority)


def test_an_answer_to_another_request_is_refused(one: TimeAuthority) -> None:
    with pytest.raises(StampOfOtherBytesError):
        verify_stamp(one.stamp(MESSAGE), MESSAGE, one.authority, nonce=stamp_request(MESSAGE).nonce)


def bad_policy(query: bytes) -> bytes:
    """Ask for something that the authority does not do: SHA-256 is exchanged for an unknown algorithm."""
    return query.replace(bytes.fromhex("608648016503040201"), bytes.fromhex("60864801650304027f"))


def test_a_refusal_of_the_authority_is_no_stamp(one: TimeAuthority) -> None:
    raw = one.answer(bad_policy(stamp_request(MESSAGE).raw))
    with pytest.raises(StampUnreadableError, match="status 2"):
        verify_stamp(raw, MESSAGE, one.authority)


@pytest.mark.parametrize(
    "change", [lambda _: b"", lambda answer: answer[:-1], lambda answer: answer + b"\0", lambda _: b"0" * 999]
)
def test_what_is_no_answer_is_refused(one: TimeAuthority, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(StampUnreadableError):
        verify_stamp(change(one.stamp(MESSAGE)), MESSAGE, one.authority)


def test_each_flipped_bit_is_refused_by_both_or_is_in_what_neither_rests_on(one: TimeAuthority, tmp_path: Path) -> None:
    raw = one.stamp(MESSAGE)
    names = ("stamped bytes", "signature")
    for name, place in zip(names, (raw.index(sha256(MESSAGE).digest()), len(raw) - 5), strict=True):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        assert not agreed(tmp_path, bytes(flipped), MESSAGE, one), name


def test_a_stamp_without_an_accuracy_is_read(tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "plain", "tsa-7", more="")
    assert verify_stamp(authority.stamp(MESSAGE), MESSAGE, authority.authority).accuracy == timedelta()


def test_an_answer_in_which_the_certificates_are_out_of_order_is_refused_though_openssl_takes_it(
    tmp_path: Path,
) -> None:
    """Known difference: DER wants the certificates sorted; openssl as an authority does not sort and does not mind."""
    authority = TimeAuthority(tmp_path / "chain", "tsa-8")
    for _ in range(9):  # whether two are in order by chance depends on their bytes
        authority.renew()
    authority.send_more_certificates([authority.root, *authority.enrolled])
    token, data = tmp_path / "token", tmp_path / "data"
    token.write_bytes(authority.stamp(MESSAGE))
    data.write_bytes(MESSAGE)
    assert openssl_accepts(token, data, authority, at=datetime.now(tz=UTC))
    with pytest.raises(StampUnreadableError, match="InvalidSetOrdering"):
        verify_stamp(token.read_bytes(), MESSAGE, authority.authority)


def test_a_stamp_of_another_time_is_judged_at_that_time_by_both(tmp_path: Path) -> None:
    authority = TimeAuthority(tmp_path / "then", "tsa-9")
    authority.renew(since=timedelta(days=-3000), until=timedelta(days=-2000))
    authority.at = datetime.now(tz=UTC) - timedelta(days=2500)
    token, data = tmp_path / "token", tmp_path / "data"
    token.write_bytes(authority.stamp(MESSAGE))
    data.write_bytes(MESSAGE)
    stamp = verify_stamp(token.read_bytes(), MESSAGE, authority.authority)
    assert abs(stamp.at - authority.at) < timedelta(seconds=1)
    assert openssl_accepts(token, data, authority, at=stamp.at)
    authority.at = datetime.now(tz=UTC)
    with pytest.raises(StampOfAnotherError):
        verify_stamp(authority.stamp(MESSAGE), MESSAGE, authority.authority)
