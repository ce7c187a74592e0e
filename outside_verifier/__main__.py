"""`python3 -m outside_verifier`; the same as `python3 verify.pyz`."""

import sys

from outside_verifier.main import main

if __name__ == "__main__":
    sys.exit(main())
