"""A lock that is held by one, and ends with its holder."""

from pathlib import Path

import pytest

from evidence_model.errors import UnavailableError
from host_io.only_one import only_one


class _TakenError(UnavailableError):
    """Taken."""


def taken() -> _TakenError:
    return _TakenError("taken")


def test_a_second_one_is_turned_away_until_the_first_has_ended(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with only_one(lock, taken), pytest.raises(_TakenError), only_one(lock, taken):
        raise AssertionError
    with only_one(lock, taken):
        assert lock.exists()
