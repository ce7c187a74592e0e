"""trust.json has one form, and any byte of it that changes is noticed."""

from pathlib import Path

import pytest

from chain_of_custody.signatures import Ed25519Signer
from evidence_model.ids import SourceId
from host_io.trust import (
    Trust,
    TrustDamagedError,
    TrustedKey,
    TrustMissingError,
    parse_trust,
    read_trust,
    trust_bytes,
    write_trust,
)


def _key(number: int) -> bytes:
    return Ed25519Signer.from_seed(bytes([number]) * 32).public_key


TRUST = Trust(
    site=SourceId("site-1"),
    log_key=_key(1),
    centre=TrustedKey(SourceId("centre"), _key(2)),
    stations=(TrustedKey(SourceId("station-1"), _key(3)), TrustedKey(SourceId("station-2"), _key(4))),
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_trust(tmp_path / "trust.json", TRUST)
    assert read_trust(tmp_path / "trust.json") == TRUST
    assert (tmp_path / "trust.json").stat().st_mode & 0o777 == 0o644


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
    [(b'"version":"1"', b'"version":"2"'), (b'{"centre"', b'{ "centre"'), (b"station-2", b"station-1"), (b"\n", b"")],
    ids=["another version", "another spelling", "one name twice", "no last line end"],
)
def test_another_form_is_damage(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(TrustDamagedError):
        parse_trust(trust_bytes(TRUST).replace(*change), where="t")


def test_a_key_says_who_signs_with_it() -> None:
    assert TRUST.source_of(TRUST.stations[1].key_id) == "station-2"
    assert TRUST.source_of(TrustedKey(SourceId("x"), _key(9)).key_id) is None
    assert set(TRUST.verifiers()) == {TRUST.centre.key_id, *(each.key_id for each in TRUST.stations)}
