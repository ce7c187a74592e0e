"""`python -m bench.sink HOME`: the bare broker's subscriber, a process of its own like the store."""

import sys
from pathlib import Path

from bench.centre import sink
from host_io.config import HomePaths

if __name__ == "__main__":
    sink(HomePaths(Path(sys.argv[1])))
