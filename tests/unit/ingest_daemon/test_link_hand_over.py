"""Bytes reach a vault on the same disk without being copied, and never a wrong or half file under a right name."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_io.clock import SystemClock
from ingest_daemon.ledger import Ledger, SpoolBlob
from ingest_daemon.link_hand_over import LinkHandOver, vault_path
from tests.homes import Home, make_home
from tests.spooling import Spooling

CONTENT = b"footage" * 1000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def blob(home: Home) -> Iterator[SpoolBlob]:
    yield from one_blob(home)


def one_blob(home: Home) -> Iterator[SpoolBlob]:
    with Spooling(home) as spooling, Ledger(home.paths, SystemClock()) as ledger:
        spooling.pull(CONTENT)
        [blob] = ledger.to_hand_over(after_seq=0, limit=9)
        yield blob


def handed(home: Home, blob: SpoolBlob) -> Path:
    return home.paths.vault / "incoming" / f"{blob.digest.hex}.handed"


def test_the_spool_copy_gets_a_second_name_and_stays(home: Home, blob: SpoolBlob) -> None:
    outcome = LinkHandOver(home.paths).give([blob])
    assert (outcome.given, outcome.to_upload, outcome.failed) == ([blob], [], [])
    assert handed(home, blob).read_bytes() == CONTENT
    assert blob.path(home.paths).exists()
    assert [entry.name for entry in (home.paths.vault / "incoming").iterdir()] == [handed(home, blob).name]


def test_asking_twice_is_asking_once(home: Home, blob: SpoolBlob) -> None:
    link = LinkHandOver(home.paths)
    assert link.give([blob]).given == link.give([blob]).given == [blob]


def test_what_the_vault_holds_already_is_not_linked_again(home: Home, blob: SpoolBlob) -> None:
    final = vault_path(blob, home.paths)
    final.parent.mkdir(parents=True)
    final.write_bytes(CONTENT)
    blob.path(home.paths).unlink()
    assert LinkHandOver(home.paths).give([blob]).given == [blob]
    assert not handed(home, blob).exists()


def test_a_copy_that_is_the_vault_s_own_file_is_not_linked_again(home: Home, blob: SpoolBlob) -> None:
    final = vault_path(blob, home.paths)
    final.parent.mkdir(parents=True)
    final.hardlink_to(blob.path(home.paths))
    assert LinkHandOver(home.paths).give([blob]).given == [blob]
    assert not handed(home, blob).exists()


def test_a_good_copy_is_linked_although_the_vault_has_a_file_of_its_name(home: Home, blob: SpoolBlob) -> None:
    final = vault_path(blob, home.paths)
    final.parent.mkdir(parents=True)
    final.write_bytes(b"damaged there")
    assert LinkHandOver(home.paths).give([blob]).given == [blob]
    assert handed(home, blob).read_bytes() == CONTENT


def test_a_replaced_copy_takes_the_place_of_the_one_handed_over_before(home: Home, blob: SpoolBlob) -> None:
    handed(home, blob).write_bytes(b"an older, damaged copy")
    assert LinkHandOver(home.paths).give([blob]).given == [blob]
    assert handed(home, blob).read_bytes() == CONTENT


def test_a_missing_or_short_copy_is_damage_and_hands_nothing_over(home: Home, blob: SpoolBlob) -> None:
    copy = blob.path(home.paths)
    copy.write_bytes(CONTENT[:-1])
    short = LinkHandOver(home.paths).give([blob])
    copy.unlink()
    gone = LinkHandOver(home.paths).give([blob])
    assert [error.code for _, error in (*short.failed, *gone.failed)] == ["ING-012", "ING-012"]
    assert not handed(home, blob).exists()


def test_a_vault_that_is_not_there_means_upload(home: Home, blob: SpoolBlob) -> None:
    shutil.rmtree(home.paths.vault)
    assert LinkHandOver(home.paths).give([blob]).to_upload == [blob]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EACCES])
def test_where_links_are_impossible_the_bytes_are_uploaded(
    home: Home, blob: SpoolBlob, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    assert LinkHandOver(home.paths).give([blob]).to_upload == [blob]


def test_a_failing_disk_is_no_reason_to_upload(home: Home, blob: SpoolBlob, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", fail)
    outcome = LinkHandOver(home.paths).give([blob])
    assert (outcome.given, outcome.to_upload) == ([], [])
    assert [(failed, error.code) for failed, error in outcome.failed] == [(blob, "ING-013")]


@pytest.mark.root
def test_on_another_file_system_the_bytes_are_uploaded(home: Home, blob: SpoolBlob) -> None:
    incoming = home.paths.vault / "incoming"
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(incoming)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        assert LinkHandOver(home.paths).give([blob]).to_upload == [blob]
    finally:
        subprocess.run(["umount", str(incoming)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_where_the_file_system_can_the_vault_gets_a_file_of_its_own(tmp_path: Path, kind: str) -> None:
    mkfs = shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if mkfs is None:
        pytest.skip(f"mkfs.{kind} is not installed")
    image, place = tmp_path / "disk", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([mkfs, "-q", str(image)], check=True, capture_output=True)
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip(f"this machine does not let us mount {kind}")
    try:
        home = make_home(place / "home")
        for blob in one_blob(home):
            assert LinkHandOver(home.paths).give([blob]).given == [blob]
            assert handed(home, blob).read_bytes() == CONTENT
            assert not handed(home, blob).samefile(blob.path(home.paths))
    finally:
        subprocess.run(["umount", str(place)], check=True)
