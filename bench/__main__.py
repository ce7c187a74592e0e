"""`python -m bench [--json] [--readme] [NAME …]`: measure and print each figure as a ratio against its rival."""

import argparse
import importlib
import json
import os
import platform
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.figure import Figure

MODULES = ("start", "pull", "memory", "centre", "latency", "verify", "audit")
READMES = ("README.md", "README.zh-CN.md")


def main() -> int:
    """Run the benchmarks that were asked for (all by default); 0 when all ran, whatever they measured."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which to run: {', '.join(MODULES)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--readme", action="store_true", help="also write the table into README.md and README.zh-CN.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MODULES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    figures: list[Figure] = []
    for name in arguments.names or MODULES:
        sys.stderr.write(f"measuring {name} …\n")
        figures += importlib.import_module(f"bench.{name}").figures()
    if arguments.json:
        document = {"machine": _machine(), "at": datetime.now(tz=UTC).isoformat(timespec="seconds")}
        sys.stdout.write(json.dumps({**document, "figures": [figure.as_json() for figure in figures]}, indent=1) + "\n")
    else:
        sys.stdout.write(_table(figures))
    if arguments.readme:
        _write_readmes(figures)
    return 0


def _table(figures: list[Figure]) -> str:
    lines = ["| what | ours | instead | ratio | goal | |", "|---|---|---|---|---|---|"]
    for figure in figures:
        reached = "reached" if figure.met else "**missed**"
        row = (figure.name, figure.ours, figure.rival, f"{figure.ratio:.2f}", figure.goal, reached)
        lines.append("| " + " | ".join(row) + " |")
    lines += ["", f"{datetime.now(tz=UTC):%Y-%m-%d}, {_machine()}", ""]
    return "\n".join(lines)


def _write_readmes(figures: list[Figure]) -> None:
    table = f"<!-- bench -->\n{_table(figures)}<!-- /bench -->"
    for name in READMES:
        path = Path(__file__).parent.parent / name
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"<!-- bench -->.*<!-- /bench -->", lambda _: table, text, flags=re.DOTALL), "utf-8")


def _machine() -> str:
    model = "processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores ({model}), Linux {kernel}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
