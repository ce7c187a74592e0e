#!/usr/bin/python3 -u
"""Runs in the guest: takes commands as JSON lines from a virtio-serial port and answers each with what it said."""

import json
import subprocess
import time
from pathlib import Path

_PORT = Path("/dev/virtio-ports/commands")


def main() -> None:
    """Answer for ever."""
    with _PORT.open("r+b", buffering=0) as port:
        port.write(b'{"up": true}\n')
        waiting = b""
        while True:
            piece = port.read(65536)
            if not piece:  # nobody listens at the other end just now
                time.sleep(0.05)
                continue
            *lines, waiting = (waiting + piece).split(b"\n")
            for line in lines:
                port.write(json.dumps(answer(json.loads(line))).encode() + b"\n")


def answer(asked: dict[str, str]) -> dict[str, object]:
    """Run one shell command."""
    try:
        done = subprocess.run(  # noqa: S602 - the test writes the commands
            asked["command"],
            shell=True,
            executable="/bin/bash",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=float(asked["seconds"]),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return {"code": -1, "out": _text(error.stdout), "err": f"{_text(error.stderr)}<no end in time>"}
    return {"code": done.returncode, "out": _text(done.stdout), "err": _text(done.stderr)}


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")


if __name__ == "__main__":
    main()
