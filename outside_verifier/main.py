"""`python3 verify.pyz BAG [--trust FILE] [--recipient NAME] [--min-time INSTANT] [--lang zh|en] [--json]`.

Exit codes: 0 everything agrees, 5 something was lost or altered, 1 neither but it is not what was asked for, 2 wrong
usage, 4 it cannot be read, or not all of it can be checked on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from .asked import Asked, parse_instant
from .package import verify_package
from .report import document, lines, safe
from .roots import MAX_BYTES, read_known
from .strict import RefusedError
from .trust import Trust
from .words import LANGUAGES, TEXTS, say

WRONG_USAGE, UNREADABLE = 2, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a package and say what was found; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="verify.pyz",
        description="Verify an evidence package offline. 离线核验证据包。",
        epilog="0: everything agrees; 1: not what was asked for; 2: wrong usage; 4: cannot be read or checked;"
        " 5: something was lost or altered",
    )
    parser.add_argument("bag", metavar="BAG", help="the package's folder / 证据包所在文件夹")
    parser.add_argument(
        "--trust", metavar="FILE", help="your own copy of the site's trust.json or N.dsse.json / 您自己的公钥文件"
    )
    parser.add_argument("--recipient", metavar="NAME", help="it is to be made for you / 应是为您制作的")
    parser.add_argument(
        "--min-time",
        metavar="INSTANT",
        type=parse_instant,
        help="its log is to be cosigned at or after 2026-11-28T09:00:00+08:00 / 日志应在此时或之后联署",
    )
    parser.add_argument("--lang", choices=LANGUAGES, default=_language(), help="zh or en / 语言")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text / 输出 JSON")
    for stream in (sys.stdout, sys.stderr):
        _never_fail(stream)
    options = parser.parse_args(arguments)
    trust: Trust | None = None
    if options.trust is not None:
        try:
            with open(options.trust, "rb") as file:
                trust = read_known(file.read(MAX_BYTES + 1))
        except (OSError, ValueError, RefusedError):
            print(safe(say(TEXTS, "trust.bad", options.lang, file=options.trust)), file=sys.stderr)
            return WRONG_USAGE
    progress = _Progress(options.lang) if sys.stderr.isatty() else None
    try:
        result = verify_package(options.bag, trust, progress, Asked(options.recipient, options.min_time))
    except (OSError, ValueError, MemoryError) as error:
        print(safe(f"{options.bag}: {error}"), file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return UNREADABLE
    finally:
        if progress is not None:
            progress.clear()
    try:
        if options.json:
            print(json.dumps(document(result, options.trust or ""), indent=1, sort_keys=True))
        else:
            for line in lines(result, options.lang, options.trust or ""):
                print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return result.exit_code


class _Progress:
    """One line on the terminal, four times a second."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.25
            text = say(TEXTS, "progress", self._language, done=done >> 20, total=total >> 20)
            with suppress(OSError):  # a terminal that went away
                print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        with suppress(OSError):
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _language() -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return "zh" if os.environ[name].startswith("zh") else "en"
    return "en"


def _never_fail(stream: TextIO) -> None:
    """Show what the terminal has no sign for as an escape, instead of failing."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
