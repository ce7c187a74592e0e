"""A small tus 1.0 server that can be told to misbehave; what it has received it shows. Loopback only."""

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

TOKEN = "token-of-the-station"


@dataclass(frozen=True, slots=True)
class Cut:
    """Take so many bytes of the next PATCH, keep them, and cut the connection."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Say:
    """Answer the next request of `method` with this status and do nothing."""

    status: int
    method: str = "PATCH"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Hang:
    """Take the next PATCH and never answer, until the server stops."""


@dataclass(slots=True)
class Uploaded:
    """One upload as the server has it."""

    length: int
    metadata: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    offset: int = 0

    def take(self, chunk: bytes, *, keep: bool) -> None:
        """Add bytes; `keep` False only counts them."""
        self.offset += len(chunk)
        if keep:
            self.data += chunk


class FakeTusServer:
    """Creation, checksum, resuming; `faults` are spent one by one."""

    def __init__(self, *, keeps_bytes: bool = True) -> None:
        self.keeps_bytes = keeps_bytes
        self.uploads: dict[str, Uploaded] = {}
        self.holds: set[str] = set()
        self.faults: deque[Cut | Say | Hang] = deque()
        self.requests: list[tuple[str, int]] = []
        self.taken_bytes = 0
        self.wrong_tokens = 0
        self.stopping = threading.Event()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that goes away is no error
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return the store's address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def received(self, digest_hex: str) -> list[bytes]:
        """Return every finished upload of this digest."""
        return [
            bytes(each.data)
            for each in self.uploads.values()
            if each.metadata.get("sha256") == digest_hex and len(each.data) == each.length
        ]

    def count(self, method: str) -> int:
        """Return how many requests of a method came."""
        return sum(1 for each, _ in self.requests if each == method)


class _Handler(BaseHTTPRequestHandler):
    owner: FakeTusServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if self._is_refused("POST", 0):
            return
        metadata = dict(pair.split(" ", 1) for pair in self.headers["Upload-Metadata"].split(","))
        decoded = {key: base64.b64decode(value).decode() for key, value in metadata.items()}
        upload = Uploaded(int(self.headers["Upload-Length"]), decoded)
        if decoded.get("sha256") in self.owner.holds:
            upload.offset = upload.length
        name = secrets.token_hex(8)
        self.owner.uploads[name] = upload
        self._answer(201, Location=f"/uploads/{name}")

    def do_HEAD(self) -> None:
        if self._is_refused("HEAD", 0):
            return
        upload = self._upload()
        if upload is None:
            self._answer(404)
        else:
            self._answer(200, **{"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length)})

    def do_PATCH(self) -> None:
        size = int(self.headers["Content-Length"])
        upload = self._upload()
        fault = self.owner.faults[0] if self.owner.faults else None
        if isinstance(fault, Cut) and upload is not None:
            self.owner.faults.popleft()
            upload.take(self.rfile.read(fault.after_bytes), keep=True)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        chunk = self.rfile.read(size)
        if self._is_refused("PATCH", size):
            return
        if upload is None:
            self._answer(404)
        elif int(self.headers["Upload-Offset"]) != upload.offset:
            self._answer(409)
        elif self.headers["Upload-Checksum"] != f"sha256 {base64.b64encode(hashlib.sha256(chunk).digest()).decode()}":
            self._answer(460)
        else:
            upload.take(chunk, keep=self.owner.keeps_bytes)
            self.owner.taken_bytes += size
            self._answer(204, **{"Upload-Offset": str(upload.offset)})

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _is_refused(self, method: str, size: int) -> bool:
        self.owner.requests.append((method, size))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.owner.wrong_tokens += 1
            self._answer(401)
            return True
        fault = self.owner.faults[0] if self.owner.faults else None
        if isinstance(fault, Hang) and method == "PATCH":
            self.owner.faults.popleft()
            while not self.owner.stopping.is_set():
                time.sleep(0.02)
            return True
        if isinstance(fault, Say) and fault.method == method:
            self.owner.faults.popleft()
            self._answer(fault.status, **dict(fault.headers))
            return True
        return False

    def _upload(self) -> Uploaded | None:
        return self.owner.uploads.get(self.path.rsplit("/", 1)[-1])

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Tus-Resumable", "1.0.0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
