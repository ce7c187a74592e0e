"""The vault holds only what was read back whole and equal, under its own digest, for good."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence_model.digests import Digest
from evidence_model.findings import Finding
from evidence_store.vault import Adopted, Handed, Rejected, StoppedError, Vault
from evidence_store.vault_worker import VaultWorker
from host_io.clock import SystemClock
from tests.fakes.manual_clock import ManualClock


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault(tmp_path / "vault", reserve_bytes=0, clock=ManualClock())
    vault.make_folders()
    return vault


def hand_over(vault: Vault, content: bytes, *, claimed: bytes | None = None) -> Digest:
    digest = Digest(hashlib.sha256(content if claimed is None else claimed).digest())
    (vault.incoming / f"{digest.hex}.handed").write_bytes(content)
    return digest


def everything(vault: Vault) -> list[str]:
    return [path.name for path in vault.files()]


def test_what_is_equal_is_taken_in_read_only_with_the_moment_of_its_verification(vault: Vault) -> None:
    digest = hand_over(vault, b"film" * 500_000)
    [handed] = vault.waiting()
    adopted = vault.adopt(handed)
    assert adopted == Adopted(digest, 2_000_000, ManualClock().now())
    assert vault.held(digest) == adopted
    path = vault.path_of(digest)
    assert path == vault.root / "sha256" / digest.hex[:2] / digest.hex[2:4] / digest.hex
    assert path.stat().st_mode & 0o777 == 0o400
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest.hex
    assert vault.waiting() == []


def test_what_differs_goes_to_quarantine_and_the_vault_holds_nothing_of_it(vault: Vault) -> None:
    digest = hand_over(vault, b"tampered", claimed=b"original")
    [handed] = vault.waiting()
    rejected = vault.adopt(handed)
    assert isinstance(rejected, Rejected)
    assert rejected.quarantined.read_bytes() == b"tampered"
    assert rejected.found == hashlib.sha256(b"tampered").hexdigest()
    assert vault.held(digest) is None
    assert everything(vault) == []
    assert vault.waiting() == []
    hand_over(vault, b"original")  # the honest twin
    assert isinstance(vault.adopt(vault.waiting()[0]), Adopted)


def test_the_same_bytes_handed_over_twice_are_kept_once_and_never_rewritten(vault: Vault) -> None:
    digest = hand_over(vault, b"film")
    first = vault.adopt(vault.waiting()[0])
    inode = vault.path_of(digest).stat().st_ino
    hand_over(vault, b"film")
    assert vault.adopt(vault.waiting()[0]) == first
    assert vault.path_of(digest).stat().st_ino == inode
    assert vault.waiting() == []


@pytest.mark.parametrize("damaged", [b"fil", b"fiLm", b"film and more", b""])
def test_good_bytes_take_the_place_of_a_file_that_was_damaged_in_the_vault(vault: Vault, damaged: bytes) -> None:
    digest = hand_over(vault, b"film")
    vault.adopt(vault.waiting()[0])
    damage(vault, digest, damaged)
    assert not vault.is_sound(digest)
    hand_over(vault, b"film")
    adopted = vault.adopt(vault.waiting()[0])
    assert isinstance(adopted, Adopted)
    assert vault.path_of(digest).read_bytes() == b"film"
    assert vault.is_sound(digest)
    assert adopted.replaced == vault.quarantine / f"{digest.hex}.is.{hashlib.sha256(damaged).hexdigest()}"
    assert adopted.replaced.read_bytes() == damaged
    assert vault.waiting() == []


def test_damaged_bytes_take_the_place_of_nothing(vault: Vault) -> None:
    digest = hand_over(vault, b"film")
    vault.adopt(vault.waiting()[0])
    hand_over(vault, b"worse", claimed=b"film")
    assert vault.adopt(vault.waiting()[0]) == vault.held(digest)
    assert vault.path_of(digest).read_bytes() == b"film"
    damage(vault, digest, b"bad")
    hand_over(vault, b"worse", claimed=b"film")
    assert isinstance(vault.adopt(vault.waiting()[0]), Rejected)
    assert vault.path_of(digest).read_bytes() == b"bad"  # a person decides what becomes of it


def damage(vault: Vault, digest: Digest, content: bytes) -> None:
    path = vault.path_of(digest)
    path.chmod(0o600)
    path.write_bytes(content)


def test_the_worker_tells_of_a_damaged_file_that_it_replaced(vault: Vault) -> None:
    digest = hand_over(vault, b"film")
    vault.adopt(vault.waiting()[0])
    damage(vault, digest, b"bad")
    results = Results()
    worker = worker_of(vault, results)
    hand_over(vault, b"film")
    worker.start()
    results.wait(1)
    worker.stop()
    assert [(each.code, each.subject) for each in results.findings] == [("STO-039", f"vault/sha256/{digest.hex}")]


def test_an_empty_file_is_a_file(vault: Vault) -> None:
    digest = hand_over(vault, b"")
    assert isinstance(vault.adopt(vault.waiting()[0]), Adopted)
    assert vault.path_of(digest).stat().st_size == 0


def test_a_symlink_is_not_followed(vault: Vault, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    digest = Digest(hashlib.sha256(b"secret").digest())
    (vault.incoming / f"{digest.hex}.handed").symlink_to(secret)
    assert isinstance(vault.adopt(vault.waiting()[0]), Rejected)
    assert secret.read_bytes() == b"secret"
    assert everything(vault) == []


def test_a_fifo_goes_to_quarantine_without_anybody_waiting_for_it(vault: Vault) -> None:
    digest = Digest(hashlib.sha256(b"").digest())
    os.mkfifo(vault.incoming / f"{digest.hex}.handed")
    assert isinstance(vault.adopt(vault.waiting()[0]), Rejected)
    assert everything(vault) == []


def test_names_that_are_not_ours_are_left_alone(vault: Vault) -> None:
    for name in ("x.handed", f"{'a' * 63}.handed", f"{'A' * 64}.handed", f"{'a' * 64}.part", f".{'a' * 64}.handed"):
        (vault.incoming / name).write_bytes(b"")
    assert vault.waiting() == []


def test_stopping_in_the_middle_leaves_the_file_waiting(vault: Vault) -> None:
    hand_over(vault, b"x" * (3 << 20))
    with pytest.raises(StoppedError):
        vault.adopt(vault.waiting()[0], is_stopping=lambda: True)
    assert len(vault.waiting()) == 1
    assert everything(vault) == []


class Results:
    """Gathers what the worker reports, and lets a test wait for it."""

    def __init__(self) -> None:
        self.results: list[Adopted | Rejected] = []
        self.findings: list[Finding] = []
        self.changed = threading.Condition()

    def add(self, result: Adopted | Rejected) -> None:
        with self.changed:
            self.results.append(result)
            self.changed.notify_all()

    def find(self, finding: Finding) -> None:
        with self.changed:
            self.findings.append(finding)
            self.changed.notify_all()

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.results) >= count, timeout=20)

    def wait_finding(self) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: bool(self.findings), timeout=20)


def worker_of(vault: Vault, results: Results) -> VaultWorker:
    return VaultWorker(vault, SystemClock(), on_result=results.add, on_finding=results.find)


class SlowVault(Vault):
    """A vault whose medium takes its time for one file."""

    slow: Digest | None = None
    gate = threading.Event()

    def adopt(self, handed: Handed, *, is_stopping: Callable[[], bool] = lambda: False) -> Adopted | Rejected:
        if handed.digest == self.slow:
            assert self.gate.wait(20)
        return super().adopt(handed, is_stopping=is_stopping)


def test_small_files_pass_by_a_big_one(tmp_path: Path) -> None:
    vault = SlowVault(tmp_path / "vault", reserve_bytes=0, clock=ManualClock())
    vault.make_folders()
    vault.slow = hand_over(vault, b"b" * 1000)
    results = Results()
    worker = worker_of(vault, results)
    worker.start()
    try:
        small = {hand_over(vault, bytes([number])) for number in range(20)}
        worker.wake()
        results.wait(20)
        assert {result.digest for result in results.results} == small
        vault.gate.set()
        results.wait(21)
    finally:
        vault.gate.set()
        worker.stop()
    assert results.results[-1].digest == vault.slow


def test_a_worker_finds_what_comes_later_and_stops_at_once(vault: Vault) -> None:
    results = Results()
    worker = worker_of(vault, results)
    worker.start()
    digest = hand_over(vault, b"later")
    worker.wake()
    results.wait(1)
    worker.stop()
    assert [result.digest for result in results.results] == [digest]


def test_without_room_adoption_waits_and_says_so_and_nothing_is_removed(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault", reserve_bytes=1 << 60, clock=ManualClock())
    vault.make_folders()
    hand_over(vault, b"film")
    results = Results()
    worker = worker_of(vault, results)
    worker.start()
    try:
        results.wait_finding()
        assert [finding.code for finding in results.findings] == ["STO-031"]
        assert len(vault.waiting()) == 1
        vault._reserve_bytes = 0
        worker.wake()
        results.wait(1)
    finally:
        worker.stop()
    assert isinstance(results.results[0], Adopted)
