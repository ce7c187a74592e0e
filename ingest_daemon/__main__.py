"""Runs `ingest_daemon.main.main`."""

import sys

from ingest_daemon.main import main

if __name__ == "__main__":
    sys.exit(main())
