"""Keys are made once, are their owner's alone, and are never used when somebody else could read them."""

import os
import stat
from pathlib import Path

import pytest

from host_io import keys
from host_io.keys import KeyMissingError, KeyOpenToOthersError


def test_a_key_is_made_once_and_read_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "station.key"
    first = keys.make_signing_key(path)
    assert keys.make_signing_key(path).public_key == keys.read_signing_key(path).public_key == first.public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_long_random_and_kept(tmp_path: Path) -> None:
    one, other = keys.make_secret(tmp_path / "one"), keys.make_secret(tmp_path / "other")
    assert one != other
    assert len(one) >= 40
    assert keys.make_secret(tmp_path / "one") == one
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    keys.make_signing_key(path)
    path.chmod(mode)
    with pytest.raises(KeyOpenToOthersError, match="chmod 600"):
        keys.read_signing_key(path)


def test_a_missing_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError, match="init"):
        keys.read_signing_key(tmp_path / "key")


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"00" * 31, b"00" * 33])
def test_what_is_no_seed_is_not_used(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyOpenToOthersError, match="seed"):
        keys.read_signing_key(path)


def test_a_symlink_in_place_of_a_key_is_not_followed(tmp_path: Path) -> None:
    keys.make_secret(tmp_path / "real")
    (tmp_path / "key").symlink_to(tmp_path / "real")
    with pytest.raises(keys.KeyOpenToOthersError, match=os.strerror(40)):
        keys.read_secret(tmp_path / "key")
