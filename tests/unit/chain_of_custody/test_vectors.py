"""The files under vectors/ are what our code writes, and each bad one is refused with the code its folder names."""

from __future__ import annotations

import pytest

from chain_of_custody.envelope import MAX_ENVELOPE_BYTES, MAX_WIRE_BYTES
from chain_of_custody.errors import LogForkedError, LogShrunkError
from evidence_model.errors import EvidockError
from tests.unit.chain_of_custody.vector_files import FOLDER, GOOD, bad, check, files

BAD = dict(bad())


def test_the_files_are_what_our_code_writes() -> None:
    """Ed25519 is deterministic: the same story gives the same bytes. Meant to change the format? Write them anew."""
    found = {
        str(path.relative_to(FOLDER)): path.read_bytes()
        for top in ("good", "bad")
        for path in (FOLDER / top).rglob("*")
        if path.is_file() and (top == "good" or path.parent.name.startswith(("COC-", "EM-")))
    }
    assert found == files()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_good_file_is_accepted(name: str) -> None:
    check(name, (FOLDER / "good" / name).read_bytes())


@pytest.mark.parametrize("path", sorted(BAD))
def test_a_bad_file_is_refused_with_its_code(path: str) -> None:
    _, folder, name = path.split("/")
    with pytest.raises(EvidockError) as caught:
        check(name, (FOLDER / path).read_bytes())
    assert caught.value.code == folder.partition("_")[0]
    assert str(caught.value)
    if folder.startswith(("COC-063", "COC-064")):
        assert isinstance(caught.value, LogShrunkError | LogForkedError)


@pytest.mark.parametrize("name", ["event.json", "envelope.dsse.json", "cosigned-checkpoint", "vkeys", "receipt.json"])
def test_the_specification_shows_what_our_code_writes(name: str) -> None:
    page = (FOLDER.parent / "docs" / "spec" / "log-and-envelope.md").read_text(encoding="utf-8")
    assert GOOD[name].decode().rstrip("\n") in page


def test_the_specification_s_figures_are_those_of_the_code() -> None:
    page = (FOLDER.parent / "docs" / "spec" / "log-and-envelope.md").read_text(encoding="utf-8")
    leaf = GOOD["leaf.hex"].decode()
    assert "\n".join((leaf[:64], leaf[64:192], leaf[192:].strip())) in page
    assert f"at most {MAX_ENVELOPE_BYTES:,} bytes" in page
    assert f"At most {MAX_WIRE_BYTES:,} bytes" in page
