"""The store's upload server keeps tus 1.0 as foreign clients know it, and acknowledges only what is on the medium."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from evidence_model.digests import Digest
from evidence_model.findings import Finding
from evidence_model.ids import SourceId
from evidence_store import uploads as uploads_module
from evidence_store.http_server import UPLOADS, HttpServer
from evidence_store.upload_app import SILENCE_SECONDS, UploadApp
from evidence_store.uploads import DONE_LIFE, LIFE, Uploads, UploadState
from evidence_store.vault import Adopted, Rejected, Vault
from evidence_store.vault_worker import VaultWorker
from host_io import durable
from tests.brokers import wait_for
from tests.fakes.manual_clock import ManualClock

STATION = SourceId("station-1")
TOKENS = {"token-1": STATION, "token-2": SourceId("station-2")}
BODY = "application/offset+octet-stream"
MIB = 1 << 20


@dataclass(slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Store:
    """A vault behind its upload server."""

    vault: Vault
    uploads: Uploads
    clock: ManualClock
    results: list[Adopted | Rejected] = field(default_factory=list)
    url: str = ""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send one request; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Tus-Resumable": "1.0.0", "Authorization": "Bearer token-1", **sent}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body or None, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def create(self, content: bytes, **headers: str) -> Answer:
        """Begin an upload of `content`."""
        every = {"Upload_Length": str(len(content)), "Upload_Metadata": named(content), **headers}
        return self.ask("POST", f"{UPLOADS}/", b"", **every)

    def send(self, place: str, offset: int, piece: bytes, **headers: str) -> Answer:
        """Send a piece of an upload."""
        every = {"Content_Type": BODY, "Upload_Offset": str(offset), **headers}
        return self.ask("PATCH", place, piece, **every)

    def offset(self, place: str) -> int:
        """Ask where an upload stands."""
        return int(self.ask("HEAD", place).headers["upload-offset"])

    def wait_held(self, content: bytes) -> None:
        """Wait until the vault has read the bytes back."""
        digest = Digest(hashlib.sha256(content).digest())
        wait_for(lambda: self.vault.held(digest) is not None, what="the vault")
        assert self.vault.path_of(digest).read_bytes() == content


def named(content: bytes) -> str:
    return f"filename eA==,sha256 {base64.b64encode(hashlib.sha256(content).hexdigest().encode()).decode()}"


def checksum(piece: bytes) -> str:
    return f"sha256 {base64.b64encode(hashlib.sha256(piece).digest()).decode()}"


@contextlib.contextmanager
def store_at(root: Path, *, reserve_bytes: int = 0, silence_seconds: float = SILENCE_SECONDS) -> Iterator[Store]:
    clock = ManualClock()
    vault = Vault(root, reserve_bytes=reserve_bytes, clock=clock)
    vault.make_folders()
    uploads = Uploads(vault, clock)
    uploads.open()
    store = Store(vault, uploads, clock)
    findings: list[Finding] = []

    def take(result: Adopted | Rejected) -> None:
        if isinstance(result, Rejected):
            uploads.refused(result.digest)
        store.results.append(result)

    worker = VaultWorker(vault, clock, on_result=take, on_finding=findings.append)
    app = UploadApp(uploads, vault, station_of=TOKENS.get, on_finished=worker.wake, silence_seconds=silence_seconds)
    server = HttpServer(list(app.routes(UPLOADS)), host="127.0.0.1", port=0)
    server.start()
    worker.start()
    store.url = server.url
    try:
        yield store
    finally:
        worker.stop()
        server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_at(tmp_path / "vault") as store:
        yield store


def test_options_tell_what_the_server_can_do(store: Store) -> None:
    answer = store.ask("OPTIONS", f"{UPLOADS}/", Tus_Resumable="", Authorization="")
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    extensions = set(answer.headers["tus-extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "checksum", "termination", "expiration"}
    assert answer.headers["tus-checksum-algorithm"] == "sha256"
    assert int(answer.headers["tus-max-size"]) >= 1 << 40


def test_an_upload_in_pieces_arrives_whole_and_the_vault_reads_it_back(store: Store) -> None:
    content = os.urandom(300_000)
    created = store.create(content)
    place = created.headers["location"]
    assert created.status == 201
    assert created.headers["upload-expires"].endswith(" GMT")
    for start in range(0, len(content), 100_000):
        piece = content[start : start + 100_000]
        answer = store.send(place, start, piece, Upload_Checksum=checksum(piece))
        assert (answer.status, answer.headers["upload-offset"]) == (204, str(start + len(piece)))
    store.wait_held(content)
    head = store.ask("HEAD", place)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("300000", "300000")
    assert head.headers["cache-control"] == "no-store"
    assert store.send(place, len(content), b"").status == 204  # a client that missed the last answer


def test_bytes_may_come_with_the_creation_and_no_bytes_are_an_upload_too(store: Store) -> None:
    content = b"all at once"
    answer = store.ask(
        "POST",
        f"{UPLOADS}/",
        content,
        Upload_Length=str(len(content)),
        Upload_Metadata=named(content),
        Content_Type=BODY,
    )
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(len(content)))
    store.wait_held(content)
    assert store.create(b"").headers["upload-offset"] == "0"
    store.wait_held(b"")


def test_bytes_that_the_vault_holds_need_not_be_sent_again(store: Store) -> None:
    content = b"known"
    store.send(store.create(content).headers["location"], 0, content)
    store.wait_held(content)
    again = store.create(content)
    assert (again.status, again.headers["upload-offset"]) == (201, "5")
    assert store.offset(again.headers["location"]) == 5


@pytest.mark.parametrize("damaged", [b"knewn", b"kno"])
def test_bytes_that_are_damaged_in_the_vault_are_taken_again_and_replace_them(store: Store, damaged: bytes) -> None:
    content = b"known"
    store.send(store.create(content).headers["location"], 0, content)
    store.wait_held(content)
    path = store.vault.path_of(Digest(hashlib.sha256(content).digest()))
    path.chmod(0o600)
    path.write_bytes(damaged)
    again = store.create(content)
    assert (again.status, again.headers["upload-offset"]) == (201, "0")
    assert store.send(again.headers["location"], 0, content).status == 204
    wait_for(lambda: path.read_bytes() == content, what="the good bytes")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Upload_Length": ""}, 400),
        ({"Upload_Length": "-1"}, 400),
        ({"Upload_Length": "x"}, 400),
        ({"Upload_Length": str(1 << 41)}, 413),
        ({"Upload_Metadata": ""}, 400),
        ({"Upload_Metadata": "sha256 !!"}, 400),
        ({"Upload_Metadata": "sha256 eA=="}, 400),
        ({"Upload_Metadata": "filename eA=="}, 400),
        ({"Tus_Resumable": ""}, 412),
        ({"Tus_Resumable": "0.2.2"}, 412),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic token-1"}, 401),
    ],
)
def test_a_creation_that_makes_no_sense_is_refused(store: Store, change: dict[str, str], status: int) -> None:
    assert store.create(b"film", **change).status == status
    assert list(store.vault.uploads.iterdir()) == []
    assert store.create(b"film").status == 201


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Upload_Offset": "1"}, 409),
        ({"Upload_Offset": "3"}, 409),
        ({"Upload_Offset": "x"}, 400),
        ({"Content_Type": "text/plain"}, 415),
        ({"Upload_Checksum": checksum(b"other")}, 460),
        ({"Upload_Checksum": "sha1 eA=="}, 400),
        ({"Upload_Checksum": "sha256 eA=="}, 400),
        ({"Tus_Resumable": "2.0.0"}, 412),
        ({"Authorization": "Bearer token-2"}, 404),
        ({"Authorization": "Bearer nobody"}, 401),
    ],
)
def test_a_piece_that_does_not_fit_is_refused_and_nothing_of_it_kept(
    store: Store, change: dict[str, str], status: int
) -> None:
    place = store.create(b"film").headers["location"]
    assert store.send(place, 0, b"fi").status == 204
    assert store.send(place, 2, b"lm", **change).status == status
    assert store.offset(place) == 2
    assert store.send(place, 2, b"lm").status == 204
    store.wait_held(b"film")


def test_more_bytes_than_were_announced_are_not_taken_whatever_the_headers_say(store: Store) -> None:
    place = store.create(b"film").headers["location"]
    assert store.send(place, 0, b"film and more").status == 413
    assert store.offset(place) == 0
    assert store.send(place, 0, b"film").status == 204
    store.wait_held(b"film")


def test_an_unknown_upload_is_not_found_and_a_terminated_one_is_gone(store: Store) -> None:
    for place in (f"{UPLOADS}/{'0' * 32}", f"{UPLOADS}/../{UPLOADS}/x", f"{UPLOADS}/{'0' * 31}%2e"):
        assert store.ask("HEAD", place).status == 404
    place = store.create(b"film").headers["location"]
    assert store.ask("DELETE", place, Authorization="Bearer token-2").status == 404
    assert store.ask("DELETE", place).status == 204
    assert store.ask("HEAD", place).status == 404
    assert store.send(place, 0, b"film").status == 404
    assert list(store.vault.uploads.glob("*.part")) == []


def test_an_upload_that_is_being_written_is_not_terminated_and_not_brought_back(store: Store) -> None:
    place = store.create(b"film").headers["location"]
    upload = store.uploads.find(place.rpartition("/")[2], STATION)
    with store.uploads.append(upload, offset_bytes=0, sha256=None) as piece:
        piece.write(b"fi")
        assert store.ask("DELETE", place).status == 423
    assert store.offset(place) == 2
    assert store.ask("DELETE", place).status == 204
    assert store.ask("HEAD", place).status == 404


def test_bytes_that_are_refused_before_their_sender_has_left_make_the_upload_begin_anew(store: Store) -> None:
    place = store.ask("POST", f"{UPLOADS}/", Upload_Length="4", Upload_Metadata=named(b"true")).headers["location"]
    upload = store.uploads.find(place.rpartition("/")[2], STATION)
    refused = threading.Thread(target=store.uploads.refused, args=(upload.digest,))
    with store.uploads._claimed(upload.id):  # as the writer of the last byte, who has still to say that it is done
        store.uploads.note_progress(upload, 4)
        refused.start()
    refused.join(20)
    assert store.ask("HEAD", place).status == 404


def test_a_station_has_only_so_many_uploads_open_and_the_longest_idle_go_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "MAX_OPEN_A_STATION", 3)
    other = store.create(b"of another", Authorization="Bearer token-2").headers["location"]
    places = [store.create(b"film %d" % number).headers["location"] for number in range(3)]
    store.clock.advance(1)
    assert store.send(places[0], 0, b"f").status == 204
    store.clock.advance(1)
    places += [store.create(b"film %d" % number).headers["location"] for number in range(3, 5)]
    assert [store.ask("HEAD", place).status for place in places] == [200, 404, 404, 200, 200]
    assert store.ask("HEAD", other, Authorization="Bearer token-2").status == 200
    assert len(list(store.vault.uploads.glob("*.part"))) == 4
    assert store.send(places[0], 1, b"ilm 0").status == 204
    store.wait_held(b"film 0")


def test_uploads_expire_and_are_forgotten(store: Store) -> None:
    place = store.create(b"film").headers["location"]
    store.send(place, 0, b"fi")
    store.clock.advance(LIFE.total_seconds() + 1)
    assert store.ask("HEAD", place).status == 404
    assert store.uploads.expire() == 0
    assert list(store.vault.uploads.glob("*.part")) == []
    store.clock.advance(DONE_LIFE.total_seconds() + 1)
    assert store.uploads.expire() == 1
    assert list(store.vault.uploads.iterdir()) == []


def test_bytes_that_are_not_those_of_the_digest_make_the_upload_begin_anew(store: Store) -> None:
    created = store.ask("POST", f"{UPLOADS}/", Upload_Length="4", Upload_Metadata=named(b"true"))
    place = created.headers["location"]
    assert store.send(place, 0, b"lie!").status == 204
    wait_for(lambda: bool(store.results), what="the vault")
    assert isinstance(store.results[0], Rejected)
    assert list(store.vault.files()) == []
    assert store.ask("HEAD", place).status == 404
    again = store.ask("POST", f"{UPLOADS}/", Upload_Length="4", Upload_Metadata=named(b"true"))
    store.send(again.headers["location"], 0, b"true")
    store.wait_held(b"true")


def test_without_room_uploads_wait_and_nothing_is_removed(tmp_path: Path) -> None:
    with store_at(tmp_path / "vault") as store:
        place = store.create(b"film").headers["location"]
        store.vault._reserve_bytes = 1 << 60
        assert store.create(b"other").status == 507
        assert store.send(place, 0, b"film").status == 507
        assert store.offset(place) == 0
        store.vault._reserve_bytes = 0
        assert store.send(place, 0, b"film").status == 204
        store.wait_held(b"film")


@contextlib.contextmanager
def begun(store: Store, place: str, announced: int, sent: bytes, **headers: str) -> Iterator[socket.socket]:
    """Send less than announced; the first of it is written then, and the connection held during the block."""
    address = urlsplit(store.url)
    lines = [f"PATCH {place} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {announced}"]
    every = {"Tus-Resumable": "1.0.0", "Authorization": "Bearer token-1", "Content-Type": BODY, "Upload-Offset": "0"}
    lines += [f"{name}: {value}" for name, value in {**every, **headers}.items()]
    part = store.vault.uploads / f"{place.rpartition('/')[2]}.part"
    with socket.create_connection((address.hostname, address.port), timeout=20) as channel:
        channel.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
        wait_for(lambda: part.stat().st_size >= MIB, what="the first bytes on the disk")
        yield channel


def cut_off(store: Store, place: str, announced: int, sent: bytes, **headers: str) -> None:
    """Send less than announced, and hang up when the first of it is being written."""
    with begun(store, place, announced, sent, **headers):
        pass
    wait_for(lambda: not store.uploads._writing, what="the end of the request")


def test_what_came_before_a_cut_is_kept_and_a_checked_piece_is_kept_whole_or_not_at_all(store: Store) -> None:
    content = os.urandom(3 * MIB)
    place = store.create(content).headers["location"]
    cut_off(store, place, len(content), content[: 2 * MIB])
    at = store.offset(place)
    assert MIB <= at <= 2 * MIB
    checked = store.create(content).headers["location"]
    cut_off(store, checked, len(content), content[: 2 * MIB], **{"Upload-Checksum": checksum(content)})
    assert store.offset(checked) == 0
    assert store.send(place, at, content[at:]).status == 204
    store.wait_held(content)


def test_a_sender_that_falls_silent_does_not_keep_its_upload_busy(tmp_path: Path) -> None:
    content = os.urandom(3 * MIB)
    with store_at(tmp_path / "vault", silence_seconds=0.3) as store:
        place = store.create(content).headers["location"]
        with begun(store, place, len(content), content[: 2 * MIB]) as silent:  # its network is gone
            wait_for(lambda: not store.uploads._writing, what="the end of the request")
            at = store.offset(place)
            assert MIB <= at <= 2 * MIB
            assert store.send(place, at, content[at:]).status == 204
            store.wait_held(content)
            assert silent.recv(100).startswith(b"HTTP/1.1 408 ")


def test_content_length_is_not_believed(store: Store) -> None:
    content = os.urandom(3 * MIB)
    place = store.create(content).headers["location"]
    cut_off(store, place, 10**15, content[: 2 * MIB])
    at = store.offset(place)
    assert MIB <= at <= 2 * MIB
    assert store.send(place, at, content[at:]).status == 204
    store.wait_held(content)


def test_two_writers_of_one_upload_do_not_mix(store: Store) -> None:
    place = store.create(b"film").headers["location"]
    upload = store.uploads.find(place.rpartition("/")[2], STATION)
    with store.uploads.append(upload, offset_bytes=0, sha256=None) as piece:
        assert store.send(place, 0, b"FILM").status == 423
        piece.write(b"film")
    store.wait_held(b"film")


def test_an_offset_is_told_only_when_it_is_on_the_medium(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"film" * 100
    place = store.create(content).headers["location"]
    synced: list[int] = []
    original = durable.sync_file

    def sync(fd: int) -> None:
        original(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(durable, "sync_file", sync)
    assert store.send(place, 0, content[:100]).headers["upload-offset"] == "100"
    assert synced == [100]


def test_after_a_crash_an_upload_goes_on_from_what_was_promised(tmp_path: Path) -> None:
    content = b"0123456789"
    with store_at(tmp_path / "vault") as store:
        place = store.create(content).headers["location"]
        assert store.send(place, 0, content[:4]).status == 204
        [part] = store.vault.uploads.glob("*.part")
        part.write_bytes(content[:4] + b"garbage that nobody was told of")
    with store_at(tmp_path / "vault") as store:
        assert store.offset(place) == 4
        assert part.read_bytes() == content[:4]
        assert store.send(place, 4, content[4:]).status == 204
        store.wait_held(content)


def test_an_upload_that_was_complete_but_not_handed_to_the_vault_is_handed_over_at_the_start(tmp_path: Path) -> None:
    with store_at(tmp_path / "vault") as store:
        place = store.create(b"film").headers["location"]
        upload = store.uploads.find(place.rpartition("/")[2], STATION)
        store.uploads.part(upload).write_bytes(b"film")
        store.uploads._write(
            type(upload)(
                id=upload.id,
                station=STATION,
                digest=upload.digest,
                length_bytes=4,
                offset_bytes=4,
                state=UploadState.GROWING,
                expires_at=upload.expires_at,
            )
        )
    with store_at(tmp_path / "vault") as store:
        store.wait_held(b"film")
        assert store.offset(place) == 4


def test_an_unreadable_record_is_no_upload(store: Store) -> None:
    place = store.create(b"film").headers["location"]
    [record] = store.vault.uploads.glob("*.json")
    for text in (b"", b"{}", b"[1]", json.dumps({"digest": "x"}).encode()):
        record.write_bytes(text)
        assert store.ask("HEAD", place).status == 404


Fault = Callable[[TusClient, Path], None]


def test_tuspy_uploads_and_goes_on_after_a_cut(store: Store, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    source = tmp_path / "film.mp4"
    source.write_bytes(content)
    client = TusClient(f"{store.url}{UPLOADS}/", headers={"Authorization": "Bearer token-1"})
    metadata = {"sha256": hashlib.sha256(content).hexdigest(), "filename": "电影.mp4"}
    with source.open("rb") as stream:  # by name, tuspy would leave the file open
        first = client.uploader(file_stream=stream, chunk_size=500_000, metadata=metadata)
        first.upload(stop_at=1_500_000)
        second = client.uploader(file_stream=stream, chunk_size=700_000, url=first.url)
        assert second.offset == 1_500_000
        second.upload()
        store.wait_held(content)
        with pytest.raises(TusCommunicationError):
            TusClient(f"{store.url}{UPLOADS}/").uploader(file_stream=stream, metadata=metadata).upload()


def test_checksums_that_we_do_not_offer_are_refused_plainly(store: Store, tmp_path: Path) -> None:
    """Tuspy can only send SHA-1: the server says no before it stores anything."""
    source = tmp_path / "film.mp4"
    source.write_bytes(b"film")
    client = TusClient(f"{store.url}{UPLOADS}/", headers={"Authorization": "Bearer token-1"})
    metadata = {"sha256": hashlib.sha256(b"film").hexdigest()}
    with source.open("rb") as stream, pytest.raises(TusCommunicationError):
        client.uploader(file_stream=stream, metadata=metadata, upload_checksum=True).upload()
    assert list(store.vault.files()) == []


JAVASCRIPT = """
const fs = require('fs'); const tus = require(process.argv[2] + '/node_modules/tus-js-client');
const [url, path, sha256, cut, previous] = process.argv.slice(3);
const file = fs.createReadStream(path); const size = fs.statSync(path).size;
const upload = new tus.Upload(file, {
  endpoint: url, uploadUrl: previous || null, uploadSize: size, chunkSize: 400000, retryDelays: null,
  headers: {Authorization: 'Bearer token-1'}, metadata: {sha256},
  onError: (error) => { console.error(String(error)); process.exit(1); },
  onChunkComplete: (_, done) => {
    if (Number(cut) && done >= Number(cut)) { console.log(upload.url); process.exit(0); }
  },
  onSuccess: () => { console.log('done'); },
});
upload.start();
"""


@pytest.fixture(scope="session")
def tus_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install tus-js-client where npm can reach a registry; else the test is left out."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("tus-js-client is not tried: node and npm are not installed")
    kept = Path(__file__).parents[2] / ".work" / "tus-js"
    folder = kept if (kept / "node_modules" / "tus-js-client").is_dir() else tmp_path_factory.mktemp("tus-js")
    if folder != kept:
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "tus-js-client@4"]
        try:
            installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("tus-js-client is not tried: npm does not reach a registry")
        if installed.returncode:
            pytest.skip(f"tus-js-client is not tried: npm cannot install it ({installed.stderr.strip()[-100:]})")
        with contextlib.suppress(OSError):  # another run of the tests may have been faster
            kept.parent.mkdir(exist_ok=True)
            shutil.copytree(folder, kept)
    return folder


@pytest.mark.slow
def test_tus_js_client_uploads_and_goes_on_after_a_cut(store: Store, tmp_path: Path, tus_js: Path) -> None:
    content = os.urandom(2_000_000)
    source, script = tmp_path / "film.mp4", tmp_path / "upload.js"
    source.write_bytes(content)
    script.write_text(JAVASCRIPT, encoding="utf-8")
    url, digest = f"{store.url}{UPLOADS}/", hashlib.sha256(content).hexdigest()

    def run(cut: int, previous: str) -> str:
        command = ["node", str(script), str(tus_js), url, str(source), digest, str(cut), previous]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    place = run(800_000, "")
    assert 800_000 <= store.offset(urlsplit(place).path) < len(content)
    assert run(0, place) == "done"
    store.wait_held(content)
