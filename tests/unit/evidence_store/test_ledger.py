"""The log on disk grows by whole batches, survives being cut off, and signs nothing on top of a contradiction."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from chain_of_custody.audit import audit_log
from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.errors import LogDamagedError
from chain_of_custody.leaf import Leaf
from chain_of_custody.proofs import verify_consistency, verify_inclusion
from chain_of_custody.signatures import Ed25519Signer, Ed25519Verifier
from chain_of_custody.tree import TreeHead
from evidence_store.errors import LogRecordMissingError, LogSetBackError, SignerRefusedError, StageDamagedError
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder, is_torn
from evidence_store.stage import LogEntry, Stage, decode_stage, encode_stage
from host_io.durable import AlreadyDifferentError
from tests.fakes.fake_station import FakeStation

LOG_KEY = Ed25519Signer.from_seed(b"l" * 32)


def opened(root: Path) -> Ledger:
    ledger = Ledger(LogFolder(root), LOG_KEY)
    ledger.open()
    return ledger


def entries(station: FakeStation, count: int) -> list[LogEntry]:
    result = []
    for _ in range(count):
        raw = station.says()
        result.append(LogEntry(raw, station.leaf(raw)))
    return result


def audit_codes(root: Path, stations: Sequence[FakeStation]) -> list[str]:
    folder = LogFolder(root)
    keys = {station.signer.key_id: Ed25519Verifier(station.signer.public_key) for station in stations}
    return [
        finding.code
        for finding in audit_log(
            log_key=LOG_KEY.public_key,
            checkpoint=folder.checkpoint.read_bytes(),
            read_tile=folder.read_tile,
            read_bundle=folder.read_bundle,
            envelopes=[(path.name, path.read_bytes()) for path in folder.envelope_names()],
            keys=keys,
            listing=folder.tile_paths(),
        )
    ]


def test_a_new_log_signs_that_it_is_empty(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    assert open_checkpoint((tmp_path / "checkpoint").read_bytes(), log_key=LOG_KEY.public_key).size == 0
    assert ledger.size == 0


def test_batches_give_proofs_and_a_sound_log(tmp_path: Path) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    heads = [TreeHead(0, b"")]
    for count in (1, 2, 253, 1, 300, 600):
        batch = entries(station, count)
        appended = ledger.append(batch)
        assert appended.first_index == heads[-1].size
        for place in (0, count - 1):
            leaf = Leaf.parse(batch[place].leaf).hash()
            assert leaf == appended.leaf_hashes[place]
            log, index = ledger.newest(), appended.first_index + place
            assert log.leaf_hash(index) == leaf
            verify_inclusion(
                leaf_hash=leaf, index=index, size=log.head.size, proof=log.inclusion_proof(index), root=log.head.root
            )
        heads.append(appended.head)
    assert ledger.settle() == 6
    assert LogFolder(tmp_path).stages() == []
    assert audit_codes(tmp_path, [station]) == []
    assert opened(tmp_path).size == 1157


def test_a_restart_goes_on_where_the_log_stood(tmp_path: Path) -> None:
    station = FakeStation()
    for count in (5, 251, 7):
        opened(tmp_path).append(entries(station, count))  # never settled: each start applies the stages again
    assert len(LogFolder(tmp_path).stages()) == 3
    ledger = opened(tmp_path)
    assert ledger.size == 263
    ledger.settle()
    assert audit_codes(tmp_path, [station]) == []


class PowerFailedError(Exception):
    """The lights went out."""


def power_fails(*_: object) -> None:
    raise PowerFailedError


def settle_until_power_fails(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write everything, and stop before anything of it is promised to be on the medium."""
    with monkeypatch.context() as patch:
        patch.setattr("host_io.durable.sync_file_system", power_fails)
        with pytest.raises(PowerFailedError):
            ledger.settle()


def test_files_torn_by_a_power_failure_are_written_again_from_the_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    ledger.append(entries(station, 200))
    ledger.settle()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    ledger.append(entries(station, 100))
    ledger.append(entries(station, 3))
    settle_until_power_fails(ledger, monkeypatch)
    kept = {tmp_path / "signed", tmp_path / "checkpoint", *(stage.path for stage in LogFolder(tmp_path).stages())}
    new = sorted({path for path in tmp_path.rglob("*") if path.is_file()} - before - kept)
    assert len(new) > 103
    for number, path in enumerate(new):
        data = path.read_bytes()
        path.chmod(0o600)
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            path.write_bytes(data[: len(data) // 2])
        else:
            path.write_bytes(bytes(len(data)))
    (tmp_path / "checkpoint").write_bytes(b"")
    ledger = opened(tmp_path)
    assert ledger.size == 303
    ledger.settle()
    assert audit_codes(tmp_path, [station]) == []


def test_a_changed_file_is_not_taken_for_a_torn_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    batch = entries(station, 3)
    ledger.append(batch)
    settle_until_power_fails(ledger, monkeypatch)
    path = LogFolder(tmp_path).envelope_path(batch[1].hash)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))
    with pytest.raises(AlreadyDifferentError):
        opened(tmp_path).settle()
    tile = tmp_path / "tile/0/000.p/3"
    tile.chmod(0o600)
    tile.write_bytes(tile.read_bytes()[::-1])
    with pytest.raises(AlreadyDifferentError):
        opened(tmp_path)


def test_a_disk_that_does_not_keep_up_holds_back_who_appends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    monkeypatch.setattr("evidence_store.ledger.MAX_UNSETTLED_BYTES", 10_000)
    for _ in range(20):
        ledger.append(entries(station, 5))
        assert len(LogFolder(tmp_path).stages()) <= 4


@pytest.mark.parametrize("name", ["tile/0/000.p/5", "tile/entries/000.p/5"])
def test_nothing_is_signed_on_top_of_a_flipped_bit(tmp_path: Path, name: str) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    ledger.append(entries(station, 5))
    ledger.settle()
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    signed = (tmp_path / "signed").read_bytes()
    with pytest.raises(LogDamagedError):
        ledger.append(entries(station, 1))
    assert (tmp_path / "signed").read_bytes() == signed
    with pytest.raises(LogDamagedError):
        opened(tmp_path)


def test_a_stage_that_was_never_signed_is_dropped(tmp_path: Path) -> None:
    station = FakeStation()
    opened(tmp_path).append(entries(station, 2))
    later = entries(station, 2)
    (tmp_path / "stage" / "2-4.stage").write_bytes(encode_stage(2, later))
    ledger = opened(tmp_path)
    assert ledger.size == 2
    assert [stage.new_size for stage in LogFolder(tmp_path).stages()] == [2]
    assert ledger.append(later).first_index == 2


def test_a_damaged_stage_of_signed_entries_stops_the_log(tmp_path: Path) -> None:
    opened(tmp_path).append(entries(FakeStation(), 2))
    stage = tmp_path / "stage" / "0-2.stage"
    stage.write_bytes(stage.read_bytes()[:-1] + b"x")
    with pytest.raises(StageDamagedError):
        opened(tmp_path)


def test_a_log_without_its_record_is_not_begun_anew(tmp_path: Path) -> None:
    opened(tmp_path).append(entries(FakeStation(), 2))
    (tmp_path / "signed").unlink()
    with pytest.raises(LogRecordMissingError):
        opened(tmp_path)


def test_a_log_set_back_to_an_older_copy_is_refused(tmp_path: Path) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    ledger.append(entries(station, 2))
    old = {path: path.read_bytes() for path in (tmp_path / "signed", tmp_path / "checkpoint")}
    given_out = ledger.append(entries(station, 2)).head
    ledger.settle()
    Ledger(LogFolder(tmp_path), LOG_KEY).open(given_out=given_out)
    Ledger(LogFolder(tmp_path), LOG_KEY).open(given_out=TreeHead(0, hashlib.sha256(b"").digest()))
    for path, data in old.items():
        path.write_bytes(data)
    with pytest.raises(LogSetBackError):
        Ledger(LogFolder(tmp_path), LOG_KEY).open(given_out=given_out)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("count", [2, 254, 300])
@pytest.mark.parametrize("kept", ["checkpoint", "tiles", "both"])
def test_a_record_that_was_set_back_is_refused_by_what_else_the_disk_shows(
    tmp_path: Path, kept: str, count: int, settled: bool
) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    ledger.append(entries(station, 2))
    ledger.settle()
    old = {name: (tmp_path / name).read_bytes() for name in ("signed", "checkpoint")}
    shutil.copytree(tmp_path / "tile", tmp_path / "old")
    newest = ledger.append(entries(station, count)).note
    if settled:
        ledger.settle()
    stages = LogFolder(tmp_path).stages()
    (tmp_path / "signed").write_bytes(old["signed"])
    if kept == "tiles":
        (tmp_path / "checkpoint").write_bytes(old["checkpoint"])
    if kept == "checkpoint":
        shutil.rmtree(tmp_path / "tile")
        shutil.copytree(tmp_path / "old", tmp_path / "tile")
    with pytest.raises(LogSetBackError):
        opened(tmp_path)
    with pytest.raises(LogSetBackError):
        ledger._recover()
    assert (tmp_path / "signed").read_bytes() == old["signed"]
    assert LogFolder(tmp_path).stages() == stages  # they hold what was signed
    (tmp_path / "signed").write_bytes(newest)
    if kept != "checkpoint":
        assert opened(tmp_path).size == 2 + count


def test_a_record_of_another_history_is_refused(tmp_path: Path) -> None:
    ledger, other = opened(tmp_path / "log"), opened(tmp_path / "other")
    ledger.append(entries(FakeStation(), 3))
    other.append(entries(FakeStation(seed=9), 2))
    shutil.copyfile(tmp_path / "other" / "checkpoint", tmp_path / "log" / "checkpoint")
    with pytest.raises(LogSetBackError):
        opened(tmp_path / "log")


@pytest.mark.parametrize("torn", [b"", b"sigsum.org/v1/tree/", bytes(200), None])
def test_a_torn_public_checkpoint_is_written_again_from_what_was_signed(tmp_path: Path, torn: bytes | None) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    note = ledger.append(entries(station, 3)).note
    older = opened(tmp_path).append(entries(station, 1)).note
    checkpoint = tmp_path / "checkpoint"
    for content in (torn, note):  # torn, or the rename of the newest one was lost
        checkpoint.unlink()
        if content is not None:
            checkpoint.write_bytes(content)
        assert opened(tmp_path).size == 4
        assert checkpoint.read_bytes() == older


def test_the_signer_refuses_a_plan_that_does_not_start_where_it_stopped(tmp_path: Path) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    other = opened(tmp_path / "other")
    ledger.append(entries(station, 2))
    other.append(entries(FakeStation(seed=9), 2))
    ledger._signer.last, note = other._signer.last, (tmp_path / "signed").read_bytes()
    with pytest.raises((SignerRefusedError, LogDamagedError)):
        ledger.append(entries(station, 1))
    assert (tmp_path / "signed").read_bytes() == note


def test_full_tiles_replace_their_partial_ones_only_after_they_are_on_the_medium(tmp_path: Path) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    ledger.append(entries(station, 250))
    ledger.append(entries(station, 10))
    assert (tmp_path / "tile/0/000.p/250").exists()
    ledger.settle()
    assert not (tmp_path / "tile/0/000.p").exists()
    assert (tmp_path / "tile/0/000").exists()
    assert (tmp_path / "tile/0/001.p/4").exists()


def test_consistency_holds_between_all_signed_heads(tmp_path: Path) -> None:
    station, ledger = FakeStation(), opened(tmp_path)
    heads = [ledger.append(entries(station, count)).head for count in (3, 260, 1)]
    plan = ledger._plan([])
    for old in heads[:-1]:
        verify_consistency(old=old, new=heads[-1], proof=plan.consistency_proof(old.size))


def test_a_stage_is_read_back_as_written() -> None:
    batch = entries(FakeStation(), 3)
    assert decode_stage(encode_stage(7, batch), where="s") == Stage(7, tuple(batch))


def test_only_short_files_and_zeros_are_torn() -> None:
    assert is_torn(b"", b"abc")
    assert is_torn(b"ab", b"abc")
    assert is_torn(b"a\0\0", b"abc")
    assert not is_torn(b"abd", b"abc")
    assert not is_torn(b"abcd", b"abc")
