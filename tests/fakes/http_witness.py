"""A witness outside the agency: C2SP tlog-witness over HTTP, small and whole, and able to misbehave."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chain_of_custody.witness_wire import Answer
from ingest_daemon.witnessing import Witness

Reply = tuple[int, bytes]


class HttpWitness:
    """Answers `add-checkpoint` at `url`; `instead` takes its place."""

    def __init__(self, witness: Witness | None = None, *, instead: Callable[[bytes], Reply] | None = None) -> None:
        self._witness = witness
        self._instead = instead
        self._lock = threading.Lock()
        self.url = ""
        self.asked_count = 0

    def answer(self, path: str, body: bytes) -> Reply:
        """Return status and body."""
        self.asked_count += 1
        if path != "/w/add-checkpoint":
            return 404, b"no such thing\n"
        if self._instead is not None:
            return self._instead(body)
        assert self._witness is not None
        with self._lock:
            reply = self._witness.answer(body)
        return (200 if reply.answer is Answer.COSIGNED else reply.answer.value), reply.body.encode()

    @contextlib.contextmanager
    def serving(self) -> Iterator["HttpWitness"]:
        """Be there during the block."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = outer.answer(self.path, body)
                with contextlib.suppress(OSError):  # the asker did not wait
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", outer.url + "/add-checkpoint")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *_args: object) -> None:  # noqa: A002 - the signature is http.server's
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/w"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
