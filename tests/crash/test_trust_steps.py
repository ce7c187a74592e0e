"""Power may fail at any step of a publication or of `init`: the old document is in force or the new one."""

from pathlib import Path

import pytest

from chain_of_custody.trust_root import sign_root
from host_io.config import HomePaths, Role
from host_io.trust import check_home_roots, publish_root, read_trust
from operator_cli.home_making import HomeWish, make_home
from operator_cli.texts import Language, Texts
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation
from tests.trusts import ROOT, next_trust

FIRST = trust_of(FakeStation())
NEXT = next_trust(FIRST, since=3)
RAW = sign_root(NEXT, [ROOT])


def test_every_step_of_a_publication_may_be_the_last(tmp_path: Path) -> None:
    whole = make_centre_home(tmp_path / "whole", FakeStation())
    with Steps() as steps:
        publish_root(whole, RAW)
    for at in range(1, steps.count + 1):
        for when in When:
            home = make_centre_home(tmp_path / f"home-{at}-{when.value}", FakeStation())
            with Steps(at=at, when=when), pytest.raises(PowerCutError):
                publish_root(home, RAW)
            known = read_trust(home.trust)
            assert known in (FIRST, NEXT)
            check_home_roots(home, known)  # what is in force is signed, whichever it is
            if known == FIRST:
                publish_root(home, RAW)
            assert read_trust(home.trust) == NEXT
            assert len(check_home_roots(home, NEXT)) == 2


def test_every_step_of_making_a_home_may_be_the_last_and_the_next_one_mends_it(tmp_path: Path) -> None:
    wish, texts = HomeWish(role=Role.WORKSTATION, station="st-1"), Texts(Language.EN)
    with Steps() as steps:
        make_home(HomePaths(tmp_path / "whole"), wish, texts)
    for at in range(1, steps.count + 1):
        paths = HomePaths(tmp_path / f"home-{at}")
        with Steps(at=at, when=When.AFTER), pytest.raises(PowerCutError):
            make_home(paths, wish, texts)
        make_home(paths, wish, texts)
        known = read_trust(paths.trust)
        assert known.number == 1
        assert len(check_home_roots(paths, known)) == 1
