"""Anybody may fetch checkpoint and tiles; nobody gets anything else of the log."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_of_custody.checkpoint import open_checkpoint
from evidence_store.http_server import HttpServer, PortTakenError, health_route, log_routes
from evidence_store.log_folder import LogFolder
from tests.fakes.centre_home import LOG, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    with centre_at(paths, trust_of(station)) as centre:
        centre.take(station, [station.says() for _ in range(300)])
        centre.ledger.settle()
    return LogFolder(paths.log)


@pytest.fixture
def url(log: LogFolder) -> Iterator[str]:
    server = HttpServer([*log_routes(log), health_route(lambda: {"status": "ok"})], host="127.0.0.1", port=0)
    server.start()
    yield server.url
    server.stop()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_checkpoint_tiles_and_bundles_are_served_as_they_lie(log: LogFolder, url: str) -> None:
    status, note = get(f"{url}/log/checkpoint")
    assert (status, open_checkpoint(note, log_key=LOG.public_key).size) == (200, 303)
    for path in ("tile/0/000", "tile/0/001.p/47", "tile/entries/000", "tile/1/000.p/1"):
        assert get(f"{url}/log/{path}") == (200, (log.root / path).read_bytes()), path
    assert get(f"{url}/healthz") == (200, b'{"status": "ok"}')


@pytest.mark.parametrize(
    "path",
    [
        "signed",
        "stage",
        "envelopes",
        "tile/../signed",
        "tile/%2e%2e/signed",
        "tile/0/x000/000",
        "tile/0/002",
        "tile/0/000.p/256",
        "tile/",
        "../trust.json",
        "tile/0/000/",
    ],
)
def test_nothing_else_is_served(log: LogFolder, url: str, path: str) -> None:
    assert get(f"{url}/log/{path}")[0] == 404
    name = next(log.envelope_names())
    assert get(f"{url}/log/envelopes/{name.parent.name}/{name.name}")[0] == 404


def test_a_port_that_is_taken_is_said_with_the_way_out(url: str) -> None:
    taken = int(url.rpartition(":")[2])
    with pytest.raises(PortTakenError, match=r"centre\.listen_port"):
        HttpServer([], host="127.0.0.1", port=taken).start()
