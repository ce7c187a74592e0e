"""A mirror confirms what it recomputed and nothing else; what contradicts it is kept; whenever it stops, it goes on."""

import contextlib
import hashlib
import shutil
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import verify_cosignatures
from chain_of_custody.errors import CheckpointRejectedError
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.sealed_index import seal_of
from chain_of_custody.signatures import Ed25519Signer
from evidence_model.errors import EvidockError
from evidence_model.events import EventKind
from evidence_store.mirror import MirrorInWorkError, MirrorKey, MirrorResult, mirror_log
from host_io.only_one import only_one
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import LOG, Centre, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.packages import Docking, flip
from tests.unit.evidence_store.test_sealing import say

KEY = MirrorKey("court.example/mirror", Ed25519Signer.from_seed(b"m" * 32))


def run(centre: Centre, folder: Path, source: Path | None = None, key: MirrorKey | None = KEY) -> MirrorResult:
    return mirror_log(source or centre.paths.log, folder, centre.sequencer.trusted, clock=ManualClock(), key=key)


def codes(result: MirrorResult) -> list[str]:
    return [finding.code for finding in result.findings]


def confirmed(folder: Path) -> int:
    """Return the size that the mirror's own key stands for."""
    note = (folder / "checkpoint").read_bytes()
    key = NoteKey(KEY.name, NoteAlgorithm.COSIGNATURE_V1, KEY.signer.public_key)
    assert [each.name for each in verify_cosignatures(note, [key])] == [KEY.name]
    return open_checkpoint(note, log_key=LOG.public_key).size


def test_a_mirror_follows_the_log_and_confirms_every_seal(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    mine = tmp_path / "mirror"
    docking.pull(b"one")
    centre.seal()
    first = run(centre, mine)
    assert (codes(first), first.exit_code, first.size, first.seal_count) == ([], 0, centre.ledger.size, 1)
    assert confirmed(mine) == centre.ledger.size
    for number in range(90):  # over the edge of a tile
        docking.pull(b"film %d" % number, path=b"%d.MP4" % number)
    centre.seal()
    centre.ledger.settle()
    second = run(centre, mine)
    assert (codes(second), second.exit_code, second.was_size, second.seal_count) == ([], 0, first.size, 1)
    assert confirmed(mine) == centre.ledger.size > 256
    assert run(centre, mine).exit_code == 0  # nothing new
    shutil.rmtree(centre.paths.log / "envelopes")  # what is lost at the centre is still here
    assert len([*(mine / "envelopes").rglob("*.json")]) == centre.ledger.size


def test_without_a_key_it_says_nothing_in_its_name(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    docking.pull(b"one")
    result = run(centre, tmp_path / "mirror", key=None)
    assert (result.exit_code, result.is_cosigned) == (0, False)
    assert (tmp_path / "mirror" / "checkpoint").read_bytes() == (centre.paths.log / "checkpoint").read_bytes()


def test_attack_26_a_seal_that_omits_an_item_gets_no_word_of_the_mirror(
    centre: Centre, docking: Docking, tmp_path: Path
) -> None:
    mine = tmp_path / "mirror"
    docking.pull(b"one")
    run(centre, mine)
    honest = confirmed(mine)
    place = say(centre, seal_of(centre.ledger.size, []))
    result = run(centre, mine)
    assert ([(each.code, each.subject) for each in result.findings], result.exit_code) == (
        [("COC-173", f"entry {place}")],
        5,
    )
    assert confirmed(mine) == result.size == honest
    centre.seal()  # a right one afterwards takes nothing back
    assert codes(run(centre, mine)) == ["COC-173"]
    assert confirmed(mine) == honest


@pytest.mark.parametrize("lie", ["another root at the same size", "another history, and longer", "a smaller one"])
def test_a_checkpoint_that_contradicts_what_was_mirrored_is_kept_as_evidence(
    centre: Centre, docking: Docking, tmp_path: Path, lie: str
) -> None:
    mine = tmp_path / "mirror"
    docking.pull(b"one")
    run(centre, mine)
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    fork = FakeStation()
    with centre_at(make_centre_home(tmp_path / "fork", fork), trust_of(fork)) as other:
        forked = Docking(other, fork)
        if lie == "another history, and longer":
            for number in range(9):
                forked.pull(b"forged %d" % number, path=b"%d" % number)
        else:
            other.take(fork, [fork.says(EventKind.PREFLIGHT_DONE, {"forged": "yes"})])
        source = other.paths.log
        if lie == "another root at the same size":
            size = centre.ledger.size
            forged = Checkpoint(origin_of(LOG.public_key), size, hashlib.sha256(b"forged").digest())
            (source / "checkpoint").write_bytes(sign_checkpoint(forged, LOG))
        note = (source / "checkpoint").read_bytes()
        result = run(centre, mine, source)
    assert (codes(result), result.exit_code) == (["STO-123"], 5)
    assert [path.read_bytes() for path in (mine / "suspect").iterdir()] == [note]
    assert {path: path.read_bytes() for path in before} == before
    assert run(centre, mine).exit_code == 0  # the honest log is still followed


def test_an_older_copy_of_the_same_log_is_no_contradiction(centre: Centre, docking: Docking, tmp_path: Path) -> None:
    mine = tmp_path / "mirror"
    docking.pull(b"one")
    shutil.copytree(centre.paths.log, tmp_path / "old")
    docking.pull(b"two", path=b"2")
    run(centre, mine)
    result = run(centre, mine, tmp_path / "old")
    assert (codes(result), result.exit_code) == (["STO-124"], 1)
    assert not (mine / "suspect").exists()


@pytest.mark.parametrize(
    ("pattern", "code"), [("envelopes/*/*.json", "COC-121"), ("tile/0/*/*", "COC-10"), ("tile/entries/*/*", "COC-10")]
)
def test_what_was_altered_at_the_centre_is_named_and_not_confirmed(
    centre: Centre, docking: Docking, tmp_path: Path, pattern: str, code: str
) -> None:
    docking.pull(b"one")
    centre.ledger.settle()
    whole = shutil.copytree(centre.paths.log, tmp_path / "whole")
    flip(max(centre.paths.log.glob(pattern)), 40)
    result = run(centre, tmp_path / "mirror")
    assert result.exit_code == 5
    assert any(each.startswith(code) for each in codes(result))
    assert not (tmp_path / "mirror" / "checkpoint").exists()
    assert run(centre, tmp_path / "mirror", whole).exit_code == 0  # restored, and confirmed
    assert confirmed(tmp_path / "mirror") == centre.ledger.size


def test_an_event_that_the_log_lost_is_named_and_not_confirmed(
    centre: Centre, docking: Docking, tmp_path: Path
) -> None:
    docking.pull(b"one")
    centre.ledger.settle()
    next(centre.paths.log.glob("envelopes/*/*.json")).unlink()
    result = run(centre, tmp_path / "mirror")
    assert ("COC-120" in codes(result), result.exit_code) == (True, 5)


def test_a_checkpoint_by_another_key_is_none_of_this_log(centre: Centre, tmp_path: Path) -> None:
    forged = Checkpoint(origin_of(KEY.signer.public_key), 0, hashlib.sha256(b"").digest())
    (centre.paths.log / "checkpoint").write_bytes(sign_checkpoint(forged, KEY.signer))
    with pytest.raises(EvidockError) as raised:
        run(centre, tmp_path / "mirror")
    assert raised.value.exit_code != 0
    assert not isinstance(raised.value, CheckpointRejectedError) or raised.value.code
    (centre.paths.log / "checkpoint").unlink()
    with pytest.raises(EvidockError):
        run(centre, tmp_path / "mirror")


def test_two_runs_at_once_are_one(centre: Centre, tmp_path: Path) -> None:
    mine = tmp_path / "mirror"
    mine.mkdir()
    with only_one(mine / "mirror.lock", AssertionError), pytest.raises(MirrorInWorkError):  # type: ignore[arg-type]
        run(centre, mine)


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_a_mirror_that_dies_at_any_step_goes_on_and_never_says_what_it_did_not_recompute(
    centre: Centre, docking: Docking, tmp_path: Path, when: When
) -> None:
    docking.pull(b"one")
    centre.seal()
    whole = tmp_path / "whole"
    run(centre, whole)
    old = shutil.copytree(centre.paths.log, tmp_path / "old")
    docking.pull(b"two", path=b"2")
    centre.seal()
    at, count = 0, 1
    while at < count:
        at += 1
        mine = tmp_path / str(at)
        run(centre, mine, old)
        known = confirmed(mine)
        with contextlib.suppress(PowerCutError), Steps(at=at, when=when) as steps:
            run(centre, mine)
        if steps.stopped_at:
            count = at + 1
        assert confirmed(mine) in {known, centre.ledger.size}
        assert run(centre, mine).exit_code == 0
        assert confirmed(mine) == centre.ledger.size
    assert count > 3
