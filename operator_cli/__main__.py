"""`python -m operator_cli` is `evidock`."""

import sys

from operator_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
