"""Power may fail at any step while the log's key is handed over: one tree, one history, and a way on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import Checkpoint, origin_of, sign_checkpoint
from chain_of_custody.log_keys import open_logged
from chain_of_custody.tree import TreeHead
from chain_of_custody.trust_entries import FinalTree
from evidence_model.findings import Severity
from evidence_store.fsck import verify_home
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.log_signer import HandOverDiffersError
from evidence_store.rebuild import rebuild
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.trust import log_key_path, next_log_key_path, read_trust, root_key_path, take_over_log_key
from operator_cli import trust_proposals as proposals
from operator_cli.errors import ProposalError
from operator_cli.texts import Language, Texts
from operator_cli.trust_changes import change_trust, log_at_rest, log_head
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import LOG, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import Docking
from tests.trusts import put_trust

TEXTS = Texts(Language.EN)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A centre that has logged something and stands still; its own root decides alone."""
    station = FakeStation()
    paths = make_centre_home(tmp_path_factory.mktemp("made") / "home", station)
    durable.write_file(root_key_path(paths), (b"r" * 32).hex().encode() + b"\n", mode=0o600)
    with centre_at(paths, trust_of(station)) as centre:
        Docking(centre, station).pull(b"film")
        centre.ledger.settle()
    return paths.root


def hand_over(paths: HomePaths) -> None:
    change_trust(paths, proposals.hand_over(paths, read_trust(paths.trust), TEXTS))


def start(paths: HomePaths) -> TreeHead:
    """Open the log as the store's main does; return its head."""
    trust = read_trust(paths.trust)
    take_over_log_key(paths, trust)
    signer = read_signing_key(log_key_path(paths))
    assert signer.public_key == trust.log_key
    ledger = Ledger(LogFolder(paths.log), signer, trust.log_before)
    ledger.open()
    return ledger.newest().head


def all_of_it(paths: HomePaths) -> None:
    hand_over(paths)
    start(paths)


def damage(paths: HomePaths) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in verify_home(paths) if each.severity is not Severity.NOTE]


def test_every_step_of_a_hand_over_may_be_the_last(made: Path, tmp_path: Path) -> None:
    head = log_head(HomePaths(made), read_trust(HomePaths(made).trust))
    whole = HomePaths(Path(shutil.copytree(made, tmp_path / "whole")))
    with Steps() as steps:
        all_of_it(whole)
    assert steps.count > 5
    for at in range(1, steps.count + 1):
        for when in When:
            paths = HomePaths(Path(shutil.copytree(made, tmp_path / f"home-{at}-{when.value}")))
            with Steps(at=at, when=when), pytest.raises(PowerCutError):
                all_of_it(paths)
            assert damage(paths) == [], f"step {at} {when.value}"
            if read_trust(paths.trust).number == 1:
                hand_over(paths)
            assert start(paths) == head
            trust = read_trust(paths.trust)
            for file in (LogFolder(paths.log).signed, LogFolder(paths.log).checkpoint):
                assert open_logged(file.read_bytes(), trust.logs).origin == origin_of(trust.log_key)
            assert not next_log_key_path(paths).exists()
            kept = paths.keys / f"log-until-{head.size}.key"
            assert read_signing_key(kept).public_key == LOG.public_key != trust.log_key
            assert damage(paths) == []


def test_the_log_goes_on_under_the_new_key_and_says_so(made: Path, tmp_path: Path) -> None:
    paths = HomePaths(Path(shutil.copytree(made, tmp_path / "home")))
    hand_over(paths)
    assert damage(paths) == []  # the store has not started since
    head = start(paths)
    trust = read_trust(paths.trust)
    assert trust.logs[0].final == FinalTree(head.size, head.root)
    assert trust.logs[1].start == head.size
    rebuild(paths)
    with pytest.raises(ProposalError):
        hand_over(paths)  # its key has signed nothing yet, and its predecessor's would be lost
    assert read_trust(paths.trust) == trust
    assert damage(paths) == []


def test_attack_60_a_log_that_is_not_the_one_that_was_handed_over_is_not_signed_and_named(
    made: Path, tmp_path: Path
) -> None:
    paths = HomePaths(Path(shutil.copytree(made, tmp_path / "home")))
    known = read_trust(paths.trust)
    proposed = proposals.hand_over(paths, known, TEXTS)
    before, now = proposed.logs
    assert before.final is not None
    hidden = replace(before, final=FinalTree(before.final.size, bytes(32)))  # the tree of then had something else in it
    put_trust(paths, replace(proposed, logs=(hidden, now)))
    with pytest.raises(HandOverDiffersError):
        start(paths)
    head = log_head(HomePaths(made), known)
    new = read_signing_key(log_key_path(paths))  # and if the new key signs it all the same
    note = sign_checkpoint(Checkpoint(origin_of(new.public_key), head.size, head.root), new)
    for file in (LogFolder(paths.log).signed, LogFolder(paths.log).checkpoint):
        file.write_bytes(note)
    assert ("STO-142", "log/signed") in damage(paths)


def test_a_hand_over_of_a_log_that_went_on_is_refused(made: Path, tmp_path: Path) -> None:
    station = FakeStation()
    paths = HomePaths(Path(shutil.copytree(made, tmp_path / "home")))
    known = read_trust(paths.trust)
    proposed = proposals.hand_over(paths, known, TEXTS)
    with log_at_rest(paths, known, proposed, TEXTS):
        pass  # the honest twin
    with centre_at(paths, trust_of(station)) as centre:
        centre.seal()
    with pytest.raises(ProposalError), log_at_rest(paths, known, proposed, TEXTS):
        raise AssertionError


def test_a_log_whose_end_is_not_shown_is_not_handed_over(made: Path, tmp_path: Path) -> None:
    paths = HomePaths(Path(shutil.copytree(made, tmp_path / "home")))
    LogFolder(paths.log).checkpoint.unlink()
    with pytest.raises(ProposalError):
        proposals.hand_over(paths, read_trust(paths.trust), TEXTS)
    assert not next_log_key_path(paths).exists()
