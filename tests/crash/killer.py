"""Runs a program of ours and kills it with SIGKILL at its n-th durable step.

    python -m tests.crash.killer --at 17 --when after --module edge_agent -- --home H

Without `--at` it only counts: the number of steps goes to the file named by `--count-to` at the end.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.crash.steps import Steps, When


def main(argv: Sequence[str]) -> int:
    """Run `<module>.main.main` with the steps counted."""
    parser = argparse.ArgumentParser(prog="tests.crash.killer")
    parser.add_argument("--at", type=int)
    parser.add_argument("--when", choices=[when.value for when in When], default=When.BEFORE.value)
    parser.add_argument("--module", required=True)
    parser.add_argument("--count-to", type=Path)
    parser.add_argument("rest", nargs="*")
    arguments = parser.parse_args(argv)
    program = importlib.import_module(f"{arguments.module}.main")
    with Steps(at=arguments.at, when=When(arguments.when), kill=True) as steps:
        code = program.main(arguments.rest)
    if arguments.count_to is not None:
        arguments.count_to.write_text(f"{steps.count}\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
