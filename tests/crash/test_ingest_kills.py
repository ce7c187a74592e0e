"""`kill -9` of the ingest daemon at random moments while footage keeps coming: everything arrives once, unchanged."""

import random
import time
from pathlib import Path

import pytest

from tests.brokers import wait_for
from tests.ingesting import kill, start_daemon, workstation

KILLS = 25


@pytest.mark.slow
def test_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    rng = random.Random(20261122)
    contents = []
    with workstation(tmp_path / "home") as (home, centre, spooling):
        for number in range(KILLS):
            daemon = start_daemon(home)
            try:
                content = rng.randbytes(rng.randrange(1, 300_000))
                contents.append(content)
                spooling.reread(spooling.pull(content, name=f"{number}.MP4"))
                spooling.note(rng.randrange(1, 50))
                # the moment is random on purpose: this is no wait for anything
                time.sleep(rng.random() * 1.2)
            finally:
                kill(daemon)
        daemon = start_daemon(home)
        try:
            wait_for(lambda: spooling.waiting_count() == 0, seconds=60, what="a receipt for every event")
            footage = home.paths.spool / "footage"
            wait_for(lambda: not list(footage.iterdir()), what="an empty spool")
            wait_for(lambda: f'"pid": {daemon.pid}' in (home.paths.run / "ingest.json").read_text(), what="its state")
        finally:
            daemon.terminate()
            assert daemon.wait(10) == 0
        vault = {each.read_bytes() for each in (home.paths.vault / "sha256").glob("*/*/*")}
        assert set(contents) <= vault
        rows = spooling.db.execute("select seq, hash, log_index from envelope order by seq").fetchall()
        assert centre.size == len(rows)
        assert [row["log_index"] for row in rows] == list(range(len(rows)))
        assert all(centre.index_of[row["hash"]] == row["log_index"] for row in rows)
        assert not [each for each in (home.paths.vault / "incoming").iterdir() if each.suffix == ".handed"]
        assert spooling.findings() == []
