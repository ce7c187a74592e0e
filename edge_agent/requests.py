"""Requests that the command line drops into `spool/requests`; each is one docking by hand."""

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.errors import MalformedRequestError
from evidence_model.ids import MalformedIdError, RecorderId, SessionId, recorder_id
from host_io import durable, logs

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_BYTES: Final = 64 << 10
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
    try:
        paths = sorted(folder.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    except OSError:
        return
    for path in paths:
        try:
            yield path, read_request(path)
        except FileNotFoundError:
            continue
        except MalformedRequestError as error:
            logs.event(_LOG, "request.refused", level=logging.WARNING, code=error.code, error=str(error))
            durable.rename(path, path.with_suffix(".refused"))


def read_request(path: Path) -> DockRequest:
    """Read one request.

    Raises:
        MalformedRequestError: it is none.
    """
    try:
        with path.open("rb") as file:
            table = json.loads(file.read(_MAX_BYTES))
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


def done(path: Path) -> None:
    """Take a request away for good, after its session has ended."""
    durable.unlink(path)
