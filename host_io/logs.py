"""One structured line a finished operation, JSON on standard error; set up by `main()` only; no secrets."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC)
        line: dict[str, object] = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send this process's log lines to standard error (the journal under systemd)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.WARNING)


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one finished operation: its name, ids, sizes, `took_ms`, `code`."""
    logger.log(level, name, extra={"fields": fields})
