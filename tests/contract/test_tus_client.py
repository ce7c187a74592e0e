"""Our uploads against tus servers: a small one that misbehaves on demand, the store's own, and the reference peer."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from evidence_model.digests import Digest
from host_io.keys import read_secret
from host_io.trust import upload_secret_path
from ingest_daemon import tus_upload
from ingest_daemon.errors import SpoolCopyUnreadableError, StoreAwayError, StoreFullError, UploadRefusedError
from ingest_daemon.tus_upload import CHUNK_BYTES, StoppedError, StoreAccess, upload
from tests.brokers import free_port, wait_for
from tests.fakes.tus_server import TOKEN, Cut, FakeTusServer, Hang, Say
from tests.homes import STATION, make_home

ROOT = Path(__file__).parents[2]
PEER = ROOT / ".work" / "tus-peer"
LARGE = 2 * CHUNK_BYTES + 12_345


@pytest.fixture
def server() -> Iterator[FakeTusServer]:
    with FakeTusServer() as started:
        yield started


@dataclass(slots=True)
class Sending:
    """A file to bring to a store, and what is remembered of it between attempts."""

    copy: Path
    store: StoreAccess
    urls: list[str | None] = field(default_factory=list)

    @property
    def digest(self) -> Digest:
        with self.copy.open("rb") as file:
            return Digest(hashlib.file_digest(file, "sha256").digest())

    def go(self, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        upload(
            self.copy,
            self.digest,
            store=self.store,
            upload_url=self.urls[-1] if self.urls else None,
            remember=self.urls.append,
            is_stopping=is_stopping,
        )


def sending(tmp_path: Path, url: str, *, size_bytes: int = LARGE, token: str = TOKEN) -> Sending:
    copy = tmp_path / "copy"
    copy.write_bytes(os.urandom(size_bytes))
    return Sending(copy, StoreAccess(url=url, token=token))


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES, LARGE])
def test_every_byte_arrives_in_chunks_with_their_checksums(
    server: FakeTusServer, tmp_path: Path, size_bytes: int
) -> None:
    file = sending(tmp_path, server.url, size_bytes=size_bytes)
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]
    assert max((size for _, size in server.requests), default=0) <= CHUNK_BYTES
    assert server.count("PATCH") == -(-size_bytes // CHUNK_BYTES)


def test_a_copy_that_shrinks_on_its_way_is_damage_and_not_sent_for_ever(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    digest = file.digest
    with pytest.raises(SpoolCopyUnreadableError):
        upload(
            file.copy,
            digest,
            store=file.store,
            upload_url=None,
            remember=lambda _url: os.truncate(file.copy, CHUNK_BYTES + 1),
        )
    assert server.count("PATCH") == 1


def test_an_upload_that_was_cut_goes_on_where_it_was(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    server.faults.append(Cut(after_bytes=1_000_000))
    with pytest.raises(StoreAwayError):
        file.go()
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]
    assert server.taken_bytes == LARGE - 1_000_000
    assert server.count("POST") == 1


def test_the_address_is_remembered_before_the_first_byte_goes(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)

    def out_of_power(_url: str | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(file.copy, file.digest, store=file.store, upload_url=None, remember=out_of_power)
    assert server.taken_bytes == 0


def test_an_upload_that_the_store_forgot_begins_anew(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    file.urls.append(f"{server.url}/uploads/long-gone")
    file.go()
    assert file.urls[1] is None
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


def test_an_upload_that_is_dropped_on_its_way_is_not_gone_on_with(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    server.faults.append(Say(410))
    with pytest.raises(StoreAwayError, match="anew"):
        file.go()
    assert file.urls[-1] is None
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


@pytest.mark.parametrize("status", [409, 460])
def test_a_chunk_that_did_not_arrive_whole_is_sent_again(server: FakeTusServer, tmp_path: Path, status: int) -> None:
    file = sending(tmp_path, server.url)
    server.faults.append(Say(status))
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


def test_a_store_that_takes_no_chunk_is_left_alone_for_a_while(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    server.faults.extend([Say(460)] * 3)
    with pytest.raises(StoreAwayError, match="460"):
        file.go()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Say(401), UploadRefusedError),
        (Say(403, "POST"), UploadRefusedError),
        (Say(507), StoreFullError),
        (Say(413, "POST"), StoreFullError),
        (Say(500), StoreAwayError),
        (Say(503, "POST"), StoreAwayError),
        (Say(200, "POST"), StoreAwayError),
        (Say(204), StoreAwayError),
        (Say(307, headers=(("Location", "http://127.0.0.1:9/"),)), StoreAwayError),
    ],
)
def test_each_answer_says_what_to_do(server: FakeTusServer, tmp_path: Path, fault: Say, error: type[Exception]) -> None:
    file = sending(tmp_path, server.url)
    server.faults.append(fault)
    with pytest.raises(error):
        file.go()
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


def test_a_wrong_token_is_a_refusal(server: FakeTusServer, tmp_path: Path) -> None:
    with pytest.raises(UploadRefusedError):
        sending(tmp_path, server.url, token="wrong").go()


def test_our_token_is_not_sent_to_another_place(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    with FakeTusServer() as elsewhere:
        server.faults.append(Say(201, "POST", (("Location", f"{elsewhere.url}/uploads/x"),)))
        with pytest.raises(StoreAwayError):
            file.go()
        file.urls.append(f"{elsewhere.url}/uploads/x")
        file.go()
        assert elsewhere.requests == []


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_nobody_sends_our_bytes_and_token_elsewhere_by_a_redirect(
    server: FakeTusServer, tmp_path: Path, method: str
) -> None:
    file = sending(tmp_path, server.url, size_bytes=100)
    with FakeTusServer() as elsewhere:
        server.faults.append(Say(307, method, (("Location", f"{elsewhere.url}/uploads/"),)))
        with pytest.raises(StoreAwayError):
            file.go()
        assert elsewhere.requests == []


def test_nothing_listening_is_a_store_away(tmp_path: Path) -> None:
    with pytest.raises(StoreAwayError):
        sending(tmp_path, f"http://127.0.0.1:{free_port()}").go()


def test_a_store_that_hangs_does_not_hang_us(
    server: FakeTusServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tus_upload, "_ANSWER_SECONDS", 0.3)
    server.faults.append(Hang())
    file = sending(tmp_path, server.url)
    with pytest.raises(StoreAwayError):
        file.go()
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


def test_a_stop_comes_between_two_chunks_and_the_rest_follows_later(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)
    with pytest.raises(StoppedError):
        file.go(is_stopping=lambda: server.taken_bytes > 0)
    assert server.taken_bytes == CHUNK_BYTES
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]
    assert server.taken_bytes == LARGE


@pytest.mark.parametrize("size_bytes", [10, LARGE])
def test_bytes_that_the_store_has_are_not_sent_again(server: FakeTusServer, tmp_path: Path, size_bytes: int) -> None:
    file = sending(tmp_path, server.url, size_bytes=size_bytes)
    server.holds.add(file.digest.hex)
    file.go()
    assert server.taken_bytes == 0


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with copy.open("wb") as file, FakeTusServer(keeps_bytes=False) as server:
        file.truncate(60 << 20)
        tracemalloc.start()
        try:
            Sending(copy, StoreAccess(url=server.url, token=TOKEN)).go()
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert server.taken_bytes == 60 << 20
    assert peak_bytes < 6 * CHUNK_BYTES  # this process is the server as well


def test_a_store_that_lost_bytes_is_asked_again_later_not_for_ever(server: FakeTusServer, tmp_path: Path) -> None:
    file = sending(tmp_path, server.url)

    def lose_bytes() -> bool:
        if server.taken_bytes == CHUNK_BYTES:
            [upload_there] = server.uploads.values()
            upload_there.offset = 0
            upload_there.data.clear()
        return False

    with pytest.raises(StoreAwayError, match="had"):
        file.go(is_stopping=lose_bytes)
    file.go()
    assert server.received(file.digest.hex) == [file.copy.read_bytes()]


# The same against servers that are not made for this test

Running = tuple[StoreAccess, Callable[[Digest], bytes]]


@contextlib.contextmanager
def the_store(tmp_path: Path) -> Iterator[Running]:
    """Run our own store, without a broker: uploads need none."""
    home = make_home(tmp_path / "home")
    with (tmp_path / "store.log").open("wb") as log:
        store = subprocess.Popen(
            [sys.executable, "-m", "evidence_store", "--home", str(home.paths.root)], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        said = home.paths.run / "store.json"
        wait_for(lambda: said.exists() or store.poll() is not None, what="store.json")
        assert store.poll() is None, (tmp_path / "store.log").read_text()
        token = read_secret(upload_secret_path(home.paths, STATION))

        def received(digest: Digest) -> bytes:
            name = digest.hex
            final = home.paths.vault / "sha256" / name[:2] / name[2:4] / name
            wait_for(final.exists, what="the vault's copy")
            return final.read_bytes()

        yield StoreAccess(url=json.loads(said.read_text())["url"], token=token), received
    finally:
        store.terminate()
        store.wait(15)


_PEER_PROGRAM = """
import {Server} from '@tus/server'
import {FileStore} from '@tus/file-store'
const [port, folder] = process.argv.slice(2)
new Server({path: '/uploads', datastore: new FileStore({directory: folder})}).listen({host: '127.0.0.1', port})
"""


@contextlib.contextmanager
def the_peer(tmp_path: Path) -> Iterator[Running]:
    """Run the tus project's own server, where somebody has installed it."""
    node = shutil.which("node")
    if node is None or not (PEER / "node_modules" / "@tus" / "server").exists():
        pytest.skip(
            "the reference server is not there: npm install --prefix .work/tus-peer @tus/server @tus/file-store"
        )
    program = PEER / f"serve-{os.getpid()}.mjs"
    program.write_text(_PEER_PROGRAM)
    port, folder = free_port(), tmp_path / "peer"
    folder.mkdir()
    peer = subprocess.Popen([node, program, str(port), str(folder)], cwd=PEER, stdout=subprocess.DEVNULL)
    try:
        store = StoreAccess(url=f"http://127.0.0.1:{port}", token="none is needed")
        wait_for(lambda: _answers(store.url), what="the peer")

        def received(digest: Digest) -> bytes:
            [found] = [
                each.with_suffix("").read_bytes() for each in folder.glob("*.json") if digest.hex in each.read_text()
            ]
            return found

        yield store, received
    finally:
        peer.terminate()
        peer.wait(10)
        program.unlink()


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.options(f"{url}/uploads", timeout=1).ok
    return False


@pytest.mark.parametrize("running", [the_store, the_peer])
@pytest.mark.parametrize("size_bytes", [0, 5, LARGE])
def test_other_servers_get_every_byte_even_after_a_stop(
    tmp_path: Path, running: Callable[[Path], contextlib.AbstractContextManager[Running]], size_bytes: int
) -> None:
    with running(tmp_path) as (store, received):
        file = sending(tmp_path, store.url, size_bytes=size_bytes)
        file.store = store
        looked = iter([False, True])
        with contextlib.suppress(StoppedError):
            file.go(is_stopping=lambda: next(looked))
        file.go()
        assert len(file.urls) == 1
        assert received(file.digest) == file.copy.read_bytes()
