"""The store dies at every durable step of a restoring, or one fails: no copy is lost, and the next check finishes."""

import contextlib
import errno
import gc
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence_store.centre_book import open_findings
from evidence_store.fsck import verify_home
from host_io import durable
from host_io.config import HomePaths
from tests.crash.steps import STEPS, PowerCutError, Steps, When
from tests.fakes.fixity_home import FILMS, FixityHome, digest_of

BIG = FILMS[2]
BAD = b"x" + BIG
ALLOWED = {"STO-077"}  # something lies in quarantine


def story(root: Path, *, is_gone: bool) -> FixityHome:
    home = FixityHome(root)
    home.fill()
    if is_gone:
        home.path(BIG).unlink()
    else:
        home.change(home.path(BIG), lambda _: BAD)
    return home


def digests_in(home: FixityHome) -> set[str]:
    """Return what every file of the vault, wherever it lies, reads as."""
    files = [path for path in home.vault.rglob("*") if path.is_file() and not path.is_symlink()]
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check_nothing_is_lost(home: FixityHome, *, is_gone: bool) -> None:
    """Whatever happened: the damaged copy is somewhere, and what has the good name and is not it is good."""
    if not is_gone:
        assert hashlib.sha256(BAD).hexdigest() in digests_in(home)
        assert home.path(BIG).read_bytes() in {BAD, BIG}
    elif home.path(BIG).exists():
        assert home.path(BIG).read_bytes() == BIG


def is_finished(home: FixityHome, *, is_gone: bool) -> None:
    """Check again, as the next start does: the good copy is in its place, the bad one kept, and it is all said."""
    home.read_all()
    assert home.path(BIG).read_bytes() == BIG
    check_nothing_is_lost(home, is_gone=is_gone)
    assert {finding.code for finding in verify_home(HomePaths(home.root / "home"), clock=home.clock)} <= ALLOWED
    assert not list((home.vault / "incoming").iterdir())
    with home.opened() as (centre, _, book):
        assert book.unsaid(10) == []
        query = "select count(*) from event where kind = 'fixity.checked' and asset_id is not null"
        assert centre.catalogue.db.execute(query).fetchone()[0] >= 1
        standing = {finding.code for finding in open_findings(centre.book._db)}
    assert standing <= {"STO-165"}


@pytest.mark.slow
@pytest.mark.parametrize("is_gone", [False, True])
@pytest.mark.parametrize("when", When)
def test_a_store_that_dies_at_any_step_of_a_restoring_loses_nothing(tmp_path: Path, when: When, is_gone: bool) -> None:
    home = story(tmp_path / "count", is_gone=is_gone)
    with Steps() as steps:
        home.read_all()
    is_finished(home, is_gone=is_gone)
    assert steps.count > 20
    for at in range(1, steps.count + 1):
        home = story(tmp_path / f"{at}", is_gone=is_gone)
        with contextlib.suppress(PowerCutError), Steps(at=at, when=when) as cut:
            home.read_all()
        gc.collect()  # what the dead program held open
        assert cut.stopped_at
        check_nothing_is_lost(home, is_gone=is_gone)
        is_finished(home, is_gone=is_gone)


@pytest.mark.parametrize("name", ["link", "rename", "sync_file", "sync_folder", "make_folders", "write_all"])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_step_of_a_restoring_that_fails_is_told_and_done_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_after: bool
) -> None:
    home = story(tmp_path, is_gone=False)
    original: Callable[..., Any] = getattr(durable, name)
    assert name == "write_all" or any(step == name for _, step in STEPS)

    def failing(*args: Any, **kwargs: Any) -> None:
        if is_after:
            original(*args, **kwargs)
        raise OSError(errno.EIO, "Input/output error")

    home.clock.advance(86_401)
    with home.opened() as (_, fixity, _):
        kept = next(each for each in fixity._book.kept(fixity._catalogue) if each.digest == digest_of(BIG))
        with monkeypatch.context() as patch:
            patch.setattr(durable, name, failing)
            checked = fixity.check(kept)
        assert "Input/output error" in checked.problem
        assert not checked.is_repaired
    check_nothing_is_lost(home, is_gone=False)
    is_finished_or_sound(home)


def is_finished_or_sound(home: FixityHome) -> None:
    """A rename that reports failure after it took place has put the good copy there; the next check just says so."""
    if home.path(BIG).read_bytes() == BIG:
        home.read_all()
        assert {finding.code for finding in verify_home(HomePaths(home.root / "home"), clock=home.clock)} <= ALLOWED
    else:
        is_finished(home, is_gone=False)
