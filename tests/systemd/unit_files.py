"""Where the shipped units lie, and their lines as systemd reads them."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICES = ("evidock-broker", "evidock-store", "evidock-ingest", "evidock-agent")


@dataclass(frozen=True, slots=True)
class Line:
    """One setting of a unit file, and the comment that stands right above it."""

    section: str
    key: str
    value: str
    reason: str


def unit_file(service: str) -> Path:
    """Return the file of a service."""
    return FOLDER / f"{service}.service"


def lines_of(path: Path) -> Iterator[Line]:
    """Yield the settings in their order."""
    section, reason = "", ""
    for text in path.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", text):
            section = header.group(1)
        if text.startswith("#"):
            reason += text.lstrip("# -")
            continue
        if text and "=" in text:
            key, _, value = text.partition("=")
            yield Line(section, key, value, reason)
        reason = ""


def values(service: str, key: str) -> list[str]:
    """Return all values a service gives a key."""
    return [line.value for line in lines_of(unit_file(service)) if line.key == key]


def said_by(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a tool of systemd and keep what it said."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": path, "LC_ALL": "C.UTF-8"}
    )
