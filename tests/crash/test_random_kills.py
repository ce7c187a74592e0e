"""`kill -9` of any process at random moments of an end-to-end run: everything arrives once, byte for byte.

The moments come from a seeded generator, so a failing run can be repeated with its seed; what the seed cannot fix is
the machine's own timing, which is the point.
"""

import random
import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest

from edge_agent.by_hand import request_dock
from host_io.config import HomePaths
from tests.workstation import ROLES, Workstation, file_sha256, wait_until

KILLS_A_TREE = 10
FILES = 3


def _tree(folder: Path, number: int, rng: random.Random) -> Path:
    media = folder / f"recorder-{number}" / "DCIM" / "100MEDIA"
    media.mkdir(parents=True)
    for file in range(FILES):
        name = f"2026_1122_10{number:02}{file:02}_{file:03}.MP4"
        (media / name).write_bytes(rng.randbytes(rng.randrange(1, 3 << 20)))
    return media.parent.parent


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills_wanted", [40, pytest.param(200, marks=pytest.mark.full)])
def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path: Path, kills_wanted: int) -> None:
    rng = random.Random(20261122)
    trees = [_tree(tmp_path, number, rng) for number in range(kills_wanted // KILLS_A_TREE)]
    expected = {file_sha256(path): path for tree in trees for path in tree.rglob("*.MP4")}
    station = Workstation(tmp_path / "home")
    with station:
        paths = HomePaths(station.home)
        kills = 0
        while kills < kills_wanted:
            if kills % KILLS_A_TREE == 0 and kills // KILLS_A_TREE < len(trees):
                request_dock(paths, trees[kills // KILLS_A_TREE])
            role = rng.choice(ROLES)
            wait_until(partial(station.pid, role), what=f"{role} to be restarted")
            # the moment is random on purpose: this is no wait for anything
            time.sleep(rng.random() * 1.2)
            kills += station.kill(role)
        wait_until(lambda: _receipted(paths) == len(expected), seconds=240, what="a receipt for every file")
        wait_until(lambda: _waiting(paths) == 0, seconds=120, what="a receipt for every event")
        wait_until(lambda: not list((station.home / "spool" / "footage").iterdir()), seconds=60, what="an empty spool")

    assert expected.keys() <= station.vault_digests()
    counts = station.event_counts()
    for kind in ("footage.pulled", "footage.reread", "store.received"):
        about = [count for (name, _), count in counts.items() if name == kind]
        assert (len(about), set(about)) == (len(expected), {1}), kind
    assert station.log_size() == sum(counts.values()), "one log entry for each envelope"
    assert not list((station.home / "spool" / "incoming").iterdir())
    assert not list((station.home / "vault" / "incoming").iterdir())
    station.evidock("verify", str(station.home))


def _receipted(paths: HomePaths) -> int:
    return _count(paths, "select count(*) from item_state where state in ('receipted', 'freed')")


def _waiting(paths: HomePaths) -> int:
    return _count(paths, "select count(*) from envelope where receipt is null")


def _count(paths: HomePaths, question: str) -> int:
    db = sqlite3.connect(f"{paths.station_db.as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        return int(db.execute(question).fetchone()[0])
    except sqlite3.OperationalError:
        return -1  # not there yet
    finally:
        db.close()
