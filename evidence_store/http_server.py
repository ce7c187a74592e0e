"""The store's HTTP door: uploads, the public part of the log as static files, and a word on its health.

Envelopes are not served: they speak of people. Checkpoint and tiles hold hashes and signatures alone, for everybody.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from chain_of_custody.tiles import parse_path
from evidence_model.errors import RefusedError, UnavailableError
from evidence_store.log_folder import LogFolder

UPLOADS = "/uploads"
_STOP_SECONDS = 3


class PortTakenError(UnavailableError):
    """The address of the HTTP server cannot be had."""

    code = "STO-091"


def log_routes(folder: LogFolder) -> list[BaseRoute]:
    """Return the routes of `log/`: C2SP tlog-tiles, read-only."""

    async def checkpoint(_: Request) -> Response:
        return _file(folder.checkpoint, "no-cache")

    async def tile(request: Request) -> Response:
        path = f"tile/{request.path_params['place']}"
        try:
            parse_path(path)  # one spelling of an address, so nothing else on this disk can be asked for
        except RefusedError:
            return Response("no such tile", status_code=404)
        return _file(folder.root / path, "public, max-age=31536000, immutable")

    return [Route("/log/checkpoint", checkpoint), Route("/log/tile/{place:path}", tile)]


def health_route(report: Callable[[], Mapping[str, str]]) -> Route:
    """Return `/healthz`: what the service says of itself."""

    async def health(_: Request) -> Response:
        return Response(json.dumps(dict(report())), media_type="application/json")

    return Route("/healthz", health)


class HttpServer:
    """A uvicorn server in a thread of its own."""

    def __init__(self, routes: list[BaseRoute], *, host: str, port: int) -> None:
        self._host = host
        self._port = port
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return where it listens, once it was started."""
        if self._socket is None:
            return ""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Listen; after return requests are taken.

        Raises:
            PortTakenError: the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise PortTakenError(
                f"{self._host}:{self._port}: {error.strerror}; stop who listens there, or set centre.listen_port"
            ) from error
        self._socket = listener
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="store-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let running requests end for a moment, then cut them; may be called twice."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS + 2)
        if self._socket is not None:
            self._socket.close()


def _file(path: Path, caching: str) -> Response:
    if not path.is_file():
        return Response("not there", status_code=404)
    return FileResponse(path, media_type="application/octet-stream", headers={"Cache-Control": caching})
