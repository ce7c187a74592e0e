"""Codes of what the agent finds and shows until it is cured; their texts stand in evidence_model/findings.toml."""

from typing import Final

DAMAGED_COPY: Final = "EDGE-103"  # a spool copy reads differently from what was written
UNCLAIMED_COPY: Final = "EDGE-104"  # a whole copy that no record names
LOST_COPY: Final = "EDGE-105"  # signed, and neither in the spool nor at the store
FREED_UNSAID: Final = "EDGE-106"  # erased right before a stop, signed after it
UNREADABLE_FILE: Final = "EDGE-110"
HOLES: Final = "EDGE-111"
SIZE_DIFFERS: Final = "EDGE-112"
STILL_GROWS: Final = "EDGE-113"
VANISHED: Final = "EDGE-114"
NO_SM3: Final = "HOST-057"  # asked for, and Python's OpenSSL has none
OF_A_LISTING: Final = ("EDGE-201", "EDGE-202", "EDGE-203", "EDGE-204", "EDGE-205", "EDGE-206", "EDGE-210")
OF_ONE_FILE: Final = (UNREADABLE_FILE, HOLES, SIZE_DIFFERS, STILL_GROWS, VANISHED)  # cured by a copy without a flaw
