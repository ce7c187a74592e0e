"""Start the store: `python -m evidence_store --home H`."""

import sys

from evidence_store.main import main

sys.exit(main())
