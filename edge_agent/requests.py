"""Requests that the command line drops into `spool/requests`; each is one docking by hand."""

import contextlib
import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.errors import MalformedRequestError, SessionFailedError, refuse_if_exhausted
from evidence_model.ids import MalformedIdError, RecorderId, SessionId, recorder_id
from host_io import durable, logs

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_BYTES: Final = 64 << 10
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not hang the agent
_LOG = logging.getLogger("edge_agent.requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class DockRequest:
    """A folder that somebody wants docked."""

    session_id: SessionId
    place: Path
    recorder: RecorderId | None


def write_request(folder: Path, request: DockRequest) -> Path:
    """Leave a request for the running agent; after return it is there for good."""
    durable.make_folders(folder)
    path = folder / f"{request.session_id}.json"
    table = {
        "id": request.session_id,
        "path": os.fsencode(request.place).decode("utf-8", "backslashreplace"),  # for people
        "path_hex": os.fsencode(request.place).hex(),
        "recorder": request.recorder,
    }
    durable.write_file(path, json.dumps(table).encode())
    return path


def waiting_requests(folder: Path) -> Iterator[tuple[Path, DockRequest]]:
    """Yield all requests, oldest first; one that makes no sense is set aside and logged."""
    for path in sorted(folder.glob("*.json"), key=_age):
        try:
            yield path, read_request(path)
        except (FileNotFoundError, SessionFailedError):
            continue
        except MalformedRequestError as error:
            logs.event(_LOG, "request.refused", level=logging.WARNING, code=error.code, error=str(error))
            with contextlib.suppress(OSError):  # it is looked at again with the next turn
                durable.rename(path, path.with_suffix(".refused"))


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.lstat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name  # taken away just now


def read_request(path: Path) -> DockRequest:
    """Read one request.

    Raises:
        MalformedRequestError: it is none, or cannot be read.
        FileNotFoundError: it is gone.
        SessionFailedError: no descriptor is left to read it with.
    """
    try:
        table = json.loads(_content(path))
        session_id, recorder = table["id"], table.get("recorder")
        place = Path(os.fsdecode(bytes.fromhex(table["path_hex"])) if "path_hex" in table else table["path"])
        if not _UUID.fullmatch(session_id) or path.stem != session_id or not place.is_absolute():
            raise MalformedRequestError(f"{path}: id and file name must be one UUID, and the path absolute")
        return DockRequest(
            session_id=SessionId(session_id),
            place=place,
            recorder=None if recorder is None else recorder_id(recorder),
        )
    except (ValueError, KeyError, TypeError, AttributeError, MalformedIdError) as error:
        raise MalformedRequestError(f"{path}: {type(error).__name__}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        refuse_if_exhausted(error)
        raise MalformedRequestError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise MalformedRequestError(f"{path}: is no file")
        return os.read(fd, _MAX_BYTES)
    except OSError as error:
        raise MalformedRequestError(f"{path}: cannot be read ({error.strerror})") from error
    finally:
        os.close(fd)


def done(path: Path) -> None:
    """Take a request away for good, after its session has ended."""
    durable.unlink(path)
