"""trust.json has one form, any byte of it that changes is noticed, and it is what the roots signed."""

from dataclasses import replace
from pathlib import Path

import pytest

from chain_of_custody.errors import RootOrderError, RootSignaturesMissingError
from chain_of_custody.signatures import Ed25519Signer, KeyId
from chain_of_custody.trust_root import sign_root
from host_io.config import HomePaths
from host_io.trust import (
    RootsDamagedError,
    TrustDamagedError,
    TrustMissingError,
    check_home_roots,
    parse_trust,
    publish_root,
    read_trust,
    restore_trust,
    root_path,
    trust_bytes,
)
from tests.trusts import ROOT, first_trust, next_trust, put_trust, source


def _key(number: int) -> Ed25519Signer:
    return Ed25519Signer.from_seed(bytes([number]) * 32)


TRUST = first_trust("site-1", _key(1), ("centre", _key(2)), [("station-1", _key(3)), ("station-2", _key(4))])
NEXT = next_trust(TRUST, sources=(*TRUST.sources, source("site-1", "station-3", _key(5))))


@pytest.fixture
def home(tmp_path: Path) -> HomePaths:
    put_trust(tmp_path, TRUST)
    return HomePaths(tmp_path)


def test_what_is_written_is_read_back(home: HomePaths) -> None:
    assert read_trust(home.trust) == TRUST
    assert home.trust.stat().st_mode & 0o777 == 0o644
    assert check_home_roots(home, TRUST) == [sign_root(TRUST, [ROOT])]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(TrustMissingError, match="evidock init"):
        read_trust(tmp_path / "trust.json")


def test_every_flipped_bit_is_refused_or_names_something_else() -> None:
    data = trust_bytes(TRUST)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            assert parse_trust(bytes(changed), where="t") != TRUST
        except TrustDamagedError:
            continue


@pytest.mark.parametrize(
    "change",
    [
        (b'"version":"2"', b'"version":"1"'),
        (b'{"authorities"', b'{ "authorities"'),
        (b"station-2", b"station-1"),
        (b"\n", b""),
    ],
    ids=["another version", "another spelling", "one name twice", "no last line end"],
)
def test_another_form_is_damage(change: tuple[bytes, bytes]) -> None:
    data = trust_bytes(TRUST)
    assert data.replace(*change) != data
    with pytest.raises(TrustDamagedError):
        parse_trust(data.replace(*change), where="t")


def test_a_key_says_who_signs_with_it() -> None:
    assert TRUST.source_of(TRUST.stations[1].key_id) == "station-2"
    assert TRUST.source_of(KeyId.of(_key(9).public_key)) is None
    assert set(TRUST.verifiers()) == {TRUST.centre.key_id, *(each.key_id for each in TRUST.stations)}


def test_a_document_that_follows_is_published_and_one_that_does_not_changes_nothing(home: HomePaths) -> None:
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    with pytest.raises(RootSignaturesMissingError):
        publish_root(home, sign_root(NEXT, [_key(2)]))
    with pytest.raises(RootOrderError):
        publish_root(home, sign_root(TRUST, [ROOT]))
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before
    assert publish_root(home, sign_root(NEXT, [ROOT])) == NEXT
    assert read_trust(home.trust) == NEXT
    assert len(check_home_roots(home, NEXT)) == 2


def test_a_document_that_lies_ready_and_is_not_in_force_is_no_damage_and_is_published_again(home: HomePaths) -> None:
    raw = sign_root(NEXT, [ROOT])
    root_path(home, 2).write_bytes(raw)  # power failed before trust.json
    assert len(check_home_roots(home, TRUST)) == 1
    publish_root(home, raw)
    assert read_trust(home.trust) == NEXT


def test_a_lost_trust_file_is_made_again_from_what_the_roots_signed(home: HomePaths) -> None:
    publish_root(home, sign_root(NEXT, [ROOT]))
    home.trust.unlink()
    assert restore_trust(home) == NEXT
    assert read_trust(home.trust) == NEXT
    assert restore_trust(HomePaths(home.root / "empty")) is None


@pytest.mark.parametrize("forge", ["the file", "a root", "no root"])
def test_a_trust_file_that_nobody_signed_is_damage(home: HomePaths, forge: str) -> None:
    found = TRUST
    if forge == "the file":
        found = replace(TRUST, since=5)
    elif forge == "a root":
        root_path(home, 1).chmod(0o600)
        root_path(home, 1).write_bytes(sign_root(TRUST, [_key(9)]))
    else:
        root_path(home, 1).unlink()
    with pytest.raises(RootsDamagedError):
        check_home_roots(home, found)
