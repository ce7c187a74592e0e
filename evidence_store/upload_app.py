"""tus 1.0 over HTTP (tus.io): creation, creation-with-upload, checksum (sha256), termination, expiration.

Every station has a token of its own and sees its own uploads alone. An answer with an offset is given only after the
bytes up to it are on the medium. The body is taken as it comes, a mebibyte at a time; Content-Length is not believed.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from evidence_model.digests import Digest
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId
from evidence_store.uploads import (
    Piece,
    Upload,
    UploadBusyError,
    UploadChecksumError,
    UploadGoneError,
    UploadOffsetError,
    Uploads,
    UploadState,
    UploadTooLongError,
)
from evidence_store.vault import Vault

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
MAX_UPLOAD_BYTES = 1 << 40
BODY_TYPE = "application/offset+octet-stream"
SILENCE_SECONDS = 45.0  # below the minute after which our own stations give up on an answer
_BLOCK_BYTES = 1 << 20
_CHECKSUM_MISMATCH = 460  # tus's own status
_MOST_DIGITS = 13

_STATUS_OF: Mapping[type[RefusedError], int] = {
    UploadGoneError: HTTPStatus.NOT_FOUND,
    UploadOffsetError: HTTPStatus.CONFLICT,
    UploadTooLongError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UploadChecksumError: _CHECKSUM_MISMATCH,
    UploadBusyError: HTTPStatus.LOCKED,
}

StationOfToken = Callable[[str], SourceId | None]


class _AnswerError(Exception):
    """An answer that ends the request."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.response = _answer(status, text, headers)


class UploadApp:
    """The handlers of one store."""

    def __init__(
        self,
        uploads: Uploads,
        vault: Vault,
        *,
        station_of: StationOfToken,
        on_finished: Callable[[], None],
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._uploads = uploads
        self._vault = vault
        self._station_of = station_of
        self._on_finished = on_finished
        self._silence_seconds = silence_seconds

    def routes(self, prefix: str) -> list[Route]:
        """Return the routes below `prefix`."""
        return [
            Route(f"{prefix}/", self._guarded(self._collection), methods=["POST", "OPTIONS"]),
            Route(f"{prefix}/{{upload_id}}", self._guarded(self._one), methods=["HEAD", "PATCH", "DELETE", "OPTIONS"]),
        ]

    def _guarded(
        self, handle: Callable[[Request, SourceId], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                if request.method == "OPTIONS":
                    return _answer(HTTPStatus.NO_CONTENT, "", _ABILITIES)
                if request.headers.get("tus-resumable") != VERSION:
                    return _answer(HTTPStatus.PRECONDITION_FAILED, "tus 1.0.0 is spoken here", _ABILITIES)
                return await handle(request, self._station(request))
            except (_AnswerError, ClientDisconnect, RefusedError, OSError) as error:
                return _answer_to(error)

        return guarded

    def _station(self, request: Request) -> SourceId:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        station = self._station_of(token) if kind.lower() == "bearer" else None
        if station is None:
            raise _AnswerError(HTTPStatus.UNAUTHORIZED, "a station's token is needed", {"WWW-Authenticate": "Bearer"})
        return station

    async def _collection(self, request: Request, station: SourceId) -> Response:
        length = _number(request, "upload-length")
        if length > MAX_UPLOAD_BYTES:
            raise _AnswerError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_UPLOAD_BYTES} bytes are taken")
        self._check_room(length)
        digest = _digest(request)
        upload = await run_in_threadpool(
            partial(self._uploads.create, station=station, digest=digest, length_bytes=length)
        )
        place = {"Location": f"{request.url.path.rstrip('/')}/{upload.id}"}
        if request.headers.get("content-type") == BODY_TYPE and upload.state is UploadState.GROWING:
            upload = await self._take(request, upload, offset_bytes=0)
        elif upload.state is UploadState.DONE:
            self._on_finished()
        return _answer(HTTPStatus.CREATED, "", {**place, **_offset(upload), **_expires(upload)})

    async def _one(self, request: Request, station: SourceId) -> Response:
        upload = await run_in_threadpool(self._uploads.find, request.path_params["upload_id"], station)
        if request.method == "HEAD":
            metadata = f"sha256 {base64.b64encode(upload.digest.hex.encode()).decode()}"
            headers = {"Upload-Length": str(upload.length_bytes), "Upload-Metadata": metadata}
            return _answer(HTTPStatus.OK, "", {**headers, **_offset(upload), **_expires(upload)})
        if request.method == "DELETE":
            await run_in_threadpool(self._uploads.terminate, upload)
            return _answer(HTTPStatus.NO_CONTENT, "")
        if request.headers.get("content-type") != BODY_TYPE:
            raise _AnswerError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {BODY_TYPE}")
        offset = _number(request, "upload-offset")
        if upload.state is UploadState.DONE and offset == upload.length_bytes:
            return _answer(HTTPStatus.NO_CONTENT, "", {**_offset(upload), **_expires(upload)})
        self._check_room(0)
        upload = await self._take(request, upload, offset_bytes=offset)
        return _answer(HTTPStatus.NO_CONTENT, "", {**_offset(upload), **_expires(upload)})

    async def _take(self, request: Request, upload: Upload, *, offset_bytes: int) -> Upload:
        """Write the body of a request; files are touched on threads, so that one slow disk holds up nobody else."""
        expected = _checksum(request)
        opened = self._uploads.append(upload, offset_bytes=offset_bytes, sha256=expected)
        piece: Piece = await run_in_threadpool(opened.__enter__)
        error: BaseException | None = None
        try:
            await self._copy(request, piece)
        except BaseException as caught:  # noqa: BLE001 - raised again below, after what may be kept is kept
            error = caught
        await run_in_threadpool(opened.__exit__, type(error) if error else None, error, None)
        if error is not None:
            raise error
        if piece.upload.state is UploadState.DONE:
            self._on_finished()
        return piece.upload

    async def _copy(self, request: Request, piece: Piece) -> None:
        gathered = bytearray()
        cut: Exception | None = None
        body = request.stream()
        try:
            # A sender that lost its network says no goodbye, and would keep the upload busy for ever.
            while (chunk := await asyncio.wait_for(anext(body, None), self._silence_seconds)) is not None:
                gathered += chunk
                if len(gathered) >= _BLOCK_BYTES:
                    await run_in_threadpool(piece.write, bytes(gathered))
                    gathered.clear()
                    self._check_room(0)
        except ClientDisconnect as error:
            cut = error
        except TimeoutError:
            cut = _AnswerError(HTTPStatus.REQUEST_TIMEOUT, f"nothing came for {self._silence_seconds:.0f} seconds")
        await run_in_threadpool(piece.write, bytes(gathered))  # what came before a cut came all the same
        if cut is not None:
            raise cut

    def _check_room(self, length: int) -> None:
        if not self._vault.has_room(length):
            raise _AnswerError(HTTPStatus.INSUFFICIENT_STORAGE, "STO-031: no room now; nothing is removed, try later")


_ABILITIES = {
    "Tus-Version": VERSION,
    "Tus-Extension": EXTENSIONS,
    "Tus-Checksum-Algorithm": "sha256",
    "Tus-Max-Size": str(MAX_UPLOAD_BYTES),
}


def _answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    every = {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **(headers or {})}
    return Response(text, status_code=status, headers=every, media_type="text/plain" if text else None)


def _answer_to(error: Exception) -> Response:
    match error:
        case _AnswerError():
            return error.response
        case RefusedError():
            status = next((code for kind, code in _STATUS_OF.items() if isinstance(error, kind)), None)
            return _answer(status or HTTPStatus.BAD_REQUEST, f"{error.code}: {error}")
        case OSError():
            return _answer(HTTPStatus.INSUFFICIENT_STORAGE, f"STO-031: {error.strerror}")
        case _:
            return _answer(HTTPStatus.BAD_REQUEST, "the connection was cut")


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS + 2:
        raise _AnswerError(HTTPStatus.BAD_REQUEST, f"{header} is a number")
    return int(text)


def _digest(request: Request) -> Digest:
    """Return the sha256 of Upload-Metadata (pairs of a key and base64, separated by commas)."""
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "sha256":
            try:
                return Digest.parse(base64.b64decode(value, validate=True).decode("ascii"))
            except (ValueError, RefusedError) as error:
                raise _AnswerError(HTTPStatus.BAD_REQUEST, f"metadata sha256: {error}") from error
    raise _AnswerError(HTTPStatus.BAD_REQUEST, "Upload-Metadata names no sha256")


def _checksum(request: Request) -> bytes | None:
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, value = header.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if algorithm != "sha256" or len(digest) != 32:  # noqa: PLR2004 - SHA-256 has 32 bytes
        raise _AnswerError(HTTPStatus.BAD_REQUEST, "Upload-Checksum is sha256 and base64")
    return digest


def _offset(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset_bytes)}


def _expires(upload: Upload) -> dict[str, str]:
    at: datetime = upload.expires_at
    return {"Upload-Expires": format_datetime(at.replace(microsecond=0), usegmt=True)}
