"""Bytes to a store elsewhere: resumable uploads by tus 1.0 (creation, checksum), through tuspy.

tuspy's own requests know no time-out and a store that hangs would hang us, so the three of them are made here; the
protocol's bookkeeping is tuspy's. Where an upload goes on is durable before its first byte is sent; after a restart
the store is asked how far it came (HEAD). At most one chunk is in memory.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from tusclient.client import TusClient
from tusclient.uploader.uploader import Uploader

from evidence_model.digests import Digest
from ingest_daemon.errors import (
    SpoolCopyUnreadableError,
    StoreAwayError,
    StoreFullError,
    UploadForgottenError,
    UploadRefusedError,
)

CHUNK_BYTES: Final = 4 << 20
_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0  # the store fsyncs a chunk before it answers
_CHECKSUM_MISMATCH: Final = 460
_FORGOTTEN: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_FULL: Final = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}
_NOT_ALLOWED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_SAME_AGAIN: Final = {HTTPStatus.CONFLICT, _CHECKSUM_MISMATCH}
_ATTEMPTS_A_CHUNK: Final = 3


class StoppedError(Exception):
    """The daemon stops; the upload goes on after the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccess:
    """Where a store takes uploads, and how it knows us."""

    url: str
    token: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def creation_url(self) -> str:
        """Return where uploads are created."""
        return f"{self.url.rstrip('/')}/uploads/"


def upload(
    copy: Path,
    digest: Digest,
    *,
    store: StoreAccess,
    upload_url: str | None,
    remember: Callable[[str | None], None],
    is_stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Bring a file to the store, going on at `upload_url` if there is one; on return the store has every byte.

    `remember` must make the upload's address durable before it returns; None means that it is to be forgotten.

    Raises:
        SpoolCopyUnreadableError: the medium does not give the file's bytes back.
        StoppedError: `is_stopping` became true between two chunks.
        UploadRefusedError: the token is not accepted.
        StoreFullError: no room there.
        StoreAwayError: no sensible answer; try again later, it goes on from where it came to.
    """
    with _session(store) as session, _opened(copy) as stream:
        url = upload_url if upload_url is not None and _same_origin(upload_url, store.url) else None
        try:
            uploader = _Uploader(session, store, stream, digest, url)
        except UploadForgottenError:
            remember(None)
            uploader = _Uploader(session, store, stream, digest, None)
        if uploader.url is None:
            remember(uploader.begin())
            if uploader.stop_at > CHUNK_BYTES:  # a store that has the bytes already says so; small ones are sooner sent
                uploader.offset = uploader.get_offset()
        try:
            while uploader.offset < uploader.stop_at:
                if is_stopping():
                    raise StoppedError
                uploader.upload_chunk()
        except UploadForgottenError as error:
            remember(None)
            raise StoreAwayError(f"{store.url}: the upload was dropped on its way; it begins anew") from error


class _Uploader(Uploader):
    """tuspy's uploader, with time-outs, one kept connection, and errors that say what to do."""

    CHECKSUM_ALGORITHM_PAIR = ("sha256", hashlib.sha256)

    def __init__(
        self, session: requests.Session, store: StoreAccess, stream: io.BufferedReader, digest: Digest, url: str | None
    ) -> None:
        self._session = session
        self._store = store
        self._stream = stream
        super().__init__(
            file_stream=stream,
            url=url,
            client=TusClient(store.creation_url),
            chunk_size=CHUNK_BYTES,
            metadata={"sha256": digest.hex},
            upload_checksum=True,
        )

    def begin(self) -> str:
        """Have the store make a new upload, and return its address."""
        answer = self._ask("POST", self._store.creation_url, self.get_url_creation_headers())  # type: ignore[no-untyped-call]
        url = urljoin(self._store.creation_url, answer.headers.get("Location", ""))
        if answer.status_code != HTTPStatus.CREATED or not _same_origin(url, self._store.url):
            raise StoreAwayError(f"{self._store.url}: no upload was made: {_words(answer)}")
        self.set_url(url)
        if (
            self.stop_at > CHUNK_BYTES
        ):  # a store that has these bytes says so; a small blob is sooner sent than asked for
            self.offset = self.get_offset()
        return url

    def get_offset(self) -> int:
        """Ask how many bytes the store has."""
        answer = self._ask("HEAD", str(self.url), self.get_headers())  # type: ignore[no-untyped-call]
        offset = answer.headers.get("Upload-Offset", "")
        if not answer.ok or not offset.isdecimal() or int(offset) > self.stop_at:
            raise StoreAwayError(f"{self.url}: no offset: {_words(answer)}")
        return int(offset)

    def upload_chunk(self) -> None:
        """Send one chunk with its SHA-256; ask for the offset and send it again if it did not arrive whole."""
        for _ in range(_ATTEMPTS_A_CHUNK):
            chunk = self._read()
            checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
            headers = {
                **self.get_headers(),  # type: ignore[no-untyped-call]
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(self.offset),
                "Upload-Checksum": f"sha256 {checksum}",
            }
            answer = self._ask("PATCH", str(self.url), headers, chunk)
            reached = answer.headers.get("Upload-Offset", "")
            if answer.status_code == HTTPStatus.NO_CONTENT and reached == str(self.offset + len(chunk)):
                self.offset += len(chunk)
                return
            if answer.status_code not in _SAME_AGAIN:
                break
            before = self.offset
            self.offset = self.get_offset()
            if self.offset > before:
                return
            if self.offset < before:
                raise StoreAwayError(f"{self.url}: it has {self.offset} bytes, and had {before}")
        raise StoreAwayError(f"{self.url}: a chunk was not taken: {_words(answer)}")

    def _read(self) -> bytes:
        wanted: int = self.get_request_length()  # type: ignore[no-untyped-call]
        try:
            self._stream.seek(self.offset)
            chunk = self._stream.read(wanted)
        except OSError as error:
            raise SpoolCopyUnreadableError(f"{self._stream.name}: {error}") from error
        if len(chunk) < wanted:
            raise SpoolCopyUnreadableError(f"{self._stream.name}: it ends before byte {self.offset + wanted}")
        return chunk

    def _ask(self, method: str, url: str, headers: dict[str, str], data: bytes | None = None) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
                allow_redirects=False,  # our token goes to this store and nowhere else
            )
        except OSError as error:  # requests' own are such, and so is a certificate that cannot be read
            raise StoreAwayError(f"{self._store.url}: {error}") from error
        if answer.status_code in _NOT_ALLOWED:
            raise UploadRefusedError(f"{self._store.url}: this station may not upload: {_words(answer)}")
        if answer.status_code in _FULL:
            raise StoreFullError(f"{self._store.url}: {_words(answer)}")
        if answer.status_code in _FORGOTTEN and method != "POST":
            raise UploadForgottenError(f"{url}: {_words(answer)}")
        return answer


class _Token(requests.auth.AuthBase):
    """Puts our token on each request; also keeps requests from looking into ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@contextmanager
def _session(store: StoreAccess) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = _Token(store.token)
        session.trust_env = urlsplit(store.url).hostname not in {
            "127.0.0.1",
            "localhost",
            "::1",
        }  # no proxy to ourselves
        session.verify = str(store.ca) if store.ca else True
        if store.certificate is not None:
            session.cert = (str(store.certificate), str(store.key)) if store.key else str(store.certificate)
        yield session


@contextmanager
def _opened(copy: Path) -> Iterator[io.BufferedReader]:
    try:
        stream = copy.open("rb")
    except OSError as error:
        raise SpoolCopyUnreadableError(f"{copy}: {error}") from error
    with stream:
        yield stream


def _same_origin(url: str, base: str) -> bool:
    one, other = urlsplit(url), urlsplit(base)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def _words(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.text[:200].strip()}".strip()
